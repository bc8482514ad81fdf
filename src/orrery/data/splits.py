"""Which samples are trained on and which are held out: seeded, and the same share of every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orrery.config.errors import OrreryError
from orrery.data.api import Arrays, DatasetSettings

if TYPE_CHECKING:
    from jaxtyping import Integer, Num

    from orrery.numerics.streams import Streams


def hold_out(
    inputs: Num[np.ndarray, "sample ..."],
    labels: Integer[np.ndarray, " sample"],
    test: int,
    settings: DatasetSettings,
    streams: Streams,
    train_class_counts: Sequence[int] | None = None,
    **described: Any,
) -> Arrays:
    """Divide a dataset that comes in one piece, by the stream ``split``: the same share of every class is held out.

    Args:
        inputs: ``(sample, ...)``.
        labels: ``(sample,)``, whole numbers from 0.
        test: samples to hold out.
        settings: give the integer of the stream, and the name for the error text.
        streams: where the random numbers come from.
        train_class_counts: training samples of each class, where they are prescribed.
        described: the other attributes of ``Arrays``.

    Raises:
        OrreryError: ``test`` leaves no training samples, or is not positive.
    """
    generator = streams.generator("split", settings.split, "test")
    train, held_out = stratified_split(labels, test, generator, settings.name, train_class_counts)
    return Arrays(
        train_inputs=inputs[train],
        train_labels=labels[train],
        test_inputs=inputs[held_out],
        test_labels=labels[held_out],
        **described,
    )


def stratified_split(
    labels: Integer[np.ndarray, " sample"],
    test: int,
    generator: np.random.Generator,
    dataset: str,
    train_class_counts: Sequence[int] | None = None,
) -> tuple[Integer[np.ndarray, " train_sample"], Integer[np.ndarray, " test_sample"]]:
    """Draw ``test`` samples, from every class in proportion to its size, and return (training, test) indices.

    Both come in a random order, so that data sorted by class can be read in their stored order. Shares that
    are not whole go to the classes with the largest remainders, the first class first among equals. Where
    ``train_class_counts`` prescribes how many of each class remain for training, the others are the test samples.

    Raises:
        OrreryError: ``test`` leaves no training samples, or is not positive; or the prescribed counts do not fit.
    """
    if not 0 < test < len(labels):
        raise OrreryError(
            f"dataset {dataset}: test: {test} is not possible with {len(labels)} samples; "
            f"write a number from 1 to {len(labels) - 1}"
        )
    classes, counts = np.unique(labels, return_counts=True)
    if train_class_counts is None:
        exact = counts * test / len(labels)
        taken = np.floor(exact).astype(np.int64)
        remainder_first = np.argsort(taken - exact, kind="stable")
        taken[remainder_first[: test - taken.sum()]] += 1
    else:
        taken = counts - _prescribed(train_class_counts, counts, test, dataset)
    train_parts, test_parts = [], []
    for label, count in zip(classes, taken, strict=True):
        members = generator.permutation(np.flatnonzero(labels == label))
        test_parts.append(members[:count])
        train_parts.append(members[count:])
    return generator.permutation(np.concatenate(train_parts)), generator.permutation(
        np.concatenate(test_parts)
    )


def _prescribed(
    train_class_counts: Sequence[int], counts: Integer[np.ndarray, " class"], test: int, dataset: str
) -> Integer[np.ndarray, " class"]:
    """The prescribed numbers as an array, where they fit."""
    wanted = np.array(train_class_counts, dtype=np.int64)
    train = int(counts.sum()) - test
    if wanted.shape != counts.shape or (wanted < 0).any() or (wanted > counts).any() or wanted.sum() != train:
        raise OrreryError(
            f"dataset {dataset}: train_class_counts: {list(train_class_counts)} is not possible; write "
            f"{len(counts)} numbers whose sum is {train}, since test is {test}, and none above the "
            f"{', '.join(map(str, counts))} samples of the classes"
        )
    return wanted


def balanced_subset(
    labels: Integer[np.ndarray, " sample"], samples: int, generator: np.random.Generator, dataset: str
) -> Integer[np.ndarray, " subset"]:
    """Draw ``samples`` samples in equal numbers from every class and return their indices, in rising order.

    Where the number cannot be divided by the classes, the first classes give one more. A smaller subset of
    the same generator lies within a larger one.

    Raises:
        OrreryError: a class has too few samples.
    """
    classes, counts = np.unique(labels, return_counts=True)
    wanted = samples // len(classes) + (np.arange(len(classes)) < samples % len(classes))
    if (wanted > counts).any():
        most = int(counts.min()) * len(classes)
        raise OrreryError(
            f"dataset {dataset}: samples: {samples} in equal numbers is more than the smallest class has; "
            f"write at most {most}, or leave `samples` out to take all {len(labels)}"
        )
    parts = [
        generator.permutation(np.flatnonzero(labels == label))[:count]
        for label, count in zip(classes, wanted, strict=True)
    ]
    return np.sort(np.concatenate(parts))


def random_subset(
    count: int, samples: int, generator: np.random.Generator, dataset: str
) -> Integer[np.ndarray, " subset"]:
    """Draw ``samples`` of ``count`` samples without classes and return their indices, in rising order.

    A smaller subset of the same generator lies within a larger one.

    Raises:
        OrreryError: there are not so many.
    """
    if samples > count:
        raise OrreryError(
            f"dataset {dataset}: samples: {samples} is more than there are; write at most {count}, or leave "
            "`samples` out to take all"
        )
    return np.sort(generator.permutation(count)[:samples])
