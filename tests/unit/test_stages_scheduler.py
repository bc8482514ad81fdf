"""One setting chooses what computes; the bytes of a result never depend on it, nor on a worker that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import psutil
import pytest
from tests.unit.analysis_examples import ensemble, trajectory
from tests.unit.clusters import Processes

from orrery.analyses import koopman, principal_components, reduction
from orrery.analyses.api import Context
from orrery.analyses.results import open_result, write_result
from orrery.config.errors import OrreryError
from orrery.numerics.gram import gram_matrix
from orrery.provenance.manifest import build
from orrery.stages.scheduler import scheduler
from orrery.trajectory.trajectory import Trajectory

pytestmark = pytest.mark.timeout(120)


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


SLOW = '''"""Someone's own module beside the study: an array that takes its time and says who reads it."""
import os, pathlib, time
import numpy as np

class Slow:
    shape, ndim, dtype = (900, 4000), 2, np.dtype("float64")

    def __init__(self, folder):
        self.folder = folder

    def __getitem__(self, key):
        pathlib.Path(self.folder, str(os.getpid())).touch()
        time.sleep(PAUSE)
        places = np.arange(self.shape[0] * self.shape[1]).reshape(self.shape)[key]
        return np.sin(places.astype(float))
'''


def slow_states(folder: Path, monkeypatch: pytest.MonkeyPatch, pause: float) -> dask.array.Array:
    """States that are read by code beside the study, which workers import from there."""
    (folder / "slow_reading.py").write_text(SLOW.replace("PAUSE", str(pause)))
    (folder / "readers").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("slow_reading", None)
    import slow_reading  # type: ignore[import-not-found]

    array = slow_reading.Slow(str(folder / "readers"))
    return dask.array.from_array(array, chunks=(900, 200), meta=np.empty((0, 0)), name=False)


def kill_one(readers: Path, mine: list[int], killed: list[int]) -> threading.Thread:
    """SIGKILL the first of some processes that has begun to read, a little later."""

    def kill() -> None:
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and not killed:
            found = [int(path.name) for path in readers.iterdir() if not mine or int(path.name) in mine]
            if found:
                time.sleep(0.5)
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
            time.sleep(0.05)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.parametrize("choice", ["cluster", "running"])
def test_a_worker_that_is_killed_changes_no_bit(
    tmp_path: Path, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = slow_states(tmp_path, monkeypatch, 0.2)
    with scheduler("threads", threads=2):
        wanted = gram_matrix(states, chunk=100)
    for path in (tmp_path / "readers").iterdir():
        path.unlink()
    killed: list[int] = []
    if choice == "cluster":
        with scheduler("cluster", threads=1):
            thread = kill_one(tmp_path / "readers", [], killed)
            found = gram_matrix(states, chunk=100)
            thread.join()
        after = {int(path.name) for path in (tmp_path / "readers").iterdir()} - {*killed}
        assert len(after) == 1, "the only worker is started again"
    else:
        scratch = tmp_path / "processes"
        scratch.mkdir()
        with Processes(scratch) as processes:
            workers = [processes.worker(), processes.worker()]
            with scheduler(processes.address, results=tmp_path):
                thread = kill_one(tmp_path / "readers", [worker.pid for worker in workers], killed)
                found = gram_matrix(states, chunk=100)
                thread.join()
            assert [worker.poll() for worker in workers].count(-signal.SIGKILL) == 1
    assert killed
    assert (found == wanted).all()


def test_a_long_lived_worker_reads_changed_code_of_a_study_anew(
    tmp_path: Path, running: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = slow_states(tmp_path, monkeypatch, 0.0)
    found = []
    for text in (SLOW, SLOW.replace("np.sin", "2 * np.sin")):
        (tmp_path / "slow_reading.py").write_text(text.replace("PAUSE", "0.0"))
        with scheduler(running.address, results=tmp_path):
            # Of many tasks, so that both workers have read the code.
            found.append(gram_matrix(states, chunk=50))
    assert np.allclose(found[1], 4 * found[0])


def test_a_cluster_of_a_job_listens_on_loopback_only_shares_its_memory_and_ends_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orrery.stages import cluster

    started: list[Any] = []
    plain = cluster.LocalCluster
    monkeypatch.setattr(
        cluster, "LocalCluster", lambda **options: started.append(plain(**options)) or started[-1]
    )
    me = psutil.Process()
    before = {process.pid for process in me.children(recursive=True)}
    with scheduler("cluster", threads=2, job_memory=3000):
        assert not started, "nothing is started before it is needed"
        gram_matrix(dask.array.ones((10, 10), chunks=5))
        workers = [process for process in me.children(recursive=True) if process.pid not in before]
        addresses = {
            connection.laddr.ip
            for process in (me, *workers)
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert len([process for process in workers if "spawn" in " ".join(process.cmdline())]) == 2
        assert addresses == {"127.0.0.1"}
        assert {w["memory_limit"] for w in started[0].scheduler_info["workers"].values()} == {10**9}
    # Python's own tracker of shared memory lives as long as this process.
    assert len(psutil.wait_procs(workers, timeout=10)[1]) <= 1


def test_threads_leave_the_distributed_part_of_dask_alone() -> None:
    code = (
        "import sys, numpy, dask.array\n"
        "from orrery.numerics.gram import gram_matrix\n"
        "from orrery.stages.scheduler import scheduler\n"
        "for choice in ('threads', 'synchronous'):\n"
        "    with scheduler(choice, threads=2):\n"
        "        gram_matrix(dask.array.ones((40, 40), chunks=10), chunk=10)\n"
        "print('distributed' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_address_where_nobody_answers_is_a_sentence_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    from orrery.stages import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    begun = time.monotonic()
    said = r"no Dask scheduler answers at tcp://127.0.0.1:9 within 1 s"
    with pytest.raises(OrreryError, match=said), scheduler("tcp://127.0.0.1:9"):
        gram_matrix(np.ones((3, 3)))
    assert time.monotonic() - begun < 20


def test_a_scheduler_without_workers_and_workers_that_are_unfit_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orrery.stages import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 5.0)

    def error(results: Path = tmp_path) -> str:
        with pytest.raises(OrreryError) as caught, scheduler(processes.address, results=results):
            gram_matrix(np.ones((3, 3)))
        return str(caught.value)

    with Processes(tmp_path) as processes:
        assert "has no worker after 5 s; start some with: dask worker tcp://127.0.0.1:" in error()
        monkeypatch.setattr(cluster, "PATIENCE", 60.0)
        worker = processes.worker()
        assert "does not see /nowhere/results; put the results on a file system" in error(
            Path("/nowhere/results")
        )
        worker.terminate()
        worker.wait()
        worker = processes.worker(
            before="import importlib.metadata as m, orrery.stages.worker as w\nw.AT_START['numpy'] = '1.0'"
        )
        assert "runs other software than this job (numpy 1.0, here " in error()
        worker.terminate()
        worker.wait()
        processes.worker(before="import sys\nsys.modules['orrery'] = None")
        said = error()
        assert "runs other software than this job (" in said
        assert "'orrery' is not a package" in said


def test_losing_the_scheduler_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = slow_states(tmp_path, monkeypatch, 0.3)
    scratch = tmp_path / "processes"
    scratch.mkdir()
    with Processes(scratch) as processes:
        processes.worker()
        threading.Timer(6.0, processes.stop_scheduler).start()
        said = "was lost while it computed; start it again"
        with pytest.raises(OrreryError, match=said), scheduler(processes.address, results=tmp_path):
            gram_matrix(states, chunk=50)
