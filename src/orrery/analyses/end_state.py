"""Where runs end, and what their exponents must be there: at a fixed point ln |eig J|, on an orbit of period p
(1/p) ln |eig(J_p ... J_1)|.

A constant loss does not mean a fixed point: beyond the edge of stability weights may hop between two points of almost
equal loss. The exponents from a long product of tangent maps (``lyapunov``) are held against those of the multipliers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

REPLAYS = True
SCOPE = "block"


class Settings(AnalysisSettings):
    """Period and multipliers of end states, beside the exponents of a result of ``lyapunov``; for full batches."""

    method: Literal["end-state"] = "end-state"
    # A job is not told what it reads by name, so that a default must stand here; "misfits" refuses it in a study.
    of: str = Field(
        "trajectory", description="what is read: the name of an analysis 'lyapunov' with all exponents"
    )
    at: int = Field(ge=0, description="step of the state that is looked at, as a rule the last one")
    periods: int = Field(2, ge=1, le=64, description="longest period that is looked for")
    tolerance: float = Field(
        1e-8, gt=0, description="a period p is found where |w(t + p) - w(t)| is below this"
    )

    def misfits(self, condition: Any) -> Iterator[tuple[str, str]]:
        """What does not fit a condition, known before anything is trained: key and message."""
        steps = condition.training.steps
        if self.at > steps:
            yield "at", f"is step {self.at}, but training.steps is {steps}"
        source = condition.analyses.get(self.of)
        if getattr(source, "method", None) != "lyapunov":
            yield "of", f"is '{self.of}', and must be the name of an analysis 'lyapunov'"
        batches = condition.system.get("batches", {}).get("kind", "full")
        if batches != "full":
            yield "method", f"'end-state' is for full batches, and those of the condition are '{batches}'"


def analyse(source: Trajectory | xr.Dataset, settings: Settings, context: Context) -> xr.Dataset:
    """Period, multipliers and exponents of the end states; see :func:`orrery.analyses.end_state_result.end_states`.

    Args:
        source: a result of ``lyapunov`` with ``exponent(seed, index)`` of all exponents.
        settings: of the analysis.
        context: with a replay.

    Raises:
        OrreryError: another source, or a system without a derivative.
    """
    from orrery.analyses.end_state_result import end_states

    return end_states(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """Shares of the periods, and how far exponents lie from those of the multipliers.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.end_state_numbers import publish

    return publish(sources)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Difference of the exponents from those of the multipliers.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: of the analysis.
    """
    from orrery.analyses.end_state_numbers import draw

    return [draw(sources)]
