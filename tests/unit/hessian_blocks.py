"""The Hessian of a three-layer network written out block by block, in NumPy: a reference that shares no code.

``a = W x + b``, ``h = phi(a)``, ``o = V h + c``, ``y' = psi(o)``, ``C = (1/2N) sum |y' - y|^2``. With ``D = (y' - y)
psi'(o)`` and ``G = psi'(o)^2 + (y' - y) psi''(o)``, ``< >`` the mean over samples and ``[ ]`` Kronecker's delta:
``V_kj, V_lm: [k=l] <G_k h_j h_m>``; ``V_kj, W_mi: <G_k V_km phi'_m x_i h_j> + [j=m] <D_k phi'_j x_i>``, without the
second term for c; ``W_ji, W_mn: <phi'_j phi'_m x_i x_n sum_k G_k V_kj V_km> + [j=m] <phi''_j x_i x_n sum_k V_kj D_k>``;
for c put h = 1, for b put x = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def tanh(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, first and second derivative."""
    value = np.tanh(z)
    return value, 1 - value**2, -2 * value * (1 - value**2)


def sigmoid(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value = 1 / (1 + np.exp(-z))
    slope = value * (1 - value)
    return value, slope, slope * (1 - 2 * value)


def identity(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return z, np.ones_like(z), np.zeros_like(z)


FUNCTIONS = {"tanh": tanh, "sigmoid": sigmoid, "identity": identity}


@dataclass(frozen=True)
class ThreeLayers:
    """A network on some samples; its weights are one vector: W, b, V, c, each with its last index fastest."""

    inputs: np.ndarray  # (sample, input)
    targets: np.ndarray  # (sample, output)
    hidden: int
    activation: str
    link: str

    @property
    def size(self) -> int:
        return self.hidden * (self.inputs.shape[1] + 1) + self.targets.shape[1] * (self.hidden + 1)

    def _parts(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        inputs, outputs, hidden = self.inputs.shape[1], self.targets.shape[1], self.hidden
        ends = np.cumsum([hidden * inputs, hidden, outputs * hidden])
        w, b, v, c = np.split(vector, ends)
        return w.reshape(hidden, inputs), b, v.reshape(outputs, hidden), c

    def _forward(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        w, b, v, c = self._parts(vector)
        h, first, second = FUNCTIONS[self.activation](self.inputs @ w.T + b)
        y, slope, bend = FUNCTIONS[self.link](h @ v.T + c)
        rest = y - self.targets
        ones = np.ones((len(self.inputs), 1))
        return {
            "v": v,
            "rest": rest,
            "h": np.hstack([h, ones]),
            "x": np.hstack([self.inputs, ones]),
            "first": first,
            "second": second,
            "d": rest * slope,
            "g": slope**2 + rest * bend,
        }

    def loss(self, vector: np.ndarray) -> float:
        return float((self._forward(vector)["rest"] ** 2).sum() / (2 * len(self.inputs)))

    def gradient(self, vector: np.ndarray) -> np.ndarray:
        """V_kj <D_k h_j>, c_k <D_k>, W_ji <E_j x_i>, b_j <E_j> with E_j = phi'_j sum_k V_kj D_k."""
        f = self._forward(vector)
        e = f["first"] * (f["d"] @ f["v"])
        n = len(self.inputs)
        upper, lower = f["d"].T @ f["h"] / n, e.T @ f["x"] / n
        return np.concatenate([lower[:, :-1].ravel(), lower[:, -1], upper[:, :-1].ravel(), upper[:, -1]])

    def hessian(self, vector: np.ndarray) -> np.ndarray:
        f = self._forward(vector)
        v, h, x, d, g, first = (f[key] for key in ("v", "h", "x", "d", "g", "first"))
        n, outputs, hidden = len(self.inputs), self.targets.shape[1], self.hidden
        upper = np.einsum("kl,sk,sj,sm->kjlm", np.eye(outputs), g, h, h) / n
        mixed = np.einsum("sk,km,sm,si,sj->kjmi", g, v, first, x, h) / n
        own = np.einsum("sk,sj,si->kji", d, first, x) / n
        lower = np.einsum("sj,sm,si,sn,sk,kj,km->jimn", first, first, x, x, g, v, v) / n
        bend = np.einsum("sj,si,sn,kj,sk->jin", f["second"], x, x, v, d) / n
        for j in range(hidden):
            mixed[:, j, j] += own[:, j]
            lower[j, :, j] += bend[j]
        # In the order (W and b by unit, V and c by output), then in that of the vector.
        a, b = hidden * x.shape[1], outputs * h.shape[1]
        mixed_matrix = mixed.reshape(b, a)
        whole = np.block([[lower.reshape(a, a), mixed_matrix.T], [mixed_matrix, upper.reshape(b, b)]])
        units = np.arange(a).reshape(hidden, -1)
        tops = a + np.arange(b).reshape(outputs, -1)
        order = np.concatenate([units[:, :-1].ravel(), units[:, -1], tops[:, :-1].ravel(), tops[:, -1]])
        return whole[np.ix_(order, order)]


def central(function, vector: np.ndarray, width: float = 1e-5) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Central differences of a function of a vector, one row per component of the vector."""
    steps = width * np.eye(len(vector))
    return np.array([(function(vector + step) - function(vector - step)) / (2 * width) for step in steps])
