"""Schedulers of Dask's distributed part: workers of our own, or a scheduler that runs somewhere.

Imported only where one of them is chosen: it takes half a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, futures_of, wait
from distributed.comm.core import CommClosedError

from orrery.config.errors import OrreryError
from orrery.stages.worker import prepare, software_here

PATIENCE = 30.0
"""Seconds to wait for a scheduler to answer, and then for its first worker."""
WITHOUT_WORKERS = 300.0
"""Seconds that a computation waits for a worker after the last one is lost."""
LOOPBACK = "127.0.0.1"


class Preparation(WorkerPlugin):
    """Prepares workers that come later, or are started again after a crash.

    Args:
        folder: where the job runs.
        results: folder of the results.
    """

    def __init__(self, folder: str, results: str) -> None:
        self.name = f"orrery {folder}"
        self._arguments = (folder, results)

    def setup(self, worker: Any) -> None:
        """Called on each worker."""
        prepare(*self._arguments)


class LocalWorkers:
    """Worker processes of this job, which nobody else can reach; they are started at the first computation.

    Args:
        count: processes, of one thread each.
        memory: megabytes of each; a share of the machine where ``None``.
    """

    def __init__(self, count: int, memory: int | None) -> None:
        self._count, self._memory = count, memory
        self._cluster: LocalCluster | None = None
        self._client: Client | None = None

    def get(self, graph: Any, keys: Any, **options: Any) -> Any:
        """Compute a graph; the function that Dask calls.

        Raises:
            OrreryError: the workers cannot be started, or are killed again and again.
        """
        if self._client is None:
            self._client = self._start()
        more = "parallelism.worker_memory is too small for it, or the machine's memory is; write more, or fewer threads"
        return compute(self._client, graph, keys, "the local cluster", more)

    def _start(self) -> Client:
        try:
            with dask.config.set(scheduler="threads"):
                # Workers get what Dask is told here, also when they are started again, and this object cannot travel.
                self._cluster = self._workers()
            client = Client(self._cluster, set_as_default=False, timeout=PATIENCE)
        except (OSError, TimeoutError, RuntimeError) as error:
            raise OrreryError(
                f"parallelism.dask: the workers of the local cluster do not start ({_in_short(error)}); write threads"
            ) from error
        folder = str(Path.cwd())
        client.register_plugin(Preparation(folder, folder))
        return client

    def _workers(self) -> LocalCluster:
        return LocalCluster(
            n_workers=self._count,
            threads_per_worker=1,
            memory_limit="auto" if self._memory is None else self._memory * 10**6,
            host=LOOPBACK,
            dashboard_address=None,
            # Without a dashboard there still is a server for its state, at a port that jobs would fight over.
            scheduler_kwargs={"dashboard_address": f"{LOOPBACK}:0"},
            silence_logs=logging.ERROR,
        )

    def finish(self) -> None:
        """Nothing is left to check: the workers are of this job."""

    def close(self) -> None:
        """Stop the workers."""
        if self._client is not None:
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class RunningScheduler:
    """A scheduler that runs already, with whatever workers it has; asked at the first computation.

    Args:
        address: such as ``tcp://127.0.0.1:8786``.
        results: folder that holds what is read.
    """

    def __init__(self, address: str, results: Path) -> None:
        self._address = address
        self._arguments = (str(Path.cwd()), str(results.absolute()))
        self._client: Client | None = None

    def get(self, graph: Any, keys: Any, **options: Any) -> Any:
        """Compute a graph; the function that Dask calls.

        Raises:
            OrreryError: the scheduler or its workers do not answer, run other software, or are lost.
        """
        if self._client is None:
            self._client = self._connect()
        more = "give its workers more memory"
        return compute(self._client, graph, keys, f"the Dask scheduler at {self._address}", more)

    def _connect(self) -> Client:
        try:
            client = Client(self._address, set_as_default=False, timeout=PATIENCE)
        except (OSError, TimeoutError, CommClosedError, ValueError, TypeError, RuntimeError) as error:
            raise OrreryError(
                f"parallelism.dask: no Dask scheduler answers at {self._address} within {PATIENCE:.0f} s "
                f"({_in_short(error)}); start one there, or write threads"
            ) from error
        try:
            # First of all: what is sent later is unpacked by the scheduler too, which imports what it names.
            self._ask_scheduler(client)
            client.wait_for_workers(1, timeout=PATIENCE)
            self._check(client)
            client.register_plugin(Preparation(*self._arguments))
        except TimeoutError as error:
            client.close()
            raise OrreryError(
                f"parallelism.dask: the Dask scheduler at {self._address} has no worker after {PATIENCE:.0f} s; "
                f"start some with: dask worker {self._address}"
            ) from error
        except BaseException:
            client.close()
            raise
        return client

    def _ask_scheduler(self, client: Client) -> None:
        try:
            said = client.run_on_scheduler(prepare, *self._arguments)
        except (ImportError, AttributeError, OrreryError) as error:
            raise self._other_software("it", _in_short(error)) from error
        self._compare("it", said["software"])

    def _check(self, client: Client) -> None:
        """Compare the software of all workers with that of this job."""
        for worker, said in client.run(prepare, *self._arguments, on_error="return").items():
            if isinstance(said, Exception):
                raise self._other_software(f"its worker {worker}", _in_short(said)) from said
            self._compare(f"its worker {worker}", said["software"])
            if not said["sees_results"]:
                raise OrreryError(
                    f"parallelism.dask: the worker {worker} of the Dask scheduler at {self._address} does not see "
                    f"{self._arguments[1]}; put the results on a file system that all nodes share"
                )

    def _compare(self, who: str, theirs: Mapping[str, str]) -> None:
        ours = software_here()
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                raise self._other_software(who, f"{name} {theirs.get(name)}, here {ours.get(name)}")

    def _other_software(self, who: str, what: str) -> OrreryError:
        return OrreryError(
            f"parallelism.dask: at {self._address}, {who} runs other software than this job ({what}); start the "
            "scheduler and its workers again with the software of this job"
        )

    def finish(self) -> None:
        """See that no worker with other software has joined meanwhile.

        Raises:
            OrreryError: one has.
        """
        if self._client is not None:
            self._check(self._client)

    def close(self) -> None:
        """Leave the scheduler as it is."""
        if self._client is not None:
            self._client.close()


def compute(client: Client, graph: Any, keys: Any, whose: str, more: str) -> Any:
    """Compute a graph on a cluster; what happens to the cluster is told in a sentence.

    Args:
        client: of the cluster.
        graph: what Dask hands to a scheduler.
        keys: what is wanted of it.
        whose: the cluster as a person calls it.
        more: what to do where tasks kill their workers.

    Raises:
        OrreryError: the cluster is lost, has lost all workers, or a task kills its workers.
    """
    try:
        with client.as_current():
            packed = client.get(graph, keys, sync=False)
            _wait(client, futures_of(packed), whose)
            return client.gather(packed)
    except KilledWorker as error:
        raise OrreryError(
            f"parallelism.dask: {whose} lost {error.allowed_failures + 1} workers over the same task; {more}"
        ) from error
    except (CommClosedError, CancelledError) as error:
        raise OrreryError(
            f"parallelism.dask: {whose} was lost while it computed; start it again, and then this run"
        ) from error


def _wait(client: Client, futures: list[Any], whose: str) -> None:
    """Wait for futures; without workers, not for ever."""
    last = time.monotonic()
    while futures:
        try:
            wait(futures, timeout=5.0)
            return
        except TimeoutError:
            if client.scheduler_info().get("workers"):
                last = time.monotonic()
            elif time.monotonic() - last > WITHOUT_WORKERS:
                raise OrreryError(
                    f"parallelism.dask: {whose} has had no worker for {WITHOUT_WORKERS:.0f} s; start some, and then "
                    "this run again"
                ) from None


def _in_short(error: BaseException) -> str:
    """The type of an error and the first line of its text."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
