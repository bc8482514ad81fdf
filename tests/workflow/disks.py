"""Small disks for results: a real one in a mount namespace where this machine allows it, a faked one everywhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BLOCK = 4096


class FakedDisk:
    """Results in their folder, and Python told that it is full; see ``faked/sitecustomize.py``."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.results = lab.path("results")
        self._variables: dict[str, str] = {}

    def leave(self, blocks: int) -> None:
        """Leave this many blocks of 4 kB free."""
        files = [path for path in self.results.rglob("*") if path.is_file()]
        used = sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in files)
        self._variables = {
            "FAKED_FOLDER": str(self.results),
            "FAKED_BYTES": str(used + blocks * BLOCK),
            "PYTHONPATH": f"{HERE / 'faked'}:{self.lab.environment()['PYTHONPATH']}",
        }

    def free(self) -> None:
        """Make room."""
        self._variables = {}

    def snakemake(self, *arguments: str) -> Any:
        """Run Snakemake with this disk."""
        return self.lab.snakemake(*arguments, **self._variables)


class MountedDisk:
    """Results on a small file system in memory, which one process and those that enter its namespace see."""

    def __init__(self, lab: Any, process: int) -> None:
        self.lab = type(lab)(Path(f"/proc/{process}/root{lab.folder}"))
        self.results = self.lab.path("results")
        # The folder is entered within: one that was entered outside would not have the mount.
        enter = ["sh", "-c", 'cd "$0" && exec "$@"', str(lab.folder)]
        self._inside = ["nsenter", "--target", str(process), "--mount", *_user(enter=True), *enter]
        self._laboratory = lab

    def leave(self, blocks: int) -> None:
        """Leave this many blocks of 4 kB free."""
        room = os.statvfs(self.results)
        with (self.results / "ballast").open("wb") as ballast:
            ballast.write(bytes((room.f_bavail - blocks) * room.f_frsize))

    def free(self) -> None:
        """Make room."""
        (self.results / "ballast").unlink()

    def mount_again(self, how: str) -> None:
        """Have it mounted ``ro`` or ``rw``."""
        subprocess.run([*self._inside, "mount", "-o", f"remount,{how}", "results"], check=True)

    def snakemake(self, *arguments: str) -> Any:
        """Run Snakemake with this disk."""
        return self._laboratory.snakemake(*arguments, before=self._inside)


@contextmanager
def disk(kind: str, lab: Any) -> Iterator[Any]:
    """A disk for the results of a laboratory, with what they were before."""
    if kind == "faked":
        yield FakedDisk(lab)
        return
    script = "mv results before && mkdir results && mount -t tmpfs -o size=32m none results && cp -a before/. results/"
    keeper = subprocess.Popen(
        # Ends with the test, which closes its input; the namespace and the mount go with it.
        ["unshare", "--mount", *_user(), "sh", "-c", f"{script} && echo ready && exec cat"],
        cwd=lab.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "ready\n"
        yield MountedDisk(lab, keeper.pid)
    finally:
        keeper.kill()
        keeper.communicate()


def _user(enter: bool = False) -> list[str]:
    """What somebody who is not root needs besides."""
    if os.geteuid() == 0:
        return []
    return ["--user", "--preserve-credentials"] if enter else ["--map-root-user"]


@cache
def kinds() -> list[str]:
    """The disks that there are here: to be allowed to mount is a matter of the machine, as a GPU is."""
    tried = ["unshare", "--mount", *_user(), "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        allowed = subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return ["faked", "mounted"] if allowed else ["faked"]
