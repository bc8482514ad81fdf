"""Hidden outputs and logits of recorded networks with one hidden layer, on the samples of their training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from orrery.config.errors import OrreryError
from orrery.systems.activations import ACTIVATIONS
from orrery.systems.system import Runs

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from orrery.systems.system import State, System
    from orrery.trajectory.trajectory import Trajectory

TENSORS = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")


@dataclass(frozen=True)
class Reducible:
    """What the reduction takes from a condition.

    Attributes:
        rate: learning rate.
        activation: of the hidden layer.
        inputs: all training samples.
        targets: one-hot rows.
    """

    rate: float
    activation: str
    inputs: Float[torch.Tensor, "sample feature"]
    targets: Float[torch.Tensor, "sample class"]

    @property
    def fractions(self) -> Float[np.ndarray, " class"]:
        """Shares of the classes."""
        return np.asarray(self.targets.mean(dim=0).numpy())


@dataclass(frozen=True)
class Layers:
    """What the layers of one run gave at some recorded steps.

    Attributes:
        hidden: outputs of the hidden units, mean over samples.
        deviation: the largest deviation of a hidden unit over the samples.
        logits: mean over samples.
        loss: mean cross-entropy over all samples.
        same_class: whether every sample is given the same class.
    """

    hidden: Float[np.ndarray, "step unit"]
    deviation: Float[np.ndarray, " step"]
    logits: Float[np.ndarray, "step class"]
    loss: Float[np.ndarray, " step"]
    same_class: Int[np.ndarray, " step"]


def reducible(source: Trajectory, system: System) -> Reducible:
    """Settings and samples of a condition that has the reduction.

    Raises:
        OrreryError: it is no network of one hidden layer with biases under plain descent on the mean cross-entropy
            of all samples.
    """
    described = source.attributes["condition"]["system"]
    network, loss, optimizer = (described.get(key, {}) for key in ("network", "loss", "optimizer"))
    wanted = {
        "system.network: one hidden layer with biases": described["kind"] == "network"
        and network["kind"] == "mlp"
        and len(network["hidden"]) == 1
        and network["bias"],
        "a hidden layer without batch normalisation and dropout": not network.get("normalisation")
        and not network.get("dropout"),
        "system.loss: cross-entropy, reduction mean, factor 1": loss.get("kind") == "cross-entropy"
        and loss["reduction"] == "mean"
        and loss["factor"] == 1,
        "system.optimizer: sgd without weight decay": optimizer.get("kind") == "sgd"
        and optimizer["weight_decay"] == 0,
        "system.schedule: constant": described.get("schedule", {}).get("kind") == "constant",
        "system.batches: full": described.get("batches", {}).get("kind") == "full",
        "system.label_noise: 0": not described.get("label_noise"),
    }
    for name, met in wanted.items():
        if not met:
            raise OrreryError(
                f"saturation: the reduced map is that of plain descent on one hidden layer; it needs {name}"
            )
    batch = system.batch(Runs((source.seeds[0],), (0,)), 0)
    return Reducible(
        float(optimizer["rate"]),
        network["activation"],
        batch["inputs"][0].double(),
        batch["targets"][0].double(),
    )


def layers(states: dict[str, Any], of: Reducible) -> Layers:
    """Run the samples through the recorded weights of one run.

    Args:
        states: tensor name -> ``(step, *shape)``.
        of: samples and activation.
    """
    weights = {name: torch.from_numpy(np.ascontiguousarray(states[name])).double() for name in TENSORS}
    with torch.no_grad():
        sums = weights["fc1.weight"] @ of.inputs.T + weights["fc1.bias"][:, :, None]
        hidden = ACTIVATIONS[of.activation].forward(sums)  # (step, unit, sample)
        logits = weights["fc2.weight"] @ hidden + weights["fc2.bias"][:, :, None]
        loss = -(torch.log_softmax(logits, dim=1) * of.targets.T).sum(dim=(1, 2)) / len(of.inputs)
        classes = logits.argmax(dim=1)
        return Layers(
            hidden.mean(dim=2).numpy(),
            hidden.std(dim=2, correction=0).amax(dim=1).numpy(),
            logits.mean(dim=2).numpy(),
            loss.numpy(),
            (classes == classes[:, :1]).all(dim=1).int().numpy(),
        )


def recorded(
    source: Trajectory, places: slice | Int[np.ndarray, " step"]
) -> dict[str, Float[np.ndarray, "run step ..."]]:
    """The weights of the originals at some of the recorded steps."""
    originals = source.select(copies=[0])
    return {name: np.asarray(originals.tensor(name)[:, places].values) for name in TENSORS}


def state_of(weights: dict[str, Any]) -> State:
    """The last of these steps as a state of the system."""
    return {name: torch.from_numpy(np.ascontiguousarray(values[:, -1])) for name, values in weights.items()}
