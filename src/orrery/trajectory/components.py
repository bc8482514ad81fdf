"""The component table: which tensor lies where along the component axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from orrery.config.errors import OrreryError


class ComponentLike(Protocol):
    """What a tensor must tell to be recorded; the components of a system do."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def role(self) -> str: ...
    @property
    def dims(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Entry:
    """One tensor of the component table.

    Attributes:
        name: name of the tensor, e.g. ``fc1.weight``.
        offset: index of its first value along the component axis.
        shape: its shape for one run; its values lie in C order.
        role: weight, bias, momentum, second-moment, statistic, variable or flag.
        dims: names of its axes, as many as ``shape`` has.
    """

    name: str
    offset: int
    shape: tuple[int, ...]
    role: str
    dims: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """Where it lies along the component axis."""
        return slice(self.offset, self.offset + self.size)

    def to_json(self) -> dict[str, Any]:
        """The entry as it stands in the attributes of a store."""
        return {**asdict(self), "size": self.size}


def component_table(components: Iterable[ComponentLike]) -> tuple[Entry, ...]:
    """Lay the tensors one after another along the component axis.

    Raises:
        OrreryError: two tensors have one name.
    """
    entries: list[Entry] = []
    offset = 0
    for component in components:
        shape = tuple(int(size) for size in component.shape)
        dims = tuple(component.dims) or default_dims(component.name, shape)
        if len(dims) != len(shape):
            raise OrreryError(
                f"tensor '{component.name}' has {len(shape)} axes but {len(dims)} names for them "
                f"({', '.join(dims)}); name every axis once"
            )
        entries.append(Entry(component.name, offset, shape, component.role, dims))
        offset += entries[-1].size
    names = [entry.name for entry in entries]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise OrreryError(
            f"tensor '{repeated[0]}' is named twice in the component table; give each its own name"
        )
    return tuple(entries)


def table_from_json(rows: Sequence[dict[str, Any]]) -> tuple[Entry, ...]:
    """Read the component table from the attributes of a store."""
    return tuple(
        Entry(
            row["name"],
            int(row["offset"]),
            tuple(row["shape"]),
            row["role"],
            tuple(row["dims"]),
        )
        for row in rows
    )


def table_width(entries: Sequence[Entry]) -> int:
    """Length of the component axis."""
    return sum(entry.size for entry in entries)


def default_dims(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Name the axes of a tensor by the convention of PyTorch: output first, then input, then the kernel.

    Axes that the convention does not know are called ``axis_0``, ``axis_1``, ...
    """
    if len(shape) == 2:
        return ("output", "input")
    if len(shape) == 1 and name.rsplit(".", 1)[-1] in {"weight", "bias"}:
        return ("output",)
    if len(shape) == 4:
        return ("output", "input", "height", "width")
    return tuple(f"axis_{axis}" for axis in range(len(shape)))
