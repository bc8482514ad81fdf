"""Frames and covariant vectors beside those of clvlib (https://github.com/riccardo-consonni/clvlib)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.unit.tangent_examples import Orbit
from tests.unit.test_systems_reference import of

from orrery.analyses.lyapunov_tangents import Followed, marks
from orrery.numerics.covariant_vectors import backward
from orrery.numerics.tangent_frames import log_growth
from orrery.systems.system import Runs

clvlib = pytest.importorskip("clvlib.numpy")

STEPS = 400


def henon(t: float, point: np.ndarray) -> np.ndarray:
    return np.array([1 - 1.4 * point[0] ** 2 + point[1], 0.3 * point[0]])


def slope(t: float, point: np.ndarray) -> np.ndarray:
    return np.array([[-2.8 * point[0], 1.0], [0.3, 0.0]])


def test_exponents_frames_and_covariant_vectors_are_those_of_clvlib() -> None:
    orbit = Orbit(of("henon"), Runs.product((3,)))
    points = np.array([state["point"][0].numpy() for _, state in orbit.states(0, STEPS)])
    times = np.arange(STEPS + 1, dtype=float)
    exponents, _, frames, factors, vectors, _ = clvlib.lyap_analysis(
        henon, slope, points, times, stepper="discrete"
    )
    start = torch.eye(2, dtype=torch.float64)[None]
    passed = list(marks(Followed(orbit, (0,)), start, 0, STEPS, range(1, STEPS + 1)))
    found = [mark for mark in passed if mark.factor is not None]
    logs = torch.stack([log_growth(mark.factor) for mark in found])[:, 0]
    assert np.abs(logs.mean(dim=0).numpy() - exponents).max() < 1e-12
    for mark, frame, factor in zip(found, frames[1:], factors[1:], strict=True):
        assert np.abs(mark.frame[0].numpy() - frame).max() < 1e-9
        assert np.abs(mark.factor[0].numpy() - factor).max() < 1e-9
    coefficients = torch.eye(2, dtype=torch.float64)[None]
    ours = {}
    for mark in reversed(found):
        coefficients, _ = backward(coefficients, mark.factor)
        ours[mark.step - 1] = coefficients[0].numpy()
    theirs = np.swapaxes(frames, 1, 2) @ vectors
    for step in range(100, 300):
        # clvlib 0.1.5 goes back by R(t) where R(t + 1) leads on from t, so that its coefficients are one step late:
        # nothing to speak of where a step is short, as in its flows, and much for a map. Ours are covariant.
        assert np.abs(theirs[step] - ours[step - 1]).max() < 1e-9
        pushed = slope(0, points[step]) @ frames[step] @ ours[step]
        assert (
            np.abs(pushed / np.linalg.norm(pushed, axis=0) - frames[step + 1] @ ours[step + 1]).max() < 1e-9
        )
