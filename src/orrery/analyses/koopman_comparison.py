"""Distances between the spectra of several conditions, stored with what the numbers and figures need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Complex

from orrery.analyses.koopman_spectra import finite
from orrery.config.errors import OrreryError, nearest
from orrery.numerics.matching import distance
from orrery.numerics.streams import Streams

if TYPE_CHECKING:
    from orrery.analyses.koopman import Compare


def compare_spectra(sources: Mapping[str, xr.Dataset], settings: Compare) -> xr.Dataset:
    """All distances.

    Args:
        sources: by condition, from :func:`orrery.analyses.koopman.analyse`.
        settings: what is compared.

    Returns:
        ``distance(level, row, column)`` between all spectra of all conditions (headline variant), with
        ``member_condition(row)`` and ``member_seed(row)``; ``pair_distance(pair, variant, level, seed)`` seed by seed;
        ``null_distance(condition, level, other_level, seed)`` of the same trajectories at two numbers of delays;
        ``stride_before/after(condition, level, seed)``; ``swap_share(pair, level, seed)``. A level is a number of
        delays that all conditions share, or -1 where each has its own. NaN where a spectrum is missing.

    Raises:
        OrreryError: a pair names an unknown condition, or the conditions share no number of delays.
    """
    names = list(sources)
    _check_names(settings, names)
    levels = _levels(sources, settings)
    loaded = {name: source.load() for name, source in sources.items()}
    members = [(name, int(seed)) for name in names for seed in loaded[name]["seed"].values]
    matrices = np.full((len(levels), len(members), len(members)), np.nan)
    for place, level in enumerate(levels):
        spectra = [_spectrum(loaded[name], seed, level) for name, seed in members]
        for row, a in enumerate(spectra):
            for column in range(row + 1):
                matrices[place, row, column] = matrices[place, column, row] = _distance(a, spectra[column])
    found = xr.Dataset(
        {
            "distance": (("level", "row", "column"), matrices),
            "member_condition": (("row",), np.array([names.index(name) for name, _ in members])),
            "member_seed": (("row",), np.array([seed for _, seed in members])),
        },
        coords={"level": ("level", np.array(levels))},
        attrs={
            "conditions": names,
            "pairs": [list(pair) for pair in _pairs(settings)],
            "variants": max((source.attrs["variants"] for source in loaded.values()), key=len),
        },
    )
    found = found.merge(_pair_distances(loaded, settings, levels))
    if settings.null_of_delays:
        found["null_distance"] = _null_of_delays(loaded)
    if any("stride_eigenvalue" in source for source in loaded.values()):
        found = found.merge(_stride_distances(loaded, levels))
    return found


def _pairs(settings: Compare) -> list[tuple[str, str]]:
    """Pairs that are looked at under all variants."""
    return list(
        dict.fromkeys(
            [
                *settings.pairs,
                *(pair for order in settings.orders.values() for pair in (order.larger, order.smaller)),
            ]
        )
    )


def _check_names(settings: Compare, names: Sequence[str]) -> None:
    named = [name for pair in _pairs(settings) for name in pair]
    named += [name for item in settings.floors.items() for name in item]
    named += [name for rate in settings.rates.values() for name in (rate.reference, rate.other)]
    named += [name for rung in settings.ladder for name in rung.pair]
    named += [
        name for ratio in settings.ratios.values() for pair in (ratio.pair, *ratio.against) for name in pair
    ]
    for name in named:
        if name not in names:
            raise OrreryError(
                f"koopman: compare names the condition '{name}', which it does not read; {nearest(name, names)}"
            )


def _levels(sources: Mapping[str, xr.Dataset], settings: Compare) -> list[int]:
    delays = {name: source["delays"].values.tolist() for name, source in sources.items()}
    if settings.unequal_delays:
        several = [name for name, values in delays.items() if len(values) > 1]
        if several:
            raise OrreryError(
                f"koopman: with unequal_delays '{several[0]}' needs one number of delays, not several"
            )
        return [-1]
    first, *others = delays.values()
    shared = [level for level in first if all(level in other for other in others)]
    if not shared and not (
        settings.pairs or settings.orders or settings.ratios or settings.rates or settings.ladder
    ):
        return []  # nothing is compared: every condition may have delays of its own
    if not shared:
        raise OrreryError(
            "koopman: the conditions share no number of delays; write equal ones, or unequal_delays: true"
        )
    if settings.headline is not None and settings.headline not in shared:
        raise OrreryError(
            f"koopman: headline is {settings.headline}, which is none of the shared delays {shared}"
        )
    return shared


def _spectrum(
    source: xr.Dataset, seed: int, level: int, variant: int = 0, name: str = "eigenvalue"
) -> Complex[np.ndarray, " mode"]:
    """One spectrum without padding; empty where it is missing."""
    place = 0 if level < 0 else source["delays"].values.tolist().index(level)
    row = source["seed"].values.tolist().index(seed)
    values = source[name].values[row, place]
    return finite(values[variant] if name == "eigenvalue" else values)


def _distance(a: Complex[np.ndarray, " first"], b: Complex[np.ndarray, " second"]) -> float:
    return distance(a, b) if a.size and b.size else np.nan


def shared_seeds(sources: Mapping[str, xr.Dataset], pair: Sequence[str]) -> list[int]:
    """Seeds that both conditions have; with one spectrum per condition, the first of each stands for it.

    Args:
        sources: by condition, with the coordinate ``seed(seed)``.
        pair: names of two conditions.
    """
    first, second = (sources[name]["seed"].values.tolist() for name in pair)
    return [seed for seed in first if seed in second]


def _pair_distances(
    sources: Mapping[str, xr.Dataset], settings: Compare, levels: Sequence[int]
) -> xr.Dataset:
    from orrery.numerics.matching import swap_share

    pairs = _pairs(settings)
    seeds = sorted({seed for source in sources.values() for seed in source["seed"].values.tolist()})
    variants = max(source.sizes["variant"] for source in sources.values())
    values = np.full((len(pairs), variants, len(levels), len(seeds)), np.nan)
    shares = np.full((len(pairs), len(levels), len(seeds)), np.nan)
    for index, pair in enumerate(pairs):
        one, other = (sources[name] for name in pair)
        for seed in shared_seeds(sources, pair):
            place = seeds.index(seed)
            for at, level in enumerate(levels):
                for variant in range(min(one.sizes["variant"], other.sizes["variant"])):
                    a, b = _spectrum(one, seed, level, variant), _spectrum(other, seed, level, variant)
                    values[index, variant, at, place] = _distance(a, b)
                    wanted = settings.swap and variant == 0 and settings.headline in (None, level)
                    if wanted and a.size and a.size == b.size:
                        generator = Streams().generator("probe", seed, "swap")
                        shares[index, at, place] = swap_share(a, b, generator=generator)
    found = xr.Dataset(
        {"pair_distance": (("pair", "variant", "level", "seed"), values)},
        coords={"seed": ("seed", np.array(seeds)), "level": ("level", np.array(levels))},
    )
    if settings.swap:
        found["swap_share"] = (("pair", "level", "seed"), shares)
    return found


def _null_of_delays(sources: Mapping[str, xr.Dataset]) -> xr.DataArray:
    names = list(sources)
    delays = sources[names[0]]["delays"].values.tolist()
    seeds = sorted({seed for source in sources.values() for seed in source["seed"].values.tolist()})
    values = np.full((len(names), len(delays), len(delays), len(seeds)), np.nan)
    for row, name in enumerate(names):
        for seed in sources[name]["seed"].values.tolist():
            spectra = [_spectrum(sources[name], seed, level) for level in delays]
            for i, a in enumerate(spectra):
                for j, b in enumerate(spectra):
                    values[row, i, j, seeds.index(seed)] = _distance(a, b)
    return xr.DataArray(
        values,
        dims=("condition", "level", "other_level", "seed"),
        coords={"level": delays, "other_level": delays, "seed": seeds},
    )


def _stride_distances(sources: Mapping[str, xr.Dataset], levels: Sequence[int]) -> xr.Dataset:
    """W(spec_c, spec_1) and W(spec_c, spec_1^c)."""
    names = list(sources)
    seeds = sorted({seed for source in sources.values() for seed in source["seed"].values.tolist()})
    before = np.full((len(names), len(levels), len(seeds)), np.nan)
    after = before.copy()
    for row, name in enumerate(names):
        source = sources[name]
        if "stride_eigenvalue" not in source:
            continue
        power = int(source.attrs["stride"])
        for seed in source["seed"].values.tolist():
            for at, level in enumerate(levels):
                plain = _spectrum(source, seed, level)
                strided = _spectrum(source, seed, level, name="stride_eigenvalue")
                before[row, at, seeds.index(seed)] = _distance(strided, plain)
                after[row, at, seeds.index(seed)] = _distance(strided, plain**power)
    dims = ("condition", "level", "seed")
    coords = {"seed": ("seed", np.array(seeds)), "level": ("level", np.array(levels))}
    return xr.Dataset({"stride_before": (dims, before), "stride_after": (dims, after)}, coords=coords)
