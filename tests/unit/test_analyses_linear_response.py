"""Copies under a map whose linear and quadratic parts are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from tests.unit.analysis_examples import Part

from orrery.analyses.api import Context
from orrery.analyses.linear_response import Settings, analyse, compare, numbers, plot
from orrery.config.errors import OrreryError
from orrery.trajectory.trajectory import Trajectory
from orrery.trajectory.writer import Writer

DIRECTIONS = np.array([[0.0, 0.0], [1.0, -0.5], [0.25, 1.0]])
STEPS = 30


def source(path: Path, amplitude: float, bend: float = 0.0, copies: int = 3) -> Trajectory:
    """d(t) = size |direction| 1.1^t, plus ``bend`` times its square."""
    writer = Writer(
        path,
        components=[Part("x", (2,))],
        steps=range(STEPS),
        seeds=[4] * copies,
        copies=range(copies),
        dtype="float64",
        attributes={"condition": {"copies": {"amplitude": amplitude}}},
    )
    for step in range(STEPS):
        away = amplitude * DIRECTIONS[:copies] * 1.1**step
        writer.record(step, {"x": torch.from_numpy(1 + away + bend * np.sign(away) * away**2)})
    writer.close(status=np.zeros(copies, int), last_step=np.full(copies, STEPS - 1))
    return Trajectory.open(path)


def results(tmp_path: Path, **sizes: tuple[float, float]) -> dict[str, xr.Dataset]:
    settings = Settings(reference="middle")
    return {
        name: analyse(source(tmp_path / f"{name}.zarr", *values), settings, Context(name))
        for name, values in sizes.items()
    }


def test_a_linear_response_is_one_curve_and_another_is_told(tmp_path: Path) -> None:
    sources = results(tmp_path, middle=(2.0**-20, 0.0), small=(2.0**-24, 0.0), bent=(0.01, 3.0))
    settings = Settings(reference="middle")
    assert sources["middle"]["response"].values[0, 0, 0] == pytest.approx(1.5, rel=1e-8)
    comparison = compare(sources, settings)
    found = {one.name: one.value for one in numbers(comparison, sources, settings)}
    assert set(found) == {
        "difference[small]",
        "difference[bent]",
        *(f"displacement[{name}]" for name in sources),
    }
    assert found["difference[small]"] < 1e-7
    # The quadratic part adds, relative to the linear one, bend x size x (sum of squares over sum of the direction).
    grown = 0.01 * 1.1 ** (STEPS - 1)
    assert found["difference[bent]"] == pytest.approx(3 * grown * max(1.25 / 1.5, 1.0625 / 1.25), rel=1e-6)
    (figure,) = plot(comparison, sources, settings)
    assert len(figure.data) == 3 * STEPS


def test_differences_are_published_until_a_step_and_copies_have_displacements(tmp_path: Path) -> None:
    sources = results(tmp_path, middle=(2.0**-20, 0.0), bent=(0.01, 3.0))
    settings = Settings(reference="middle", until=9)
    found = {one.name: one.value for one in numbers(compare(sources, settings), sources, settings)}
    assert found["difference[bent]"] == pytest.approx(3 * 0.01 * 1.1**9 * 1.0625 / 1.25, rel=1e-6)
    starts = 1 + 0.01 * DIRECTIONS[1:] + 3 * np.sign(DIRECTIONS[1:]) * (0.01 * DIRECTIONS[1:]) ** 2
    last = 0.01 * DIRECTIONS[1:] * 1.1 ** (STEPS - 1)
    ends = 1 + last + 3 * np.sign(last) * last**2
    expected = np.abs(ends - starts).sum(axis=1) / np.abs(starts).sum(axis=1)
    np.testing.assert_allclose(sources["bent"]["displacement"].values[0], expected)
    assert found["displacement[bent]"] == pytest.approx(expected.mean())


def test_many_sizes_are_told_apart_by_a_scale_of_colours(tmp_path: Path) -> None:
    sizes = {f"size-{place}": (2.0 ** (-20 - place), 0.0) for place in range(8)}
    sources = results(tmp_path, middle=(2.0**-10, 0.0), **sizes)
    settings = Settings(reference="middle")
    (figure,) = plot(compare(sources, settings), sources, settings)
    lines = figure.figure.axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 9
    assert [float(line.get_label()) for line in lines] == sorted(
        float(f"{source.attrs['amplitude']:g}") for source in sources.values()
    )


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    sources = results(tmp_path, middle=(1e-3, 0.0))
    with pytest.raises(OrreryError, match="there is no condition 'other' among those read"):
        compare(sources, Settings(reference="other"))
    alone = source(tmp_path / "alone.zarr", 1e-3, copies=1)
    with pytest.raises(OrreryError, match="there are no perturbed copies"):
        analyse(alone, Settings(reference="middle"), Context("alone"))
    shorter = sources["middle"].isel(moment=slice(0, 10))
    with pytest.raises(OrreryError, match="need the same recorded steps"):
        compare({**sources, "shorter": shorter}, Settings(reference="middle"))
