"""A script tells its mistakes in a sentence on the console and in its log, and shows progress in both."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from orrery.training.progress import Everywhere, Progress

SCRIPT = """
import sys
from types import SimpleNamespace
from orrery.config.errors import OrreryError
from orrery.stages.runner import run_publication

def act(payload):
    print("at work")
    {body}

job = {{"results": "results", "target": "results/store/claims/mine@01.json"}}
snakemake = SimpleNamespace(log=[sys.argv[1]], params=SimpleNamespace(job=job), output=[])
run_publication(snakemake, act)
"""


def run(body: str, log: Path) -> subprocess.CompletedProcess[str]:
    code = SCRIPT.format(body=body)
    # Printed lines wait in a buffer, as they do where nobody says otherwise.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=False, env=environment
    )


def test_what_is_printed_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"
    done = run("pass", log)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log.read_text() == "at work\n"


def test_a_mistake_is_a_sentence_on_the_console_and_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    done = run("raise OrreryError('width must be positive; write 1 or more')", log)
    assert done.returncode == 1
    assert done.stderr == "orrery: width must be positive; write 1 or more\n"
    assert log.read_text() == "at work\norrery: width must be positive; write 1 or more\n"


def test_a_failure_of_ours_keeps_its_traceback_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    done = run("1 / 0", log)
    assert done.returncode != 0
    assert done.stderr.startswith("orrery: this should not have happened: ZeroDivisionError")
    assert "Traceback" in log.read_text()


def test_what_the_file_system_refuses_is_a_sentence(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    body = "import errno; raise OSError(errno.EROFS, 'Read-only file system', 'results/store/x')"
    done = run(body, log)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "orrery: results/store/claims/mine@01 cannot be written, its file system is read-only"
    )
    assert "Traceback" not in log.read_text()


def test_a_log_that_cannot_be_written_costs_no_result() -> None:
    done = run("pass", Path("/dev/full"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_sentence_reaches_the_console_where_the_log_cannot_be_written() -> None:
    done = run("raise OrreryError('width must be positive; write 1 or more')", Path("/dev/full"))
    assert done.returncode == 1
    assert done.stderr == "orrery: width must be positive; write 1 or more\n"


def test_progress_is_told_in_every_place() -> None:
    places = [io.StringIO(), io.StringIO()]
    told = Everywhere(*(Progress("block", place) for place in places))
    told.start(0, 10)
    told.advance(5)
    told.message("one run diverged")
    told.finish()
    for place in places:
        assert "block: one run diverged" in place.getvalue()
        assert "block: 10 steps in " in place.getvalue()
