"""Online gradient descent in the dual variable u = log x: u <- clip(u - rate e^u f'(e^u), log lower, 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from orrery.systems.descent_settings import DescentSettings

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(DescentSettings):
    """Online gradient descent in the dual variable u = log x: u <- clip(u - rate e^u f'(e^u), log lower, 0)."""

    kind: Literal["dual-descent"] = "dual-descent"


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings; its state is the variable ``u`` of shape (run, coordinate)."""
    import torch

    from orrery.systems.descent import descent_system, dual_descent

    return descent_system(
        dual_descent,
        settings,
        name="u",
        primal=torch.exp,
        dtype=dtype,
        device=device,
        streams=streams,
        edge=lambda rate: 2 / rate,
    )
