"""Slightly perturbed copies of a run: their start differs, all else is shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError, nearest
from orrery.numerics.streams import Streams
from orrery.systems.system import MOVED, Component, Runs

if TYPE_CHECKING:
    from orrery.systems.system import State


def perturb_copies(
    state: State, components: Sequence[Component], runs: Runs, settings: Mapping[str, Any], streams: Streams
) -> State:
    """Perturb the copies 1, 2, ... of every seed; copy 0 stays the bits it was.

    Every number of a chosen tensor becomes w (1 + amplitude x) (relative) or w + amplitude x (absolute), with x uniform
    in (-1, 1) or standard normal, in float64 and then rounded to the precision of the state. The numbers x of copy n
    come from the stream ``copy`` keyed by n alone: copy n of every seed is perturbed alike (arXiv 2302.09160, released
    code). With ``draw: run`` the seed is part of the key: every pair of original and copy has its own perturbation
    (arXiv 2404.05782).

    Args:
        state: start of the runs, each tensor (run, *shape).
        components: of the system.
        runs: seed and copy of each run.
        settings: ``amplitude``, ``kind``, ``distribution``, ``tensors`` (name patterns), ``draw``.
        streams: of the condition.

    Raises:
        OrreryError: where a pattern matches no weight, bias or variable.
    """
    if not any(runs.copies):
        return state
    names = [component for component in components if component.role in MOVED]
    patterns = list(settings.get("tensors") or ["*"])
    for pattern in patterns:
        if not any(fnmatchcase(component.name, pattern) for component in names):
            known = [component.name for component in names]
            raise OrreryError(f"copies.tensors: '{pattern}' matches no tensor; {nearest(pattern, known)}")
    amplitude = float(settings.get("amplitude", 0.001))
    perturbed = dict(state)
    for component in names:
        if not any(fnmatchcase(component.name, pattern) for pattern in patterns):
            continue
        original = state[component.name]
        rows = original.clone()
        for key, members in _alike(runs, str(settings.get("draw", "copy"))).items():
            noise = amplitude * _noise(component, key, str(settings.get("distribution", "uniform")), streams)
            change = torch.tensor(noise, dtype=torch.float64, device=original.device)
            which = torch.tensor(members, device=original.device)
            start = original[which].double()
            if settings.get("kind", "relative") == "relative":
                start = start * (1 + change)
            else:
                start = start + change
            rows[which] = start.to(original.dtype)
        perturbed[component.name] = rows
    return perturbed


def _alike(runs: Runs, draw: str) -> dict[tuple[int, ...], list[int]]:
    """Places of the copies that are perturbed alike, by what keys their numbers: (copy,), or (copy, seed)."""
    found: dict[tuple[int, ...], list[int]] = {}
    for place, (seed, copy) in enumerate(zip(runs.seeds, runs.copies, strict=True)):
        if copy > 0:
            found.setdefault((copy, seed) if draw == "run" else (copy,), []).append(place)
    return found


def _noise(component: Component, key: tuple[int, ...], distribution: str, streams: Streams) -> np.ndarray:
    copy, *seed = key
    generator = streams.generator("copy", copy, *seed, component.name, component.shape)
    if distribution == "normal":
        return np.asarray(generator.standard_normal(component.shape))
    return np.asarray(generator.uniform(-1.0, 1.0, component.shape))
