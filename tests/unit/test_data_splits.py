"""Splits, subsets, standardisation and the idx format."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from orrery.config.errors import OrreryError
from orrery.data.idx import parse_idx
from orrery.data.splits import balanced_subset, stratified_split
from orrery.data.standardise import apply, constants


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_split_is_a_partition_with_the_share_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    train, test = stratified_split(labels, 100, generator(), "x")
    assert np.bincount(labels[test]).tolist() == [50, 30, 20]
    assert np.bincount(labels[train]).tolist() == [450, 270, 180]
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1000))


def test_shares_that_are_not_whole_go_to_the_largest_remainders() -> None:
    labels = np.repeat([0, 1, 2], [5, 3, 2])
    _, test = stratified_split(labels, 3, generator(), "x")  # exact shares 1.5, 0.9, 0.6
    assert np.bincount(labels[test], minlength=3).tolist() == [1, 1, 1]


def test_a_split_of_sorted_data_is_mixed_and_repeats_itself() -> None:
    labels = np.repeat(np.arange(10), 100)
    train, _ = stratified_split(labels, 200, generator(), "x")
    assert len(set(labels[train[:50]])) > 5
    assert np.array_equal(train, stratified_split(labels, 200, generator(), "x")[0])
    other = stratified_split(labels, 200, np.random.default_rng(8), "x")[0]
    assert not np.array_equal(train, other)


@pytest.mark.parametrize("test", [0, 10, 11])
def test_a_split_without_training_or_test_samples_is_refused(test: int) -> None:
    with pytest.raises(OrreryError, match="write a number from 1 to 9"):
        stratified_split(np.zeros(10, np.int64), test, generator(), "x")


def test_a_subset_is_balanced_and_grows() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 1000)
    small = balanced_subset(labels, 40, generator(), "x")
    large = balanced_subset(labels, 402, generator(), "x")
    assert np.bincount(labels[small]).tolist() == [10] * 4
    assert np.bincount(labels[large]).tolist() == [101, 101, 100, 100]
    assert set(small) <= set(large)
    assert (np.diff(large) > 0).all()


def test_a_subset_larger_than_the_smallest_class_allows_is_refused() -> None:
    with pytest.raises(OrreryError, match="write at most 6, or leave `samples` out to take all 103"):
        balanced_subset(np.repeat([0, 1], [100, 3]), 8, generator(), "x")


def test_per_feature_equals_the_scaler_of_scikit_learn() -> None:
    inputs = np.random.default_rng(1).normal(3, 5, (200, 4)).astype(np.float32)
    inputs[:, 2] = 0.1
    mean, deviation = constants("per-feature", inputs, None)
    expected = StandardScaler().fit(inputs.astype(np.float64))
    np.testing.assert_allclose(mean, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(deviation, expected.scale_, rtol=1e-6)
    assert deviation[2] == 1.0
    standardised = apply(inputs, mean, deviation)
    assert standardised.dtype == np.float32
    np.testing.assert_allclose(standardised[:, [0, 1, 3]].std(axis=0), 1, rtol=1e-5)
    assert np.abs(standardised.mean(axis=0)).max() < 1e-5


def test_global_measures_one_pair_or_takes_the_fixed_one() -> None:
    inputs = np.arange(12.0).reshape(4, 3)
    mean, deviation = constants("global", inputs, None)
    np.testing.assert_allclose(mean, 5.5)
    np.testing.assert_allclose(deviation, np.sqrt(143 / 12))
    assert [values.tolist() for values in constants("global", inputs, (1.0, 2.0))] == [[1.0] * 3, [2.0] * 3]
    assert [values.tolist() for values in constants("none", inputs, (1.0, 2.0))] == [[0.0] * 3, [1.0] * 3]
    assert constants("global", np.ones((3, 2)), None)[1].tolist() == [1.0, 1.0]


def test_idx_is_read_and_its_header_is_believed_only_if_it_fits() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = struct.pack(">I3I", 0x803, 2, 3, 4) + values.tobytes()
    np.testing.assert_array_equal(parse_idx(content), values)
    with pytest.raises(ValueError, match="24 bytes, and 23 follow"):
        parse_idx(content[:-1])
    with pytest.raises(ValueError, match="not an idx file"):
        parse_idx(b"\x1f\x8b\x08\x00" + content)
    with pytest.raises(ValueError, match="cut short"):
        parse_idx(content[:10])
