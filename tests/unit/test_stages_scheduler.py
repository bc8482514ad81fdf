"""One setting chooses what computes; the bytes of a result never depend on it, nor on a worker that is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.analysis_examples import ensemble, trajectory
from tests.unit.clusters import Processes

from orrery.analyses import koopman, principal_components, reduction
from orrery.analyses.api import Context
from orrery.analyses.results import open_result, write_result
from orrery.provenance.manifest import build
from orrery.stages.scheduler import scheduler
from orrery.trajectory.trajectory import Trajectory

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A scheduler with two workers."""
    with Processes(tmp_path_factory.mktemp("cluster")) as processes:
        processes.worker()
        processes.worker()
        yield processes


def analyses(folder: Path, store: str) -> dict[str, Any]:
    """The digest of the bytes of each analysis; ``store`` is relative, as the paths of jobs are."""
    source = Trajectory.open(store)
    context = Context("a")
    gram = reduction.analyse(source, reduction.Settings(keep="gram", chunk=100), context)
    write_result(gram, folder / "gram")
    states = reduction.analyse(source, reduction.Settings(tensors=("x",), keep="states"), context)
    write_result(states, folder / "states")
    spectra = koopman.Settings(delays=(2,), rank=4, splits=2, stride=2)
    parts = principal_components.Settings(components=3)
    grammar = os.path.relpath(folder / "gram")
    kept = os.path.relpath(folder / "states")
    found = {
        "spectra": koopman.analyse(source, spectra, context),
        "spectra of the Gram matrix": koopman.analyse(open_result(Path(grammar)), spectra, context),
        "spectra of the states": koopman.analyse(open_result(Path(kept)), spectra, context),
        "components": principal_components.analyse(source, parts, context),
        "components of the Gram matrix": principal_components.analyse(
            open_result(Path(grammar)), parts, context
        ),
        "components of the states": principal_components.analyse(open_result(Path(kept)), parts, context),
    }
    for name, dataset in found.items():
        write_result(dataset, folder / name)
    return {path.name: build(path) for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trajectory of several panels and groups; ``y`` is one that the workers must read themselves."""
    folder = tmp_path_factory.mktemp("study")
    states = ensemble(seeds=3, copies=2, steps=600, components=1300)
    trajectory(folder / "data.zarr", {"x": states[..., :5], "y": states[..., 5:]}, seeds=[5, 3, 9])
    return folder


@pytest.fixture(scope="module")
def expected(place: Path) -> dict[str, Any]:
    """What one thread computes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        with scheduler("threads"):
            return analyses(place / "expected", "data.zarr")


@pytest.mark.parametrize(
    ("choice", "threads"), [("threads", 2), ("synchronous", 1), ("cluster", 2), ("running", 1)]
)
def test_no_byte_depends_on_what_computes(
    place: Path,
    expected: dict[str, Any],
    choice: str,
    threads: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(place)
    if choice == "running":
        choice = request.getfixturevalue("running").address
    with scheduler(choice, threads=threads, results=place):
        assert analyses(place / f"by {threads} {choice[:6]}", "data.zarr") == expected
