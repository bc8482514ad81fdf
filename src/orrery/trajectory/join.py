"""Join the stores of a condition: blocks of runs (some copies of some seeds), each in segments of steps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import dask.array as da
import numpy as np
import xarray as xr

from orrery.config.errors import OrreryError
from orrery.trajectory.layout import EVALUATIONS, METRICS, STEP_OF_GROUP
from orrery.trajectory.store import Store

Block = list[Store]


def arrange(stores: Sequence[Store]) -> list[Block]:
    """Order the stores: blocks by their runs, the segments of each block by their steps.

    Raises:
        OrreryError: the stores do not belong together, overlap, or leave a hole.
    """
    blocks: dict[tuple[int, ...], Block] = {}
    for store in stores:
        blocks.setdefault(tuple(store.run.tolist()), []).append(store)
    ordered = [sorted(blocks[runs], key=lambda store: int(store.step[0])) for runs in sorted(blocks)]
    _check(ordered)
    return ordered


def dataset(blocks: Sequence[Block]) -> xr.Dataset:
    """All that the stores hold, as one lazy dataset.

    Returns:
        ``state(run, step, component)``, each observable ``name(run, step, name_component)``, each metric
        ``name(run, training_step)`` or ``name(run, evaluation_step)``, ``status(run)`` and ``last_step(run)``.
        Where the copies of a seed lie in several blocks they are brought together: the runs are those of one seed
        after the other, by copy.
    """
    first = blocks[0][0]
    variables: dict[str, tuple[tuple[str, ...], da.Array | np.ndarray]] = {}
    if "state" in first.arrays:
        variables["state"] = (("run", "step", "component"), _grid(blocks, "state"))
    for name in first.observables:
        variables[name] = (("run", "step", f"{name}_component"), _grid(blocks, name))
    coordinates: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "run": (("run",), _runs(blocks, "run")),
        "seed": (("run",), _runs(blocks, "seed")),
        "copy": (("run",), _runs(blocks, "copy")),
        "step": (("step",), np.concatenate([store.step for store in blocks[0]])),
    }
    for group in (METRICS, EVALUATIONS):
        having = [[store for store in block if store.series(group)] for block in blocks]
        if not having[0]:
            continue
        dim = STEP_OF_GROUP[group]
        coordinates[dim] = (
            (dim,),
            np.concatenate([store.numbers(f"{group}/{dim}") for store in having[0]]),
        )
        for name in having[0][0].series(group):
            variables[name] = (("run", dim), _grid(having, f"{group}/{name}"))
    status, last = _outcomes(blocks)
    variables["status"] = (("run",), status)
    variables["last_step"] = (("run",), last)
    joined = xr.Dataset(variables, coords=coordinates)
    order = _by_seed_and_copy(blocks)
    return joined if order is None else joined.isel(run=order)


def _grid(blocks: Sequence[Block], name: str) -> da.Array:
    rows = [[store.lazy(name) for store in block] for block in blocks]
    return da.concatenate([da.concatenate(row, axis=1) for row in rows], axis=0)


def _runs(blocks: Sequence[Block], name: str) -> np.ndarray:
    return np.concatenate([block[0].numbers(name) for block in blocks])


def _by_seed_and_copy(blocks: Sequence[Block]) -> np.ndarray | None:
    """The places of the runs by seed, in the order in which seeds first come, then copy; ``None``: they stay."""
    seeds = _runs(blocks, "seed").tolist()
    if len(set(seeds)) == sum(len(set(block[0].numbers("seed").tolist())) for block in blocks):
        return None
    rank = {seed: place for place, seed in enumerate(dict.fromkeys(seeds))}
    return np.lexsort((_runs(blocks, "copy"), np.asarray([rank[seed] for seed in seeds])))


def _outcomes(blocks: Sequence[Block]) -> tuple[np.ndarray, np.ndarray]:
    """A run diverged where any segment says so; it was last finite where the first such segment says."""
    status, last = [], []
    for block in blocks:
        state, final = block[0].outcome
        for store in block[1:]:
            later, then = store.outcome
            final = np.where(state == 1, final, then)
            state = np.maximum(state, later)
        status.append(state)
        last.append(final)
    return np.concatenate(status), np.concatenate(last)


def _check(blocks: Sequence[Block]) -> None:
    first = blocks[0][0]
    steps = [store.step.tolist() for store in blocks[0]]
    seen: dict[int, Store] = {}
    for block in blocks:
        for number in block[0].run.tolist():
            if number in seen:
                raise OrreryError(
                    f"{seen[number].path} and {block[0].path} both hold run {number}; give each run once"
                )
            seen[number] = block[0]
        for earlier, later in itertools.pairwise(block):
            if later.step[0] <= earlier.step[-1]:
                raise OrreryError(
                    f"{earlier.path} ends at step {earlier.step[-1]} but {later.path} of the same runs "
                    f"starts at step {later.step[0]}; give segments that follow one another"
                )
        if [store.step.tolist() for store in block] != steps:
            raise OrreryError(
                f"{block[0].path} holds other steps than {first.path}; give the same segments of every block"
            )
        for store in block:
            same = store.entries == first.entries and store.observables == first.observables
            if not same or any(store.series(g) != first.series(g) for g in (METRICS,) if store.series(g)):
                raise OrreryError(
                    f"{store.path} records other tensors, observables or metrics than {first.path}; "
                    "give stores of one condition"
                )
