"""The GPUs that a process may use, found without importing torch: the parse of the Snakefile asks for them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from orrery.provenance.software import full_version

VISIBLE = "CUDA_VISIBLE_DEVICES"
# A driver that hangs must not hold up a dry run; one that is well answers within half of it, also when it has to wake.
PATIENCE = 2.0
DRIVER = Path("/proc/driver/nvidia/gpus")
_UUIDS = ("GPU-", "MIG-")


def usable_gpus(environment: Mapping[str, str] | None = None, driver: Path = DRIVER) -> tuple[str, ...]:
    """Name the GPUs that training may use here, each by a text that ``CUDA_VISIBLE_DEVICES`` takes.

    Where that variable is set it decides, as it does for CUDA. Otherwise ``nvidia-smi`` names them by UUID, which
    means the same device in every process; an ``nvidia-smi`` that fails or hangs means that there are none. Without
    that program the folder of the driver counts them. A torch that was built without CUDA can use none.

    Args:
        environment: variables of the process; those of this one where absent.
        driver: the folder in which the driver lists its GPUs.
    """
    variables = os.environ if environment is None else environment
    if full_version("torch").partition("+")[2].startswith("cpu"):
        return ()
    if VISIBLE in variables:
        return visible_gpus(variables[VISIBLE])
    try:
        listed = _ask(variables)
    except FileNotFoundError:
        return tuple(str(number) for number, _ in enumerate(_folders(driver)))
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()
    return tuple(line for line in map(str.strip, listed.splitlines()) if line.startswith(_UUIDS))


def _ask(variables: Mapping[str, str]) -> str:
    """What ``nvidia-smi`` answers; an error where it fails, or takes longer than ``PATIENCE``."""
    program = shutil.which("nvidia-smi", path=variables.get("PATH", os.defpath))
    if program is None:
        raise FileNotFoundError("nvidia-smi")
    process = subprocess.Popen(
        [program, "--query-gpu=uuid", "--format=csv,noheader"],
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        listed, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        # Not waited for: a process that hangs inside the driver does not end before the driver lets it.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, program)
    return listed


def visible_gpus(value: str) -> tuple[str, ...]:
    """Read a value of ``CUDA_VISIBLE_DEVICES`` as CUDA does.

    What follows the first entry that is none does not count, and an entry that comes twice leaves no device at all.
    """
    entries = [entry.strip() for entry in value.split(",")]
    prefix = next((prefix for prefix in _UUIDS if entries[0].startswith(prefix)), None)
    found: list[str] = []
    for entry in entries:
        if not (entry.startswith(prefix) if prefix else entry.isdecimal()):
            break
        if entry in found:
            return ()
        found.append(entry)
    return tuple(found)


def _folders(driver: Path) -> list[Path]:
    try:
        return sorted(driver.iterdir())
    except OSError:
        return []
