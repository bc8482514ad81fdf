"""The ageing curves of a result of ``response``, and power laws through their last decades."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from orrery.numerics.ageing import Ageing, log_log, window

if TYPE_CHECKING:
    import xarray as xr

CURVES = ("error", "raw", "out", "pre", "output-kernel", "kernel", "factor")
WORDS = {
    "error": "|y - f| at x0",
    "raw": "R_raw(x0, x0)",
    "out": "R_out(x0, x0)",
    "pre": "R_pre(x0, x0)",
    "output-kernel": "K_f(x0, x0)",
    "kernel": "K_u(x0, x0)",
    "factor": "f'(x0)",
}
PREDICTED = {
    ("squares", "sigmoid"): {
        "error": -0.5,
        "raw": -1.5,
        "out": -1.0,
        "pre": 0.0,
        "output-kernel": -1.0,
        "kernel": 0.0,
        "factor": -0.5,
    },
    ("binary", "sigmoid"): {
        "error": -1.0,
        "raw": -2.0,
        "out": -2.0,
        "pre": 0.0,
        "output-kernel": -2.0,
        "kernel": 0.0,
        "factor": -1.0,
    },
}
"""Exponents of one sample with a target of 1 and a kernel K_u that stays as it is; derived, exact up to that: the error
e obeys de/dt = -2 eta K_u e^3 (squares) or -eta K_u e^2 (binary cross-entropy), and f' is about e."""
PREDICTED_PRODUCT = 0.5
"""2 eta t K_f(x0, x0) of one sample and squares behind a sigmoid: from d(e^-2)/dt = 4 eta K_u follows
K_f = e^2 K_u = 1 / (4 eta t). Written down before it was measured."""


def curve(source: xr.Dataset, name: str) -> Float[np.ndarray, "seed probe moment"]:
    """One of :data:`CURVES` at the probe itself, from ``own(seed, moment, probe, norm)`` and its like."""
    if name in ("raw", "out", "pre"):
        values = np.abs(source["own"].values[..., ("raw", "out", "pre").index(name)])
    elif name in ("output-kernel", "kernel"):
        values = source["own_tangent"].values[..., ("output-kernel", "kernel").index(name)]
    else:
        values = source["probe_error" if name == "error" else "factor"].values
    return np.ascontiguousarray(values.transpose(0, 2, 1), dtype=float)


def fit(source: xr.Dataset, name: str, decades: float) -> Ageing:
    """The power law of a curve in the last decades, one for each ``(seed, probe)``.

    Args:
        source: with ``moment_step(moment)`` and what :func:`curve` reads.
        name: of the curve.
        decades: how many.
    """
    steps = source["moment_step"].values.astype(float)
    places = window(steps, decades)
    return log_log(steps[places], np.ascontiguousarray(curve(source, name)[..., places]))


def predicted(source: xr.Dataset) -> dict[str, float]:
    """Exponents that are predicted for one sample at the loss of a result (``loss`` and ``link`` of its attributes).

    Args:
        source: with ``mean_error(seed, moment)`` and the attributes of the analysis.
    """
    if source.attrs.get("samples") != 1:
        return {}
    return PREDICTED.get((str(source.attrs["loss"]), str(source.attrs["link"])), {})
