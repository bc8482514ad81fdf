"""One system of several: their states stand along the run dimension, one condition after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from orrery.config.errors import OrreryError
from orrery.data.store import open_dataset
from orrery.numerics.streams import Streams
from orrery.systems.network import Settings, build
from orrery.systems.system import Runs, System
from orrery.training.build import DTYPES, build_system

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from orrery.data.api import Dataset
    from orrery.systems.system import Batch, State


@dataclass(frozen=True)
class Member:
    """One of the conditions that train together.

    Attributes:
        name: of the condition.
        condition: its settings as plain JSON, validated.
        system: its own.
        runs: its own; those of all members are the same seeds and copies.
        rows: of the joint state.
    """

    name: str
    condition: Mapping[str, Any]
    system: System
    runs: Runs
    rows: slice

    def part(self, state: State) -> State:
        """Its rows of what has all runs in the first dimension."""
        return {name: tensor[self.rows] for name, tensor in state.items()}


def members_of(
    conditions: Mapping[str, Mapping[str, Any]],
    datasets: Mapping[str, Path | Dataset],
    runs: Runs,
    device: torch.device,
) -> tuple[Member, ...]:
    """The members in the order of their names.

    Raises:
        OrreryError: settings that do not fit together, or systems whose states have other shapes.
    """
    found = tuple(
        Member(
            name,
            conditions[name],
            build_system(conditions[name], datasets[name], device),
            runs,
            slice(place * runs.count, (place + 1) * runs.count),
        )
        for place, name in enumerate(sorted(conditions))
    )
    for member in found:
        if member.system.components != found[0].system.components:
            raise OrreryError(
                f"training.together: the tensors of '{member.name}' have other shapes than those of '{found[0].name}', "
                "with which it trains together; write datasets of equal shape, or another name there"
            )
    return found


def joint_system(
    members: Sequence[Member], datasets: Mapping[str, Path | Dataset], device: torch.device
) -> System:
    """The system that advances all members at once; its observables and metrics are those of the members.

    Starts and batches have the bits that each member has alone. A step has its numbers up to rounding, since sums over
    other numbers of runs may be taken in another order; with equal rates it is the very step of one condition.
    """
    first = members[0]
    rates = [float(member.condition["system"]["optimizer"]["rate"]) for member in members]
    leading = first.system
    if len(set(rates)) > 1:
        dtype = DTYPES[first.condition["training"]["dtype"]]
        per_run = torch.tensor(rates, dtype=dtype, device=device).repeat_interleave(first.runs.count)
        leading = _with_rates(first, datasets[first.name], per_run, device)
    batches = _Batches(members, datasets)

    def initial(runs: Runs) -> State:
        return joined([member.system.initial(member.runs) for member in members])

    return replace(
        first.system,
        initial=initial,
        batch=lambda runs, t: batches.at(t),
        advance=leading.advance,
        observables={},
        metrics={},
        gradient=None,
        whole=None,
        test=None,
        edge=None,
        forward=None,
    )


def _with_rates(
    member: Member, dataset: Path | Dataset, rates: Float[torch.Tensor, " run"], device: torch.device
) -> System:
    """The system of a member with a rate for each run, which optimizers take as they take a number."""
    settings = Settings.model_validate(member.condition["system"])
    # A copy with an update is not validated: a tensor is no setting that a study could have.
    optimizer = settings.optimizer.model_copy(update={"rate": rates})
    return build(
        settings.model_copy(update={"optimizer": optimizer}),
        dataset=open_dataset(dataset) if isinstance(dataset, Path) else dataset,
        dtype=rates.dtype,
        device=device,
        streams=Streams(member.condition.get("streams")),
    )


def joined(parts: Sequence[State]) -> State:
    """States of several members as one, in new memory."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class _Batches:
    """The batches of all members as one; what does not change from step to step is put together once."""

    def __init__(self, members: Sequence[Member], datasets: Mapping[str, Path | Dataset]) -> None:
        self._members = members
        # Members with the same data, labels and streams have the same batches, which are drawn once.
        kinds = [
            (
                _named(datasets[one.name]),
                one.condition["system"]["label_noise"],
                one.condition.get("streams") or {},
            )
            for one in members
        ]
        self._drawn_by = [kinds.index(kind) for kind in kinds]
        self._kept: dict[str, tuple[list[torch.Tensor], torch.Tensor]] = {}

    def at(self, t: int) -> Batch:
        """The batch of step ``t``."""
        found: list[Batch] = []
        for place, member in enumerate(self._members):
            drawn = self._drawn_by[place]
            found.append(found[drawn] if drawn < place else member.system.batch(member.runs, t))
        return {name: self._joined(name, [batch[name] for batch in found]) for name in found[0]}

    def _joined(self, name: str, parts: list[torch.Tensor]) -> torch.Tensor:
        if name in self._kept:
            before, after = self._kept[name]
            if all(one is other for one, other in zip(before, parts, strict=True)):
                return after
        after = join_groups(parts, self._members[0].runs.count)
        self._kept[name] = parts, after
        return after


def _named(dataset: Path | Dataset) -> str:
    """What tells a dataset from others."""
    return str(dataset) if isinstance(dataset, Path) else f"in memory at {id(dataset)}"


def join_groups(
    parts: Sequence[Shaped[torch.Tensor, "group ..."]], runs: int
) -> Shaped[torch.Tensor, "group ..."]:
    """Groups of runs that share something, of several members, as groups of all runs.

    Args:
        parts: of each member: one group for each of some equal stretches of its runs, or one for all of them.
        runs: of each member.

    Returns:
        The one group, where all members share it; else groups of the longest stretches that divide those of all.

    Raises:
        OrreryError: the members have batches of other shapes.
    """
    first = parts[0]
    if any(part.shape[1:] != first.shape[1:] for part in parts):
        raise OrreryError(
            "training.together: conditions that train together have batches of other shapes; write datasets of equal "
            "shape, or another name there"
        )
    if len(first) == 1 and all(torch.equal(part, first) for part in parts[1:]):
        return first
    lengths = [runs // len(part) for part in parts]
    common = math.gcd(*lengths)
    return torch.cat(
        [
            part if length == common else part.repeat_interleave(length // common, dim=0)
            for part, length in zip(parts, lengths, strict=True)
        ]
    )
