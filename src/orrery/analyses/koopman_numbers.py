"""The numbers that a comparison of spectra publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.api import Number
from orrery.analyses.koopman_spectra import finite
from orrery.analyses.koopman_statistics import Means, blocks_of, means_of, verdict, within_of
from orrery.numerics import resampling
from orrery.numerics.matching import distance

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.koopman import Compare, Pair


def publish(comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Compare) -> list[Number]:
    """All numbers; those of several numbers of delays carry ``delays=m`` in their names.

    Args:
        comparison: from :func:`orrery.analyses.koopman_comparison.compare_spectra`.
        sources: by condition, from :func:`orrery.analyses.koopman.analyse`.
        settings: what is compared.
    """
    levels = comparison["level"].values.tolist()
    found: list[Number] = []
    for place, level in enumerate(levels):
        if settings.headline is not None and level != settings.headline:
            continue
        suffix = "" if level < 0 or settings.headline is not None else f",delays={level}"
        found += _at_level(comparison, sources, settings, place, suffix)
    found += _ratios_over_delays(comparison, settings)
    found += _nulls(comparison)
    found += _largest(found)
    if all(source.attrs.get("group") == "condition" for source in sources.values()):
        # One spectrum per condition from all its runs: there is no number of seeds to speak of.
        return [replace(number, n=None) for number in found]
    return found


def _at_level(
    comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Compare, place: int, suffix: str
) -> Iterator[Number]:
    floors = {name: _order_floor(comparison, (name, other), place) for name, other in settings.floors.items()}
    for name in sources:
        yield from _of_condition(comparison, sources[name], name, place, suffix)
    for name, values in floors.items():
        yield Number(
            f"order-floor[{name}{suffix}]",
            float(np.mean(values)) if len(values) else np.nan,
            n=len(values),
            description=f"mean distance of {name} from the same starts trained with other batches",
        )
    pairs = dict.fromkeys(
        [*settings.pairs, *(p for o in settings.orders.values() for p in (o.larger, o.smaller))]
    )
    means = {
        pair: means_of(blocks_of(comparison, pair, place), settings)
        for pair in pairs
        if _seeds(comparison, pair, place)
    }
    for pair in pairs:
        if pair in means:
            both = [float(np.mean(floors[name])) for name in pair if name in floors and len(floors[name])]
            yield from _of_pair(pair, means[pair], max(both) if len(both) == 2 else None, suffix)
        else:
            yield Number(f"distance[{pair[0]},{pair[1]}{suffix}]", _single(comparison, pair, place))
        if settings.swap:
            shares = _pair_row(comparison, "swap_share", pair)[place]
            shares = shares[np.isfinite(shares)]
            value = float(shares.mean()) if shares.size else np.nan
            yield Number(
                f"swap-share[{pair[0]},{pair[1]}{suffix}]",
                value,
                n=max(int(shares.size), 1),
                description="swap control (ties only): share of swaps that leave the distance as it is",
            )
    yield from _orders(comparison, settings, means, place, suffix)
    yield from _controls(comparison, sources, settings, place, suffix)


def _seeds(comparison: xr.Dataset, pair: Pair, place: int) -> int:
    return len(blocks_of(comparison, pair, place).seeds)


def _single(comparison: xr.Dataset, pair: Pair, place: int) -> float:
    """Distance of two conditions with one spectrum each, under different first seeds."""
    names, owner = list(comparison.attrs["conditions"]), comparison["member_condition"].values
    rows = [np.flatnonzero(owner == names.index(name)) for name in pair]
    if any(len(row) != 1 for row in rows):
        return np.nan
    return float(comparison["distance"].values[place, rows[0][0], rows[1][0]])


def _pair_row(comparison: xr.Dataset, name: str, pair: Pair) -> np.ndarray:
    return np.asarray(comparison[name].values[comparison.attrs["pairs"].index(list(pair))])


def _order_floor(comparison: xr.Dataset, pair: Pair, place: int) -> np.ndarray:
    return np.diag(blocks_of(comparison, pair, place).between)


def _of_condition(
    comparison: xr.Dataset, source: xr.Dataset, name: str, place: int, suffix: str
) -> Iterator[Number]:
    level = int(comparison["level"].values[place])
    at = 0 if level < 0 else source["delays"].values.tolist().index(level)
    spectra = [finite(values) for values in source["eigenvalue"].values[:, at, 0]]
    every = np.concatenate(spectra)
    seeds = sum(values.size > 0 for values in spectra)
    if not every.size:
        yield Number(f"modulus-from-one[{name}{suffix}]", np.nan, n=0, description="all runs diverged")
        return
    modulus = np.abs(every)
    facts = {
        "modulus-from-one": (np.abs(modulus - 1).max(), "largest | |l| - 1 | of all eigenvalues"),
        "largest-modulus": (modulus.max(), "largest modulus of all eigenvalues"),
        "largest-imaginary": (np.abs(every.imag).max(), "largest absolute imaginary part"),
        "smallest-real": (every.real.min(), "smallest real part"),
        "largest-real": (every.real.max(), "largest real part"),
        "singular-ratio": (
            np.nanmin(source["singular_ratio"].values[:, at, 0]),
            "smallest sigma_k / sigma_1",
        ),
        "spectrum-error": (
            np.nanmax(source["error"].values[:, at, 0]),
            "estimated error of an eigenvalue (rounding)",
        ),
    }
    for kind, (value, description) in facts.items():
        yield Number(f"{kind}[{name}{suffix}]", float(value), n=seeds, description=description)
    if seeds > 1:
        matrix = within_of(comparison, name, place)
        counts = resampling.resampled_within(matrix, _counts(len(matrix)))
        yield Number(
            f"within[{name}{suffix}]",
            resampling.mean_within(matrix),
            resampling.interval(counts),
            len(matrix),
            description=f"mean distance of two seeds of {name}, over all pairs of seeds",
        )
    if "split_distance" in source:
        by_seed = source["split_distance"].values[:, at].mean(axis=1)
        by_seed = by_seed[np.isfinite(by_seed)]
        yield Number(
            f"split-floor[{name}{suffix}]",
            float(by_seed.mean()) if by_seed.size else np.nan,
            n=int(by_seed.size),
            description=f"mean distance of two halves of the copies of one seed of {name}, same batches",
        )
    if "stride_before" in comparison:
        row = list(comparison.attrs["conditions"]).index(name)
        ratios = (
            comparison["stride_after"].values[row, place] / comparison["stride_before"].values[row, place]
        )
        ratios = ratios[np.isfinite(ratios)]
        if ratios.size:
            yield Number(
                f"stride-ratio[{name}{suffix}]",
                float(ratios.max()),
                n=int(ratios.size),
                description="largest over seeds of W(s_c, s_1^c) / W(s_c, s_1), pairs c steps apart",
            )


def _counts(n: int) -> np.ndarray:
    from orrery.analyses.koopman_statistics import resamples

    return resamples(n, 10_000)


def _of_pair(pair: Pair, means: Means, floor: float | None, suffix: str) -> Iterator[Number]:
    label = f"[{pair[0]},{pair[1]}{suffix}]"
    several = means.n > 1
    yield Number(
        f"distance{label}",
        means.matched,
        resampling.interval(means.matched_samples) if several else None,
        means.n,
        floor,
        description=f"mean distance seed by seed; standard deviation {means.spread:.3g} over seeds"
        if several
        else "",
    )
    if floor is not None:
        yield Number(
            f"floor{label}", floor, n=means.n, description="the larger floor of other batches of the two"
        )
    if not several or means.relabelling is None:
        return
    test = means.relabelling
    yield Number(
        f"between{label}",
        means.between,
        resampling.interval(means.between_samples),
        means.n,
        floor,
        description="mean distance over all pairs of seeds; within the two "
        f"{means.within[0]:.3g}, {means.within[1]:.3g}",
    )
    yield Number(
        f"larger-within{label}", max(means.within), n=means.n, description="the larger mean within of the two"
    )
    yield Number(
        f"excess{label}",
        test.excess,
        resampling.interval(means.excess_samples),
        means.n,
        description="mean between less the mean of the two means within",
    )
    kind = "all" if test.enumerated else "random"
    yield Number(
        f"permutation-p{label}",
        test.p,
        n=means.n,
        description=f"share of {test.relabellings} {kind} relabellings with an excess at least as large",
    )
    yield Number(
        f"margin{label}",
        means.between - max(means.within),
        resampling.interval(means.margin_samples),
        means.n,
        description="mean between less the larger mean within",
    )
    code, words = verdict(means, floor)
    yield Number(
        f"verdict{label}",
        code,
        n=means.n,
        description=f"{words} (1 non-conjugate, -1 compatible with conjugacy, no value: undecided)",
    )


def _orders(
    comparison: xr.Dataset, settings: Compare, means: Mapping[Pair, Means], place: int, suffix: str
) -> Iterator[Number]:
    for label, order in settings.orders.items():
        larger, smaller = means.get(order.larger), means.get(order.smaller)
        if larger is None or smaller is None:
            continue
        one, other = (
            _pair_row(comparison, "pair_distance", pair)[0, place] for pair in (order.larger, order.smaller)
        )
        differences = one - other
        differences = differences[np.isfinite(differences)]
        name = f"[{label}{suffix}]"
        samples = resampling.resampled_mean(differences, _counts(len(differences)))
        words = f"d({', '.join(order.larger)}) - d({', '.join(order.smaller)})"
        yield Number(
            f"order-difference{name}",
            float(differences.mean()),
            resampling.interval(samples),
            len(differences),
            description=f"mean over seeds of {words}",
        )
        yield Number(
            f"order-share{name}",
            float((differences > 0).mean()),
            n=len(differences),
            description=f"share of seeds with {words} > 0",
        )
        yield Number(
            f"order-p{name}",
            resampling.signed_rank_p(differences),
            n=len(differences),
            description=f"one-sided Wilcoxon signed-rank p of {words} > 0",
        )
        if larger.n == smaller.n and larger.relabelling and smaller.relabelling:
            yield Number(
                f"excess-difference{name}",
                larger.relabelling.excess - smaller.relabelling.excess,
                resampling.interval(larger.excess_samples - smaller.excess_samples),
                larger.n,
                description=f"excess({', '.join(order.larger)}) - excess({', '.join(order.smaller)})",
            )


def _controls(
    comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Compare, place: int, suffix: str
) -> Iterator[Number]:
    def single(pair: Pair) -> float:
        return _mean_distance(comparison, pair, place)

    level = int(comparison["level"].values[place])

    def spectrum(name: str) -> np.ndarray:
        source = sources[name]
        at = 0 if level < 0 else source["delays"].values.tolist().index(level)
        return finite(source["eigenvalue"].values[0, at, 0])

    for label, ratio in settings.ratios.items():
        yield Number(
            f"ratio[{label}{suffix}]",
            single(ratio.pair) / min(single(pair) for pair in ratio.against),
            description=f"d({', '.join(ratio.pair)}) over the smallest of the others",
        )
    for label, rate in settings.rates.items():
        reference, other = spectrum(rate.reference), spectrum(rate.other)
        scaled = np.exp(rate.power * np.log(reference))
        yield Number(
            f"rate-control[{label}{suffix}]",
            distance(other, scaled) / distance(other, reference),
            description=f"W(s, r^c) / W(s, r) for r of {rate.reference}, s of {rate.other}, c = {rate.power:g}",
        )
    for rung, (label, value) in zip(settings.ladder, ladder_of(comparison, settings, place), strict=True):
        yield Number(f"ladder[{label}{suffix}]", value, description=f"d({', '.join(rung.pair)})")


def ladder_of(comparison: xr.Dataset, settings: Compare, place: int) -> list[tuple[str, float]]:
    """Label and distance of every rung: the mean over seeds that both conditions have.

    Args:
        comparison: from :func:`orrery.analyses.koopman_comparison.compare_spectra`.
        settings: name the rungs.
        place: of the number of delays along ``level``.
    """
    return [(rung.label, _mean_distance(comparison, rung.pair, place)) for rung in settings.ladder]


def _mean_distance(comparison: xr.Dataset, pair: Pair, place: int) -> float:
    matched = np.diag(blocks_of(comparison, pair, place).between)
    return float(matched.mean()) if matched.size else _single(comparison, pair, place)


def _ratios_over_delays(comparison: xr.Dataset, settings: Compare) -> Iterator[Number]:
    levels = comparison["level"].values.tolist()
    if len(levels) < 2:
        return
    for label, ratio in settings.ratios.items():
        values = [
            _mean_distance(comparison, ratio.pair, place)
            / min(_mean_distance(comparison, pair, place) for pair in ratio.against)
            for place in range(len(levels))
        ]
        yield Number(
            f"largest-ratio[{label}]",
            float(np.max(values)),
            description=f"largest over delays {levels[0]} to {levels[-1]}; at {levels[int(np.argmax(values))]} delays",
        )


def _largest(published: list[Number]) -> Iterator[Number]:
    """The largest over all conditions and delays of what a claim bounds for each of them."""
    for kind in ("modulus-from-one", "stride-ratio"):
        every = [number for number in published if number.name.startswith(f"{kind}[")]
        if every:
            worst = max(every, key=lambda number: -np.inf if np.isnan(number.value) else number.value)
            yield Number(
                f"largest-{kind}",
                worst.value,
                n=min(number.n or 0 for number in every),
                description=f"largest over conditions and delays: {worst.name}",
            )


def _nulls(comparison: xr.Dataset) -> Iterator[Number]:
    if "null_distance" not in comparison:
        return
    values, levels = comparison["null_distance"].values, comparison["level"].values.tolist()
    for row, name in enumerate(comparison.attrs["conditions"]):
        for i, level in enumerate(levels):
            for j in range(i):
                by_seed = values[row, i, j][np.isfinite(values[row, i, j])]
                yield Number(
                    f"null[{name},delays={levels[j]} and {level}]",
                    float(by_seed.mean()) if by_seed.size else np.nan,
                    resampling.interval(resampling.resampled_mean(by_seed, _counts(len(by_seed))))
                    if by_seed.size > 1
                    else None,
                    int(by_seed.size),
                    description="mean distance of the same trajectories analysed at two numbers of delays",
                )
