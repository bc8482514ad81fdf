"""The vector fields of the reference flows, and a step of a flow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float

from orrery.systems.reference_map_settings import Lorenz, ReferenceFlow, Rossler

Point = Float[torch.Tensor, "run coordinate"]


def field_of(settings: ReferenceFlow) -> Callable[[Point], Point]:
    """The velocity at a point; the formulas stand in the docstrings of the settings."""

    def lorenz(point: Point, of: Lorenz) -> Point:
        x, y, z = point.unbind(dim=-1)
        return torch.stack([of.sigma * (y - x), x * (of.rho - z) - y, x * y - of.beta * z], dim=-1)

    def rossler(point: Point, of: Rossler) -> Point:
        x, y, z = point.unbind(dim=-1)
        return torch.stack([-y - z, x + of.a * y, of.b + z * (x - of.c)], dim=-1)

    if isinstance(settings, Lorenz):
        return lambda point: lorenz(point, settings)
    return lambda point: rossler(point, settings)


def runge_kutta_step(field: Callable[[Point], Point], time: float, point: Point) -> Point:
    """The classical step of fourth order: its error is of order time^5."""
    first = field(point)
    second = field(point + time / 2 * first)
    third = field(point + time / 2 * second)
    fourth = field(point + time * third)
    return point + time / 6 * (first + 2 * second + 2 * third + fourth)
