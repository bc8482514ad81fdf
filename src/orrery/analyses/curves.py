"""Metrics of all runs, summarised: final values by seed, quartiles by step, divergences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from orrery.analyses.api import Number
from orrery.config.errors import OrreryError, nearest
from orrery.numerics.resampling import bootstrap_counts, interval, resampled_mean

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.analyses.learning_curves import Settings
    from orrery.trajectory.trajectory import Trajectory

QUARTILES = (0.25, 0.5, 0.75)


def metrics_of(sources: Mapping[str, Trajectory], wanted: Sequence[str]) -> list[str]:
    """The metrics asked for, or all that any condition recorded, in their order.

    Raises:
        OrreryError: no condition recorded one of them.
    """
    recorded = list(dict.fromkeys(name for source in sources.values() for name in source.metrics))
    for name in wanted:
        if name not in recorded:
            raise OrreryError(f"learning-curves: metric '{name}' was not recorded; {nearest(name, recorded)}")
    if not recorded:
        raise OrreryError(
            "learning-curves: no metric was recorded; name some under record.metrics or record.evaluate"
        )
    return list(wanted) or recorded


def curve(source: Trajectory, metric: str) -> tuple[np.ndarray, Float[np.ndarray, "run step"]]:
    """Steps and values of a metric of all runs."""
    found = source.metric(metric)
    dim = next(str(dim) for dim in found.dims if dim != "run")
    return found[dim].values, np.asarray(found.transpose("run", dim).values, dtype=float)


def diverged(source: Trajectory) -> np.ndarray:
    """Which runs diverged, shape (run,)."""
    return np.asarray(source.dataset["status"].values == 1)


def summarise(sources: Mapping[str, Trajectory], wanted: Sequence[str], last: int) -> xr.Dataset:
    """Final values by seed and quartiles by step; see ``learning_curves.compare``."""
    names = list(sources)
    seeds = sorted({seed for source in sources.values() for seed in source.seeds})
    found: dict[str, Any] = {
        "runs": ("condition", [source.dataset.sizes["run"] for source in sources.values()]),
        "diverged": ("condition", [int(diverged(source).sum()) for source in sources.values()]),
    }
    coordinates: dict[str, Any] = {"condition": names, "seed": seeds, "quartile": list(QUARTILES)}
    for metric in metrics_of(sources, wanted):
        curves = {name: curve(source, metric) for name, source in sources.items() if metric in source.metrics}
        steps = sorted({int(step) for at, _ in curves.values() for step in at})
        final = np.full((len(names), len(seeds)), np.nan)
        quartiles = np.full((len(names), len(QUARTILES), len(steps)), np.nan)
        for name, (at, values) in curves.items():
            place, source = names.index(name), sources[name]
            final[place] = _final(source, at, values, seeds, last)
            kept = values[~diverged(source)]
            if len(kept):
                quartiles[place][:, np.searchsorted(steps, at)] = np.quantile(kept, QUARTILES, axis=0)
        found[f"{metric}_final"] = (("condition", "seed"), final)
        found[f"{metric}_quartile"] = (("condition", "quartile", f"{metric}_step"), quartiles)
        coordinates[f"{metric}_step"] = steps
    return xr.Dataset(found, coordinates)


def _final(
    source: Trajectory, at: np.ndarray, values: Float[np.ndarray, "run step"], seeds: list[int], last: int
) -> Float[np.ndarray, " seed"]:
    """Mean over the last steps and the copies of each seed; NaN where one of them diverged."""
    ends = values[:, at > at[-1] - last].mean(axis=1)
    ends[diverged(source)] = np.nan
    of_run = source.dataset["seed"].values
    return np.array([ends[of_run == seed].mean() if (of_run == seed).any() else np.nan for seed in seeds])


def final_values(comparison: xr.Dataset, settings: Settings) -> list[Number]:
    """``final[metric,condition]`` with a bootstrap interval over seeds, and ``diverged[condition]``."""
    found = []
    for metric in _metrics(comparison):
        for name in comparison["condition"].values.tolist():
            values = comparison[f"{metric}_final"].sel(condition=name).values
            if np.isfinite(values).any():
                text = (
                    f"{metric} of {name}: mean over the last {settings.last} steps, the copies and the seeds"
                )
                found.append(_mean(f"final[{metric},{name}]", values, settings, text))
    for name in comparison["condition"].values.tolist():
        lost, runs = (int(comparison[key].sel(condition=name)) for key in ("diverged", "runs"))
        found.append(
            Number(f"diverged[{name}]", lost, n=runs, description=f"runs of {name} that diverged, of n")
        )
    return found


def differences(comparison: xr.Dataset, settings: Settings) -> list[Number]:
    """``difference[metric,a,b]``: mean over the seeds that both conditions have, with its interval.

    Raises:
        OrreryError: a pair names a condition that the analysis does not read.
    """
    names = comparison["condition"].values.tolist()
    found = []
    for first, second in settings.pairs:
        for name in (first, second):
            if name not in names:
                raise OrreryError(
                    f"learning-curves: pairs names the condition '{name}'; {nearest(name, names)}"
                )
        for metric in _metrics(comparison):
            final = comparison[f"{metric}_final"]
            values = final.sel(condition=first).values - final.sel(condition=second).values
            text = f"final {metric} of {first} minus that of {second}, by seed"
            found.append(_mean(f"difference[{metric},{first},{second}]", values, settings, text))
    return found


def single_values(sources: Mapping[str, Trajectory], settings: Settings) -> list[Number]:
    """``value[metric,condition,seed,step]`` of the original of a seed.

    Raises:
        OrreryError: no such condition, metric, seed or step.
    """
    found = []
    for point in settings.points:
        where = f"learning-curves: points: {point.metric} of {point.condition}, seed {point.seed}, step {point.step}"
        if point.condition not in sources:
            raise OrreryError(f"{where}: no such condition is read; {nearest(point.condition, sources)}")
        source = sources[point.condition]
        at, values = curve(source, point.metric)
        runs = (source.dataset["seed"].values == point.seed) & (source.dataset["copy"].values == 0)
        if not runs.any() or point.step not in at:
            raise OrreryError(f"{where}: that run was not recorded at that step")
        value = float(values[runs][0, at == point.step][0])
        text = f"{point.metric} of {point.condition} at step {point.step}, seed {point.seed}"
        name = f"value[{point.metric},{point.condition},{point.seed},{point.step}]"
        found.append(Number(name, value, description=text))
    return found


def _metrics(comparison: xr.Dataset) -> list[str]:
    return [str(name).removesuffix("_final") for name in comparison.data_vars if str(name).endswith("_final")]


def _mean(name: str, values: Float[np.ndarray, " seed"], settings: Settings, description: str) -> Number:
    """The mean over the seeds that have a value, with a bootstrap interval where there are at least two."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Number(name, np.nan, n=0, description=description)
    bounds = None
    if len(values) > 1:
        counts = bootstrap_counts(len(values), settings.resamples, np.random.default_rng(0))
        bounds = interval(resampled_mean(values, counts))
    return Number(name, float(values.mean()), interval=bounds, n=len(values), description=description)
