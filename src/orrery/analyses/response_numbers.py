"""Numbers of the training response: exponents, specificity, separability, stages, and how exact they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.analyses.api import Number
from orrery.analyses.over_seeds import mean_number
from orrery.analyses.response_fits import CURVES, WORDS, curve, fit
from orrery.numerics.ageing import log_log
from orrery.numerics.response_profiles import stage_of

if TYPE_CHECKING:
    import xarray as xr

    from orrery.analyses.response import Settings

NORMS = ("raw", "out", "pre")
STAGES = ("early", "transition", "late")

NEAR = 1.3
"""Records that are evenly spaced in log time may end by less than this factor before the step that is meant."""


def publish(sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """All numbers of all conditions.

    Args:
        sources: by condition, with ``response(seed, moment, probe, norm, place)`` and all else of the analysis.
        settings: of the analysis.
    """
    found: list[Number] = []
    for name, source in sources.items():
        lost = source["diverged"].values.astype(bool)
        found.append(
            Number(
                f"diverged[{name}]",
                float(lost.sum()),
                n=len(lost),
                description="runs that diverged; left out below",
            )
        )
        kept = source.isel(seed=np.flatnonzero(~lost))
        if kept.sizes["seed"]:
            found += _of_condition(name, kept, settings)
    return found


def _of_condition(name: str, source: xr.Dataset, settings: Settings) -> Iterator[Number]:
    probes = source.sizes["probe"]
    for probe in range(probes):
        label = name if probes == 1 else f"{name},probe={probe}"
        if settings.decades is not None:
            yield from _ageing(label, source, probe, settings.decades)
        yield from _exactness(label, source, probe)
        yield from _specificity(label, source, probe, settings)
        yield from _separability(label, source, probe, settings)
        yield from _stages(label, source, probe)
        yield from _products(label, source, probe, settings)
    boundary = source["boundary"].values
    for place, (key, bound) in enumerate((("transition-from", 0.25), ("late-from", 0.05))):
        yield mean_number(
            f"{key}[{name}]",
            boundary[:, place],
            f"first recorded step with a mean |y - f| over the training samples below {bound:g}; seeds without are "
            "left out",
            unit="steps",
        )
    if np.isfinite(source["mismatch"].values).any():
        yield Number(
            f"kernel-mismatch[{name}]",
            float(np.nanmax(source["mismatch"].values)),
            n=source.sizes["seed"],
            description="largest difference of K_u in closed form from that by automatic differentiation, over the "
            "largest value",
        )


def _ageing(label: str, source: xr.Dataset, probe: int, decades: float) -> Iterator[Number]:
    slopes: dict[str, Float[np.ndarray, " seed"]] = {}
    for key in CURVES:
        found = fit(source, key, decades)
        slopes[key] = found.slope[:, probe]
        error = found.error[:, probe]
        finite = error[np.isfinite(error)]
        told = (
            f"standard error of one fit {finite.mean():.1g}"
            if finite.size
            else "not finite, or zero, somewhere"
        )
        yield mean_number(
            f"{key}-slope[{label}]",
            slopes[key],
            f"exponent of {WORDS[key]} against the step, {found.records} records from {found.first:g} to "
            f"{found.last:g}, {source.attrs['arithmetic']}, {told}",
        )
    rest = slopes["output-kernel"] - 2 * slopes["factor"] - slopes["kernel"]
    if np.isfinite(rest).any():
        yield Number(
            f"bookkeeping[{label}]",
            float(np.nanmax(np.abs(rest))),
            n=int(np.isfinite(rest).sum()),
            description="largest |slope(K_f) - 2 slope(f') - slope(K_u)|: zero by definition",
        )


def _exactness(label: str, source: xr.Dataset, probe: int) -> Iterator[Number]:
    for norm, kernel in (("out", 0), ("pre", 1)):
        measured = source["response"].values[:, :, probe, NORMS.index(norm)]
        expected = source["tangent"].values[:, :, probe, kernel]
        distance = np.linalg.norm(measured - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
        yield Number(
            f"{norm}-deviation[{label}]",
            float(np.nanmax(distance)) if np.isfinite(distance).any() else np.nan,
            n=len(measured),
            description=f"largest relative distance over the places of R_{norm} from the tangent kernel, any step",
        )
    out = np.abs(curve(source, "out")[:, probe])
    yield mean_number(
        f"out-drift[{label}]",
        np.abs(out / out[:, :1] - 1).max(axis=1),
        "largest relative change of R_out(x0, x0) from the first step looked at",
    )
    if "identity" not in source:
        return
    rates, errors = source["identity_rate"].values, source["identity"].values[:, probe]
    order = np.argsort(rates)
    slopes = log_log(rates[order], np.ascontiguousarray(errors[:, order])).slope
    yield _median(
        f"identity-slope[{label}]",
        slopes,
        f"exponent in the probe rate, from {rates.min():g} to {rates.max():g}, of the distance of the response from "
        "its first order, median over seeds",
    )
    for place, rate in enumerate(rates):
        yield _median(
            f"identity-error[{label},rate={rate:g}]",
            errors[:, place],
            "relative distance over the places of the response from its first order, median over seeds",
        )


def _median(name: str, values: Float[np.ndarray, " seed"], description: str) -> Number:
    finite = values[np.isfinite(values)]
    return Number(
        name, float(np.median(finite)) if finite.size else np.nan, n=len(finite), description=description
    )


def _specificity(label: str, source: xr.Dataset, probe: int, settings: Settings) -> Iterator[Number]:
    steps = source["moment_step"].values
    for when, moment in (("first", 0), ("last", -1)):
        at = f"step {steps[moment]}"
        for norm in settings.normalisations:
            widths = source["half_width"].values[:, moment, probe, NORMS.index(norm)]
            if np.isfinite(source["place_at"].values).all():
                yield mean_number(
                    f"{when}-half-width-{norm}[{label}]",
                    widths,
                    f"half width at half maximum of R_{norm}(x, x0) at {at}; seeds where it does not fall to a half on "
                    "the grid are left out",
                )
        for place, (key, word) in enumerate((("output-kernel", "K_f"), ("kernel", "K_u"))):
            yield mean_number(
                f"{when}-peak-{key}[{label}]",
                source["peak"].values[:, moment, probe, place],
                f"{word}(x0, x0) over the mean over the places of {word}(x, x0) at {at}",
            )
        exponent = source["small_distance"].values[:, moment, probe]
        if np.isfinite(exponent).any():
            yield mean_number(
                f"{when}-small-distance[{label}]",
                exponent,
                f"exponent p of 1 - K_u(x, x0) / sqrt(K_u(x, x) K_u(x0, x0)) ~ |x - x0|^p at {at}, distances "
                f"{min(settings.distances):g} to {max(settings.distances):g}",
            )


def _separability(label: str, source: xr.Dataset, probe: int, settings: Settings) -> Iterator[Number]:
    for norm in settings.normalisations:
        for rows, row_words in enumerate(("rows", "unit-rows")):
            for span, words in enumerate(("all", "late")):
                told = "over all steps" if span == 0 else "over the late stage (mean |y - f| below 0.05)"
                yield mean_number(
                    f"violation-{norm}-{row_words}-{words}[{label}]",
                    source["violation"].values[:, probe, NORMS.index(norm), rows, span],
                    f"1 - s_1^2 / sum s_k^2 of R_{norm}[t, x] {told}"
                    + (", rows of length one" if rows else ", rows as they are"),
                )


def _stages(label: str, source: xr.Dataset, probe: int) -> Iterator[Number]:
    stages = stage_of(source["mean_error"].values)
    for number, stage in enumerate(STAGES):
        within = stages == number
        for key in ("factor", "kernel", "output-kernel"):
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(np.abs(curve(source, key)[:, probe]))
            if not np.isfinite(logs).any():
                continue
            means = [
                row[kept].mean() if kept.any() else np.nan for row, kept in zip(logs, within, strict=True)
            ]
            yield mean_number(
                f"{key}-{stage}[{label}]",
                np.exp(means),
                f"{WORDS[key]} in the {stage} stage, geometric mean over its records; seeds without it are left out",
            )


def _products(label: str, source: xr.Dataset, probe: int, settings: Settings) -> Iterator[Number]:
    steps = source["moment_step"].values
    for step in settings.products:
        if step > NEAR * steps[-1]:
            continue
        moment = int(np.abs(steps - step).argmin())
        kernel = curve(source, "output-kernel")[:, probe, moment]
        yield mean_number(
            f"product[{label},step={step}]",
            2 * source.attrs["rate"] * steps[moment] * kernel,
            f"2 x rate x t x K_f(x0, x0) at t = {steps[moment]}; of one sample and squares behind a sigmoid 1/2 late "
            "in training, derived from d(e^-2)/dt = 4 x rate x K_u",
        )
