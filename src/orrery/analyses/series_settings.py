"""Settings of the analyses that read one recorded metric as a series."""

from __future__ import annotations

from pydantic import Field, field_validator

from orrery.analyses.api import AnalysisSettings


class SeriesSettings(AnalysisSettings):
    """Which metric is read, of which seeds."""

    metric: str = Field("loss", description="a metric that was recorded at every step")
    seeds: tuple[int, ...] = Field(
        (), description="seeds that are read, of those of the study; all where empty"
    )
    within: tuple[float, float] | None = Field(
        None,
        description="leave out, and count, seeds whose metric is not between these bounds over the whole stretch",
    )

    @field_validator("within")
    @classmethod
    def _ordered(cls, within: tuple[float, float] | None) -> tuple[float, float] | None:
        if within is not None and within[0] >= within[1]:
            raise ValueError(
                f"the lower bound ({within[0]:g}) must come first and lie below the upper one ({within[1]:g})"
            )
        return within
