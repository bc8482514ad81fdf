"""Ranks and their distributions against SciPy, the AUC of scikit-learn and the slope of the density."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from orrery.numerics import rank_distributions
from orrery.numerics.rank_distributions import (
    bins_for,
    chance_deviation,
    class_ranks,
    doubled_ranks,
    gradients,
    mean_density,
)

CLASSES = 4


def drawn(levels: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fields (run, unit, sample) with ties where there are levels, labels of unequal classes, signs with zeros."""
    generator = np.random.default_rng(5)
    labels = generator.choice(CLASSES, 90, p=[0.1, 0.2, 0.3, 0.4])
    fields = generator.normal(size=(2, 6, 90)) + 0.4 * labels
    if levels:
        fields = np.round(fields * levels)
    return fields, labels, generator.integers(-1, 2, (2, 6, CLASSES))


@pytest.mark.parametrize("levels", [None, 1, 8])
def test_doubled_ranks_are_those_of_scipy(levels: int | None) -> None:
    fields, _, _ = drawn(levels)
    expected = 2 * (scipy.stats.rankdata(fields, axis=-1) - 1) + 1
    assert np.array_equal(doubled_ranks(fields), expected)


@pytest.mark.parametrize("levels", [None, 1, 8])
def test_the_gradient_is_the_area_under_the_roc_curve(levels: int | None) -> None:
    fields, labels, signs = drawn(levels)
    means, _ = class_ranks(fields, labels, CLASSES, 10)
    found = gradients(means, signs)
    for run, unit, number in np.ndindex(found.shape):
        sign = signs[run, unit, number]
        if sign == 0:
            assert np.isnan(found[run, unit, number])
            continue
        auc = roc_auc_score(labels == number, sign * fields[run, unit])
        share = (labels == number).mean()
        assert found[run, unit, number] == pytest.approx(12 * (1 - share) * (auc - 0.5), abs=1e-10)


def test_ten_balanced_classes_reach_5_4() -> None:
    labels = np.repeat(np.arange(10), 30)
    fields = np.arange(300.0)[None]
    means, _ = class_ranks(fields, labels, 10, 10)
    found = gradients(means, np.ones((1, 10)))
    assert found[0, 9] == pytest.approx(5.4, abs=1e-12)
    assert found[0, 0] == pytest.approx(-5.4, abs=1e-12)
    assert gradients(means, -np.ones((1, 10)))[0, 0] == pytest.approx(5.4, abs=1e-12)


def test_the_gradient_is_the_slope_of_the_density() -> None:
    fields, labels, _ = drawn()
    bins = 90  # as many as samples: every rank is the centre of its bin
    means, counts = class_ranks(fields[:1, :1], labels, CLASSES, bins)
    signs = np.ones((1, 1, CLASSES))
    density = mean_density(counts, signs)[0]
    centres = (np.arange(bins) + 0.5) / bins
    for number in range(CLASSES):
        # The slope over [0, 1] of the density as it stands, no fit at the centres alone: 12 int (x - 1/2) f dx.
        assert density[number].mean() == pytest.approx(1, abs=1e-12)
        slope = 12 * ((centres - 0.5) * density[number]).mean()
        assert gradients(means, signs)[0, 0, number] == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize(("samples", "bins"), [(10, 20), (15, 10), (12, 7)])
def test_a_flipped_sign_reverses_the_bins_to_the_last_bit(samples: int, bins: int) -> None:
    generator = np.random.default_rng(samples)
    labels = np.arange(samples) % 2
    fields = np.round(generator.normal(size=(7, samples)), 1)
    means, counts = class_ranks(fields, labels, 2, bins)
    opposite, reversed_counts = class_ranks(-fields, labels, 2, bins)
    assert np.array_equal(counts, reversed_counts[..., ::-1])
    np.testing.assert_allclose(means, 1 - opposite, rtol=0, atol=1e-15)
    assert (counts.sum(axis=-1) == 2 * np.bincount(labels)).all()


def test_densities_are_histograms_of_normalised_ranks() -> None:
    fields, labels, signs = drawn()
    bins = 7
    _, counts = class_ranks(fields, labels, CLASSES, bins)
    found = mean_density(counts, signs)
    for run, number in np.ndindex(2, CLASSES):
        curves = []
        for unit in range(6):
            if signs[run, unit, number]:
                p = signs[run, unit, number] * fields[run, unit]
                r = (scipy.stats.rankdata(p) - 0.5) / len(p)
                curves.append(np.histogram(r[labels == number], bins, (0, 1), density=True)[0])
        np.testing.assert_allclose(found[run, number], np.mean(curves, axis=0), atol=1e-12)


def test_portions_of_the_neurons_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fields, labels, _ = drawn(8)
    whole = class_ranks(fields, labels, CLASSES, 10)
    monkeypatch.setattr(rank_distributions, "TOGETHER", 200)
    for one, other in zip(whole, class_ranks(fields, labels, CLASSES, 10), strict=True):
        assert np.array_equal(one, other)


def test_a_class_without_samples_has_no_rank() -> None:
    fields, labels, _ = drawn()
    means, counts = class_ranks(fields, labels, CLASSES + 1, 10)
    assert np.isnan(means[..., CLASSES]).all()
    assert np.isnan(mean_density(counts, np.ones((2, 6, CLASSES + 1)))[:, CLASSES]).all()
    assert np.isfinite(means[..., :CLASSES]).all()


def test_bins_by_samples() -> None:
    assert [bins_for(count) for count in (100, 600, 601, 60_000)] == [10, 10, 20, 20]


def test_random_signs_have_the_deviation_that_is_told() -> None:
    fields, labels, _ = drawn()
    means, _ = class_ranks(fields[0], labels, CLASSES, 10)
    generator = np.random.default_rng(7)
    signs = generator.choice([-1, 1], (20_000, 6, CLASSES))
    layer = gradients(np.broadcast_to(means, signs.shape), signs).mean(axis=(1, 2))
    told = float(chance_deviation(gradients(means, signs[0])))
    assert layer.std() == pytest.approx(told, rel=0.03)
    assert abs(layer.mean()) < 4 * told / np.sqrt(20_000)


def test_rows_sorted_with_their_labels_have_the_ranks_of_the_others() -> None:
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 10, 200)
    fields = generator.normal(size=(6, 200)) + 0.2 * labels
    fields[1, ::2] = fields[1, 1::2]  # pairs of equal values
    fields[2, :3] = (0.0, -0.0, 0.0)  # equal, too
    fields[3, 5] = np.nextafter(fields[3, 4], np.inf)  # equal but for the last bit
    fields[4, 7] = np.inf
    fields[5] *= 1e-310  # of less precision than others
    means, counts = class_ranks(fields, labels, 10, 20)
    ranks = doubled_ranks(fields) / 400
    expected = np.stack([ranks[:, labels == one].mean(axis=1) for one in range(10)], axis=1)
    assert means == pytest.approx(expected, abs=1e-12)
    assert ranks[3, 4] < ranks[3, 5]
    for number in range(10):
        histogram = np.histogram(ranks[0, labels == number], 20, (0, 1))[0]
        assert np.array_equal(counts[0, number], 2 * histogram)
