"""The lock of a store: one holder, gone with it however it ended; jobs die with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.lock import StoreLock
from orrery.provenance.parent import die_with_parent

HOLD = """
    import sys, time
    from pathlib import Path
    from orrery.provenance.lock import StoreLock
    with StoreLock(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], stdout=subprocess.PIPE, text=True
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_a_lock_is_taken_and_leaves_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        with StoreLock(tmp_path / "lr=0.1@00") as lock:
            assert lock.file.name == "lr=0.1@00.lock"
            assert lock.file.exists()
        assert os.listdir(tmp_path) == []


def test_two_stores_do_not_meet(tmp_path: Path) -> None:
    with StoreLock(tmp_path / "a"), StoreLock(tmp_path / "b"):
        pass


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path / "a"))
    try:
        assert line_of(process) == "held"
        with (
            pytest.raises(OrreryError, match=f"process {process.pid} on .* since .*: wait until that ends"),
            StoreLock(tmp_path / "a"),
        ):
            pass
    finally:
        process.kill()
        process.wait()


def test_a_killed_holder_locks_nothing(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path / "a"))
    assert line_of(process) == "held"
    process.kill()
    process.wait()
    assert (tmp_path / "a.lock").exists()
    with StoreLock(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == []


def test_an_error_inside_releases_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), StoreLock(tmp_path / "a"):
        raise ValueError("inside")
    with StoreLock(tmp_path / "a"):
        pass


def test_a_patient_one_waits(tmp_path: Path) -> None:
    first = StoreLock(tmp_path / "a")
    first.__enter__()
    threading.Timer(0.3, lambda: first.__exit__(None, None, None)).start()
    with StoreLock(tmp_path / "a", patience=10):
        pass


def test_never_two_holders_at_once(tmp_path: Path) -> None:
    """Many takers, with the file removed at each release: none may hold a lock on a file that is gone."""
    code = """
        import os, sys, time
        from pathlib import Path
        from orrery.provenance.lock import StoreLock
        folder = Path(sys.argv[1])
        for _ in range(40):
            with StoreLock(folder / "a", patience=60):
                # Fails if another holder is inside.
                descriptor = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)
                os.close(descriptor)
                time.sleep(0.001)
                os.unlink(folder / "inside")
    """
    processes = [start(code, str(tmp_path)) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="cannot be written"), StoreLock(tmp_path / "none" / "a"):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's request is Linux's own")
def test_a_job_dies_with_its_parent(tmp_path: Path) -> None:
    child = """
        import time
        from orrery.provenance.parent import die_with_parent
        die_with_parent()
        print("ready", flush=True)
        time.sleep(60)
    """
    parent = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", {textwrap.dedent(child)!r}], stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        print(child.pid, flush=True)
        time.sleep(60)
    """
    process = start(parent)
    pid = int(line_of(process))
    assert alive(pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not alive(pid))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's request is Linux's own")
def test_a_parent_that_is_already_gone_ends_the_job() -> None:
    with pytest.raises(SystemExit):
        die_with_parent(parent=os.getppid() + 1)
