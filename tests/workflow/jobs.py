"""Interpreters for jobs, with the packages of others imported once and forked for every job.

A job of these studies computes for a tenth of a second and imports for three. Tests ask which jobs run and what they
write, so all but those that interrupt or deny something run their jobs as forks; the laboratory that they start from
was built by processes of their own.

``python jobs.py SOCKET`` listens; ``python jobs.py SOCKET script …`` runs a script there as if here: same folder,
environment, input, output, exit code.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys


def ask(place: str, arguments: list[str]) -> int:
    """Have a script run, and return its exit code; where this process ends, so does the script."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(place)
        request = [arguments, os.getcwd(), dict(os.environ)]
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        return int(connection.recv(16) or 1)


def serve(place: str) -> None:
    """Run scripts in forks of this process until its input is closed."""
    import signal

    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    _import_packages()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([sys.stdin, listener], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _watch(connection)
                    os._exit(0)


def _import_packages() -> None:
    import dask.array
    import matplotlib.figure
    import pandas
    import pydantic
    import scipy.linalg
    import scipy.optimize
    import sklearn.datasets
    import snakemake.script
    import torch
    import torch.func
    import xarray
    import zarr

    assert all((dask, matplotlib, pandas, pydantic, scipy, sklearn, snakemake, torch, xarray, zarr))


def _watch(connection: socket.socket) -> None:
    """Fork for one script, and end with it or with the process that asked for it."""
    import runpy
    import signal

    from starts import begin, end

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    content, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    arguments, folder, environment = json.loads(content)
    job = os.fork()
    if job == 0:
        sys.argv[:] = arguments
        begin(folder, environment, os.path.dirname(arguments[0]), dict(enumerate(descriptors)))
        end(lambda: runpy.run_path(arguments[0], run_name="__main__"))
    ended = os.pidfd_open(job)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.kill(job, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    if ended in ready:
        connection.send(str(code if code >= 0 else 128 - code).encode())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
