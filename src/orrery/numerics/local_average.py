"""How wide the local average of the data is that a curve comes nearest to.

f(x) = g sum_i w_i(x) y_i with w_i(x) proportional to exp(-(x - x_i)^2 / (2 ell^2)) and sum_i w_i(x) = 1. That a network
gives a local average whose scale ell shrinks along training is the claim of Nakazato (arXiv 2309.07367, abstract); this
fit of ell and g is our own choice. Early in training the curve is a shrunk average, so that g must be free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import softmax


@dataclass(frozen=True)
class LocalAverages:
    """The local averages that fit curves best.

    Attributes:
        scale: ell of each curve, one of those that were tried; NaN where the curve is zero or not finite.
        gain: g of each curve.
        explained: share of the sum of squares of the curve that the fit explains; 1 is a perfect fit.
    """

    scale: Float[np.ndarray, "*curve"]
    gain: Float[np.ndarray, "*curve"]
    explained: Float[np.ndarray, "*curve"]


def weights(
    points: Float[np.ndarray, " point"],
    samples: Float[np.ndarray, " sample"],
    scales: Float[np.ndarray, " scale"],
) -> Float[np.ndarray, "scale point sample"]:
    """The Gaussian weights of the samples at each point; they sum to 1, however small the scale is."""
    squares = (points[:, None] - samples) ** 2
    return np.asarray(softmax(-squares / (2 * scales[:, None, None] ** 2), axis=-1))


def fit_scales(
    curves: Float[np.ndarray, "*curve point"],
    averages: Float[np.ndarray, "*#curve scale point"],
    scales: Float[np.ndarray, " scale"],
) -> LocalAverages:
    """Least squares over the points in g, and over the scales that are tried in ell.

    Args:
        curves: values at the points.
        averages: the local averages at the points for each scale.
        scales: in the units of the inputs.
    """
    products = np.einsum("...p,...sp->...s", curves, averages)
    lengths = np.einsum("...sp,...sp->...s", averages, averages)
    whole = (curves * curves).sum(axis=-1)
    gains = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    explained = gains * products
    best = np.where(np.isfinite(explained), explained, -np.inf).argmax(axis=-1)[..., None]
    fitted = np.isfinite(whole) & (whole > 0)

    def of_best(values: np.ndarray) -> np.ndarray:
        return np.where(fitted, np.take_along_axis(values, best, axis=-1)[..., 0], np.nan)

    share = np.divide(of_best(explained), whole, out=np.full(whole.shape, np.nan), where=fitted)
    return LocalAverages(np.where(fitted, scales[best[..., 0]], np.nan), of_best(gains), share)
