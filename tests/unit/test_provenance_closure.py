"""The static closure holds what a job really loads, reads and runs, for every stage of a small study.

Each job runs in a process of its own that keeps account of the modules of ours that it loads, of other files of
ours that it reads, and of every function of ours that it calls. All of them must be in the closure of its code
entries: what is missing there could change without the job becoming stale.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from orrery.plan import entry as plan_entry
from orrery.plan.entries import Entries
from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.provenance.code import Closure, CodeIndex
from orrery.provenance.manifest import write_manifest
from orrery.provenance.software import STAGE_PACKAGES

HOME = Path(__file__).parents[2]

STUDY = """
title: Small
summary: Two rates on clusters.
dataset: {name: gaussian-clusters, samples: 60, test: 30}
system:
  kind: network
  network: {kind: mlp, hidden: [4]}
  loss: {kind: cross-entropy}
  optimizer: {kind: sgd, rate: 0.1}
  batches: {kind: shuffled, size: 10}
training: {steps: 40, segment: 40, seeds: 4, block: 4}
copies: {count: 3, amplitude: 0.001, kind: relative, distribution: uniform}
record: {state: all, steps: {every: 1}, metrics: [loss], evaluate: {every: 20, metrics: [test_loss]}}
conditions:
  grid:
    axes:
      rate: {values: {slow: 0.1, fast: 0.2}, sets: system.optimizer.rate}
analyses:
  reduced: {method: reduction, tensors: [fc2.weight]}
  spectra:
    method: koopman
    of: reduced
    rank: 3
    delays: 2
    compare: {pairs: [["rate=slow", "rate=fast"]], relabellings: 2000, resamples: 100}
claims: {}
"""

SCRIPTS = {
    "data": "dataset",
    "trajectories": "train",
    "analyses": "analyse",
    "comparisons": "compare",
    "figures": "figures",
    "claims": "claims",
    "reports": "report",
    "publish": "publish",
}

# Reads one job per line. What is slow to import and not ours is there before a job is forked off.
SERVER = """
import json, os, sys, threading
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
import dask.array, matplotlib.figure, scipy.linalg, scipy.optimize, torch, xarray, zarr
home = sys.argv[1]
sys.path.append(home)
read, codes = set(), set()
TALKS = {"orrery.training.progress"}
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])
        if path.startswith(home + "/src/") and not path.endswith((".py", ".pyc")) and "__pycache__" not in path:
            read.add(path[len(home + "/src/"):])
def profile(frame, event, argument):
    if event == "call":
        codes.add(frame.f_code)
def called():
    for code in codes:
        path, name = code.co_filename, code.co_qualname.partition(".")[0]
        # Bodies of modules and classes have no fast locals: they run at import.
        ours = path.startswith(home + "/src/orrery/") and path.endswith(".py")
        if ours and code.co_flags & 1 and not name.startswith("<"):
            module = path[len(home + "/src/"):].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if module not in TALKS:
                yield f"{module}:{name}"
def run(script, payload, out):
    sys.addaudithook(watch)
    produce = import_module("scripts." + script).produce
    # As the runner gives it where all bytes lie beside their manifests.
    tools = {"bytes_of": lambda store: store}
    if script == "train":
        # What only tells how far a job is has no say in its result, and is no part of its closure.
        from orrery.training.progress import Progress
        progress = Progress("small")
        tools["make_progress"] = lambda label: progress
        tools["gpu_slot"] = lambda device, tell: nullcontext()
    if script in ("analyse", "compare", "figures"):
        # What computes has no say in a result either.
        tools["computing"] = lambda here=False: nullcontext()
    threading.setprofile(profile)
    sys.setprofile(profile)
    produce(payload) if payload["stage"] == "publish" else produce({**payload, **tools}, Path(out))
    sys.setprofile(None)
    threading.setprofile(None)
    ours = sorted(name for name in sys.modules if name.partition(".")[0] == "orrery" and name not in TALKS)
    files = sorted(path for path in read if os.path.isfile(home + "/src/" + path))
    return [ours, files, sorted(set(called()))]
assert not any(name.partition(".")[0] == "orrery" for name in sys.modules)
for line in sys.stdin:
    script, payload, out, answer = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            Path(answer).write_text(json.dumps(run(script, payload, out)))
        except BaseException:
            import traceback
            Path(answer).write_text(json.dumps(traceback.format_exc()))
        os._exit(0)
    os.waitpid(child, 0)
    print("done", flush=True)
"""

# Not part of any stage's software: what they do cannot change the bytes of a result.
WITHOUT_INFLUENCE = {
    "google_crc32c": "a checksum is what it is",
    "jaxtyping": "annotations",
    "pooch": "downloads are held to their sha256",
    "psutil": "measures",
    "pydantic": "validated settings stand in the spec",
    "rich": "the bar on a terminal",
    "threadpoolctl": "the number of threads is fixed",
}
IMPORTED_AS = {"scikit-learn": "sklearn", "POT": "ot", "fonttools": "fontTools"}


class Asked(Entries):
    """Remembers which entries stand behind each digest."""

    closures: ClassVar[dict[str, Closure]] = {}

    def __init__(self, index: CodeIndex) -> None:
        super().__init__(index)
        self._asked = index

    def code(self, script: str, extra: Any = ()) -> tuple[str, dict[str, str]]:
        extra = tuple(extra)
        found = super().code(script, extra)
        closure = self._asked.closure((f"scripts.{script}:produce", "orrery.stages.runner:prepare", *extra))
        assert closure.digest == found[0]
        self.closures[found[0]] = closure
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("small")
    (place / "studies").mkdir()
    (place / "config.yaml").write_text("studies: [small]\n")
    (place / "studies/small.yaml").write_text(STUDY)
    return place


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_entry, "Entries", Asked)
        patch.chdir(folder)
        return plan_entry.load_plan("config.yaml", {}, HOME)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(HOME)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run(job: Job, plan: Plan, folder: Path, server: subprocess.Popen[str]) -> list[set[str]]:
    """Run one job in a process of its own and write its manifest.

    Returns:
        Modules of ours that it loaded, other files of ours that it read (templates), definitions that it ran.
    """
    assert server.stdin is not None
    assert server.stdout is not None
    target = folder / plan.target(job)
    store = target.with_suffix("")
    store.mkdir(parents=True, exist_ok=True)
    script = "index" if job.stage == "publish" and not job.study else SCRIPTS[job.stage]
    answer = folder / "answer.json"
    print(
        json.dumps([script, plan.payload(plan.target(job)), str(store), str(answer)]),
        file=server.stdin,
        flush=True,
    )
    assert server.stdout.readline() == "done\n"
    found = json.loads(answer.read_text())
    assert isinstance(found, list), found
    if job.stage != "publish":
        write_manifest(store, target)
    return [set(each) for each in found]


def test_what_jobs_load_read_and_run_is_in_their_closure(
    plan: Plan, folder: Path, server: subprocess.Popen[str]
) -> None:
    missing: dict[str, list[str]] = {}
    for job in plan:
        loaded, read, ran = run(job, plan, folder, server)
        closure = Asked.closures[job.code]
        assert ran
        beyond = (loaded - closure.modules) | ((read | ran) - set(closure.definitions))
        if beyond:
            missing[job.name] = sorted(beyond)
    assert {job.stage for job in plan} == set(SCRIPTS)
    assert missing == {}


def test_what_the_code_of_a_stage_uses_is_among_its_software(plan: Plan) -> None:
    for job in plan:
        stage = "reports" if job.stage == "publish" else job.stage
        known = {IMPORTED_AS.get(package, package) for package in STAGE_PACKAGES[stage]}
        used = Asked.closures[job.code].external - set(WITHOUT_INFLUENCE)
        assert used <= known, f"{job.name} uses {sorted(used - known)}"
