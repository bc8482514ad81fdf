"""The process that is forked: ``python -m orrery.stages.fork_server SOCKET DESCRIPTOR``, until its input is closed.

It imports the packages of others and nothing of Orrery's but this file, uses none of them and starts no thread: a
fork of a process that has opened an array may hang. See ``orrery.stages.forks``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from orrery.provenance.parent import die_with_parent
from orrery.stages.blas import ask_for_one_thread
from orrery.stages.fork_client import READY

PACKAGES = (
    "torch",
    "torch.func",
    "xarray",
    "dask.array",
    "zarr",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.datasets",
    "matplotlib.figure",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "matplotlib.style",
    "jaxtyping",
    "jinja2",
    # These it would load where they are first used.
    "pydantic.fields",
    "pydantic.functional_validators",
    "pydantic.main",
    "pydantic.type_adapter",
    "pydantic.types",
    "snakemake.script",
)
"""What jobs import; one that is not installed is left out."""

_LARGEST = 1 << 18


def serve(descriptor: int) -> None:
    """Run scripts in forks of this process until its input is closed.

    Args:
        descriptor: of a socket that listens already: who asks while the packages are imported waits.
    """
    ask_for_one_thread()
    installed = [path for path in sys.path[1:] if path not in _paths_of(dict(os.environ))]
    for name in PACKAGES:
        with suppress(ImportError):
            importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        return  # a fork would have the locks of the other threads and not the threads
    # The collector of a fork leaves alone what is here already: to look at it is to copy it, a quarter of a second.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as listener:
        while True:
            ready, _, _ = select.select([sys.stdin, listener], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _end(partial(_watch, connection, installed))


def _watch(connection: socket.socket, installed: list[str]) -> None:
    """Fork for one script, and end with it, with the process that asked for it, or with the server."""
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.send(READY)
    content, descriptors, _, _ = socket.recv_fds(connection, _LARGEST, 3)
    if len(descriptors) < 3:
        return
    arguments, folder, environment = json.loads(content)
    paths = [os.path.dirname(arguments[0]), *_paths_of(environment), *installed]
    here = os.getpid()
    job = os.fork()
    if job == 0:
        die_with_parent(here)
        connection.close()
        _begin(folder, environment, paths, descriptors)
        sys.argv[:] = arguments
        _end(partial(_run, arguments[0]))
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(job)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:
        os.kill(job, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    if ended in ready:
        connection.send(str(code if code >= 0 else 128 - code).encode())


def _run(script: str) -> None:
    import runpy

    runpy.run_path(script, run_name="__main__")


def _paths_of(environment: dict[str, str]) -> list[str]:
    """Where an environment has Python look first."""
    return [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]


def _begin(folder: str, environment: dict[str, str], paths: list[str], descriptors: list[int]) -> None:
    """Take on the folder, the environment, the paths of imports and the files of the process that asked."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:] = paths
    # The job has all code of Orrery as it lies on disk now.
    for name in [name for name in sys.modules if name.partition(".")[0] == "orrery"]:
        del sys.modules[name]


def _end(call: Callable[[], object]) -> None:
    """Call a function and end the process as Python would end after it."""
    code = 1
    try:
        call()
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        else:
            code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        serve(int(sys.argv[2]))
    finally:
        with suppress(OSError):
            os.unlink(sys.argv[1])
            os.rmdir(os.path.dirname(sys.argv[1]))
