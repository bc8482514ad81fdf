"""What the plane of the last layer reads of recorded networks: samples, moments, and which layer is the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from orrery.analyses.labelled_samples import LabelledSamples
from orrery.analyses.runs import evenly
from orrery.config.errors import OrreryError
from orrery.systems.decisions import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orrery.analyses.network_states import Networks
    from orrery.systems.system import Batch

METHOD = "last-layer-plane"


def part_of(batch: Batch, most: int | None) -> LabelledSamples:
    """At most so many samples of a batch of all, evenly spaced.

    Raises:
        OrreryError: the targets are those of a regression.
    """
    return LabelledSamples.of(batch, labels_of(batch["targets"][0], METHOD), most)


def chosen_moments(steps: Sequence[int], wanted: int | tuple[int, ...]) -> Int[np.ndarray, " moment"]:
    """Places of the steps looked at: so many evenly among the recorded ones, the last one for 1; or those named.

    Raises:
        OrreryError: a step that is named was not recorded.
    """
    if isinstance(wanted, int):
        return np.array([len(steps) - 1]) if wanted == 1 else evenly(len(steps), wanted)
    recorded = np.asarray(steps)
    missing = [step for step in wanted if step not in recorded]
    if missing:
        nearest = recorded[np.abs(recorded - missing[0]).argmin()]
        raise OrreryError(
            f"{METHOD}: moments names step {missing[0]}, which is not among the recorded steps that are read; write "
            f"{nearest}, the nearest one, or record it (record.steps)"
        )
    return np.flatnonzero(np.isin(recorded, wanted))


def last_layer(networks: Networks) -> str:
    """The name of the last layer, such as ``fc3``.

    Raises:
        OrreryError: the network does not tell, or the layer is too narrow for a plane.
    """
    if networks.forward.local_fields is None:
        raise OrreryError(
            f"{METHOD}: the last layer of a module of one's own is not known; leave such conditions out of 'conditions'"
        )
    last = [one for one in networks.system.components if one.role == "weight" and len(one.shape) == 2][-1]
    if min(last.shape) < 2:
        raise OrreryError(
            f"{METHOD}: a plane needs two outputs and two units below them, and the last layer has {last.shape[0]} and "
            f"{last.shape[1]}; leave such conditions out of 'conditions'"
        )
    return last.name.removesuffix(".weight")
