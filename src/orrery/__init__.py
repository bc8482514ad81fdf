"""Orrery: how networks move while they train.

``open`` finds trajectories, ``Recorder`` records them from any training loop, ``Trajectory`` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orrery.trajectory.locate import open_trajectory as open
    from orrery.trajectory.recorder import Recorder
    from orrery.trajectory.trajectory import Trajectory

__all__ = ["Recorder", "Trajectory", "open"]


def __getattr__(name: str) -> Any:
    # Imported on first use: the plan imports this package and must not wait for torch and xarray.
    if name == "open":
        from orrery.trajectory.locate import open_trajectory

        return open_trajectory
    if name == "Recorder":
        from orrery.trajectory.recorder import Recorder

        return Recorder
    if name == "Trajectory":
        from orrery.trajectory.trajectory import Trajectory

        return Trajectory
    raise AttributeError(f"module 'orrery' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
