"""Read arrays of a store chunk by chunk, so that a missing or damaged chunk is an error and never NaN."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from orrery.config.errors import OrreryError
from orrery.trajectory.chunks import decode
from orrery.trajectory.place import Place, open_array, reading

_OURS = ["bytes", "blosc", "crc32c"]


class Source:
    """An array on disk or in an object store that Dask can slice.

    Chunk files are decoded here, which is faster than Zarr's pipeline for the whole chunks that Dask asks for;
    arrays in shards, or written by others with other codecs, are read by Zarr.

    Args:
        store: place of the store.
        name: path of the array in it.
        metadata: of the array, as in its ``zarr.json``.
    """

    def __init__(self, store: Place, name: str, metadata: Mapping[str, Any]) -> None:
        self._store = store
        self._name = name
        self.shape: tuple[int, ...] = tuple(metadata["shape"])
        self.ndim = len(self.shape)
        self.dtype = np.dtype(metadata["data_type"])
        self.file: tuple[int, ...] = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = metadata["codecs"]
        self._direct = [codec["name"] for codec in codecs] == _OURS
        sharding = next((codec for codec in codecs if codec["name"] == "sharding_indexed"), None)
        inner = sharding["configuration"]["chunk_shape"] if sharding else self.file
        self.chunk: tuple[int, ...] = tuple(inner)

    @cached_property
    def _zarr(self) -> zarr.Array[Any]:
        return open_array(self._store / self._name)

    def __getstate__(self) -> dict[str, Any]:
        # A worker of a Dask cluster need not run in the folder that the path starts from.
        state = {name: value for name, value in self.__dict__.items() if name != "_zarr"}
        return {**state, "_store": self._store.absolute() if isinstance(self._store, Path) else self._store}

    def __getitem__(self, key: Any) -> np.ndarray:
        items = key if isinstance(key, tuple) else (key,)
        items += (slice(None),) * (self.ndim - len(items))
        bounds = [_bounds(item, size) for item, size in zip(items, self.shape, strict=True)]
        found = self._box(bounds)
        for axis in reversed(range(self.ndim)):
            found = found[(slice(None),) * axis + (_within(items[axis], bounds[axis], self.shape[axis]),)]
        return found

    def _box(self, bounds: list[tuple[int, int]]) -> np.ndarray:
        spans = [
            range(low // part, math.ceil(high / part))
            for (low, high), part in zip(bounds, self.file, strict=True)
        ]
        if self._direct:
            if all(len(span) == 1 for span in spans):
                return self._part(tuple(span[0] for span in spans), bounds)[0]
            whole = np.empty([high - low for low, high in bounds], self.dtype)
            for index in itertools.product(*spans):
                part, place = self._part(index, bounds)
                whole[place] = part
            return whole
        try:
            with reading(self._store):
                return np.asarray(self._zarr[tuple(slice(low, high) for low, high in bounds)])
        except (ValueError, RuntimeError, TypeError, OSError) as error:
            indices = (str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans)
            raise self._damaged("/".join(indices), error) from error

    def _part(
        self, index: tuple[int, ...], bounds: list[tuple[int, int]]
    ) -> tuple[np.ndarray, tuple[slice, ...]]:
        """The wanted part of one chunk, and its place in the box of ``bounds``."""
        name = "/".join(map(str, index))
        try:
            content = (self._store / self._name / "c" / name).read_bytes()
            chunk = decode(content, self.dtype, self.file)
        except FileNotFoundError:
            raise OrreryError(
                f"{self._store}: chunk {name} of array '{self._name}' is missing; record the trajectory again"
            ) from None
        except (ValueError, RuntimeError, OSError) as error:
            raise self._damaged(name, error) from error
        inside, place = [], []
        for number, part, (low, high) in zip(index, self.file, bounds, strict=True):
            first, last = max(low, number * part), min(high, (number + 1) * part)
            inside.append(slice(first - number * part, last - number * part))
            place.append(slice(first - low, last - low))
        return chunk[tuple(inside)], tuple(place)

    def _damaged(self, chunk: str, error: Exception) -> OrreryError:
        return OrreryError(
            f"{self._store}: chunk {chunk} of array '{self._name}' cannot be read, its bytes are not those that "
            f"were written ({error}); record the trajectory again"
        )

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        if not isinstance(self._store, Path):
            return (str(self._store), self._name, self.shape)  # its name holds the digest of its bytes
        stamp = (self._store / "zarr.json").stat()
        return (str(self._store), self._name, self.shape, stamp.st_mtime_ns, stamp.st_ino)


def _bounds(item: Any, size: int) -> tuple[int, int]:
    """The smallest range of an axis that holds all that ``item`` asks for."""
    if isinstance(item, slice):
        places = range(*item.indices(size))
        return (min(places), max(places) + 1) if places else (0, 0)
    chosen = np.atleast_1d(np.arange(size)[item])
    return (int(chosen.min()), int(chosen.max()) + 1) if chosen.size else (0, 0)


def _within(item: Any, bounds: tuple[int, int], size: int) -> Any:
    """What ``item`` asks for, counted from the lower bound."""
    if isinstance(item, slice) and item.step in (None, 1):
        return slice(None)
    if isinstance(item, slice):
        return np.arange(*item.indices(size)) - bounds[0]
    return np.arange(size)[item] - bounds[0]
