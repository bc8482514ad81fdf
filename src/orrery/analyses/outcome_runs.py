"""The outcomes of runs and what was known of them early: read from a result of ``lyapunov``, checked and cut in two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from orrery.analyses.outcome_prediction import LEAST
from orrery.config.errors import OrreryError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from orrery.analyses.outcome_prediction import Settings
    from orrery.trajectory.trajectory import Trajectory

READ = ("finite_time", "loss", "step_length", "final_loss")


@dataclass(frozen=True)
class Outcomes:
    """Runs with their outcomes and predictors; none of the values is NaN.

    Attributes:
        seeds: in the order of the study.
        choosing: those on which choices are made; the others score.
        final: the loss at the last step.
        horizons: steps from the start of the window.
        exponents: finite-time exponents, per step, in descending order along the last axis.
        loss: at each horizon.
        gradient: length of the step at each horizon; for plain descent at a constant rate that rate times
            \\|grad C\\|, and ranks do not see the rate.
        angles: features of the angles between covariant vectors; NaN where a run has none, and no columns where the
            source has none.
        angle_names: what the columns of ``angles`` are.
        excluded: runs that were left out, since a value is not finite.
    """

    seeds: Int[np.ndarray, " seed"]
    choosing: Bool[np.ndarray, " seed"]
    final: Float[np.ndarray, " seed"]
    horizons: Int[np.ndarray, " horizon"]
    exponents: Float[np.ndarray, "seed horizon index"]
    loss: Float[np.ndarray, "seed horizon"]
    gradient: Float[np.ndarray, "seed horizon"]
    angles: Float[np.ndarray, "seed feature"]
    angle_names: tuple[str, ...]
    excluded: int

    @property
    def fresh(self) -> Bool[np.ndarray, " seed"]:
        """Those that score."""
        return ~self.choosing


def read(source: Trajectory | xr.Dataset, settings: Settings, condition: str) -> Outcomes:
    """Read outcomes and predictors of a condition.

    Args:
        source: ``finite_time(seed, horizon, index)``, ``loss(seed, horizon)``, ``step_length(seed, horizon)``,
            ``final_loss(seed)`` and perhaps ``angle(seed, moment, pair)``.
        settings: say where the cut is, and which horizons are looked at.
        condition: its name, for messages.

    Raises:
        OrreryError: another source, too few seeds, an unknown horizon.
    """
    if not isinstance(source, xr.Dataset) or not set(READ) <= set(source.data_vars):
        raise OrreryError(
            "outcome-prediction reads finite-time exponents and losses; write 'of: <name of an analysis lyapunov>'"
        )
    known = source["horizon"].values
    wanted = known if settings.horizons is None else np.array(settings.horizons)
    if missing := sorted(set(wanted.tolist()) - set(known.tolist())):
        raise OrreryError(
            f"outcome-prediction: horizons {missing} are not among those of the exponents, {known.tolist()}; add them "
            f"there or leave them out"
        )
    chosen = source.sel(horizon=wanted)
    exponents = chosen["finite_time"].transpose("seed", "horizon", "index").values
    loss, gradient = (chosen[name].transpose("seed", "horizon").values for name in ("loss", "step_length"))
    final = source["final_loss"].values
    kept = np.isfinite(final) & ~np.isnan(exponents).any(axis=(1, 2))
    kept &= ~(np.isnan(loss) | np.isnan(gradient)).any(axis=1)
    choosing = np.arange(len(final)) < settings.choose
    _check_counts(kept & choosing, kept & ~choosing, settings, condition)
    angles, names = _angles(source)
    return Outcomes(
        seeds=source["seed"].values[kept],
        choosing=choosing[kept],
        final=final[kept],
        horizons=wanted,
        exponents=-np.sort(-exponents[kept], axis=2),
        loss=loss[kept],
        gradient=gradient[kept],
        angles=angles[kept],
        angle_names=names,
        excluded=int((~kept).sum()),
    )


def _check_counts(choosing: np.ndarray, fresh: np.ndarray, settings: Settings, condition: str) -> None:
    for half, words in ((choosing, "to choose with"), (fresh, "to score")):
        if half.sum() < LEAST:
            raise OrreryError(
                f"outcome-prediction: '{condition}' has {int(half.sum())} runs {words} where 'choose' is "
                f"{settings.choose}, and needs {LEAST}; train more seeds or change 'choose'"
            )


def _angles(source: xr.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """Mean and least angle over the moments of each pair of vectors, one row per seed."""
    if "angle" not in source:
        return np.empty((source.sizes["seed"], 0)), ()
    angle = source["angle"].transpose("seed", "moment", "pair").values
    known = np.isfinite(angle)
    count = known.sum(axis=1)
    means = np.where(known, angle, 0).sum(axis=1)
    means = np.divide(means, count, out=np.full(means.shape, np.nan), where=count > 0)
    least = np.where(known, angle, np.inf).min(axis=1)
    least[count == 0] = np.nan
    pairs = source.attrs.get("pairs") or [[pair] for pair in range(angle.shape[2])]
    names = [
        f"{kind} angle of vectors {' and '.join(map(str, pair))}"
        for kind in ("mean", "least")
        for pair in pairs
    ]
    return np.concatenate([means, least], axis=1), tuple(names)
