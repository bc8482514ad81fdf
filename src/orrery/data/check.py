"""Refuse arrays that do not fit together: the ``load`` of anybody's dataset may return anything."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, Num

from orrery.config.errors import OrreryError
from orrery.data.api import Arrays


def check_arrays(arrays: Arrays, dataset: str) -> None:
    """Make sure that both parts have samples of one shape, and labels or else targets for all of them.

    Raises:
        OrreryError: they do not fit; says which array, and what ``load`` must return.
    """
    train, test = arrays.train_inputs, arrays.test_inputs
    if train.shape[1:] != test.shape[1:]:
        raise OrreryError(
            f"dataset {dataset}: a training sample has shape {train.shape[1:]} and a test sample "
            f"{test.shape[1:]}; load() must return both alike"
        )
    labels = (arrays.train_labels, arrays.test_labels)
    targets = (arrays.train_targets, arrays.test_targets)
    described = [values is not None for values in (*labels, *targets)]
    if described not in ([True, True, False, False], [False, False, True, True]):
        raise OrreryError(
            f"dataset {dataset}: load() must return train_labels and test_labels, or train_targets and "
            "test_targets, and not both kinds"
        )
    for part, inputs, label, target in zip(("train", "test"), (train, test), labels, targets, strict=True):
        if label is not None:
            _check_labels(inputs, label, len(arrays.class_names), part, dataset)
        elif target is not None:
            _check_targets(inputs, target, arrays, part, dataset)
        if not np.isfinite(inputs).all():
            raise OrreryError(
                f"dataset {dataset}: {part}_inputs holds NaN or infinity; load() must return finite numbers"
            )


def _check_labels(
    inputs: Num[np.ndarray, "sample ..."],
    labels: Integer[np.ndarray, " sample"],
    classes: int,
    part: str,
    dataset: str,
) -> None:
    if len(inputs) == 0 or inputs.ndim < 2 or labels.shape != inputs.shape[:1]:
        raise OrreryError(
            f"dataset {dataset}: {part}_inputs has shape {inputs.shape} and {part}_labels {labels.shape}; "
            "load() must return (sample, feature...) and (sample,) with at least one sample"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= classes:
        raise OrreryError(
            f"dataset {dataset}: {part}_labels must be whole numbers from 0 to {classes - 1}, "
            "one for each of class_names; numbers to be fitted are returned as targets"
        )


def _check_targets(
    inputs: Num[np.ndarray, "sample ..."],
    targets: Num[np.ndarray, "sample ..."],
    arrays: Arrays,
    part: str,
    dataset: str,
) -> None:
    if arrays.class_names:
        raise OrreryError(
            f"dataset {dataset}: class_names belong to labels, and load() returned targets; leave them out"
        )
    known = arrays.train_targets
    alike = known is not None and targets.ndim in (1, 2) and targets.shape[1:] == known.shape[1:]
    if len(inputs) == 0 or inputs.ndim < 2 or targets.shape[:1] != inputs.shape[:1] or not alike:
        raise OrreryError(
            f"dataset {dataset}: {part}_inputs has shape {inputs.shape} and {part}_targets {targets.shape}; "
            "load() must return (sample, feature...) and (sample,) or (sample, output), with at least one sample"
        )
    if not np.issubdtype(targets.dtype, np.number) or np.iscomplexobj(targets):
        raise OrreryError(f"dataset {dataset}: {part}_targets must be real numbers")
    if not np.isfinite(targets).all():
        raise OrreryError(
            f"dataset {dataset}: {part}_targets holds NaN or infinity; load() must return finite numbers"
        )
