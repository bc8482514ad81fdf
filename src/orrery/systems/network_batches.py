"""The batches of a network: samples, and with them false labels and the masks of dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.batches import Groups, SampleIndices, groups_of
from orrery.systems.mlp_settings import Mlp
from orrery.systems.network_settings import Shuffled
from orrery.systems.samples import Samples, Split
from orrery.systems.step_noise import FalseLabels, Masks
from orrery.systems.system import Runs

if TYPE_CHECKING:
    from orrery.systems.network import Settings
    from orrery.systems.system import Batch


def all_of(split: Split) -> Batch:
    """All samples of a split as one batch: true labels, and no unit left out."""
    return {"inputs": split.inputs[None], "targets": split.targets[None]}


def batches_of(
    settings: Settings, samples: Samples, device: torch.device, streams: Streams
) -> Callable[[Runs, int], Batch]:
    """The function from runs and step to their batch.

    Raises:
        OrreryError: batches, dropout or label noise do not fit the data.
    """
    train = samples.train
    indices = SampleIndices(settings.batches, len(train.inputs), streams, device)
    _check_variance(settings, indices.size, len(train.inputs))
    whole = all_of(train)
    false = FalseLabels(settings.label_noise, train, indices.size, streams) if settings.label_noise else None
    masks = None
    if isinstance(settings.network, Mlp) and settings.network.dropout:
        network = settings.network
        masks = Masks(network.dropout, network.hidden, indices.size, streams, train.targets.dtype, device)
    # Runs share a row of samples where they share the order, and false labels where they share that stream as well.
    keys = () if indices.shared else ("order",)
    noise = () if false is None else ("label-noise",)
    grouped: dict[Runs, tuple[Groups, Groups, Groups]] = {}

    def batch(runs: Runs, t: int) -> Batch:
        if indices.every_sample and false is None and masks is None:
            return whole
        if runs not in grouped:
            targeted = groups_of(runs, streams, *keys, *noise)
            ordered = groups_of(runs, streams) if indices.shared else targeted
            grouped[runs] = (ordered, targeted, groups_of(runs, streams, "dropout"))
        ordered, targeted, dropping = grouped[runs]
        chosen = indices.at(ordered, t)
        flat = chosen.reshape(-1)
        found = dict(whole)
        if not indices.every_sample:
            found["inputs"] = train.inputs.index_select(0, flat).unflatten(0, chosen.shape)
            found["targets"] = train.targets.index_select(0, flat).unflatten(0, chosen.shape)
        if false is not None:
            found["targets"] = false.at(targeted, t, chosen)
        if masks is not None:
            found.update(masks.at(dropping, t, chosen.shape[1]))
        return found

    return batch


def _check_variance(settings: Settings, size: int, samples: int) -> None:
    """Refuse batches of one sample where batch normalisation takes their variance."""
    normalised = isinstance(settings.network, Mlp) and settings.network.normalisation is not None
    batches = settings.batches
    rest = samples % size if isinstance(batches, Shuffled) and batches.incomplete == "keep" else 0
    if normalised and (size == 1 or rest == 1):
        raise OrreryError(
            f"system.batches: of {samples} training samples in batches of {size} some batch has one sample, which has "
            "no variance for batch normalisation; write another size or 'incomplete: drop'"
        )
