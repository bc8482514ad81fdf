"""What squared-error training of a constant kernel gives, in closed form.

With the loss sum_i (y_i - f(x_i))^2, the rate eta and a tangent kernel K that does not change, a start at f_0 = 0 leads
to

    f_t(x) = K_x K^-1 (1 - exp(-2 eta K t)) y            (gradient flow)
    f_t(x) = K_x K^-1 (1 - (1 - 2 eta K)^t) y            (t discrete steps)

(derived, exact). A start elsewhere adds f_0(x) and learns y - f_0. In the eigenvectors of K each mode is fitted by
itself, once 2 eta lambda t > 1. The degrees of freedom, the sum of the fitted shares, only grow; noise of variance v in
the targets makes f_t(x) vary by v times the squared norm of the row of the smoother at x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class ConstantKernel:
    """The kernel of each run in its eigenvectors, and how fast it is trained.

    Attributes:
        values: eigenvalues of the Gram matrix of the samples, ascending; not below zero.
        vectors: eigenvectors as columns.
        onto: the kernel between the points and the samples, times the eigenvectors.
        rate: 2 eta, where the loss is the plain sum of squares; a factor on the loss multiplies it.
        discrete: steps rather than gradient flow.
    """

    values: Float[np.ndarray, "run mode"]
    vectors: Float[np.ndarray, "run sample mode"]
    onto: Float[np.ndarray, "run point mode"]
    rate: float
    discrete: bool = True

    @property
    def product(self) -> Float[np.ndarray, " run"]:
        """2 eta times the largest eigenvalue; discrete steps leave the solution where it exceeds 2."""
        return self.rate * self.values[:, -1]

    def fitted(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "run time mode"]:
        """The share of each mode that is fitted: 1 - exp(-2 eta lambda t), or 1 - (1 - 2 eta lambda)^t.

        Args:
            times: steps; whole numbers where training is in steps and a mode has 2 eta lambda > 1.
        """
        speed = self.rate * self.values[:, None, :]
        if not self.discrete:
            return np.asarray(-np.expm1(-speed * times[:, None]))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            small = -np.expm1(times[:, None] * np.log1p(-np.minimum(speed, 0.5)))
            return np.asarray(np.where(speed < 0.5, small, 1 - (1 - speed) ** times[:, None]))

    def outputs(
        self, targets: Float[np.ndarray, "run sample"], times: Float[np.ndarray, " time"]
    ) -> Float[np.ndarray, "run time point"]:
        """f_t - f_0 at the points, for the targets y - f_0."""
        parts = np.einsum("rsk,rs->rk", self.vectors, targets)
        return np.asarray(self._filters(times) * parts[:, None, :] @ self.onto.transpose(0, 2, 1))

    def row_norms(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "run time point"]:
        """Squared norm of the row of the smoother at each point: variance of f_t(x) over that of the targets."""
        return np.asarray(self._filters(times) ** 2 @ self.onto.transpose(0, 2, 1) ** 2)

    def degrees_of_freedom(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "run time"]:
        """Sum of the fitted shares of the modes: how many numbers of the data are followed."""
        return np.asarray(self.fitted(times).sum(axis=-1))

    def _filters(self, times: np.ndarray) -> np.ndarray:
        """Fitted share over eigenvalue; its limit 2 eta t where there is no eigenvalue left."""
        values = np.broadcast_to(
            self.values[:, None, :], (*self.values.shape[:1], len(times), self.values.shape[1])
        )
        limit = np.broadcast_to(self.rate * times[:, None], values.shape)
        return np.divide(self.fitted(times), values, out=limit.copy(), where=values > 0)


def constant_kernel(
    gram: Float[np.ndarray, "run sample sample"],
    across: Float[np.ndarray, "run point sample"],
    rate: float,
    *,
    discrete: bool = True,
) -> ConstantKernel:
    """Take a kernel apart; see :class:`ConstantKernel`.

    Args:
        gram: between the samples; symmetric, no negative eigenvalue but for rounding.
        across: between the points and the samples.
        rate: 2 eta.
        discrete: steps rather than gradient flow.
    """
    values, vectors = np.linalg.eigh(gram)
    return ConstantKernel(np.maximum(values, 0.0), vectors, across @ vectors, rate, discrete)
