"""What analyses of functions of a network ask of a condition before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def unrecorded(condition: Any, method: str) -> Iterator[tuple[str, str]]:
    """What keeps the weights of a condition from being read: key and message."""
    if condition.record.state != "all":
        yield "method", f"'{method}' reads all weights of the network; write state: all in 'record'"


def no_such_layer(condition: Any, layer: int) -> Iterator[tuple[str, str]]:
    """Whether a fully connected network lacks a hidden layer, counted from 1: key and message."""
    network = condition.system.get("network", {})
    layers = len(network["hidden"]) if network.get("kind") == "mlp" else layer
    if layer > layers:
        yield "layer", f"is {layer}, and the network has {layers} hidden layers; write a smaller number"


def not_plain(system: Mapping[str, Any]) -> str:
    """What the closed form of a constant kernel needs and these settings do not have; empty where all is there.

    Args:
        system: settings of a network as plain JSON.
    """
    loss, optimizer = system.get("loss", {}), system.get("optimizer", {})
    wanted = {
        "loss: {kind: mse, link: identity}": loss.get("kind") == "mse" and loss.get("link") == "identity",
        "optimizer: {kind: sgd} without weight decay": optimizer.get("kind") == "sgd"
        and not optimizer.get("weight_decay"),
        "schedule: {kind: constant}": system.get("schedule", {}).get("kind", "constant") == "constant",
        "batches: {kind: full}": system.get("batches", {}).get("kind") == "full",
    }
    return next((name for name, met in wanted.items() if not met), "")
