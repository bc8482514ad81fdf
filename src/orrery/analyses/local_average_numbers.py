"""Numbers of the local average: whether its scale falls, where it ends, and how unstable the estimate becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number
from orrery.config.errors import OrreryError, nearest

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.local_average import Settings


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions, then those of the noise draws.

    Args:
        sources: by condition, with ``scale(seed, moment)`` and all else that the analysis gives.
        settings: of the analysis.

    Raises:
        OrreryError: a label fits no two conditions, or a region holds no point of the grid.
    """
    found = [number for name, source in sources.items() for number in _of_condition(name, source, settings)]
    for label, names in draws_of(sources, settings).items():
        one = sources[names[0]]
        spread = spread_over(sources, names)
        step = int(one["moment_step"].values[-1])
        for region, inside in regions_of(one, settings).items():
            found.append(
                mean_number(
                    f"spread[{label}{region}]",
                    np.sqrt((spread[:, -1, inside] ** 2).mean(axis=1)),
                    f"standard deviation of the output over {len(names)} draws of the noise at step {step}, root mean "
                    "square over the inputs, mean over seeds",
                )
            )
    return found


def regions_of(source: xr.Dataset, settings: Settings) -> dict[str, Bool[np.ndarray, " point"]]:
    """Points of the grid by region: all under an empty ending, then each region under its own.

    Args:
        source: with ``point_x(point)``.
        settings: name the regions.

    Raises:
        OrreryError: a region holds no point of the grid.
    """
    x = source["point_x"].values
    found = {"": np.ones(len(x), dtype=bool)}
    # A point at the end of a region belongs to it, whatever its last bit is.
    slack = 1e-9 * float(np.ptp(x))
    for label, (low, high) in settings.compare.regions.items():
        found[f",{label}"] = (x >= low - slack) & (x <= high + slack)
        if not found[f",{label}"].any():
            raise OrreryError(
                f"local-average: compare.regions: '{label}' holds no input of the grid, which goes from {x[0]:g} to "
                f"{x[-1]:g}; write a part of it"
            )
    return found


def draws_of(sources: Mapping[str, xr.Dataset], settings: Settings) -> dict[str, list[str]]:
    """Conditions that differ in their noise only, by label.

    Args:
        sources: by condition, ``output(seed, moment, point)`` and others.
        settings: name them.

    Raises:
        OrreryError: a label fits fewer than two conditions, or these were read at other steps or for other seeds.
    """
    found = {}
    for label, patterns in settings.compare.draws.items():
        names = [name for name in sources if any(name == one or fnmatchcase(name, one) for one in patterns)]
        if len(names) < 2:
            raise OrreryError(
                f"local-average: compare.draws: '{label}' fits {len(names)} conditions, and a spread needs two; "
                f"{nearest(patterns[0] if patterns else label, sources)}"
            )
        for key in ("moment_step", "seed", "point_x"):
            first = sources[names[0]][key].values
            if not all(np.array_equal(sources[name][key].values, first) for name in names):
                raise OrreryError(
                    f"local-average: compare.draws: the conditions of '{label}' differ in {key}; give them the same "
                    "seeds, steps and grid"
                )
        found[label] = names
    return found


def spread_over(
    sources: Mapping[str, xr.Dataset], names: list[str]
) -> Float[np.ndarray, "seed moment point"]:
    """Standard deviation of the output over conditions, n - 1 in the denominator.

    Args:
        sources: by condition, ``output(seed, moment, point)``.
        names: of the conditions.
    """
    return np.asarray(np.stack([sources[name]["output"].values for name in names]).std(axis=0, ddof=1))


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    lost = source["diverged"].values.astype(bool)
    yield Number(
        f"diverged[{name}]", float(lost.sum()), n=len(lost), description="runs that diverged; left out below"
    )
    steps = source["moment_step"].values
    yield from _of_scales(name, source, "", "training", steps.astype(float))
    if "closed_scale" not in source:
        return
    times = source["time_step"].values
    yield from _of_scales(name, source, "closed_", "the constant kernel", times)
    yield mean_number(
        f"departure[{name}]",
        source["departure"].values[:, -1],
        f"relative distance of the output from that of the constant kernel at step {steps[-1]}, mean over seeds",
    )
    yield mean_number(
        f"edge-product[{name}]",
        source["edge_product"].values,
        "2 x rate x largest eigenvalue of the kernel, mean over seeds; discrete steps need it below 2",
    )
    freedom = source["freedom"].values
    with np.errstate(invalid="ignore"):
        drops = np.diff(freedom, axis=1).min(axis=1)
    yield mean_number(
        f"freedom[{name}]",
        freedom[:, -1],
        f"degrees of freedom of the constant kernel at t = {times[-1]:g}, mean over seeds",
    )
    yield mean_number(
        f"least-gain-of-freedom[{name}]",
        drops,
        "smallest change of the degrees of freedom from one time to the next, mean over seeds",
    )
    for region, inside in regions_of(source, settings).items():
        yield mean_number(
            f"deviation[{name}{region}]",
            np.sqrt(source["variance"].values[:, -1, inside].mean(axis=1)),
            f"standard deviation of the output of the constant kernel at t = {times[-1]:g} for noise of deviation 1, "
            "root mean square over the inputs, mean over seeds",
        )


def _of_scales(
    name: str, source: xr.Dataset, of: str, words: str, times: Float[np.ndarray, " time"]
) -> Iterator[Number]:
    ending = of.replace("_", "-")
    scale, gain = source[f"{of}scale"].values, source[f"{of}gain"].values
    yield mean_number(
        f"{ending}rho[{name}]",
        source[f"{of}rho"].values,
        f"Spearman's correlation of ell with log t, {words}, mean over seeds",
    )
    known = np.flatnonzero(np.isfinite(scale).any(axis=0))
    for label, place in (("first", known[0]), ("last", known[-1])) if len(known) else ():
        at = f"at t = {times[place]:g}, {words}, mean over seeds"
        yield mean_number(f"{ending}{label}-scale[{name}]", scale[:, place], f"ell {at}")
        yield mean_number(f"{ending}{label}-gain[{name}]", gain[:, place], f"g {at}")
    if len(known):
        yield mean_number(
            f"{ending}least-explained[{name}]",
            source[f"{of}explained"].values[:, known].min(axis=1),
            f"share of the sum of squares that the worst fit explains, {words}, mean over seeds",
        )
