"""How many GPUs the jobs of a plan ask for, and how many training jobs one machine takes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orrery.devices.gpus import usable_gpus


def may_want_gpu(settings: Mapping[str, Any]) -> bool:
    """Whether a training job of these settings may run on a GPU."""
    return bool(settings["training"]["device"] != "cpu")


def gpu_places(trainings: Iterable[Mapping[str, Any]], slots: int) -> int:
    """Return how many training jobs may use the GPUs of this machine at a time; 0 where none can or wants to.

    Args:
        trainings: settings of the training jobs; the machine is looked at only if one of them may want a GPU.
        slots: jobs that share one GPU.
    """
    return slots * len(usable_gpus()) if any(map(may_want_gpu, trainings)) else 0


def gpus_asked(settings: Mapping[str, Any], places: int | None) -> int:
    """Return the resource ``gpu`` of a training job.

    Args:
        settings: of the job.
        places: what ``gpu_places`` says of this machine; ``None`` where the job goes to another, as on a cluster.
    """
    return int(may_want_gpu(settings) and places != 0)
