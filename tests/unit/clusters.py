"""A Dask scheduler and its workers as processes of their own, as one starts them on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import orrery

SOURCE = Path(orrery.__file__).parents[1]


class Processes:
    """Started in a folder that is not the one of the job, and ended with the ``with``.

    Args:
        folder: scratch.
        environment: what differs from the environment of the test.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._environment = {**os.environ, "PYTHONPATH": str(SOURCE), **(environment or {})}
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Processes:
        self.start("scheduler", "--port", "0", "--scheduler-file", str(self._file))
        deadline = time.monotonic() + 60
        while not self._file.exists() or not self._file.read_text():
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.1)
        return self

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(json.loads(self._file.read_text())["address"])

    def start(self, what: str, *options: str, before: str = "") -> subprocess.Popen[bytes]:
        """Start a scheduler or a worker; ``before`` is what Python executes first."""
        code = f"{before}\nfrom distributed.cli.dask_{what} import main\nmain()"
        command = [sys.executable, "-c", code, *options, "--host", "127.0.0.1", "--no-dashboard"]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._started.append(process)
        return process

    def worker(self, *options: str, before: str = "") -> subprocess.Popen[bytes]:
        """Start a worker of one thread, in one process."""
        return self.start(
            "worker",
            "--scheduler-file",
            str(self._file),
            "--nthreads",
            "1",
            "--no-nanny",
            *options,
            before=before,
        )

    def stop_scheduler(self) -> None:
        """As when its node is lost."""
        self._started[0].kill()

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            process.kill()
        for process in self._started:
            process.wait()
