"""Have scripts run in forks of a process that has imported the packages already.

A small job computes for a tenth of a second and imports for three. Where a run has jobs on this machine,
``serve_forks`` starts one process that imports the packages of others (``orrery.stages.fork_server``), and
``shell_prefix`` has Snakemake's shell ask it for a fork (``orrery.stages.fork_client``) where it would start Python
with a script. The modules of Orrery and of the user are imported by each job, so each has the code as it lies on disk.
The first jobs wait until the packages are imported, which takes them no longer than to import them beside it. Where
nothing answers (the job runs on another machine or in an environment of its own), the script runs as ever: which of the
two it was changes no result.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from orrery.stages.fork_client import VARIABLE

WORTH_IT = 4
"""Jobs from which on importing once is less work than importing in each."""

_kept: list[subprocess.Popen[bytes]] = []


def serve_forks(jobs: int) -> None:
    """Start the process that is forked, which ends with this one, and tell the jobs of this run where it is.

    Args:
        jobs: how many jobs are to run; for a few nothing is started, nor where the environment says already where
            forks are to be had (or, with an empty variable, that none are).
    """
    if jobs < WORTH_IT or VARIABLE in os.environ or not sys.platform.startswith("linux"):
        return
    try:
        place = Path(tempfile.mkdtemp(prefix="orrery-")) / "forks"
        _kept.append(start_server(place))
    except OSError:
        return  # no room for a socket: every job imports by itself
    os.environ[VARIABLE] = str(place)


def listening(place: Path) -> socket.socket:
    """A socket at that path whose callers wait until the process that has it, or is given it, answers.

    Raises:
        OSError: there is no room for it.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(place))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def start_server(place: Path) -> subprocess.Popen[bytes]:
    """Start the process that is forked; it ends when its input is closed.

    Args:
        place: path of the socket, in a folder of its own, which goes with it.

    Raises:
        OSError: there is no room for the socket.
    """
    with listening(place) as listener:
        nowhere, own = subprocess.DEVNULL, listener.fileno()
        # A session of its own: what is typed at the terminal is for the jobs that ask, with which their forks end.
        return subprocess.Popen(
            [sys.executable, "-m", "orrery.stages.fork_server", str(place), str(own)],
            stdin=subprocess.PIPE,
            stdout=nowhere,
            stderr=nowhere,
            start_new_session=True,
            pass_fds=(own,),
        )


def shell_prefix(shell: str | None) -> str | None:
    """What stands before every command of Snakemake's shell, so that scripts ask for a fork.

    It names a function as this Python is called, which a shell prefers to the file: Python with a script of
    Snakemake's becomes the client, all else stays what it is. A script in an environment of its own calls another
    Python.

    Args:
        shell: the program that Snakemake has its commands run by.

    Returns:
        The prefix, with braces doubled for Snakemake's format; ``None`` where there are no forks, or where the shell
        is not Bash or the path of Python is no name.
    """
    python, client = sys.executable, str(Path(__file__).with_name("fork_client.py"))
    named = all(re.fullmatch(r"[\w./+-]+", path) for path in (python, client))
    if not os.environ.get(VARIABLE) or not named or Path(shell or "").name != "bash":
        return None
    return (
        # The first is what Snakemake sets where nobody sets a prefix.
        "set -euo pipefail; "
        f"{python}() {{{{ "
        f'case "${{{{1-}}}}" in */.snakemake/scripts/*) exec {python} -I -S {client} "$@";; esac; '
        f'command {python} "$@"; }}}};'
    )
