"""Run a script in a fork, as if here: ``python -I -S fork_client.py SCRIPT …``, else start Python with it.

This takes the place of a start of Python and of what Snakemake's part of a script imports, a quarter of a second for
every job, and imports next to nothing. See ``orrery.stages.forks``.
"""

from __future__ import annotations

import json
import os
import socket
import sys

VARIABLE = "ORRERY_FORKS"
"""Environment variable of the jobs of a run: path of the socket."""

READY = b"ready"
"""What a fork says before it is told what to run."""
PATIENCE = 60.0
"""Seconds after which a script runs here, whoever may still be importing."""

_LARGEST = 1 << 17


def run_elsewhere(arguments: list[str]) -> int | None:
    """Run a script in a fork, and return its exit code; ``None`` where there is none to be had.

    The fork has the folder, the environment, the input and the output of this process, and ends with it.

    Args:
        arguments: the script and its own.
    """
    place = os.environ.pop(VARIABLE, "")
    request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
    if not place or len(request) > _LARGEST:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(place)
        except OSError:
            return None
        # Isolated as this process is, the library is found by where this file lies.
        sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        from orrery.provenance.parent import die_with_parent

        die_with_parent()
        connection.settimeout(PATIENCE)
        try:
            if connection.recv(16) != READY:
                return None
        except OSError:
            return None  # it ended before it could fork
        connection.settimeout(None)
        socket.send_fds(connection, [request], [0, 1, 2])
        # An empty answer: the fork was killed, and with it went what it would have written.
        return int(connection.recv(16) or 1)


def main() -> None:
    """Run the script of the command line, here if need be."""
    try:
        code = run_elsewhere(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    if code is None:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    sys.exit(code)


if __name__ == "__main__":
    main()
