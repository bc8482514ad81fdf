"""The numbers of outcome prediction: what exponents foretell, beside the loss, for every horizon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from orrery.analyses.api import Number
from orrery.numerics.resampling import wilson

if TYPE_CHECKING:
    import xarray as xr

WORDS = {
    "exponent": "the exponent",
    "loss": "the loss",
    "gradient": "the length of the step (rate x |grad C|)",
    "together": "loss and exponent together (logistic, fitted on the choosing runs)",
}
QUANTILES = (0.1, 0.5, 0.9)


def publish(sources: Mapping[str, xr.Dataset]) -> list[Number]:
    """All numbers; names carry the condition, and the horizon where they are not of the chosen one.

    Args:
        sources: by condition, ``area(predictor, horizon)`` and all else of
            :func:`orrery.analyses.outcome_scores.score`.
    """
    found: list[Number] = []
    for name, result in sources.items():
        found += _outcomes(name, result)
        found += _choice(name, result)
        headline = int(result.attrs["headline"])
        found += _at(result, headline, f"[{name}]")
        for place, horizon in enumerate(result["horizon"].values):
            found += _at(result, place, f"[{name},horizon={int(horizon)}]")
        found += _further(name, result)
    return found


def answer(result: xr.Dataset) -> tuple[float, str]:
    """Whether the exponent tells more than the loss at the chosen horizon: 1 more, -1 less, NaN no difference seen.

    Args:
        result: ``difference(contrast, horizon)`` with ``difference_low`` and ``difference_high``.

    Returns:
        The number and its words.
    """
    value, low, high = at(result, "difference", ("exponent", "loss"), int(result.attrs["headline"]))
    said = f"AUC {value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
    if low > 0:
        return 1.0, f"the exponent foretells the outcome better than the loss at the same step ({said})"
    if high < 0:
        return -1.0, f"the exponent foretells the outcome worse than the loss at the same step ({said})"
    return np.nan, f"no difference between exponent and loss at the same step is seen ({said})"


def adds(result: xr.Dataset) -> str:
    """Whether the exponent adds to the loss, in words: to the classification, and to the ranks of the final loss.

    Args:
        result: as for :func:`answer`, and ``partial(horizon)`` likewise.
    """
    headline = int(result.attrs["headline"])
    value, low, high = at(result, "difference", ("together", "loss"), headline)
    said = f"AUC {value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
    if low > 0:
        found = f"added to the loss it improves the classification ({said})"
    elif high < 0:
        found = f"added to the loss it spoils the classification ({said})"
    else:
        found = f"added to the loss it does not change the classification beyond chance ({said})"
    value, low, high = at(result, "partial", None, headline)
    said = f"{value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
    goes = "goes" if low > 0 or high < 0 else "is not seen to go"
    return f"{found}; at fixed rank of the loss it {goes} with the final loss (rank correlation {said})"


def at(
    result: xr.Dataset, quantity: str, row: str | tuple[str, str] | None, place: int
) -> tuple[float, float, float]:
    """Value, low and high of a quantity at a horizon.

    Args:
        result: ``area``, ``correlation(predictor, horizon)``, ``difference(contrast, horizon)``, ``partial(horizon)``.
        quantity: one of these.
        row: the predictor, or the two of a contrast.
        place: along ``horizon``.
    """
    values = [result[quantity + end].values for end in ("", "_low", "_high")]
    if row is None:
        value, low, high = (float(one[place]) for one in values)
        return value, low, high
    rows = result.attrs["predictors" if isinstance(row, str) else "contrasts"]
    line = rows.index(row if isinstance(row, str) else list(row))
    value, low, high = (float(one[line, place]) for one in values)
    return value, low, high


def classified(result: xr.Dataset) -> bool:
    """Whether there was something to classify.

    Args:
        result: with the attribute ``threshold``, of any dimensions, e.g. ``area(predictor, horizon)``.
    """
    return result.attrs["threshold"] is not None


def _outcomes(name: str, result: xr.Dataset) -> Iterator[Number]:
    final = result["final_loss"].values
    n = len(final)
    yield Number(
        f"excluded[{name}]",
        float(result.attrs["excluded"]),
        n=n + int(result.attrs["excluded"]),
        description="runs left out, since their loss or an exponent is not finite",
    )
    if classified(result):
        threshold = result.attrs["threshold"]
        yield _share(f"high-share[{name}]", final > threshold, f"runs with a final loss above {threshold:g}")
    for label, (low, high) in result.attrs["bands"].items():
        inside = (final >= low) & (final <= high)
        yield _share(f"share[{label},{name}]", inside, f"runs with a final loss in [{low:g}, {high:g}]")
    yield Number(f"largest-final-loss[{name}]", float(final.max()), n=n, description="largest final loss")
    yield Number(f"least-final-loss[{name}]", float(final.min()), n=n, description="least final loss")
    for fraction in QUANTILES:
        yield Number(
            f"final-loss-quantile[{name},{fraction:.0%}]",
            float(np.quantile(final, fraction)),
            n=n,
            description=f"{fraction:.0%} of the final losses lie below it",
        )


def _share(name: str, which: np.ndarray, words: str) -> Number:
    """A share of all runs, with Wilson's interval."""
    count = int(which.sum())
    n = len(which)
    return Number(name, count / n, wilson(count, n), n, description=f"share of {words}")


def _choice(name: str, result: xr.Dataset) -> Iterator[Number]:
    headline = int(result.attrs["headline"])
    n = int((~result["fresh"].values).sum())
    direction = "higher" if result["orientation"].values[0, headline] > 0 else "lower"
    yield Number(
        f"chosen-index[{name}]",
        float(result["chosen_index"].values[headline]),
        n=n,
        description=f"index of the exponent chosen on the choosing runs, 0 for the largest; where it is {direction} a "
        f"high final loss is foretold",
    )
    yield Number(
        f"chosen-horizon[{name}]",
        float(result["horizon"].values[headline]),
        n=n,
        unit="steps",
        description="horizon chosen on the choosing runs",
    )


def _at(result: xr.Dataset, place: int, label: str) -> Iterator[Number]:
    n = int(result["fresh"].values.sum())
    index = int(result["chosen_index"].values[place])
    horizon = int(result["horizon"].values[place])
    where = f"at step {horizon}, exponent {index}" if "horizon=" in label else "at the chosen horizon"
    if classified(result):
        for predictor in result.attrs["predictors"]:
            suffix = "" if predictor == "exponent" else f"-{predictor}"
            value, low, high = at(result, "area", predictor, place)
            yield Number(
                f"auc{suffix}{label}",
                value,
                (low, high),
                n,
                0.5,
                description=f"AUC of {WORDS[predictor]} on the fresh runs, {where}",
            )
        for one, other in result.attrs["contrasts"]:
            value, low, high = at(result, "difference", (one, other), place)
            yield Number(
                f"auc-difference-{one}-{other}{label}",
                value,
                (low, high),
                n,
                description=f"AUC of {WORDS[one]} less that of {WORDS[other]}, {where}",
            )
    for predictor in ("exponent", "loss", "gradient"):
        suffix = "" if predictor == "exponent" else f"-{predictor}"
        value, low, high = at(result, "correlation", predictor, place)
        yield Number(
            f"spearman{suffix}{label}",
            value,
            (low, high),
            n,
            description=f"rank correlation of {WORDS[predictor]} with the final loss on the fresh runs, {where}",
        )
    value, low, high = at(result, "partial", None, place)
    yield Number(
        f"partial-spearman{label}",
        value,
        (low, high),
        n,
        description=f"rank correlation of the exponent with the final loss at fixed rank of the loss, {where}",
    )


def _further(name: str, result: xr.Dataset) -> Iterator[Number]:
    if not classified(result):
        return
    n = int(result["fresh"].values.sum())
    permuted = result["permuted"].values
    yield Number(
        f"auc-permuted[{name}]",
        float(np.nanmean(permuted)),
        n=n,
        description=f"mean AUC over {len(permuted)} permutations of the outcomes, the choice repeated in each; "
        f"standard deviation {np.nanstd(permuted):.3f}",
    )
    code, words = answer(result)
    yield Number(
        f"verdict[{name}]",
        code,
        n=n,
        description=f"{words}; {adds(result)} (1 better, -1 worse, no value: neither)",
    )
    if "angle_area" in result:
        seen = f"{result.attrs['angle']} between covariant vectors, chosen on the choosing runs"
        value, low, high = result["angle_area"].values.tolist()
        count = int(result.attrs["angle_runs"])
        yield Number(f"auc-angle[{name}]", value, (low, high), count, 0.5, description=f"AUC of the {seen}")
        value, low, high = result["angle_difference"].values.tolist()
        yield Number(
            f"auc-difference-angle-loss[{name}]",
            value,
            (low, high),
            count,
            description=f"AUC of the {seen}, less that of the loss at the last horizon",
        )
