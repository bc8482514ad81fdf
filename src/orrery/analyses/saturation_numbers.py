"""The numbers of saturated networks and of the map beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number, share_number
from orrery.analyses.saturation_patterns import counted, matched
from orrery.numerics import softmax_map

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.saturation import Settings


def numbers_of(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """See :func:`orrery.analyses.saturation.numbers`.

    Args:
        sources: by condition, with ``saturated(seed)`` and the others.
        settings: tolerances.
    """
    found: list[Number] = []
    for name, source in sources.items():
        found += _saturation(name, source)
        found += _patterns(name, source, settings)
        found += _following(name, source)
        found += _exponents(name, source)
        found += _of_the_map(name, source, settings)
    return found


def _saturation(name: str, source: xr.Dataset) -> Iterator[Number]:
    saturated = source["saturated"].values.astype(bool)
    counts = _class_counts(source)
    accuracy = source["train_accuracy"].values
    of_one_class = source["constant_class"].values.astype(bool) & np.isclose(
        accuracy[:, None], source["fractions"].values, rtol=0, atol=1e-9
    ).any(axis=1)
    yield share_number(f"saturated[{name}]", saturated, "share of runs whose hidden units all saturated")
    yield share_number(
        f"saturated-constant-class[{name}]",
        saturated & of_one_class,
        "share of runs that saturated and give every training sample one class",
    )
    for part in ("train", "test"):
        values = source[f"{part}_accuracy"].values[saturated]
        for word, choose in (("least", np.min), ("largest", np.max)):
            yield Number(
                f"{word}-{part}-accuracy[{name}]",
                float(choose(values)) if values.size else np.nan,
                n=len(values),
                description=f"{word} {part} accuracy of the saturated runs at the last step"
                + (f"; shares of the classes {counts}" if part == "train" else ""),
            )
    yield Number(
        f"largest-deviation[{name}]",
        _largest(source["deviation"].values[saturated]),
        n=int(saturated.sum()),
        description="largest deviation of a hidden unit over the samples, saturated runs",
    )
    yield Number(
        f"changed[{name}]",
        float((saturated & (source["changes"].values > 0)).sum()),
        n=int(saturated.sum()),
        description="saturated runs whose number of units at one changes within the window",
    )
    for ones in np.unique(source["ones"].values[saturated]):
        yield Number(
            f"runs[{name},m={ones}]",
            float((source["ones"].values[saturated] == ones).sum()),
            n=int(saturated.sum()),
            description=f"saturated runs with {ones} hidden units at one",
        )
    for place in np.flatnonzero(~saturated):
        seed = int(source["seed"].values[place])
        told = f"of the run of seed {seed}, which did not saturate"
        yield Number(
            f"unsaturated-accuracy[{name},seed={seed}]",
            float(accuracy[place]),
            description=f"accuracy {told}",
        )
        yield Number(
            f"unsaturated-loss[{name},seed={seed}]",
            float(source["loss"].values[place, -1]),
            description=f"loss {told}, at the last step",
        )


def _patterns(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    kept = counted(source)
    for starts, said in (
        ("any", "from its own logits or from one of the random starts"),
        ("own", "from its own logits, over the same steps"),
        ("random", "from one of the random starts"),
    ):
        yield share_number(
            "matched" + ("" if starts == "any" else f"-{starts}") + f"[{name}]",
            matched(source, settings, starts)[kept],
            f"share of saturated runs of constant m whose least and largest loss are those of the reduced map {said}",
        )
    periods, ends = source["period"].values, source["end"].values
    for words, chosen in (
        ("flat", kept & (periods == 1)),
        ("period-3", kept & (periods == 3)),
        ("other-periods", kept & (periods > 3) | (kept & (periods == 2))),
        ("aperiodic", kept & (periods == 0)),
    ):
        yield share_number(
            f"{words}[{name}]", chosen[kept], f"share of these runs that end {words.replace('-', ' ')}"
        )
    flat = kept & (periods == 1)
    yield Number(
        f"plateau-loss[{name}]",
        float(ends[flat].mean()) if flat.any() else np.nan,
        n=int(flat.sum()),
        floor=None,
        description="loss of the runs that end flat",
    )
    band = kept & (periods == 0)
    for ones in np.unique(source["ones"].values[band]):
        of = band & (source["ones"].values == ones)
        for side, (word, said) in enumerate((("low", "least"), ("high", "largest"))):
            yield Number(
                f"band-{word}[{name},m={ones}]",
                float(np.median(ends[of, side])),
                n=int(of.sum()),
                description=f"median over runs without a period of their {said} loss, m = {ones}",
            )
    triples = source["loss"].values[kept & (periods == 3)]
    yield Number(
        f"triple-spread[{name}]",
        float(np.abs(triples[:, 3:] - triples[:, :-3]).max()) if len(triples) else np.nan,
        n=len(triples),
        description="largest change of the loss over three steps of the runs of period 3",
    )


def _following(name: str, source: xr.Dataset) -> Iterator[Number]:
    saturated = source["saturated"].values.astype(bool)
    errors = source["error"].values[saturated].max(axis=1)
    lag = source.sizes["lag"] - 1
    yield Number(
        f"following-error-90[{name}]",
        float(np.quantile(errors, 0.9, method="inverted_cdf")) if errors.size else np.nan,
        n=len(errors),
        description=f"largest distance of the two losses over {lag} steps, that 90 % of saturated runs do not exceed",
    )
    yield Number(
        f"following-error-largest[{name}]",
        _largest(errors),
        n=len(errors),
        description=f"largest distance of the two losses over {lag} steps, of all saturated runs",
    )
    drift = source["sum_drift"].values[counted(source)]
    yield Number(
        f"sum-drift[{name}]",
        _largest(drift),
        n=len(drift),
        description="largest change of the sum of the logits within the window, saturated runs of constant m",
    )


def _exponents(name: str, source: xr.Dataset) -> Iterator[Number]:
    kept = counted(source)
    exponents, ones = source["exponent"].values, source["ones"].values
    groups = [("", kept), *((f",m={m}", kept & (ones == m)) for m in np.unique(ones[kept]))]
    for words, chosen in groups:
        for index in range(source.sizes["index"]):
            values = exponents[chosen, index]
            yield mean_number(
                f"exponent[{name}{words},index={index}]",
                values,
                "exponent of the reduced map along the logits of the network, per step, largest first",
            )
    if "network_exponent" in source:
        yield from _beside_the_network(name, source, kept)
    yield Number(
        f"neutral-exponent[{name}]",
        _largest(np.abs(exponents[kept]).min(axis=1)),
        n=int(kept.sum()),
        description="exponent nearest to zero, the largest over runs",
    )
    yield Number(
        f"sum-rule[{name}]",
        _largest(source["sum_rule"].values),
        n=source.sizes["seed"],
        description="largest distance of the sum of the exponents from the mean of ln |det J|, over all runs",
    )


def _beside_the_network(name: str, source: xr.Dataset, kept: np.ndarray) -> Iterator[Number]:
    """The reduced map has as many exponents as classes; all others of the network are zero."""
    followed = kept & np.isfinite(source["network_exponent"].values).all(axis=1)
    network, of_map = source["network_exponent"].values[followed], source["map_exponent"].values[followed]
    among = np.zeros_like(network)
    among[:, : of_map.shape[1]] = of_map
    expected = -np.sort(-among, axis=1)
    yield mean_number(
        f"network-exponent[{name},index=0]",
        network[:, 0],
        "largest exponent of all weights over the last steps",
    )
    yield mean_number(
        f"network-exponent[{name},index=last]",
        network[:, -1],
        "smallest exponent of all weights over the last steps",
    )
    yield mean_number(
        f"map-exponent[{name},index=0]", of_map[:, 0], "largest exponent of the map over the same steps"
    )
    yield mean_number(
        f"map-exponent[{name},index=last]", of_map[:, -1], "smallest exponent of the map over the same steps"
    )
    residuals = source["network_sum_rule"].values
    residuals = residuals[np.isfinite(residuals)]
    yield Number(
        f"network-sum-rule[{name}]",
        _largest(residuals),
        n=len(residuals),
        description="largest distance of the sum of all exponents of the network from the mean of ln |det J|",
    )
    for words, columns in (("largest", slice(0, 1)), ("smallest", slice(-1, None)), ("any", slice(None))):
        yield Number(
            f"exponent-difference-{words}[{name}]",
            _largest(np.abs(network - expected)[:, columns].ravel()),
            n=int(followed.sum()),
            description=f"distance of {words} exponent of all weights from that of the reduced map with zeros beside "
            "it, the largest over runs",
        )


def _of_the_map(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    fractions = source["fractions"].values
    yield Number(
        f"entropy[{name}]",
        float(softmax_map.loss(softmax_map.fixed_point(fractions), fractions)),
        description="loss of the fixed point of the reduced map: the entropy of the shares of the classes",
    )
    yield Number(
        f"stability-bound[{name}]",
        softmax_map.stability_bound(fractions),
        description="effective rate below which the fixed point is stable",
    )
    for place, rate in enumerate(settings.near_bound):
        values = source["end_distance"].values[place]
        for word, choose in (("least", np.min), ("largest", np.max)):
            yield Number(
                f"{word}-distance[{name},rate={rate:g}]",
                float(choose(values)),
                n=len(values),
                description=f"{word} distance from the fixed point, 5,000 steps after a start at {settings.distance:g}",
            )


def _class_counts(source: xr.Dataset) -> str:
    return ", ".join(f"{share:.3f}" for share in source["fractions"].values)


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if values.size else np.nan
