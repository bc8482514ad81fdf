"""Learning-rate schedules: pure functions of the step."""

from __future__ import annotations

import math

from orrery.systems.network_settings import Constant, Cosine, LinearWarmup, Schedule, StepSchedule


def schedule_factor(schedule: Schedule, t: int) -> float:
    """Factor on the rate at step ``t`` (0-based)."""
    match schedule:
        case Constant():
            return 1.0
        case StepSchedule(every=every, factor=factor):
            return float(factor ** (t // every))
        case Cosine(steps=steps, floor=floor):
            progress = min(t, steps) / steps
            return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2
        case LinearWarmup(steps=steps):
            return min(t + 1, steps) / steps
