"""Distances of copies and paths of weights: the same as from states in memory, however they are cut."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest

from orrery.numerics import copy_distances as copy_distances_module
from orrery.numerics import path_lengths as path_lengths_module
from orrery.numerics import stretches as stretches_module
from orrery.numerics.copy_distances import copy_distances
from orrery.numerics.path_lengths import paths_of
from orrery.numerics.stretches import pieces, stretches

ROWS = np.array([[0, 1, 2], [3, 4, 5], [8, 7, 6]])


def walks(components: int = 50, steps: int = 37) -> np.ndarray:
    return np.cumsum(np.random.default_rng(3).standard_normal((9, steps, components)), axis=1)


CUTS = [
    (None, None),
    ((9, 37, 50), None),
    (None, 40),
    ((2, 10, 50), 40),
    ((4, 20, 50), 20),
    ((1, 19, 26), 40),
]
"""Chunks, and how many steps of one run in one piece of 16 components fit into memory; None for plenty."""


def limit(monkeypatch: pytest.MonkeyPatch, steps: int | None) -> None:
    """Leave so little memory that tasks read several pieces, stretches and portions of the copies."""
    if steps is not None:
        for module in (copy_distances_module, path_lengths_module, stretches_module):
            monkeypatch.setattr(module, "BYTES", 8 * 16 * steps)
        for module in (copy_distances_module, stretches_module):
            monkeypatch.setattr(module, "PIECE", 16)


@pytest.mark.parametrize(("chunks", "steps"), CUTS)
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_distances(
    chunks: tuple[int, ...] | None, steps: int | None, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, steps)
    states = walks()
    given = states if chunks is None else dask.array.from_array(states, chunks=chunks)
    found = copy_distances(given, ROWS, norm)  # type: ignore[arg-type]
    apart = states[ROWS][:, 1:] - states[ROWS][:, :1]
    expected = np.abs(apart).sum(-1) if norm == "l1" else np.sqrt((apart**2).sum(-1))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_distances_do_not_depend_on_chunks() -> None:
    states = walks(components=9000, steps=5)
    bits = {
        copy_distances(dask.array.from_array(states, chunks=chunks), ROWS).tobytes()
        for chunks in [(9, 5, 9000), (1, 2, 1000), (4, 5, 4096)]
    }
    assert len(bits) == 1


def test_distances_of_single_precision_are_summed_in_double() -> None:
    states = (1e4 + walks()).astype("float32")
    found = copy_distances(states, ROWS)
    apart = states[ROWS].astype(float)
    np.testing.assert_allclose(found, np.abs(apart[:, 1:] - apart[:, :1]).sum(-1), rtol=1e-13)


@pytest.mark.parametrize(("chunks", "steps"), CUTS)
def test_paths(chunks: tuple[int, ...] | None, steps: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, steps)
    states = walks()
    rows = np.array([0, 3, 8])
    found = paths_of(states if chunks is None else dask.array.from_array(states, chunks=chunks), rows)
    np.testing.assert_array_equal(found.first, states[rows, 0])
    np.testing.assert_array_equal(found.last, states[rows, -1])
    np.testing.assert_allclose(found.length, np.abs(np.diff(states[rows], axis=1)).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.norm, np.abs(states[rows]).sum(axis=2), rtol=1e-13)


def test_stretches_end_with_chunks_and_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    states = dask.array.zeros((4, 100, 10), chunks=(4, 30, 10))
    assert stretches(states, 4) == [(0, 100)]
    monkeypatch.setattr(stretches_module, "BYTES", 8 * 4 * 10 * 65)
    assert stretches(states, 4) == [(0, 60), (60, 100)]
    monkeypatch.setattr(stretches_module, "BYTES", 8 * 4 * 10 * 20)
    found = stretches(states, 4)
    assert [last for _, last in found][:-1] == [first for first, _ in found][1:]
    assert (found[0][0], found[-1][1]) == (0, 100)
    assert max(last - first for first, last in found) <= 20
    assert pieces(5000) == [slice(0, 4096), slice(4096, 5000)]
