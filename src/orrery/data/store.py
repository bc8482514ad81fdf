"""Write a dataset into Zarr, and open it.

``data.zarr`` holds ``train_inputs(train_sample, feature)`` in the precision of the settings and
``train_labels(train_sample)`` int64, or ``train_targets(train_sample, output)`` float64 where there are no classes,
the same for ``test``, the constants ``input_mean(feature)`` and ``input_deviation(feature)`` that were applied
(in natural units the inputs are ``train_inputs * input_deviation + input_mean``), and the number of samples of
each class. Equal data have equal bytes: no times, no hosts, no versions inside. How they came stands in
``provenance.json`` beside it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from pydantic import ValidationError
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import ZarrUserWarning

from orrery.config.errors import OrreryError
from orrery.config.extensions import load as load_extension
from orrery.config.messages import message_of
from orrery.data.api import Arrays, Dataset, DatasetSettings
from orrery.data.check import check_arrays
from orrery.data.splits import balanced_subset, random_subset
from orrery.data.standardise import apply, constants
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from jaxtyping import Integer, Num

FORMAT = "orrery-dataset"
FORMAT_VERSION = 1
CHUNK_BYTES = 4 * 2**20
# What a chunk that was never written reads as; labels and counts are never negative.
MISSING_LABEL = -1


def write_dataset(settings: Mapping[str, Any], out: Path, cache: Path) -> None:
    """Make the dataset that ``settings`` describe and write ``out/data.zarr``.

    Args:
        settings: plain JSON with the key ``name`` and the settings of that dataset.
        out: a fresh directory.
        cache: folder that keeps fetched files; shared by everything, safe for several processes at once.

    Raises:
        OrreryError: unknown name, wrong settings, no source for the data, or data that do not fit together.
    """
    name = str(settings.get("name", ""))
    module = load_extension("data", name)
    model = _validated(module.Settings, settings, name)
    streams = Streams({})
    arrays = module.load(model, cache, streams)
    check_arrays(arrays, name)

    shape = arrays.train_inputs.shape[1:]
    train = np.arange(len(arrays.train_inputs))
    if model.samples is not None and model.samples != len(train):
        train = _subset(arrays, model.samples, streams.generator("split", model.split, "samples"), name)
    test_inputs = arrays.test_inputs.reshape(len(arrays.test_inputs), -1)
    train_inputs = arrays.train_inputs[train].reshape(len(train), -1)
    mean, deviation = constants(model.standardise, train_inputs, arrays.constants)

    attributes = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "title": f"Dataset {name}",
        "settings": model.model_dump(mode="json"),
        "shape": [int(size) for size in shape],
        "class_names": list(arrays.class_names),
        "standardisation": _described(model.standardise, mean, deviation),
        "provenance": dict(arrays.provenance),
    }
    group = zarr.create_group(out / "data.zarr", zarr_format=3, attributes=_sorted(attributes))
    for part, inputs in (("train", train_inputs), ("test", test_inputs)):
        standardised = apply(inputs, mean, deviation, model.dtype)
        dims = (f"{part}_sample", "feature")
        _put(group, f"{part}_inputs", standardised, dims, np.nan, f"inputs of the {part} samples")
        rows = train if part == "train" else np.arange(len(test_inputs))
        labels, targets = _answers(arrays, part)
        if labels is not None:
            _put_labels(group, part, labels[rows], len(arrays.class_names))
        elif targets is not None:
            # Never standardised, and always in full: they are few.
            fitted = targets[rows].reshape(len(rows), -1).astype(np.float64)
            dims = (f"{part}_sample", "output")
            _put(group, f"{part}_targets", fitted, dims, np.nan, f"what is fitted, of the {part} samples")
    _put(
        group, "input_mean", mean, ("feature",), np.nan, "subtracted from the inputs, in their natural units"
    )
    _put(group, "input_deviation", deviation, ("feature",), np.nan, "what the inputs were then divided by")
    with warnings.catch_warnings():
        # Outside the Zarr 3 specification, hence a warning; xarray opens without one only if it is there.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(group.store, zarr_format=3)
    (out / "provenance.json").write_text(json.dumps({"obtained_from": arrays.obtained_from}, indent=2) + "\n")


def open_dataset(path: str | Path) -> Dataset:
    """Read a dataset into memory; every byte is checked on the way.

    Args:
        path: the ``data.zarr`` itself, or the folder that holds it.

    Raises:
        OrreryError: it is not there, is no dataset of this format, lacks a chunk, or has a damaged one.
    """
    path = Path(path)
    store = path if path.name == "data.zarr" else path / "data.zarr"
    remedy = "run the workflow again to rebuild it"
    try:
        group = zarr.open_group(store, mode="r")
    except (FileNotFoundError, ValueError):
        raise OrreryError(f"{store}: there is no dataset here; {remedy}") from None
    attributes = dict(group.attrs)
    found = (attributes.get("format"), attributes.get("format_version"))
    if found != (FORMAT, FORMAT_VERSION):
        raise OrreryError(f"{store}: this is not a dataset of format {FORMAT} {FORMAT_VERSION}; {remedy}")
    values = {}
    answers = "labels" if attributes["class_names"] else "targets"
    for name in (f"{part}_{what}" for part in ("train", "test") for what in ("inputs", answers)):
        array = group[name]
        assert isinstance(array, zarr.Array)
        if array.nchunks_initialized != array.nchunks:
            missing = array.nchunks - array.nchunks_initialized
            raise OrreryError(f"{store}: {name} lacks {missing} of {array.nchunks} chunks; {remedy}")
        try:
            values[name] = np.asarray(array[...])
        except (ValueError, RuntimeError) as error:
            raise OrreryError(f"{store}: {name} has a damaged chunk ({error}); {remedy}") from None
    return Dataset(
        **values,
        class_names=tuple(str(label) for label in attributes["class_names"]),  # type: ignore[union-attr]
        attributes=attributes,
    )


def _validated(model: Any, settings: Mapping[str, Any], name: str) -> DatasetSettings:
    if not (isinstance(model, type) and issubclass(model, DatasetSettings)):
        raise OrreryError(
            f"dataset {name}: its Settings must be a subclass of orrery.data.api.DatasetSettings; "
            "write `class Settings(DatasetSettings):`"
        )
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(["dataset", *map(str, first["loc"])])
        raise OrreryError(f"{place}: {message_of(first)} (dataset {name})") from None


def _answers(
    arrays: Arrays, part: str
) -> tuple[Integer[np.ndarray, " sample"] | None, Num[np.ndarray, "sample ..."] | None]:
    """Labels and targets of one part, of which one is ``None``."""
    if part == "train":
        return arrays.train_labels, arrays.train_targets
    return arrays.test_labels, arrays.test_targets


def _subset(
    arrays: Arrays, samples: int, generator: np.random.Generator, name: str
) -> Integer[np.ndarray, " subset"]:
    """The training samples that are taken, in rising order."""
    if arrays.train_labels is not None:
        return balanced_subset(arrays.train_labels, samples, generator, name)
    return random_subset(len(arrays.train_inputs), samples, generator, name)


def _put_labels(group: zarr.Group, part: str, labels: Integer[np.ndarray, " sample"], classes: int) -> None:
    dims, described = (f"{part}_sample",), "class of each sample, from 0"
    _put(group, f"{part}_labels", labels.astype(np.int64), dims, MISSING_LABEL, described)
    counts = np.bincount(labels, minlength=classes).astype(np.int64)
    _put(group, f"{part}_class_counts", counts, ("class",), MISSING_LABEL, f"{part} samples of each class")


def _described(kind: str, mean: np.ndarray, deviation: np.ndarray) -> dict[str, Any]:
    if kind == "per-feature":
        return {"kind": kind, "mean": "input_mean(feature)", "deviation": "input_deviation(feature)"}
    return {"kind": kind, "mean": float(mean[0]), "deviation": float(deviation[0])}


def _put(
    group: zarr.Group, name: str, values: np.ndarray, dims: tuple[str, ...], fill: float, description: str
) -> None:
    """Write one array in whole chunks of at most ``CHUNK_BYTES``, each with its checksum."""
    row_bytes = values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=np.int64))
    rows = min(len(values), max(1, CHUNK_BYTES // row_bytes))
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(rows, *values.shape[1:]),
        # Not Blosc: with several threads it may order its blocks differently from run to run.
        compressors=(ZstdCodec(level=3), Crc32cCodec()),
        fill_value=fill,
        dimension_names=dims,
        attributes={"long_name": description},
        config={"write_empty_chunks": True},
    )
    array[...] = values


def _sorted(value: Any) -> Any:
    """Mappings in the order of their keys, so that equal attributes are equal bytes."""
    return json.loads(json.dumps(value, sort_keys=True))
