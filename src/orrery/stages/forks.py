"""Have a script run in a fork of a process that has imported the packages already.

A small job computes for a tenth of a second and imports for three. Where a run has jobs on this machine,
``serve_forks`` starts one process that imports the packages of others (``orrery.stages.fork_server``); a script asks
it for a fork of itself and waits. The modules of Orrery and of the user are imported by each job, so each has the code
as it lies on disk. Where nothing answers (the packages are not imported yet, the job runs on another machine or in an
environment of its own), the script runs as ever: which of the two it was changes no result.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from orrery.provenance.lock import die_with_parent

VARIABLE = "ORRERY_FORKS"
"""Environment variable of the jobs of a run: the socket, and the environment of Python behind it."""

WORTH_IT = 4
"""Jobs from which on importing once is less work than importing in each."""

_LARGEST = 1 << 17
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
    except OSError:
        return  # no room for a socket: every job imports by itself
    command = [sys.executable, "-m", "orrery.stages.fork_server", str(place)]
    # A session of its own: what is typed at the terminal is for the jobs that ask, with which their forks end.
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    # It ends when this end of its input is closed.
    _kept.append(process)
    os.environ[VARIABLE] = json.dumps([str(place), sys.prefix])


def run_elsewhere() -> int | None:
    """Run this script in a fork, and return its exit code; ``None`` where there is none to be had.

    The fork has the folder, the environment, the paths of imports, the input and the output of this process, and ends
    with it.
    """
    place, prefix = json.loads(os.environ.pop(VARIABLE, "") or "[null, null]")
    if place is None or prefix != sys.prefix:
        return None
    request = json.dumps([sys.argv, os.getcwd(), dict(os.environ), sys.path]).encode()
    if len(request) > _LARGEST:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(place)
        except OSError:
            return None
        die_with_parent()
        sys.stdout.flush()
        sys.stderr.flush()
        socket.send_fds(connection, [request], [0, 1, 2])
        # An empty answer: the fork was killed, and with it went what it would have written.
        return int(connection.recv(16) or 1)
