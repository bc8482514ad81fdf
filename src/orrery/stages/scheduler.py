"""What computes the Dask tasks of an analysis: threads, this thread, a local cluster, or a running scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scheduler(
    choice: str,
    *,
    threads: int = 1,
    worker_memory: int | None = None,
    job_memory: int | None = None,
    results: Path = Path(),
) -> Iterator[None]:
    """Let Dask compute in one way, for what is inside the ``with``; no result depends on it.

    A cluster is started, and a running scheduler asked, at the first computation only.

    Args:
        choice: ``threads``, ``synchronous``, ``cluster``, or the address of a running scheduler.
        threads: threads, or workers of a local cluster.
        worker_memory: megabytes of each worker of a local cluster.
        job_memory: megabytes of the whole job, shared with the workers of a local cluster where ``worker_memory``
            is absent.
        results: folder that holds what is read; the workers of a running scheduler must see it.

    Raises:
        OrreryError: from the first computation on: no scheduler or worker answers, or the workers are lost.
    """
    import dask

    from orrery.stages.blas import compute_with_one_thread

    compute_with_one_thread()
    # As functions: for the name of a scheduler Dask imports its distributed part, half a second in every job.
    if choice == "synchronous":
        with dask.config.set(scheduler=dask.get):
            yield
    elif choice == "threads":
        import dask.threaded

        with dask.config.set(scheduler=dask.threaded.get, num_workers=threads):
            yield
    else:
        from orrery.stages.cluster import LocalWorkers, RunningScheduler

        if worker_memory is None and job_memory is not None:
            # The process of the job, which holds the scheduler and gathers results, counts as one worker more.
            worker_memory = job_memory // (threads + 1)
        found = (
            LocalWorkers(threads, worker_memory) if choice == "cluster" else RunningScheduler(choice, results)
        )
        try:
            with dask.config.set(scheduler=found.get):
                yield
            found.finish()
        finally:
            found.close()
