"""A laboratory: a copy of the workflow with two tiny studies, built once, copied for every test.

Tests change one thing in their copy and ask which jobs Snakemake would run.
"""

from __future__ import annotations

import ast
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from orrery.stages.forks import VARIABLE, start_server

REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = Path(__file__).resolve().parent / "study"
WORKFLOW = ("Snakefile", "rules", "scripts", "src", "profiles", "envs", "captions")
"""What of the repository a run reads."""

_JOB = re.compile(
    r"^(?:local)?rule (?P<rule>\S+):\n(?:    input: .*\n)?(?:    output: (?P<output>\S+?)@[0-9a-f]{16}\.json)?",
    re.MULTILINE,
)
_COUNT = re.compile(r"^(\S+) +(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def jobs(self) -> set[str]:
        """The jobs that a dry run lists, ``<rule> <readable name>``, those that only gather left out."""
        every = [(found["rule"], found["output"]) for found in _JOB.finditer(self.out)]
        table = self.out.partition("Job stats:")[2].partition("\n\n")[0]
        counted = {rule: int(number) for rule, number in _COUNT.findall(table) if rule != "total"}
        assert Counter(rule for rule, _ in every) == counted, self.out
        assert counted or "Nothing to be done" in self.out, self.out + self.err
        return {f"{rule} {_readable(output)}".strip() for rule, output in every if output}


def _readable(output: str) -> str:
    parts = output.split("/")
    if parts[1] == "store":
        return "/".join(parts[3:]).replace("+", ",")
    return "" if parts[1] == "report" else parts[1]


_servers: list[subprocess.Popen[str]] = []


@cache
def forker() -> subprocess.Popen[str]:
    """A process with Snakemake imported; it ends with this one, which closes its input."""
    command = [sys.executable, Path(__file__).with_name("forker.py")]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@cache
def job_python() -> str:
    """The command that runs a script in a fork of a process with the packages of others imported."""
    place = Path(tempfile.mkdtemp(prefix="orrery-jobs-")) / "socket"
    jobs = Path(__file__).with_name("jobs.py")
    server = subprocess.Popen(
        [sys.executable, jobs, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _servers.append(server)  # it ends with this process, which closes its input
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return f"{sys.executable} -I -S {jobs} {place}"


@cache
def fork_server() -> subprocess.Popen[bytes]:
    """The process that the jobs of users are forks of, and ``asking_for_forks`` the way to it."""
    return start_server(Path(tempfile.mkdtemp(prefix="orrery-forks-")) / "forks")


def asking_for_forks() -> str:
    """What the environment variable of jobs says where they shall be forks, whatever their number."""
    arguments = fork_server().args
    assert isinstance(arguments, list)
    return str(arguments[-2])


def forked(arguments: list[str], folder: Path, environment: dict[str, str], python: str = "") -> Outcome:
    """Run Snakemake in a fork of a process that has imported it already."""
    process = forker()
    assert process.stdin is not None
    assert process.stdout is not None
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        request = {
            "folder": str(folder),
            "environment": environment,
            "arguments": arguments,
            "python": python,
            "out": str(out),
            "err": str(err),
        }
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return Outcome(code, out.read_text(), err.read_text())


class Laboratory:
    """A folder with the workflow, the studies and their results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy(self, to: Path) -> Laboratory:
        """Copy all of it, with the times of the files."""
        subprocess.run(["cp", "-a", "--reflink=auto", self.folder, to], check=True)
        return Laboratory(to)

    def path(self, name: str) -> Path:
        """A file or folder of the laboratory."""
        return self.folder / name

    @property
    def workflow(self) -> Path:
        """The folder of the Snakefile."""
        return self.folder

    def environment(self, forks: str = "") -> dict[str, str]:
        """Environment in which the code of the laboratory is the one that is imported; no run starts forks itself."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ORRERY_", "SNAKEMAKE_"))
        }
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTEST_CURRENT_TEST"):
            kept.pop(name, None)
        return {**kept, "PYTHONPATH": str(self.workflow / "src"), VARIABLE: forks}

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """The command line of a Snakemake run."""
        return [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]

    def snakemake(
        self, *arguments: str, cores: int = 2, before: Sequence[str] = (), **variables: str
    ) -> Outcome:
        """Run Snakemake in the folder, perhaps by another command and with further environment variables."""
        done = subprocess.run(
            [*before, *self.command(*arguments, cores=cores)],
            cwd=self.folder,
            env={**self.environment(), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def dry(self, *arguments: str) -> set[str]:
        """The jobs that would run."""
        outcome = forked(self.command("-n", *arguments)[3:], self.folder, self.environment())
        assert outcome.code == 0, outcome.out + outcome.err
        return outcome.jobs

    def build(self, *arguments: str, cores: int = 2) -> Outcome:
        """Run for real, with jobs in forks; failure fails the test, with the logs of the jobs."""
        command = self.command(*arguments, cores=cores)[3:]
        outcome = forked(command, self.folder, self.environment(), job_python())
        assert outcome.code == 0, outcome.out + outcome.err
        return outcome

    def settles(self, expected: set[str]) -> None:
        """A dry run lists exactly these jobs, and none after they were run."""
        assert self.dry() == expected
        if expected:
            self.build()
            assert self.dry() == set()

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace the one place of a file that says ``old``; the file's time becomes now."""
        path = self.path(name)
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} says {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def change_function(self, name: str, function: str) -> None:
        """Give a function a further statement, which changes its code and not what it does."""
        path = self.path(name)
        text = path.read_text(encoding="utf-8")
        (found,) = (
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.name == function
        )
        first = next(node for node in found.body if not isinstance(node, ast.Expr))
        lines = text.splitlines(keepends=True)
        lines.insert(first.lineno - 1, " " * first.col_offset + "_changed = None\n")
        path.write_text("".join(lines), encoding="utf-8")

    def manifests(self, stage: str = "*", pattern: str = "**/*") -> dict[str, bytes]:
        """The bytes of the manifests of a stage by their path below ``results/store``."""
        store = self.path("results/store")
        return {
            str(path.relative_to(store)): path.read_bytes()
            for path in store.glob(f"{stage}/{pattern.replace(',', '+')}@*.json")
            if path.is_file() and not any("@" in parent.name for parent in path.parents)
        }

    def manifest(self, stage: str, name: str) -> Path:
        """The one manifest of a readable name."""
        (found,) = self.path(f"results/store/{stage}").glob(f"{name.replace(',', '+')}@*.json")
        return found


class Mine(Laboratory):
    """A user's own folder: config and studies here, the workflow elsewhere."""

    def __init__(self, folder: Path, workflow: Path) -> None:
        super().__init__(folder)
        self._workflow = workflow

    @property
    def workflow(self) -> Path:
        """The folder of the Snakefile."""
        return self._workflow

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """The command line of a Snakemake run."""
        where = ("-s", str(self.workflow / "Snakefile"), "--directory", str(self.folder))
        return super().command(*where, *arguments, cores=cores)


def stores(lab: Laboratory) -> dict[str, int]:
    """When each store that has a manifest was finished."""
    root = lab.path("results/store")
    return {
        name: (root / name).with_suffix("").joinpath("job.json").stat().st_mtime_ns
        for name in lab.manifests()
    }


def assemble(folder: Path) -> None:
    """Put the workflow of the repository and the tiny studies into a new folder."""
    folder.mkdir()
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in WORKFLOW:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skip)
        else:
            shutil.copy2(source, folder / name)
    shutil.copytree(STUDY, folder, ignore=skip, dirs_exist_ok=True)
    # Compiled once: copies keep the byte code, since they keep the times.
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder / "src"], check=True)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Laboratory:
    """Make a folder once for all workers of pytest-xdist: one makes it, the others wait."""
    base = factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    done = shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(shared / name)
            done.touch()
    return Laboratory(shared / name)


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The laboratory in which nothing was built; never changed by a test."""
    return once(tmp_path_factory, "clone", assemble)


@pytest.fixture(scope="session")
def built(clone: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The laboratory with both studies built; never changed by a test."""

    def build(folder: Path) -> None:
        outcome = clone.copy(folder).snakemake()
        assert outcome.code == 0, outcome.out + outcome.err

    return once(tmp_path_factory, "built", build)


@pytest.fixture
def lab(built: Laboratory, tmp_path: Path) -> Laboratory:
    """A copy of the built laboratory for one test."""
    return built.copy(tmp_path / "lab")


@pytest.fixture
def mine(clone: Laboratory, tmp_path: Path) -> Mine:
    """A user's own folder, with studies and config only, in which nothing was built."""
    folder = tmp_path / "mine"
    shutil.copytree(STUDY, folder)
    return Mine(folder, clone.folder)
