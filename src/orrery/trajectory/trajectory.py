"""The recorded trajectories of a condition, read lazily."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from orrery.config.errors import OrreryError, nearest
from orrery.trajectory.components import Entry
from orrery.trajectory.join import arrange, dataset
from orrery.trajectory.layout import METRICS, STEP_OF_GROUP
from orrery.trajectory.place import Place
from orrery.trajectory.store import Store

if TYPE_CHECKING:
    from jaxtyping import Float


class Trajectory:
    """States of all runs of a condition at the recorded steps, with their metrics.

    Arrays are Dask arrays: nothing is read before it is computed. Two trajectories of different tensors or
    steps cost nothing to make.

    Attributes:
        dataset: all of it: ``state(run, step, component)``, observables ``name(run, step, name_component)``, metrics
            ``name(run, training_step)`` or ``name(run, evaluation_step)``, and ``status(run)``, ``last_step(run)``.
        components: the component table: name, offset, shape, role and axis names of each tensor.
        observables: name -> shape for one run.
        attributes: what the store says about itself: settings, seeds.
        paths: the stores behind it.
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        components: Sequence[Entry],
        observables: Mapping[str, tuple[int, ...]],
        attributes: Mapping[str, Any],
        paths: Sequence[Place] = (),
    ) -> None:
        self.dataset = dataset
        self.components = tuple(components)
        self.observables = dict(observables)
        self.attributes = dict(attributes)
        self.paths = tuple(paths)

    @classmethod
    def open(
        cls,
        paths: str | Place | Iterable[str | Place],
        *,
        seeds: Collection[int] | None = None,
        copies: Collection[int] | None = None,
        steps: tuple[int, int] | None = None,
    ) -> Trajectory:
        """Open the stores of a condition, in any order, and join their blocks and segments.

        Args:
            paths: one store or several.
            seeds: read these seeds only.
            copies: read these copies only; 0 is the original.
            steps: first and last step to read.

        Raises:
            OrreryError: a store is not whole, or the stores do not belong together.
        """
        places = list(paths) if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths]
        if not places:
            raise OrreryError("no store was given; a trajectory is opened from at least one")
        blocks = arrange([Store.open(place) for place in places])
        first = blocks[0][0]
        ordered = [store.path for block in blocks for store in block]
        whole = cls(dataset(blocks), first.entries, first.observables, first.attributes, ordered)
        return whole.select(seeds=seeds, copies=copies, steps=steps)

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds, in the order of the runs."""
        return list(dict.fromkeys(self.dataset["seed"].values.tolist()))

    @property
    def copies(self) -> list[int]:
        """The distinct copies, in the order of the runs; 0 is the original."""
        return list(dict.fromkeys(self.dataset["copy"].values.tolist()))

    @property
    def steps(self) -> list[int]:
        """The recorded steps."""
        return [int(step) for step in self.dataset["step"].values]

    def tensor(self, name: str) -> xr.DataArray:
        """One tensor of the state, or one observable, in its own shape.

        Returns:
            Dimensions ``(run, step, *axes)``, e.g. ``(run, step, output, input)`` for ``fc1.weight``.

        Raises:
            OrreryError: nothing of that name was recorded.
        """
        entry = next((entry for entry in self.components if entry.name == name), None)
        if entry is not None and "state" in self.dataset:
            part = self.dataset["state"].isel(component=entry.slice)
            return _shaped(part, entry.shape, entry.dims).rename(name)
        if name in self.observables:
            shape = self.observables[name]
            return _shaped(
                self.dataset[name],
                shape,
                tuple(f"{name}_axis_{axis}" for axis in range(len(shape))),
            )
        raise OrreryError(f"'{name}' was not recorded; {nearest(name, self._names())}")

    def array(self, names: str | Sequence[str] | None = None) -> Float[xr.DataArray, "run step component"]:
        """Tensors and observables side by side along ``component``.

        Args:
            names: names, or patterns as in ``fc*.weight``; the whole state where absent.

        Returns:
            Dimensions ``(run, step, component)``.

        Raises:
            OrreryError: nothing of that name was recorded.
        """
        if names is None:
            names = [entry.name for entry in self.components]
        wanted = self.matching([names] if isinstance(names, str) else names)
        if wanted and wanted == [entry.name for entry in self.components]:
            return self.dataset["state"]
        table = {entry.name: entry for entry in self.components}
        parts = []
        for name in wanted:
            part = (
                self.dataset["state"].isel(component=table[name].slice)
                if name in table
                else self.dataset[name].rename({f"{name}_component": "component"})
            )
            parts.append(part.variable)
        joined = parts[0] if len(parts) == 1 else xr.Variable.concat(parts, "component")
        found = xr.DataArray(joined, name="state").assign_coords(
            {name: self.dataset.coords[name] for name in ("run", "seed", "copy", "step")}
        )
        return found.transpose("run", "step", "component")

    def metric(self, name: str) -> xr.DataArray:
        """A metric ``(run, training_step)`` or ``(run, evaluation_step)``.

        Raises:
            OrreryError: no such metric was recorded.
        """
        if name not in self.metrics:
            raise OrreryError(f"metric '{name}' was not recorded; {nearest(name, self.metrics)}")
        return self.dataset[name]

    @property
    def metrics(self) -> list[str]:
        """Names of the recorded metrics."""
        steps = set(STEP_OF_GROUP.values())
        return [str(name) for name, variable in self.dataset.data_vars.items() if steps & set(variable.dims)]

    def select(
        self,
        seeds: Collection[int] | None = None,
        steps: tuple[int, int] | None = None,
        copies: Collection[int] | None = None,
    ) -> Trajectory:
        """The same trajectory with some seeds or copies only, or from a first to a last step, both included.

        Raises:
            OrreryError: a seed or copy was not recorded, or no recorded step lies between the bounds.
        """
        chosen = self.dataset
        for name, wanted, recorded in (("seed", seeds, self.seeds), ("copy", copies, self.copies)):
            if wanted is None:
                continue
            unknown = sorted(set(wanted) - set(recorded))
            if unknown:
                raise OrreryError(f"{name} {unknown[0]} was not recorded; recorded are {_listed(recorded)}")
            chosen = _take(chosen, "run", np.isin(chosen[name].values, list(wanted)))
        if steps is not None:
            first, last = steps
            for dim in ("step", *STEP_OF_GROUP.values()):
                if dim in chosen.dims:
                    at = chosen[dim].values
                    # What is measured at every step belongs to the step that starts there: the one that
                    # starts at the last state leads out of the bounds.
                    beyond = (
                        at >= last if dim == STEP_OF_GROUP[METRICS] and last < self.steps[-1] else at > last
                    )
                    chosen = _take(chosen, dim, (at >= first) & ~beyond)
            if not chosen.sizes["step"]:
                raise OrreryError(
                    f"no recorded step lies between {first} and {last}; "
                    f"recorded are {self.steps[0]} to {self.steps[-1]}"
                )
            chosen = _outcome_until(chosen, int(chosen["step"].values[-1]), self.steps[-1])
        return Trajectory(chosen, self.components, self.observables, self.attributes, self.paths)

    def __repr__(self) -> str:
        sizes = self.dataset.sizes
        steps = self.steps
        diverged = int((self.dataset["status"].values == 1).sum())
        lines = [
            f"<Trajectory: {sizes['run']} runs ({len(self.seeds)} seeds x {len(self.copies)} copies), "
            f"{len(steps)} steps from {steps[0]} to {steps[-1]}, {sizes.get('component', 0)} components"
            + (f", {diverged} runs diverged>" if diverged else ">")
        ]
        width = max((len(entry.name) for entry in self.components), default=0)
        lines += [
            f"  {entry.name:<{width}}  {entry.role:<13} ({', '.join(map(_axis, entry.dims, entry.shape))})"
            for entry in self.components
        ]
        if self.observables:
            shown = ", ".join(f"{name} {shape}" for name, shape in self.observables.items())
            lines.append(f"  observables: {shown}")
        if self.metrics:
            lines.append(f"  metrics: {', '.join(self.metrics)}")
        return "\n".join(lines)

    def _names(self) -> list[str]:
        return [*(entry.name for entry in self.components), *self.observables]

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Names of the tensors and observables that fit names or patterns, in the order of the patterns.

        Raises:
            OrreryError: nothing of such a name was recorded.
        """
        found: list[str] = []
        for pattern in patterns:
            names = [name for name in self._names() if name == pattern or fnmatchcase(name, pattern)]
            if not names:
                raise OrreryError(f"'{pattern}' was not recorded; {nearest(pattern, self._names())}")
            found += [name for name in names if name not in found]
        if not found:
            raise OrreryError("no tensor was asked for; name at least one")
        return found


def _take(chosen: xr.Dataset, dim: str, keep: np.ndarray) -> xr.Dataset:
    """Keep some places of a dimension; a contiguous stretch as a slice, which leaves the chunks alone."""
    if keep.all():
        return chosen
    places = np.flatnonzero(keep)
    if not len(places) or places[-1] - places[0] + 1 == len(places):
        first = int(places[0]) if len(places) else 0
        return chosen.isel({dim: slice(first, first + len(places))})
    return chosen.isel({dim: places})


def _outcome_until(chosen: xr.Dataset, last: int, recorded: int) -> xr.Dataset:
    """A run that diverged after the last step that is read did not diverge in what is read."""
    if last == recorded:
        return chosen
    final = chosen["last_step"].values
    later = final >= last
    status = np.where(later, 0, chosen["status"].values)
    return chosen.assign(status=("run", status), last_step=("run", np.minimum(final, last)))


def _shaped(part: xr.DataArray, shape: tuple[int, ...], dims: tuple[str, ...]) -> xr.DataArray:
    data = part.data.reshape(part.shape[:2] + shape)
    return xr.DataArray(data, dims=("run", "step", *dims), coords=part.coords, name=part.name)


def _axis(dim: str, size: int) -> str:
    return f"{dim} {size}"


def _listed(numbers: Sequence[int]) -> str:
    return (
        ", ".join(map(str, numbers))
        if len(numbers) <= 12
        else f"{numbers[0]} … {numbers[-1]} ({len(numbers)})"
    )
