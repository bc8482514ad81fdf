"""The map that a saturated network follows: descent on one logit vector that is the same for every sample.

Once the hidden units of a classifier are constant over the samples, its output is one logit vector z, only the output
layer moves, and plain descent on the mean cross-entropy is

    z(t + 1) = z(t) - r (softmax z(t) - f),        L(z) = - sum_k f_k ln softmax_k(z),

with the shares f of the classes and the effective rate r = rate (1 + sum_j h_j^2), h the constant hidden outputs: 1 for
the bias, h_j^2 for the weights of unit j. The sum of z is conserved, so that the motion is two-dimensional for three
classes. Derivation: our own; the network is that of Danovski, Soriano, Lacasa (arXiv 2404.05782) at a large rate.

The effective rate may be one number, or one per row of z with a last dimension of one.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

    Logits = Float[np.ndarray, "*rows class"]
    Rate = float | Float[np.ndarray, "*rows 1"]
    Fractions = Float[np.ndarray, " class"]


def probabilities(logits: Logits) -> Float[np.ndarray, "*rows class"]:
    """softmax z over the last dimension."""
    shifted = np.exp(logits - _over_classes(np.maximum, logits))
    return np.asarray(shifted / _over_classes(np.add, shifted))


def step(logits: Logits, rate: Rate, fractions: Fractions) -> Float[np.ndarray, "*rows class"]:
    """One step of the map."""
    return np.asarray(logits - rate * (probabilities(logits) - fractions))


def loss(logits: Logits, fractions: Fractions) -> Float[np.ndarray, "*rows"]:
    """Cross-entropy of f with softmax z, through the log of the sum of exponentials: any size of z will do."""
    shifted = logits - _over_classes(np.maximum, logits)
    return np.asarray(np.log(_over_classes(np.add, np.exp(shifted))[..., 0]) - shifted @ fractions)


def _over_classes(combine: np.ufunc, values: np.ndarray) -> np.ndarray:
    """A ufunc over the last dimension, which is short: class by class, for NumPy is slow along short dimensions."""
    return np.asarray(reduce(combine, np.moveaxis(values, -1, 0)))[..., None]


def iterate(
    logits: Float[np.ndarray, "row class"],
    rate: float | Float[np.ndarray, "row 1"],
    fractions: Fractions,
    steps: int,
) -> Float[np.ndarray, "row time class"]:
    """The path of ``steps`` further steps, the start first."""
    path = np.empty((len(logits), steps + 1, logits.shape[1]))
    path[:, 0] = logits
    for t in range(steps):
        path[:, t + 1] = step(path[:, t], rate, fractions)
    return path


def after(
    logits: Float[np.ndarray, "row class"],
    rate: float | Float[np.ndarray, "row 1"],
    fractions: Fractions,
    steps: int,
) -> Float[np.ndarray, "row class"]:
    """Where so many steps lead, without the path."""
    for _ in range(steps):
        logits = step(logits, rate, fractions)
    return logits


def extremes(
    logits: Float[np.ndarray, "row class"],
    rate: float | Float[np.ndarray, "row 1"],
    fractions: Fractions,
    values: int,
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Least and largest of so many losses, that of the start first."""
    low = high = loss(logits, fractions)
    for _ in range(values - 1):
        logits = step(logits, rate, fractions)
        now = loss(logits, fractions)
        low, high = np.minimum(low, now), np.maximum(high, now)
    return low, high


def fixed_point(fractions: Fractions) -> Float[np.ndarray, " class"]:
    """ln f, with a sum of zero; every constant added to it is fixed as well. Its loss is the entropy of f."""
    logits = np.log(fractions)
    return np.asarray(logits - logits.mean())


def curvatures(fractions: Fractions) -> Float[np.ndarray, " class"]:
    """Eigenvalues of diag f - f f^T, the Hessian of the loss in z at the fixed point, ascending; the first is 0."""
    return np.linalg.eigvalsh(np.diag(fractions) - np.outer(fractions, fractions))


def stability_bound(fractions: Fractions) -> float:
    """The effective rate below which the fixed point is stable: two over the largest curvature."""
    return float(2 / curvatures(fractions)[-1])


def jacobian(
    logits: Logits, rate: float | Float[np.ndarray, "*rows 1 1"]
) -> Float[np.ndarray, "*rows class class"]:
    """J = I - r (diag p - p p^T); symmetric, with (1, ..., 1) as an exactly neutral direction."""
    p = probabilities(logits)
    spread = p[..., :, None] * (np.eye(p.shape[-1]) - p[..., None, :])
    return np.asarray(np.eye(p.shape[-1]) - rate * spread)


def exponents_along(
    path: Float[np.ndarray, "row time class"], rate: float | Float[np.ndarray, "row 1"], align: int = 0
) -> tuple[Float[np.ndarray, "row class"], Float[np.ndarray, " row"]]:
    """Exponents of the map along given paths by QR, every step of which is differentiated but the last.

    The neutral direction is removed before, by a basis of the vectors with sum zero: its exponent is zero exactly.

    Args:
        path: logits; they need not be an orbit of the map (those of a network are one up to its saturation).
        rate: effective rate of each row.
        align: first steps that only turn the frame, and count for nothing.

    Returns:
        Exponents per step (natural log), largest first, and the residual of the sum rule: the distance of their sum
        from the mean of ln |det J|.
    """
    classes = path.shape[2]
    # Orthonormal, its first column (1, ..., 1): the others span what moves.
    basis = np.linalg.qr(np.column_stack([np.ones(classes), np.eye(classes)[:, 1:]]))[0][:, 1:]
    rates = np.asarray(rate, dtype=float).reshape(-1, 1, 1)
    frame = np.broadcast_to(np.eye(classes - 1), (len(path), classes - 1, classes - 1))
    logs = np.zeros((len(path), classes - 1))
    determinants = np.zeros(len(path))
    steps = path.shape[1] - 1
    with np.errstate(divide="ignore"):
        for t in range(steps):
            jacobians = jacobian(path[:, t], rates)
            frame, triangle = np.linalg.qr(basis.T @ jacobians @ basis @ frame)
            if t >= align:
                determinants += np.linalg.slogdet(jacobians)[1]
                logs += np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2)))
    exponents = np.column_stack([logs / (steps - align), np.zeros(len(path))])
    residual = np.abs(exponents.sum(axis=1) - determinants / (steps - align))
    return -np.sort(-exponents, axis=1), residual


def periods(
    series: Float[np.ndarray, "row time"], largest: int, tolerance: float
) -> Float[np.ndarray, " row"]:
    """The smallest period of each series up to ``largest``, or 0 where there is none.

    A series has period p where no value differs from that p steps later by more than ``tolerance``.
    """
    found = np.zeros(len(series))
    for period in range(min(largest, series.shape[1] // 2), 0, -1):
        differs = np.abs(series[:, period:] - series[:, :-period]).max(axis=1)
        found[differs <= tolerance] = period
    return found
