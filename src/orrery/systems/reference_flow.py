"""Flows of three variables, Lorenz and Rössler, as maps: a step is one Runge-Kutta step of fourth order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed
from orrery.systems.reference_map_settings import ReferenceFlow
from orrery.systems.starts import Start, check_dimension

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(Closed):
    """A flow by classical Runge-Kutta steps of fourth order.

    Exponents per unit of time are those per step, divided by ``time_step``.
    """

    kind: Literal["reference-flow"] = "reference-flow"
    flow: ReferenceFlow = Field(description="which flow, with its parameters, e.g. {kind: lorenz, rho: 28}")
    time_step: float = Field(0.01, gt=0, description="time of one step")
    start: Start | None = Field(
        None, description="where runs start; drawn from a box of the flow where absent"
    )

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        check_dimension(self.start, self.flow.dimension)
        return self


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings; its state is ``point`` of shape (run, coordinate). It has no loss."""
    from functools import partial

    from orrery.systems.points import point_system
    from orrery.systems.reference_flows import field_of, runge_kutta_step

    return point_system(
        partial(runge_kutta_step, field_of(settings.flow), settings.time_step),
        settings.start,
        settings.flow.box,
        dtype=dtype,
        device=device,
        streams=streams,
    )
