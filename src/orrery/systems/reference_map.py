"""Maps of few variables whose exponents, or their sum, are known: from the logistic map to the standard map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orrery.config.closed import Closed
from orrery.systems.reference_map_settings import ReferenceMap
from orrery.systems.starts import Start, check_dimension

if TYPE_CHECKING:
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.system import System


class Settings(Closed):
    """A map of few variables whose exponents, or their sum, are known."""

    kind: Literal["reference-map"] = "reference-map"
    map: ReferenceMap = Field(
        description="which map, with its parameters, e.g. {kind: henon, a: 1.4, b: 0.3}"
    )
    start: Start | None = Field(
        None, description="where runs start; drawn from a box of the map where absent"
    )

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        check_dimension(self.start, self.map.dimension)
        return self


def build(
    settings: Settings, *, dataset: Any = None, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of these settings; its state is ``point`` of shape (run, coordinate). It has no loss."""
    from orrery.systems.points import point_system
    from orrery.systems.reference_maps import map_of

    return point_system(
        map_of(settings.map, dtype, device),
        settings.start,
        settings.map.box,
        dtype=dtype,
        device=device,
        streams=streams,
    )
