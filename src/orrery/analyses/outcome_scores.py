"""How well outcomes are foretold: what is chosen on one half of the runs is scored on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from orrery.analyses.outcome_runs import Outcomes, read
from orrery.config.errors import OrreryError
from orrery.numerics import ranks
from orrery.numerics.resampling import bootstrap_counts, interval
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from orrery.analyses.outcome_prediction import Settings
    from orrery.trajectory.trajectory import Trajectory

PREDICTORS = ("exponent", "loss", "gradient", "together")
DIFFERENCES = (("exponent", "loss"), ("exponent", "gradient"), ("together", "loss"))
"""Of each, the first less the second."""


@dataclass(frozen=True)
class Resamples:
    """The fresh runs and their bootstrap resamples, the first of which is the runs themselves.

    Attributes:
        counts: how often each run is in each.
        high: which outcomes are high; ``None`` where there is nothing to classify.
        final: ranks of the final loss.
    """

    counts: Int[np.ndarray, "draw seed"]
    high: Bool[np.ndarray, "1 seed"] | None
    final: Float[np.ndarray, "draw seed"]

    @classmethod
    def of(
        cls, final: Float[np.ndarray, " seed"], high: Bool[np.ndarray, " seed"] | None, draws: int
    ) -> Resamples:
        """The same resamples for every predictor of as many runs, so that differences are of paired draws."""
        n = len(final)
        drawn = bootstrap_counts(n, draws, Streams().generator("probe", n, "bootstrap"))
        counts = np.concatenate([ranks.once(n), drawn])
        return cls(counts, None if high is None else high[None], ranks.resampled_ranks(final, counts))

    def ranks(self, values: Float[np.ndarray, " seed"]) -> Float[np.ndarray, "draw seed"]:
        """Of a predictor in each resample."""
        return ranks.resampled_ranks(values, self.counts)

    def areas(self, ranked: Float[np.ndarray, "draw seed"]) -> Float[np.ndarray, " draw"]:
        """AUC in each resample; NaN where there is nothing to classify."""
        if self.high is None:
            return np.full(len(self.counts), np.nan)
        return ranks.areas(ranked, self.high, self.counts)


def strengths(
    values: Float[np.ndarray, "seed predictor"],
    outcomes: Float[np.ndarray, "draw seed"] | Bool[np.ndarray, "draw seed"],
) -> Float[np.ndarray, "draw predictor"]:
    """How strongly predictors go with outcomes, with sign: AUC less one half, or Spearman's correlation.

    Args:
        values: of the predictors.
        outcomes: which are high (booleans), or the final losses; one row for each permutation of them.
    """
    import scipy.stats

    ranked = scipy.stats.rankdata(values, axis=0)
    ranked -= ranked.mean(axis=0)
    if outcomes.dtype == bool:
        high = outcomes.sum(axis=1, keepdims=True).astype(float)
        pairs = high * (outcomes.shape[1] - high)
        won = outcomes.astype(float) @ ranked
        return np.divide(won, pairs, out=np.full(won.shape, np.nan), where=pairs > 0)
    other = scipy.stats.rankdata(outcomes, axis=1)
    other -= other.mean(axis=1, keepdims=True)
    products = other @ ranked
    spreads = np.sqrt((other**2).sum(axis=1, keepdims=True) * (ranked**2).sum(axis=0))
    return np.divide(products, spreads, out=np.full(products.shape, np.nan), where=spreads > 0)


def score(source: Trajectory | xr.Dataset, settings: Settings, condition: str) -> xr.Dataset:
    """Choose on the first seeds, score on the others.

    Returns:
        ``area(predictor, horizon)``: AUC on the fresh runs, larger for a higher final loss on the choosing runs;
        ``difference(contrast, horizon)`` of two of them; ``correlation(predictor, horizon)``: Spearman's with the
        final loss on the fresh runs; ``partial(horizon)``: that of the exponent at fixed rank of the loss; each with
        ``<name>_low`` and ``<name>_high``, the central 95 % of paired bootstrap resamples. ``choosing_area(horizon,
        index)`` of all exponents, not oriented; ``chosen_index(horizon)``; ``orientation(predictor, horizon)``, 1 or
        -1; ``permuted(permutation)``: the area after the same choice with permuted outcomes. ``final_loss(seed)``,
        ``fresh(seed)`` and the predictors ``exponent``, ``loss``, ``gradient``, ``together(seed, horizon)`` behind
        them. Where angles between covariant vectors are known, ``angle_area(bound)`` and ``angle_difference(bound)``
        from the loss at the last horizon: value, low, high. Attributes: ``headline``, the place of the chosen horizon;
        ``predictors``, ``contrasts``, ``threshold``, ``bands``, ``excluded``.

    Raises:
        OrreryError: another source, too few seeds, outcomes of one kind only, an unknown horizon.
    """
    runs = read(source, settings, condition)
    high = None if settings.threshold is None else runs.final > settings.threshold
    if high is not None:
        _check_kinds(high, runs, settings, condition)
    outcome = runs.final if high is None else high
    flat = runs.exponents.reshape(len(runs.final), -1)
    chosen = strengths(flat[runs.choosing], outcome[runs.choosing][None])[0].reshape(runs.exponents.shape[1:])
    index = np.argmax(np.nan_to_num(np.abs(chosen)), axis=1)
    places = np.arange(len(index))
    values = {
        "exponent": runs.exponents[:, places, index],
        "loss": runs.loss,
        "gradient": runs.gradient,
        "together": _together(runs, index, high),
    }
    sign = {name: _signs(values[name], outcome, runs.choosing) for name in PREDICTORS}
    resamples = Resamples.of(
        runs.final[runs.fresh], None if high is None else high[runs.fresh], settings.resamples
    )
    found = _scores({name: values[name][runs.fresh] for name in PREDICTORS}, sign, resamples)
    found["chosen_index"] = (("horizon",), index)
    found["choosing_area"] = (("horizon", "index"), chosen + 0.5 if high is not None else chosen * np.nan)
    found["orientation"] = (("predictor", "horizon"), np.array([sign[name] for name in PREDICTORS]))
    found["final_loss"] = (("seed",), runs.final)
    found["fresh"] = (("seed",), runs.fresh)
    found.update({name: (("seed", "horizon"), values[name]) for name in PREDICTORS})
    if high is not None:
        found["permuted"] = (
            ("permutation",),
            permuted_areas(flat, high, runs.choosing, settings.permutations),
        )
    attributes: dict[str, object] = {}
    if runs.angle_names:
        found.update(_angles(runs, high, settings, attributes))
    return xr.Dataset(
        found,
        coords={"seed": runs.seeds, "horizon": runs.horizons, "index": np.arange(runs.exponents.shape[2])},
        attrs={
            "headline": int(np.argmax(np.nan_to_num(np.abs(chosen)).max(axis=1))),
            "predictors": list(PREDICTORS),
            "contrasts": [list(pair) for pair in DIFFERENCES],
            "threshold": settings.threshold,
            "bands": {label: list(ends) for label, ends in settings.bands.items()},
            "excluded": runs.excluded,
            **attributes,
        },
    )


def permuted_areas(
    predictors: Float[np.ndarray, "seed predictor"],
    high: Bool[np.ndarray, " seed"],
    choosing: Bool[np.ndarray, " seed"],
    permutations: int,
) -> Float[np.ndarray, " permutation"]:
    """AUC on the fresh runs when outcomes are permuted over all runs, predictor and orientation chosen as before.

    Their mean is one half unless what is fresh has leaked into what is chosen.
    """
    generator = Streams().generator("probe", len(high), "permuted-outcomes")
    labels = generator.permuted(np.tile(high, (permutations, 1)), axis=1)
    known = np.nan_to_num(strengths(predictors[choosing], labels[:, choosing]))
    fresh = strengths(predictors[~choosing], labels[:, ~choosing])
    rows, best = np.arange(permutations), np.argmax(np.abs(known), axis=1)
    return np.asarray(0.5 + np.where(known[rows, best] < 0, -1, 1) * fresh[rows, best])


def _check_kinds(high: np.ndarray, runs: Outcomes, settings: Settings, condition: str) -> None:
    for half, words in ((runs.choosing, "to choose with"), (runs.fresh, "to score")):
        count = int(high[half].sum())
        if count in (0, int(half.sum())):
            where = "above" if count else "at or below"
            raise OrreryError(
                f"outcome-prediction: all {int(half.sum())} runs of '{condition}' {words} end {where} the threshold "
                f"{settings.threshold:g}, so there is nothing to classify; change 'threshold', or write null for rank "
                f"correlations only"
            )


def _signs(values: np.ndarray, outcome: np.ndarray, choosing: np.ndarray) -> np.ndarray:
    """Orientation of a predictor at each horizon, as found on the choosing runs; 1 where it tells nothing."""
    return np.where(strengths(values[choosing], outcome[choosing][None])[0] < 0, -1, 1)


def _together(runs: Outcomes, index: np.ndarray, high: np.ndarray | None) -> np.ndarray:
    """Log odds of a high outcome from loss and exponent together, fitted on the choosing runs; NaN without classes.

    Each enters by its place among the choosing runs, as a normal score, so that scales and infinite values do not
    matter.
    """
    from sklearn.linear_model import LogisticRegression

    odds = np.full(runs.loss.shape, np.nan)
    if high is None:
        return odds
    for place, chosen in enumerate(index):
        features = np.column_stack(
            [
                _normal_scores(column, runs.choosing)
                for column in (runs.loss[:, place], runs.exponents[:, place, chosen])
            ]
        )
        model = LogisticRegression().fit(features[runs.choosing], high[runs.choosing])
        odds[:, place] = model.decision_function(features)
    return odds


def _normal_scores(values: np.ndarray, choosing: np.ndarray) -> np.ndarray:
    import scipy.stats

    known = np.sort(values[choosing])
    below, upto = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    return np.asarray(scipy.stats.norm.ppf(((below + upto) / 2 + 0.5) / (len(known) + 1)))


def _scores(
    values: dict[str, np.ndarray], sign: dict[str, np.ndarray], resamples: Resamples
) -> dict[str, tuple[Sequence[str], np.ndarray]]:
    """Areas, differences and correlations at every horizon, each with its interval."""
    horizons = values["loss"].shape[1]
    area = np.full((3, len(PREDICTORS), horizons), np.nan)
    correlation = np.full((3, len(PREDICTORS), horizons), np.nan)
    difference = np.full((3, len(DIFFERENCES), horizons), np.nan)
    partial = np.full((3, horizons), np.nan)
    for place in range(horizons):
        ranked = {
            name: resamples.ranks(sign[name][place] * values[name][:, place])
            for name in PREDICTORS
            if np.isfinite(values[name][:, place]).any()
        }
        areas = {name: resamples.areas(one) for name, one in ranked.items()}
        # A rank correlation is published as it is: the orientation is taken out again.
        with_final = {
            name: sign[name][place] * ranks.correlations(one, resamples.final, resamples.counts)
            for name, one in ranked.items()
        }
        for row, name in enumerate(PREDICTORS):
            if name in ranked:
                area[:, row, place] = _with_interval(areas[name])
                correlation[:, row, place] = _with_interval(with_final[name])
        for row, (one, other) in enumerate(DIFFERENCES):
            if one in ranked:
                difference[:, row, place] = _with_interval(areas[one] - areas[other])
        signs = sign["exponent"][place] * sign["loss"][place]
        between = signs * ranks.correlations(ranked["exponent"], ranked["loss"], resamples.counts)
        partial[:, place] = _with_interval(
            ranks.partial_correlations(with_final["exponent"], between, with_final["loss"])
        )
    found: dict[str, tuple[Sequence[str], np.ndarray]] = {}
    for name, dims, three in (
        ("area", ("predictor", "horizon"), area),
        ("correlation", ("predictor", "horizon"), correlation),
        ("difference", ("contrast", "horizon"), difference),
        ("partial", ("horizon",), partial),
    ):
        found.update({name + end: (dims, one) for end, one in zip(("", "_low", "_high"), three, strict=True)})
    return found


def _with_interval(samples: np.ndarray) -> tuple[float, float, float]:
    """Value, low, high: the first sample is that of the runs themselves."""
    return (float(samples[0]), *interval(samples[1:]))


def _angles(
    runs: Outcomes,
    high: np.ndarray | None,
    settings: Settings,
    attributes: dict[str, object],
) -> dict[str, tuple[Sequence[str], np.ndarray]]:
    """The best feature of the angles on the choosing runs, scored on the fresh ones beside the loss at the end.

    A feature counts on the runs that have it: vectors whose exponents are close have no angle of their own.
    """
    if high is None:
        return {}
    strength = np.zeros(runs.angles.shape[1])
    known = np.isfinite(runs.angles)
    for column, which in enumerate(known.T):
        if all(_both_kinds(high[which & half]) for half in (runs.choosing, runs.fresh)):
            half = which & runs.choosing
            strength[column] = strengths(runs.angles[half, column][:, None], high[half][None])[0, 0]
    if not strength.any():
        return {}
    best = int(np.argmax(np.abs(strength)))
    choosing, fresh = known[:, best] & runs.choosing, known[:, best] & runs.fresh
    resamples = Resamples.of(runs.final[fresh], high[fresh], settings.resamples)
    loss = runs.loss[:, -1:]
    areas, base = (
        resamples.areas(resamples.ranks(sign * values[fresh]))
        for sign, values in (
            (-1 if strength[best] < 0 else 1, runs.angles[:, best]),
            (_signs(loss, high, choosing)[0], loss[:, 0]),
        )
    )
    attributes["angle"] = runs.angle_names[best]
    attributes["angle_runs"] = int(fresh.sum())
    return {
        "angle_area": (("bound",), np.array(_with_interval(areas))),
        "angle_difference": (("bound",), np.array(_with_interval(areas - base))),
    }


def _both_kinds(high: np.ndarray) -> bool:
    return bool(high.any() and not high.all())
