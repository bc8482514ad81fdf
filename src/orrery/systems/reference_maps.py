"""One step of each reference map, batched over runs and differentiable almost everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float

from orrery.systems.reference_map_settings import (
    Cat,
    Henon,
    Ikeda,
    Linear,
    Logistic,
    Lozi,
    ReferenceMap,
    Rotation,
    Standard,
    Tent,
)

Point = Float[torch.Tensor, "run coordinate"]
Coordinate = Float[torch.Tensor, " run"]


def wrapped(x: Float[torch.Tensor, "*shape"], period: float) -> Float[torch.Tensor, "*shape"]:
    """x modulo a period; its derivative is 1 almost everywhere, since that of a floor is 0."""
    return x - period * torch.floor(x / period)


def map_of(settings: ReferenceMap, dtype: torch.dtype, device: torch.device) -> Callable[[Point], Point]:
    """The step of these settings; the formulas stand in the docstrings of the settings."""
    match settings:
        case Logistic(rate=rate):
            return lambda x: rate * x * (1 - x)
        case Tent(slope=slope):
            # The smaller of two would have slope 0 where they are equal.
            return lambda x: slope * torch.where(x < 0.5, x, 1 - x)
        case Linear(matrix=matrix):
            transposed = torch.tensor(matrix, dtype=dtype, device=device).T.contiguous()
            return lambda x: x @ transposed
        case Cat():
            return lambda point: wrapped(_of_plane(lambda x, y: (2 * x + y, x + y), point), 1.0)
        case Standard(strength=strength):
            return lambda point: wrapped(
                _of_plane(lambda x, p: (x + p + strength * torch.sin(x), p + strength * torch.sin(x)), point),
                2 * math.pi,
            )
        case Henon(a=a, b=b):
            return lambda point: _of_plane(lambda x, y: (1 - a * x**2 + y, b * x), point)
        case Lozi(a=a, b=b):
            return lambda point: _of_plane(lambda x, y: (1 - a * torch.abs(x) + y, b * x), point)
        case Rotation(angle=angle):
            return lambda point: _of_plane(
                lambda x, y: _turned(x, y, math.cos(angle), math.sin(angle)), point
            )
        case Ikeda():
            return lambda point: _of_plane(lambda x, y: _ikeda(x, y, settings), point)
    raise TypeError(f"no map for {type(settings).__name__}")


def _of_plane(
    function: Callable[[Coordinate, Coordinate], tuple[Coordinate, Coordinate]], point: Point
) -> Point:
    """A function of two coordinates, of every run."""
    x, y = point.unbind(dim=-1)
    return torch.stack(function(x, y), dim=-1)


def _turned(
    x: Coordinate, y: Coordinate, cosine: float | Coordinate, sine: float | Coordinate
) -> tuple[Coordinate, Coordinate]:
    return x * cosine - y * sine, x * sine + y * cosine


def _ikeda(x: Coordinate, y: Coordinate, settings: Ikeda) -> tuple[Coordinate, Coordinate]:
    angle = settings.shift - settings.turn / (1 + x**2 + y**2)
    real, imaginary = _turned(x, y, torch.cos(angle), torch.sin(angle))
    return 1 + settings.u * real, settings.u * imaginary
