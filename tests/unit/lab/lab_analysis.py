"""An analysis of one's own, as far as the configuration looks at it."""

from __future__ import annotations

from typing import Any

from orrery.analyses.api import AnalysisSettings
from orrery.config.names import ConditionName


class Settings(AnalysisSettings):
    """Delays and rank."""

    delays: int | tuple[int, ...] = 8
    rank: int = 10
    pairs: tuple[tuple[ConditionName, ConditionName], ...] = ()
    compare: dict[str, Any] | None = None
