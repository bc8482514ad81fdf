"""Local exponents beside the edge: the identity of plain descent on real runs, and numbers on curves that are known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from tests.unit.test_training_block import condition, iris, train

from orrery.analyses import edge_exponents_curves, lyapunov
from orrery.analyses.api import Context
from orrery.analyses.edge_exponents import Settings, analyse, numbers, plot
from orrery.analyses.edge_exponents_numbers import beyond_negative_curvature, first_above
from orrery.config.errors import OrreryError
from orrery.plan.analyses import NOT_SCIENCE
from orrery.systems.hessian import hessian
from orrery.systems.tangents import jacobian
from orrery.training.replay import replay_of
from orrery.trajectory.trajectory import Trajectory

__all__ = ["iris"]

PLAIN = {
    "kind": "network",
    "network": {"kind": "mlp", "hidden": [4], "activation": "tanh"},
    "loss": {"kind": "mse"},
    "optimizer": {"kind": "sgd", "rate": 0.9},
    "batches": {"kind": "full"},
}


def found(
    tmp_path: Path, iris: Path, system: dict, **settings: object
) -> tuple[xr.Dataset, xr.Dataset, Context]:
    given = condition(system=system, training={"dtype": "float64"})
    train(tmp_path / "a", iris, given, last=12)
    source = Trajectory.open([tmp_path / "a" / "data.zarr"])
    context = Context("a", replay=partial(replay_of, given, iris, [tmp_path / "a"]))
    exponents = lyapunov.analyse(source, lyapunov.Settings(exponents=1, moments=6), context)
    return analyse(exponents, Settings(of="lyapunov", **settings), context), exponents, context


def test_the_sharpest_direction_is_multiplied_by_one_less_rate_times_sharpness(
    tmp_path: Path, iris: Path
) -> None:
    result, exponents, context = found(tmp_path, iris, PLAIN, tolerance=1e-9)
    assert result["moment_step"].values.tolist() == [2, 4, 6, 8, 10, 12]
    np.testing.assert_allclose(result["edge"], 2 / 0.9)
    np.testing.assert_array_equal(result["local"], exponents["local"][:, :, 0])
    (orbit,) = context.replay()
    state = {name: tensor[[0, 2]] for name, tensor in orbit.state(8).items()}
    dense = torch.linalg.eigvalsh(hessian(orbit.system, state, orbit.system.batch(orbit.runs, 8), 8))
    np.testing.assert_allclose(result["sharpness"][:, 3], dense[:, -1], rtol=1e-9)
    np.testing.assert_allclose(result["lowest"][:, 3], dense[:, 0], atol=1e-9)
    np.testing.assert_allclose(
        np.exp(result["sharpest_growth"]), np.abs(1 - 0.9 * result["sharpness"]), atol=1e-7
    )
    np.testing.assert_allclose(np.exp(result["lowest_growth"]), np.abs(1 - 0.9 * result["lowest"]), atol=1e-7)
    said = {number.name: number for number in numbers(None, {"a": result}, Settings(of="lyapunov"))}
    assert said["multiplier-mismatch[a]"].value < 1e-7


@pytest.mark.parametrize("together", [1, 2, 5])
def test_portions_of_the_moments_change_nothing(
    tmp_path: Path, iris: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    whole, exponents, context = found(tmp_path, iris, PLAIN, tolerance=1e-9)

    def portions(system: object, settings: object, moments: int, runs: int) -> Iterator[tuple[int, int]]:
        return ((first, min(first + together, moments)) for first in range(0, moments, together))

    # Six moments: the last one may be a portion by itself.
    monkeypatch.setattr(edge_exponents_curves, "portions", portions)
    parts = analyse(exponents, Settings(of="lyapunov", tolerance=1e-9), context)
    for name in set(whole) - {"residual", "lowest_residual"}:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("batches", [{"kind": "full"}, {"kind": "shuffled", "size": 16}])
@pytest.mark.parametrize("follow", [100, 1])
def test_stretches_against_the_product_of_dense_jacobians(
    tmp_path: Path, iris: Path, batches: dict, follow: int
) -> None:
    result, _, context = found(tmp_path, iris, {**PLAIN, "batches": batches}, tolerance=1e-9, follow=follow)
    (orbit,) = context.replay()
    assert np.isnan(result["finite_time"][:, 0]).all()
    runs = orbit.runs
    for place, start in enumerate((2, 4, 6, 8, 10)):
        first = orbit.state(start)
        vectors = torch.linalg.eigh(hessian(orbit.system, first, orbit.system.whole(), 0))[1]
        carried = vectors[[0, 2]][:, :, [-1, 0]]
        steps = min(2, follow)
        for step, state in orbit.states(start, start + steps - 1):
            dense = jacobian(orbit.system, state, orbit.system.batch(runs, step), step)
            carried = dense[[0, 2]] @ carried
        for name, wanted in (
            ("finite_time", torch.linalg.svdvals(carried)[:, 0]),
            ("sharpest_stretch", carried[:, :, 0].norm(dim=1)),
            ("lowest_stretch", carried[:, :, 1].norm(dim=1)),
        ):
            np.testing.assert_allclose(result[name][:, place + 1], wanted.log() / steps, atol=1e-6)


def test_no_direction_grows_faster_than_these_two_allow(tmp_path: Path, iris: Path) -> None:
    given = condition(system=PLAIN, training={"dtype": "float64"})
    train(tmp_path / "a", iris, given, last=12)
    source = Trajectory.open([tmp_path / "a" / "data.zarr"])
    context = Context("a", replay=partial(replay_of, given, iris, [tmp_path / "a"]))
    exponents = lyapunov.analyse(source, lyapunov.Settings(exponents=1, moments=12), context)
    result = analyse(exponents, Settings(of="lyapunov"), context)
    # The stretch that ends at step t + 1 is the one step that starts at t.
    bound = np.maximum(result["sharpest_growth"], result["lowest_growth"]).values[:, :-1]
    assert (result["local"].values[:, 1:] <= bound + 1e-9).all()


def test_mini_batches_are_those_of_the_step(tmp_path: Path, iris: Path) -> None:
    system = {**PLAIN, "batches": {"kind": "shuffled", "size": 16}}
    result, _, _ = found(tmp_path, iris, system, batch="step", tolerance=1e-9)
    np.testing.assert_allclose(
        np.exp(result["sharpest_growth"]), np.abs(1 - 0.9 * result["sharpness"]), atol=1e-7
    )


def known() -> xr.Dataset:
    """Two seeds; negative curvature explains the first positive stretch, the sharpest direction the next."""
    steps = np.arange(10, 70, 10)
    return xr.Dataset(
        {
            "local": (("seed", "moment"), [[0.1, 0.0, 0.0, 0.2, 0.1, -0.1], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]),
            "lowest_growth": (("seed", "moment"), [[0.2, 0.05, 0.0, 0.0, 0.0, 0.0], [0.0] * 6]),
            "sharpest_growth": (("seed", "moment"), [[-1.0, -0.5, 0.1, 0.2, 0.3, 0.0], [-1.0] * 6]),
            "finite_time": (("seed", "moment"), [[np.nan, 0.3, 0.2, 0.3, 0.1, 0.1], [np.nan] + [0.0] * 5]),
            "sharpest_stretch": (
                ("seed", "moment"),
                [[np.nan, -0.1, 0.02, 0.3, 0.1, 0.1], [np.nan] + [-1.0] * 5],
            ),
            "lowest_stretch": (("seed", "moment"), [[np.nan, 0.3, 0.2, 0.0, 0.0, 0.0], [np.nan] + [0.0] * 5]),
            "product": (("seed", "moment"), [[0.5, 0.9, 1.1, 1.2, 1.0, 1.0], [0.5] * 6]),
            "crossing": ("seed", [30.0, np.nan]),
            "diverged": ("seed", [False, False]),
            "edge": ("moment", np.full(6, 2.0)),
            "moment_step": ("moment", steps),
        },
        coords={"seed": [1, 4]},
    )


def test_numbers_of_known_curves() -> None:
    said = {number.name: number for number in numbers(None, {"a": known()}, Settings(of="x"))}
    assert (said["first-positive[a]"].value, said["first-positive[a]"].n) == (10, 1)
    assert said["lead[a]"].value == 20
    assert said["first-beyond-negative-curvature[a]"].value == 40
    assert said["lead-beyond-negative-curvature[a]"].value == -10
    assert said["local-before[a]"].value == pytest.approx((0.05 + 0.0) / 2)
    assert said["local-after[a]"].value == pytest.approx(0.05)
    assert said["positive-share-after[a]"].value == pytest.approx(0.5)
    assert said["sharpest-growth-after[a]"].value == pytest.approx(0.15)
    assert (said["finite-time-first-positive[a]"].value, said["finite-time-lead[a]"].value) == (20, 10)
    assert (said["sharpest-first-positive[a]"].value, said["sharpest-lead[a]"].value) == (40, -10)
    assert [figure.name for figure in plot(None, {"a": known()}, Settings(of="x"))] == ["exponents", "link"]


def test_a_seed_without_exponents_is_left_out() -> None:
    broken = known()
    broken["local"][0, 3:] = np.nan
    said = {number.name: number for number in numbers(None, {"a": broken}, Settings(of="x"))}
    assert said["diverged[a]"].value == 1
    assert said["local-before[a]"].n == 1
    assert np.isnan(said["first-positive[a]"].value)


def test_first_steps_above_a_floor() -> None:
    values = np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    first = first_above(values, 1.5, np.array([5.0, 6.0, 7.0]))
    assert first[0] == 6
    assert np.isnan(first[1])
    floors = beyond_negative_curvature(np.array([[0.3, 0.1, 0.0]]), 0.01)
    assert floors.tolist() == [[np.inf, 0.3, 0.1]]


def test_what_does_not_fit_is_one_sentence(tmp_path: Path, iris: Path) -> None:
    with pytest.raises(ValidationError, match="must be the name of an analysis of the method 'lyapunov'"):
        Settings(of="trajectory")
    with pytest.raises(
        OrreryError, match="what is read has no local exponents; name an analysis of the method"
    ):
        analyse(xr.Dataset({"x": ("seed", [1.0])}), Settings(), Context("a"))
    with pytest.raises(OrreryError, match="seed 3 has no copy 7; write the copy of the exponents in 'copy'"):
        found(tmp_path, iris, PLAIN, copy=7)


def test_a_job_reads_its_settings_without_what_says_where_it_runs() -> None:
    dumped = Settings(of="mine", threshold=0.5).model_dump(mode="json")
    kept = {key: value for key, value in dumped.items() if key not in NOT_SCIENCE}
    assert Settings.model_validate(kept).threshold == 0.5
