"""Parts of lazy arrays that a Dask task reads itself.

A task that reads what it needs holds that alone, on whatever worker it runs. Chunks as tasks of their own would wait in
memory for those that use them, and travel between workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask
import dask.array
import numpy as np
from jaxtyping import Shaped


class Part:
    """Arrays on disk or in memory, read one after the other and joined along their first axis.

    No dataclass, and no collection of Dask's: Dask would look into these and read the arrays before the task starts.

    Args:
        arrays: NumPy or Dask arrays that agree in all axes but the first.
    """

    def __init__(self, arrays: Sequence[Shaped[Any, "_ ..."]]) -> None:
        lazy = [isinstance(array, dask.array.Array) for array in arrays]
        # Only the chunks that are needed travel with the task.
        self._arrays: Sequence[Any] = dask.optimize(*arrays) if any(lazy) else tuple(arrays)

    def read(self) -> Shaped[np.ndarray, "*axes"]:
        """Read the arrays within the task at hand."""
        found = [
            # In this thread: a task that waited for other tasks would take the place of one of them.
            np.asarray(array.compute(scheduler=dask.get) if isinstance(array, dask.array.Array) else array)
            for array in self._arrays
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)
