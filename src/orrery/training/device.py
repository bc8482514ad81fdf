"""Where and how training computes: the device, and settings of torch that make its bytes repeatable."""

from __future__ import annotations

import os

import torch

from orrery.config.errors import OrreryError
from orrery.training.cuda import CudaGraphs, SideStream
from orrery.training.portions import Lane
from orrery.training.progress import Progress
from orrery.training.stepper import Captures


def choose_device(name: str, progress: Progress | None = None) -> torch.device:
    """The device of a name: ``cpu``, ``cuda``, or ``auto`` for CUDA where it works, else the CPU (told once).

    Raises:
        OrreryError: for ``cuda`` without a working CUDA device, or another name.
    """
    if name == "cpu":
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        raise OrreryError(f"training.device: there is no device '{name}'; write auto, cpu or cuda")
    problem = _cuda_problem()
    if problem is None:
        return torch.device("cuda")
    if name == "cuda":
        raise OrreryError(
            f"training.device: cuda was asked for, but {problem}; write cpu or auto, or run on a machine with a GPU"
        )
    if progress is not None:
        progress.message(f"device auto: {problem}, so this runs on the CPU")
    return torch.device("cpu")


def _cuda_problem() -> str | None:
    """What keeps CUDA from working, or ``None``."""
    if not torch.backends.cuda.is_built():
        return "the installed torch is built without CUDA"
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    try:
        torch.zeros(1, device="cuda").add(1).item()
    except RuntimeError as error:
        return f"the CUDA device does not work ({str(error).splitlines()[0]})"
    return None


def make_repeatable() -> None:
    """One thread, deterministic kernels, full precision: the same spec gives the same bytes whatever ``--cores``."""
    # cuBLAS reads this when it starts; its sums have a fixed order only with a fixed workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    # The same switch as use_deterministic_algorithms(True), which spends seconds on importing the compiler.
    torch.set_deterministic_debug_mode("error")
    # Deterministic mode also fills every new array before it is written, one more pass over memory at each operation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False


def describe_device(device: torch.device) -> str:
    """The device as it stands in the provenance."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"


def lane_from(device: torch.device) -> Lane | None:
    """The way of what is recorded from a device to the host; ``None`` where it is there already."""
    return SideStream(device) if device.type == "cuda" else None


def captures_of(device: torch.device) -> Captures | None:
    """What captures steps on a device; ``None`` where nothing does."""
    return CudaGraphs(device) if device.type == "cuda" else None
