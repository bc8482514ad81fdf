"""Networks with everything above a layer replaced by its linear map: accuracies, and errors of the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float

from orrery.systems.answers import answered

if TYPE_CHECKING:
    from orrery.analyses.labelled_samples import LabelledSamples
    from orrery.analyses.modes_layers import Layers
    from orrery.numerics.affine_maps import Affine

    Layer = Float[torch.Tensor, "run unit sample"]

FORMS = ("field", "activation")


def plain_accuracy(last: Layer, part: LabelledSamples) -> Float[np.ndarray, " run"]:
    """Share of right answers of the full network.

    Args:
        last: its last layer.
        part: samples.
    """
    labels = torch.from_numpy(part.labels)
    return (answered(last) == labels).double().mean(dim=1).numpy()


def truncated(
    layers: Layers, maps: Sequence[Affine], arguments: Sequence[Layer], last: Layer, part: LabelledSamples
) -> dict[str, Float[np.ndarray, "run layer form"]]:
    """Accuracy with all activations above each layer as identities, and how far that is from the full network.

    In the form ``field`` the activation of the layer itself is an identity too, while its batch normalisation stays; at
    the last hidden layer the form ``activation`` is the full network, to rounding.

    Args:
        layers: of the condition.
        maps: above each hidden layer.
        arguments: of the activation of each hidden layer on the samples.
        last: last layer of the full network.
        part: samples.

    Returns:
        ``truncated_accuracy``; ``map_disagreement``, the share of samples with another class than in the full network;
        ``map_error``, the L2 norm over samples and outputs of the difference of the last layers, over that of the full
        one, as they are: a shift common to all outputs of a sample counts.
    """
    labels, classes = torch.from_numpy(part.labels), answered(last)
    scale = torch.linalg.vector_norm(last, dim=(1, 2))
    found: dict[str, list[torch.Tensor]] = {"truncated_accuracy": [], "map_disagreement": [], "map_error": []}
    for below in layers.outputs(arguments):  # in the order of the forms
        of_layer = [above(output) for above, output in zip(maps, below, strict=True)]
        given = torch.stack([answered(one) for one in of_layer], dim=1)
        found["truncated_accuracy"].append((given == labels).double().mean(dim=2))
        found["map_disagreement"].append((given != classes[:, None]).double().mean(dim=2))
        errors = [torch.linalg.vector_norm(one - last, dim=(1, 2)) / scale for one in of_layer]
        found["map_error"].append(torch.stack(errors, dim=1))
    return {name: torch.stack(values, dim=2).numpy() for name, values in found.items()}


def agreeing_from(
    curve: Float[np.ndarray, "seed layer"], full: Float[np.ndarray, " seed"], agreement: float
) -> Float[np.ndarray, " seed"]:
    """Number (from 1) of the first layer from which on a truncation curve stays with the full network.

    Args:
        curve: accuracies, first layer first.
        full: accuracy of the full network.
        agreement: accuracies that differ by no more are equal; rounding of shares is allowed for.
    """
    away: Bool[np.ndarray, "seed layer"] = np.abs(curve - full[:, None]) > agreement + 1e-12
    count = curve.shape[1]
    last_away = np.where(away.any(axis=1), count - away[:, ::-1].argmax(axis=1), 0)
    return np.where(np.isfinite(curve).all(axis=1), last_away + 1.0, np.nan)


def largest_fall(curve: Float[np.ndarray, "seed layer"]) -> Float[np.ndarray, " seed"]:
    """The largest fall of a truncation curve below a value it had at an earlier layer; 0 where it never falls."""
    return np.asarray((np.maximum.accumulate(curve, axis=1) - curve).max(axis=1))
