"""Scripts in forks: as if run here, for those that may ask, and never longer than those that ask."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery.stages import fork_client, forks

SERVER = """
import sys
from orrery.stages import fork_server

fork_server.PACKAGES = ("colorsys", "no_such_package")
fork_server.serve(int(sys.argv[1]))
"""
CLIENT = [sys.executable, "-I", "-S", fork_client.__file__]


def until(happened: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def gone(process: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True


def serving(listener: socket.socket) -> subprocess.Popen[bytes]:
    """A server that is given the socket."""
    with listener:
        command = [sys.executable, "-c", SERVER, str(listener.fileno())]
        return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(listener.fileno(),))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    place = tmp_path / "forks"
    process = serving(forks.listening(place))
    yield process, place
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def ask(place: Path | None, script: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CLIENT, script, *arguments],
        cwd=script.parent,
        env={**os.environ, forks.VARIABLE: str(place or ""), "WHO": "asked", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def script_of(folder: Path, body: str) -> Path:
    path = folder / "job" / "script.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(body))
    return path


def test_a_fork_stands_for_the_process_that_asked(
    server: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    script = script_of(
        tmp_path,
        """
        import os, sys
        print(os.getcwd(), os.environ["WHO"], sys.argv[1:], sys.path[:2], input(), "colorsys" in sys.modules, __name__)
        print("complaint", file=sys.stderr)
        sys.exit(7)
        """,
    )
    asking = ask(server[1], script, "one", "two", PYTHONPATH="/before/all")
    out, err = asking.communicate("typed\n", timeout=20)
    assert asking.returncode == 7
    assert out.split() == [
        str(script.parent),
        "asked",
        "['one',",
        "'two']",
        f"['{script.parent}',",
        "'/before/all']",
        "typed",
        "True",
        "__main__",
    ]
    assert err == "complaint\n"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit('a sentence')", 1, "a sentence\n"),
        ("raise ValueError('what')", 1, "ValueError: what\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
    ],
)
def test_a_fork_ends_as_the_script_would(
    server: tuple[subprocess.Popen[bytes], Path], tmp_path: Path, body: str, code: int, said: str
) -> None:
    asking = ask(server[1], script_of(tmp_path, body))
    assert asking.communicate(timeout=20)[1].endswith(said)
    assert asking.returncode == code


def test_a_fork_ends_with_the_one_that_asked(
    server: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    script = script_of(
        tmp_path,
        f"""
        import os, pathlib, time
        pathlib.Path({str(tmp_path / "soon")!r}).write_text(str(os.getpid()))
        os.rename({str(tmp_path / "soon")!r}, {str(started)!r})
        time.sleep(60)
        """,
    )
    asking = ask(server[1], script)
    until(started.exists)
    job = int(started.read_text())
    assert job != asking.pid
    assert not gone(job)
    asking.send_signal(signal.SIGKILL)
    asking.communicate()
    until(lambda: gone(job))


def test_who_asks_before_there_are_forks_waits_for_one(tmp_path: Path) -> None:
    place = tmp_path / "forks"
    listener = forks.listening(place)
    asking = ask(place, script_of(tmp_path, "import sys; print('colorsys' in sys.modules)"))
    time.sleep(0.3)
    assert asking.poll() is None
    process = serving(listener)
    assert asking.communicate(timeout=20)[0] == "True\n"
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("connected", [True, False])
def test_where_forks_end_before_they_answer_the_script_runs_here(tmp_path: Path, connected: bool) -> None:
    place = tmp_path / "forks"
    listener = forks.listening(place)
    if not connected:
        listener.close()
    asking = ask(place, script_of(tmp_path, "import os; print(os.getpid())"))
    if connected:
        time.sleep(0.3)
        listener.close()
    assert int(asking.communicate(timeout=20)[0]) == asking.pid
    assert asking.returncode == 0


def test_forks_and_the_socket_end_with_the_server(tmp_path: Path) -> None:
    place = tmp_path / "forks"
    process = forks.start_server(place)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    assert not place.exists()


def test_code_of_ours_is_that_on_disk_when_the_job_begins(
    server: tuple[subprocess.Popen[bytes], Path], tmp_path: Path
) -> None:
    script = script_of(
        tmp_path,
        """
        import sys
        import orrery.stages
        print([name for name in sys.modules if name.startswith('orrery')])
        """,
    )
    out, _ = ask(server[1], script).communicate(timeout=20)
    # What the script itself imported; the server has its own module and another one loaded.
    assert out == "['orrery', 'orrery.stages']\n"


@pytest.mark.parametrize("how", ["no server", "empty"])
def test_a_script_runs_here_where_no_fork_is_to_be_had(tmp_path: Path, how: str) -> None:
    script = script_of(
        tmp_path,
        f"""
        import os, sys
        print(os.getpid(), {forks.VARIABLE!r} in os.environ, sys.flags.isolated, sys.argv[1:], sys.path[0])
        sys.exit(3)
        """,
    )
    asking = ask(tmp_path / "none" if how == "no server" else None, script, "one")
    out, _ = asking.communicate(timeout=20)
    assert asking.returncode == 3
    assert out == f"{asking.pid} False 0 ['one'] {script.parent}\n"


def test_the_shell_asks_for_scripts_of_snakemake_alone(
    server: tuple[subprocess.Popen[bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(forks.VARIABLE, str(server[1]))
    prefix = forks.shell_prefix("/bin/bash")
    assert prefix is not None
    place = tmp_path / ".snakemake" / "scripts"
    place.mkdir(parents=True)
    for script in (place / "a.py", tmp_path / "b.py"):
        script.write_text("import sys; print('colorsys' in sys.modules); sys.exit(5)")

    def told(command: str) -> tuple[int, str]:
        shell = ["bash", "-c", f"{prefix.format()} {command}"]
        done = subprocess.run(shell, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert told(f"{sys.executable} {place / 'a.py'}") == (5, "True\n")
    assert told(f"{sys.executable} {tmp_path / 'b.py'}") == (5, "False\n")
    assert told(f"{sys.executable} -c 'print(7)'; echo after") == (0, "7\nafter\n")
    assert told("false; echo after") == (1, "")


def test_there_is_no_prefix_without_forks_or_bash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(forks.VARIABLE, "")
    assert forks.shell_prefix("/bin/bash") is None
    monkeypatch.setenv(forks.VARIABLE, "/somewhere")
    assert forks.shell_prefix("/bin/bash") is not None
    assert forks.shell_prefix("/bin/sh") is None
    assert forks.shell_prefix(None) is None
    monkeypatch.setattr(sys, "executable", "/a folder/python")
    assert forks.shell_prefix("/bin/bash") is None


def test_nothing_is_started_for_a_few_jobs_or_where_it_is_decided_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.delenv(forks.VARIABLE, raising=False)
    forks.serve_forks(forks.WORTH_IT - 1)
    monkeypatch.setenv(forks.VARIABLE, "")
    forks.serve_forks(100)
    monkeypatch.delenv(forks.VARIABLE)
    with pytest.raises(AssertionError, match="started"):
        forks.serve_forks(forks.WORTH_IT)
