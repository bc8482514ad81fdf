"""How specific a response is to its probe, whether it is a product of time and place, and the stages of training.

All definitions are our own choice (the papers give none); the small-distance exponents of kernels are exact: 1 for
activations whose slope has steps, which give a cusp, and 2 for smooth ones.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

EARLY, LATE = 0.25, 0.05
"""Mean errors |y - f| at which the early stage ends and the late one begins."""


def half_width(
    places: Float[np.ndarray, " place"],
    profile: Float[np.ndarray, "*curve place"],
    own: Float[np.ndarray, "*curve"],
    probe: Float[np.ndarray, "*curve"],
) -> Float[np.ndarray, "*curve"]:
    """Half width at half maximum: the distance from x0 at which R(x, x0) / R(x0, x0) first falls to a half.

    Linear between places; the mean of both sides, or the one side on which it falls to a half within the places. NaN
    where it does on neither.

    Args:
        places: in rising order.
        profile: R(x, x0).
        own: R(x0, x0).
        probe: x0.
    """
    shape = np.broadcast_shapes(profile.shape[:-1], np.shape(own), np.shape(probe))
    curves = np.broadcast_to(profile, (*shape, len(places))).reshape(-1, len(places))
    tops, centres = (np.broadcast_to(part, shape).ravel() for part in (own, probe))
    found = [
        _half_width(places, curve / top, centre)
        for curve, top, centre in zip(curves, tops, centres, strict=True)
    ]
    return np.array(found).reshape(shape)


def _half_width(places: np.ndarray, curve: np.ndarray, centre: float) -> float:
    if not np.isfinite(curve).all():
        return np.nan
    right = places > centre
    left = places < centre
    sides = [
        _first_half(places[right] - centre, curve[right]),
        _first_half((centre - places[left])[::-1], curve[left][::-1]),
    ]
    kept = [side for side in sides if np.isfinite(side)]
    return float(np.mean(kept)) if kept else np.nan


def _first_half(distances: np.ndarray, values: np.ndarray) -> float:
    """Where a curve that is 1 at distance 0 first crosses a half."""
    below = np.flatnonzero(values <= 0.5)
    if not below.size:
        return np.nan
    place = below[0]
    before, value = (0.0, 1.0) if place == 0 else (distances[place - 1], values[place - 1])
    share = (value - 0.5) / (value - values[place])
    return float(before + share * (distances[place] - before))


def peak_over_mean(
    profile: Float[np.ndarray, "*curve place"], own: Float[np.ndarray, "*curve"]
) -> Float[np.ndarray, "*curve"]:
    """S = K(x0, x0) / mean over the places of K(x, x0): 1 for a kernel that is the same everywhere."""
    return np.asarray(own / profile.mean(axis=-1))


def small_distance_exponent(
    distances: Float[np.ndarray, " distance"],
    kernel: Float[np.ndarray, "*curve distance"],
    own: Float[np.ndarray, "*curve distance"],
    probe: Float[np.ndarray, "*curve"],
) -> Float[np.ndarray, "*curve"]:
    """The exponent p of 1 - K(x, x0) / sqrt(K(x, x) K(x0, x0)) ~ |x - x0|^p, by least squares on logarithms.

    Args:
        distances: |x - x0|.
        kernel: K(x, x0).
        own: K(x, x).
        probe: K(x0, x0).
    """
    fall = 1 - kernel / np.sqrt(own * probe[..., None])
    logs = np.log(np.where(fall > 0, fall, np.nan))
    at = np.log(distances)
    centred = at - at.mean()
    return np.asarray((logs * centred).sum(axis=-1) / (centred**2).sum())


def rank_one_violation(
    responses: Float[np.ndarray, "*curve time place"], *, unit_rows: bool = False
) -> Float[np.ndarray, "*curve"]:
    """1 - s_1^2 / sum_k s_k^2 of the singular values of R[t, x]: 0 for a product decay(t) x kernel(x).

    Args:
        responses: one row for each time.
        unit_rows: scale the rows to length one first. Early rows, larger by decades, hide the late ones otherwise.
    """
    shares = shares_of_singular_values(responses, unit_rows=unit_rows)
    # The rest is added up by itself, so that small violations keep their digits.
    return np.asarray(shares[..., 1:].sum(axis=-1))


def shares_of_singular_values(
    responses: Float[np.ndarray, "*curve time place"], *, unit_rows: bool = False
) -> Float[np.ndarray, "*curve rank"]:
    """s_k^2 / sum_j s_j^2 in descending order; NaN for a matrix with a value that is not finite."""
    finite = np.isfinite(responses).all(axis=(-2, -1))
    rows = np.where(finite[..., None, None], responses, 0.0)
    if unit_rows:
        lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
        rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    else:
        # Squares of very small responses would underflow.
        largest = np.abs(rows).max(axis=(-2, -1), keepdims=True)
        rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    squares = np.linalg.svd(rows, compute_uv=False) ** 2
    total = squares.sum(axis=-1, keepdims=True)
    shares = np.divide(squares, total, out=np.full_like(squares, np.nan), where=total > 0)
    return np.where(finite[..., None], shares, np.nan)


def boundaries(
    steps: Int[np.ndarray, " time"], errors: Float[np.ndarray, "*curve time"]
) -> Float[np.ndarray, "*curve 2"]:
    """The first recorded steps at which the mean error |y - f| is below the bounds of both stages; else NaN."""
    found = []
    for bound in (EARLY, LATE):
        below = errors < bound
        found.append(np.where(below.any(axis=-1), steps[below.argmax(axis=-1)], np.nan))
    return np.stack(found, axis=-1)


def stage_of(errors: Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """0 early (mean error 0.25 or more), 1 in transition, 2 late (below 0.05); -1 where the error is not finite."""
    stages = np.where(errors >= EARLY, 0, np.where(errors >= LATE, 1, 2))
    return np.where(np.isfinite(errors), stages, -1)
