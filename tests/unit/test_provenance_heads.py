"""The lock files of a run that was killed go by themselves; those of one that is alive stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ENTER = """
import sys
from pathlib import Path
from orrery.provenance import heads
if len(sys.argv) > 2:
    heads.socket.gethostname = lambda: sys.argv[2]
print(heads.enter(Path(sys.argv[1])).released, flush=True)
sys.stdin.read()
"""


def start(folder: Path, *host: str) -> tuple[subprocess.Popen[str], bool]:
    command = [sys.executable, "-c", ENTER, str(folder), *host]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline() == "True\n"


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "locks").mkdir()
    return tmp_path


def lock(folder: Path) -> Path:
    path = folder / "locks" / "0.output.lock"
    path.parent.mkdir(exist_ok=True)
    path.write_text("results/report/index.html\n")
    return path


def test_a_killed_run_leaves_nothing_in_the_way(folder: Path) -> None:
    first, released = start(folder)
    assert not released
    left = lock(folder)
    end(first)
    second, released = start(folder)
    end(second)
    assert released
    assert not left.exists()


def test_a_live_run_keeps_its_lock(folder: Path) -> None:
    first, _ = start(folder)
    left = lock(folder)
    second, released = start(folder)
    assert not released
    assert left.exists()
    # The second holds it as well: a third finds it after the first has ended.
    end(first)
    third, released = start(folder)
    assert not released
    assert left.exists()
    for process in (second, third):
        end(process)


def test_a_lock_of_another_machine_stays(folder: Path) -> None:
    """Where a file system keeps such locks within one machine, a run over there may be alive unseen."""
    there, _ = start(folder, "there")
    left = lock(folder)
    end(there)
    here, released = start(folder, "here")
    end(here)
    assert not released
    assert left.exists()
    left.unlink()  # as --unlock does
    for expected in (False, True):
        here, released = start(folder, "here")
        end(here)
        assert released is expected
        left = lock(folder)
