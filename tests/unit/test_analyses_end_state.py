"""End states of the logistic map, whose periods and multipliers are known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

from orrery.analyses import end_state
from orrery.analyses.api import Context
from orrery.analyses.results import open_result, write_result
from orrery.config.errors import OrreryError
from orrery.systems.system import Component, Runs, System

RATES = {0: 2.8, 1: 3.2, 2: 3.9}
EXPECTED = [
    [math.log(0.8), math.log(0.5)],
    [math.log(0.5), 0.5 * math.log(0.16)],
]
ORBIT = (0.7994554904673701, 0.5130445095326298)
AT = 2000


def logistic() -> System:
    """x <- r x (1 - x) with the rate of the seed, beside y <- y / 2."""

    def batch(runs: Runs, t: int) -> dict[str, torch.Tensor]:
        return {"r": torch.tensor([[RATES[seed]] for seed in runs.seeds], dtype=torch.float64)}

    def advance(state, batch, t):  # type: ignore[no-untyped-def]
        x, y = state["x"], state["y"]
        return {"x": batch["r"] * x * (1 - x), "y": y / 2}, {}

    return System(
        components=(Component("x", (1,), "variable"), Component("y", (1,), "variable")),
        initial=lambda runs: {name: torch.full((runs.count, 1), 0.3, dtype=torch.float64) for name in "xy"},
        batch=batch,
        advance=advance,
    )


@dataclass(frozen=True)
class Orbit:
    """Seeds in another order, each with a copy that is elsewhere."""

    system: System
    runs: Runs = field(default_factory=lambda: Runs((2, 2, 0, 0, 1, 1), (0, 1, 0, 1, 0, 1)))

    def states(self, first: int, last: int) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        state = self.system.initial(self.runs)
        state["x"] += 0.1 * torch.tensor(self.runs.copies)[:, None]
        for t in range(last + 1):
            if t >= first:
                yield t, state
            state = self.system.step(state, self.system.batch(self.runs, t), t)


def exponents(seeds: tuple[int, ...] = (0, 1, 2), count: int = 2) -> xr.Dataset:
    values = np.array([EXPECTED[min(seed, 1)][:count] for seed in seeds]) + 1e-5
    # In the order of the QR, which is not sorted.
    return xr.Dataset(
        {"exponent": (("seed", "index"), values[:, ::-1])},
        coords={"seed": list(seeds), "index": np.arange(count)},
    )


def analysed(source: object, system: System | None = None, **settings: object) -> xr.Dataset:
    given = {"of": "exponents", "at": AT, "periods": 4, **settings}
    context = Context("c", replay=lambda: [Orbit(system or logistic())])
    return end_state.analyse(source, end_state.Settings.model_validate(given), context)


def test_periods_and_multipliers_of_the_logistic_map() -> None:
    result = analysed(exponents())
    assert result["found"].values.tolist() == [1, 2, 0]
    assert result["expected"].values[:2] == pytest.approx(np.array(EXPECTED), abs=1e-9)
    assert np.isnan(result["expected"].values[2]).all()
    assert result["difference"].values[:2] == pytest.approx([1e-5, 1e-5], abs=1e-9)
    # A single step of the orbit of period 2 gives other numbers, from either of its points.
    assert min(np.abs(result["one_step"].values[1] - math.log(3.2 * (2 * x - 1))).min() for x in ORBIT) < 1e-9
    assert result["one_step_difference"].values[1] > 0.5
    assert result["distance"].values[0].max() < 1e-12
    assert result["distance"].values[1, 0] == pytest.approx(ORBIT[0] - ORBIT[1])


def test_a_job_reads_the_settings_without_the_name_of_its_source() -> None:
    dumped = end_state.Settings(of="exponents", at=AT).model_dump(mode="json")
    del dumped["of"]
    assert end_state.Settings.model_validate(dumped).at == AT


def test_only_the_seeds_of_the_source_are_looked_at() -> None:
    result = analysed(exponents((1,)))
    assert result["seed"].values.tolist() == [1]
    assert result["found"].values.tolist() == [2]


def test_longest_period_bounds_what_is_found() -> None:
    assert analysed(exponents(), periods=1)["found"].values.tolist() == [1, 0, 0]


def test_numbers_and_figure(tmp_path: Path) -> None:
    write_result(analysed(exponents()), tmp_path)
    sources = {"map": open_result(tmp_path)}
    settings = end_state.Settings(of="exponents", at=AT)
    published = {number.name: number for number in end_state.numbers(None, sources, settings)}
    assert published["share[map,period=1]"].value == pytest.approx(1 / 3)
    assert published["share[map,none]"].value == pytest.approx(1 / 3)
    assert published["largest-difference[map,period=2]"].value == pytest.approx(1e-5, abs=1e-9)
    assert published["one-step-difference[map,period=2]"].value > 0.5
    assert "one-step-difference[map,period=1]" not in published
    (drawn,) = end_state.plot(None, sources, settings)
    assert len(drawn.data) == 4


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(OrreryError, match="write 'of: <name of an analysis lyapunov>'"):
        analysed(object())
    with pytest.raises(OrreryError, match="that it reads has 1 of 2; write 'exponents: all' there"):
        analysed(exponents(count=1))
    with pytest.raises(OrreryError, match="end-state: the step of this system has no derivative"):
        analysed(exponents(), replace(logistic(), differentiable=False))


def test_a_study_that_cannot_work_is_told_before_it_runs() -> None:
    settings = end_state.Settings(of="exponents", at=AT)

    def told(steps: int, method: str, batches: str) -> dict[str, str]:
        condition = SimpleNamespace(
            training=SimpleNamespace(steps=steps),
            analyses={"exponents": SimpleNamespace(method=method)},
            system={"batches": {"kind": batches}},
        )
        return dict(settings.misfits(condition))

    assert told(AT, "lyapunov", "full") == {}
    assert told(AT - 1, "lyapunov", "full") == {"at": "is step 2000, but training.steps is 1999"}
    assert set(told(AT, "koopman", "shuffled")) == {"of", "method"}
