"""Delay embedding and snapshot pairs of an ensemble of trajectories."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from orrery.config.errors import OrreryError


def delay_embedding(
    states: Float[np.ndarray, "run step component"], delays: int
) -> Float[np.ndarray, "run window stacked"]:
    """Stack ``delays + 1`` successive states, the oldest first.

    Row t of a run is ``[s_t, s_{t+1}, ..., s_{t+delays}]``; with T steps there are T - delays rows of
    (delays + 1) D entries. Source: Redman et al., arXiv 2302.09160, released code.

    Raises:
        OrreryError: the trajectory is too short for two rows.
    """
    check_length(states.shape[1], delays, 1)
    windows = np.lib.stride_tricks.sliding_window_view(states, delays + 1, axis=1)
    runs, rows = windows.shape[:2]
    return np.ascontiguousarray(windows.swapaxes(2, 3)).reshape(runs, rows, -1)


def snapshot_pairs(
    embedded: Float[np.ndarray, "run window stacked"], stride: int = 1
) -> tuple[Float[np.ndarray, "stacked pair"], Float[np.ndarray, "stacked pair"]]:
    """Pairs (H_t, H_{t + stride}) inside each run, never across two runs, as columns of X and Y.

    Returns:
        X and Y with run-major columns: all pairs of the first run, then those of the second, and so on.
    """
    stacked = embedded.shape[2]
    before = embedded[:, :-stride].reshape(-1, stacked).T
    after = embedded[:, stride:].reshape(-1, stacked).T
    return before, after


def check_length(steps: int, delays: int, stride: int) -> None:
    """Refuse delays or strides that leave no snapshot pair.

    Raises:
        OrreryError: always with the largest number of delays that would do.
    """
    if delays < 0 or stride < 1:
        raise OrreryError(f"delays is {delays} and stride is {stride}; write delays >= 0 and stride >= 1")
    if steps - delays - stride < 1:
        raise OrreryError(
            f"{delays} delays and stride {stride} need at least {delays + stride + 1} steps, and the trajectory has "
            f"{steps}; write delays <= {max(steps - stride - 1, 0)}"
        )
