"""A workflow that runs in the background, to be interrupted: its processes, and waiting for signs of life."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def running(
    lab: Any, *arguments: str, cores: int = 2, log: str = "background.log", forks: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """Snakemake in a process group of its own, with what it prints in a file."""
    with lab.path(log).open("w") as file:
        process = subprocess.Popen(
            lab.command(*arguments, cores=cores),
            cwd=lab.folder,
            env=lab.environment(forks),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(found: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Ask until there is an answer; fail where the process ends or two minutes pass without one."""
    for _ in range(12000):
        answer = found()
        if answer:
            return answer
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the workflow ended with {process.returncode} before it came so far")
        time.sleep(0.01)
    raise AssertionError("it did not come")


def descendants(process: int) -> list[int]:
    """The processes below one, all of this test's making."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [process]
    for parent in found:
        found += [child for child, its_parent in pairs if its_parent == parent]
    return found[1:]


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
