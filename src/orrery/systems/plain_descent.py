"""Gradient descent on x in the same box: x <- clip(x - rate f'(x), lower, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from orrery.systems.descent_settings import DescentSettings

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(DescentSettings):
    """Gradient descent on x in the same box: x <- clip(x - rate f'(x), lower, 1)."""

    kind: Literal["plain-descent"] = "plain-descent"


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings; its state is the variable ``x`` of shape (run, coordinate)."""
    from orrery.systems.descent import descent_system, plain_descent

    return descent_system(
        plain_descent,
        settings,
        name="x",
        primal=lambda x: x,
        dtype=dtype,
        device=device,
        streams=streams,
        edge=lambda rate: 2 / rate,
    )
