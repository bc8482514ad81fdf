"""What every script does around its one function: log, threads, errors in a sentence."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from orrery.config.errors import OrreryError
from orrery.devices.slots import gpu_slot
from orrery.provenance.job import run_job
from orrery.provenance.location import bytes_of
from orrery.provenance.manifest import store_of, write_atomically
from orrery.provenance.parent import die_with_parent
from orrery.provenance.storage import in_a_sentence
from orrery.provenance.usage import keep_usage
from orrery.stages.blas import ask_for_one_thread
from orrery.stages.memory import keep_freed_memory

SHOWN = {
    "figures": (".html", "page.html"),
    "claims": (".csv", "table.csv"),
    "reports": (".html", "page.html"),
}
"""What Snakemake's own report shows of a stage: ending of the copy beside the manifest, file of the store."""


def run_script(snakemake: Any, produce: Callable[[Mapping[str, Any], Path], None]) -> None:
    """Run the job of a Snakemake script.

    Args:
        snakemake: the object that Snakemake gives to a script; ``params.job`` is the payload of the plan.
        produce: writes the result of the payload into a folder. It imports what is heavy itself, so that a
            job that only takes over an earlier result does not pay for it.
    """

    def act(payload: Mapping[str, Any], console: int) -> None:
        # Given to a job and not imported by it: the words of a progress line, which GPU is free, what computes and
        # where bytes lie have no say in a result; and the code of systems counts for the few analyses that ask for
        # one, where the plan names it.
        slots = payload.get("execution", {}).get("gpu_slots", 1)
        tools = {
            "make_progress": partial(make_progress, payload, console),
            "build_system": build_system,
            "open_replay": open_replay,
            "gpu_slot": partial(gpu_slot, slots=slots),
            "bytes_of": bytes_of,
            "computing": partial(computing, payload, getattr(snakemake, "resources", None)),
        }
        produced = run_job(payload, lambda out: produce({**payload, **tools}, out))
        put_beside(Path(payload["target"]), snakemake.output)
        print("done" if produced else "an earlier result has the same key: taken over")

    run_action(snakemake, act)


def run_publication(snakemake: Any, publish: Callable[[Mapping[str, Any]], None]) -> None:
    """Run the script of a job that publishes and stores nothing of its own."""
    run_action(snakemake, lambda payload, console: publish(payload))


def make_progress(payload: Mapping[str, Any], console: int, label: str) -> Any:
    """Return what tells how far training is: lines in the log, and a bar where the console is a terminal.

    Of several jobs at a time one draws its bar; two would write over each other.
    """
    from orrery.training.progress import Everywhere, Progress

    told = [Progress(label)]
    if os.isatty(console):
        # Open until the process ends, and the lock with it.
        claim = os.open(Path(payload["results"]) / ".bar", os.O_RDWR | os.O_CREAT)
        with suppress(BlockingIOError):
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told.append(Progress(label, os.fdopen(os.dup(console), "w")))
    return Everywhere(*told)


def computing(payload: Mapping[str, Any], resources: Any, here: bool = False) -> AbstractContextManager[None]:
    """Let Dask compute as the config says, inside a ``with``.

    Args:
        payload: of the job.
        resources: what Snakemake gave the job; its ``mem_mb`` is shared by the workers of a local cluster.
        here: compute in this process whatever the config says: for stages that read small results, where
            a cluster would take longer to start than they take.
    """
    from orrery.stages.scheduler import scheduler

    execution = payload["execution"]
    memory = getattr(resources, "mem_mb", None)
    return scheduler(
        "threads" if here and execution["dask"] != "synchronous" else execution["dask"],
        threads=execution["threads"],
        worker_memory=execution["worker_memory"],
        job_memory=memory if isinstance(memory, int) else None,
        results=Path(payload["results"]),
    )


def build_system(condition: Mapping[str, Any], dataset: Path | None, dtype: str | None = None) -> Any:
    """Build the system of a condition on the CPU, for an analysis that asks for it; ``dtype`` as in the study."""
    import torch

    from orrery.training.build import DTYPES
    from orrery.training.build import build_system as build

    return build(condition, dataset, torch.device("cpu"), DTYPES[dtype] if dtype else None)


def open_replay(condition: Mapping[str, Any], dataset: Path | None, folders: Sequence[Any]) -> Any:
    """Open runs for being iterated again, for an analysis that asks for it."""
    from orrery.training.replay import replay_of

    return replay_of(condition, dataset, folders)


def run_action(snakemake: Any, act: Callable[[Mapping[str, Any], int], None]) -> None:
    """Call ``act`` with the payload and the console.

    An ``OrreryError``, and what the file system refuses, end the script with a sentence and exit code 1.
    """
    payload = snakemake.params.job
    console = os.dup(2)
    try:
        with in_a_sentence(_place(payload)), logged(snakemake.log[0] if snakemake.log else None):
            prepare()
            act(payload, console)
            keep_usage(Path(payload["results"]), payload["target"])
    except OrreryError as error:
        tell(str(error), console)
        sys.exit(1)
    except Exception as error:
        tell(
            f"this should not have happened: {type(error).__name__}: {error}; the log has the rest",
            console,
        )
        raise


def _place(payload: Mapping[str, Any]) -> Path:
    """What a person calls the result of a job: its store, or the folder that it publishes to."""
    target = Path(payload["target"])
    return target.parent if target.name.startswith("published@") else target.with_suffix("")


def put_beside(manifest: Path, outputs: Iterable[str]) -> None:
    """Copy what Snakemake's own report shows from the store to its place beside the manifest, as ``SHOWN`` says."""
    shown = dict(SHOWN.values())
    for output in map(Path, outputs):
        if output != manifest:
            write_atomically(output, (store_of(manifest) / shown[output.suffix]).read_bytes())


def prepare() -> None:
    """Die with the parent, compute with one thread, keep freed memory, find modules beside the studies."""
    die_with_parent()
    ask_for_one_thread()
    keep_freed_memory()
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def tell(message: str, console: int) -> None:
    """Print a sentence to the console and to the log; the log may be what cannot be written."""
    sentence = f"orrery: {message}\n"
    with suppress(OSError):
        os.write(console, sentence.encode())
    with suppress(OSError):
        sys.stderr.write(sentence)
    _flush()


@contextmanager
def logged(path: str | None) -> Iterator[None]:
    """Send what is printed, from here to the end of the process, to a log file."""
    if path is None:
        yield
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            _flush()


def _flush() -> None:
    """Write what was printed; where that is refused, a result that is whole counts more than its log."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except OSError:
            # Python flushes once more when it ends, and would end with exit code 120.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def run_target(snakemake: Any, function: Callable[[Mapping[str, Any], Path], list[str]]) -> None:
    """Call a function with the config and the folder of the Snakefile, and print the lines it returns.

    What is printed stands in the log of the target as well.
    """
    log = Path(snakemake.log[0])
    try:
        with in_a_sentence(snakemake.params.config.get("results", "results")):
            prepare()
            lines = function(snakemake.params.config, Path(snakemake.params.home))
    except OrreryError as error:
        log.write_text(f"{error}\n", encoding="utf-8")
        sys.exit(f"orrery: {error}")
    log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for line in lines:
        print(line)
