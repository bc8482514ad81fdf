"""Systems whose exponents are known, and runs of them as a replay would give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import torch
import xarray as xr
from tests.unit.test_systems_reference import of

from orrery.analyses import lyapunov
from orrery.analyses.api import Context
from orrery.numerics.streams import Streams
from orrery.systems.system import Component, Runs, System

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Orbit:
    """Runs of a system from their starts, with no training behind them."""

    system: System
    runs: Runs
    streams: Streams = field(default_factory=Streams)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def states(self, first: int, last: int) -> Iterator[tuple[int, State]]:
        self.asked.append((first, last))
        state = self.system.initial(self.runs)
        for t in range(last + 1):
            if t >= first:
                yield t, state
            if t < last:
                state = self.system.step(state, self.system.batch(self.runs, t), t)


def map_system(
    step: Callable[[torch.Tensor], torch.Tensor],
    size: int,
    start: Callable[[np.random.Generator], np.ndarray],
) -> System:
    """A map of (run, coordinate) to the same, as a system without data and without loss."""

    def initial(runs: Runs) -> State:
        drawn = [start(Streams().generator("init", seed, "point")) for seed in runs.seeds]
        return {"point": torch.tensor(np.array(drawn), dtype=torch.float64)}

    return System(
        components=(Component("point", (size,), "variable"),),
        initial=initial,
        batch=lambda runs, t: {},
        advance=lambda state, batch, t: ({"point": step(state["point"])}, {}),
        byproducts=(),
        clock=lambda t: None,
    )


def henon(**changes: object) -> System:
    """The Hénon map at its usual parameters; ``changes`` are of the system."""
    return replace(of("henon"), **changes)


def linear(matrix: Sequence[Sequence[float]]) -> System:
    return of("linear", matrix=matrix)


def run_of(
    system: System,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    last: int,
    first: int = 0,
    orbits: Sequence[Orbit] | None = None,
    status: Sequence[int] | None = None,
    last_step: Sequence[int] | None = None,
    **settings: object,
) -> xr.Dataset:
    """The analysis on runs of a system; ``settings`` are those of the study."""
    runs = Runs.product(seeds)
    source = SimpleNamespace(
        seeds=list(seeds),
        copies=[0],
        steps=list(range(first, last + 1)),
        dataset=xr.Dataset(
            {
                "status": ("run", np.array(status or [0] * runs.count)),
                "last_step": ("run", np.array(last_step or [last] * runs.count)),
            },
            coords={"seed": ("run", list(runs.seeds)), "copy": ("run", list(runs.copies))},
        ),
    )
    chosen = lyapunov.Settings.model_validate({"exponents": "all", **settings})
    context = Context(condition="it", replay=lambda: orbits or [Orbit(system, runs)])
    return lyapunov.analyse(source, chosen, context)
