"""A place on a GPU of this machine for one training job, held by a lock of the kernel."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.devices.gpus import VISIBLE, usable_gpus

SECONDS_BETWEEN_TRIES = 0.2


def lock_folder(environment: Mapping[str, str]) -> Path:
    """Where the locks of this user lie: ``ORRERY_GPU_LOCKS``, else a folder in ``/tmp``, on the machine itself.

    Not in ``XDG_RUNTIME_DIR`` and not in ``TMPDIR``: two workflows that ask in different places do not meet, and
    those differ between a login, a batch job and a cron job of the same user.
    """
    chosen = Path(environment.get("ORRERY_GPU_LOCKS") or f"/tmp/orrery-gpu-{os.getuid()}")
    # A Slurm job numbers its devices from 0 again, so "0" is another device in each.
    job = environment.get("SLURM_JOB_ID")
    return chosen / f"slurm-{_file_name(job)}" if job else chosen


@contextlib.contextmanager
def gpu_slot(device: str, slots: int, tell: Callable[[str], None]) -> Iterator[str | None]:
    """Hold a place on a GPU for as long as the block runs, and let CUDA see that GPU alone.

    To be entered before CUDA is initialised. No place is taken for the device ``cpu``, where there is no GPU, and
    where Slurm gave this job one GPU, which is its own already. Where all places are taken it waits.

    Args:
        device: of the study: ``auto``, ``cpu`` or ``cuda``.
        slots: places on each GPU.
        tell: told once that the job waits.

    Yields:
        The GPU that CUDA sees, as ``CUDA_VISIBLE_DEVICES`` names it; ``None`` where the job has none.

    Raises:
        OrreryError: the folder of the locks cannot be used.
    """
    gpus = usable_gpus() if device != "cpu" else ()
    if not gpus:
        yield None
        return
    if len(gpus) == 1 and "SLURM_JOB_ID" in os.environ and VISIBLE in os.environ:
        yield gpus[0]
        return
    descriptor, gpu = _wait(lock_folder(os.environ), gpus, slots, tell)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = gpu
    try:
        yield gpu
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
        # The file stays: to remove it could part two that wait for it.
        os.close(descriptor)


def _wait(folder: Path, gpus: Sequence[str], slots: int, tell: Callable[[str], None]) -> tuple[int, str]:
    _prepare(folder)
    told = False
    while True:
        # First places of all GPUs come before second ones, so that jobs spread.
        for slot in range(slots):
            for gpu in gpus:
                descriptor = _try(folder / f"{_file_name(gpu)}.{slot}.lock")
                if descriptor is not None:
                    return descriptor, gpu
        if not told:
            places = f"{slots} on each of {len(gpus)} GPUs" if len(gpus) > 1 else f"{slots} on one GPU"
            tell(f"all places for training on this machine are taken ({places}); this job waits for one")
            told = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def _prepare(folder: Path) -> None:
    """Make the folder; another user's of this name in /tmp is no place for our locks."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise OrreryError(
            f"{folder}: the folder of the locks of GPUs cannot be made ({error.strerror}); "
            "set ORRERY_GPU_LOCKS to a folder on this machine that you may write"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OrreryError(
            f"{folder}: the folder of the locks of GPUs is not yours; set ORRERY_GPU_LOCKS to one that is"
        )


def _try(file: Path) -> int | None:
    """Take a lock without waiting: its descriptor, or ``None`` where another process holds it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise OrreryError(
            f"{file}: this lock of a GPU cannot be opened ({error.strerror}); "
            "set ORRERY_GPU_LOCKS to a folder on this machine that you may write"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise OrreryError(
            f"{file}: this lock of a GPU cannot be taken ({error.strerror}); "
            "set ORRERY_GPU_LOCKS to a folder on a local disk"
        ) from None
    return descriptor


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]", "-", text)
