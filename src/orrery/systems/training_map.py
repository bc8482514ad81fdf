"""A network, its loss, its optimizer and its batches put together: training as a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.evaluation import Evaluation
from orrery.systems.forward import Forward
from orrery.systems.losses import Loss, loss_of
from orrery.systems.mlp import StackedMlp
from orrery.systems.mlp_curvature import curvature, has_curvature
from orrery.systems.mlp_settings import Mlp
from orrery.systems.modules import StackedModule
from orrery.systems.network_batches import all_of, batches_of
from orrery.systems.network_start import start_of
from orrery.systems.optimizers import optimizer_of
from orrery.systems.samples import Samples, samples_of
from orrery.systems.schedules import schedule_factor
from orrery.systems.system import Component, System

if TYPE_CHECKING:
    from orrery.systems.network import Settings
    from orrery.systems.system import Batch, Byproducts, State


def network_system(
    settings: Settings, *, dataset: Any, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of a network in training; see :class:`orrery.systems.network.Settings`.

    State: the weights, then the statistics of the network (running means), then for each weight what the optimizer
    carries, named ``<weight>.momentum`` and so on. By-product: ``loss``, of the state before the step on its batch.
    """
    samples = samples_of(dataset, dtype, device)
    loss = loss_of(settings.loss)
    _check_targets(settings, loss, samples)
    network: StackedMlp | StackedModule
    if isinstance(settings.network, Mlp):
        network = StackedMlp(samples.features, samples.outputs, settings.network, loss)
    else:
        shape = settings.network.input_shape or (samples.features,)
        network = StackedModule(settings.network, loss, shape, samples.outputs, dtype, device)
    optimizer = optimizer_of(settings.optimizer)
    rate = settings.optimizer.rate
    carried = tuple(
        Component(f"{weight.name}.{ending}", weight.shape, role, weight.dims)
        for weight in network.weights
        for ending, role in optimizer.buffers
    )
    names = [
        (weight.name, tuple(f"{weight.name}.{ending}" for ending, _ in optimizer.buffers))
        for weight in network.weights
    ]

    def advance(state: State, batch: Batch, t: int) -> tuple[State, Byproducts]:
        value, gradients, statistics = network.differentiate(state, batch, t)
        now = rate * schedule_factor(settings.schedule, t)
        moved: State = {}
        buffers: State = {}
        for name, carries in names:
            moved[name], after = optimizer.update(
                state[name], gradients[name], tuple(state[carry] for carry in carries), now, t
            )
            buffers.update(zip(carries, after, strict=True))
        return {**moved, **statistics, **buffers}, {"loss": value}

    evaluation = Evaluation(network, loss, samples)
    probe = samples.split(settings.probe.split)
    shown = min(settings.probe.count, len(probe.inputs))
    chosen = torch.from_numpy(streams.generator("probe", 0, "samples").permutation(len(probe.inputs))[:shown])
    fixed = probe.inputs[chosen.to(device)]

    def gradient(state: State, batch: Batch, t: int) -> State:
        found = network.differentiate(state, batch, t)[1]
        return {name: slope.dense() for name, slope in found.items()}

    stable, kept = optimizer.edge, optimizer.kept

    def descent(t: int) -> tuple[float, float]:
        assert kept is not None
        now = rate * schedule_factor(settings.schedule, t)
        return kept(now), now

    def outputs(state: State) -> torch.Tensor:
        return loss.outputs(network.predict(state, fixed), axis=1).transpose(1, 2)

    return System(
        components=(*network.weights, *network.statistics, *carried),
        initial=start_of(settings.initialisation, network, carried, dtype, device, streams),
        batch=batches_of(settings, samples, device, streams),
        advance=advance,
        symmetric=optimizer.symmetric and not network.statistics,
        gradient=gradient,
        curvature=_curvature(settings, network, loss),
        descent=None if kept is None else descent,
        whole=lambda: all_of(samples.train),
        test=(lambda: all_of(samples.test)) if len(samples.test.inputs) else None,
        edge=None if stable is None else lambda t: stable(rate * schedule_factor(settings.schedule, t)),
        observables={"outputs": ((shown, samples.outputs), outputs)},
        forward=_forward(settings, network, loss),
        metrics=evaluation.metrics(),
        # A module of anybody's may do with the step what it likes.
        clock=partial(schedule_factor, settings.schedule)
        if optimizer.steady and isinstance(network, StackedMlp)
        else None,
    )


def _check_targets(settings: Settings, loss: Loss, samples: Samples) -> None:
    if samples.train.labels is None and loss.kind == "likelihood":
        raise OrreryError(
            f"system.loss.kind: '{settings.loss.kind}' needs classes, and this dataset has numbers as targets; "
            "write loss: {kind: mse}"
        )
    targets = samples.train.targets
    if loss.kind == "binary" and not bool(((targets >= 0) & (targets <= 1)).all()):
        raise OrreryError(
            "system.loss.kind: 'binary-cross-entropy' needs targets between 0 and 1, and this dataset has others; "
            "write loss: {kind: mse}"
        )


def _curvature(
    settings: Settings, network: StackedMlp | StackedModule, loss: Loss
) -> Callable[[State, Batch, State], State] | None:
    shape = settings.network
    if isinstance(network, StackedMlp) and isinstance(shape, Mlp) and has_curvature(shape, loss):
        return partial(curvature, network, shape.activation)
    return None


def _forward(settings: Settings, network: StackedMlp | StackedModule, loss: Loss) -> Forward:
    if not (isinstance(network, StackedMlp) and isinstance(settings.network, Mlp)):
        return Forward(network.last_layer, loss)
    plain = Forward(
        network.last_layer,
        loss,
        network.local_fields,
        settings.network.activation,
        residual=network.residual,
        every_layer=network.every_layer,
    )
    if network.normalisation is None:
        return plain
    return replace(
        plain,
        epsilon=network.normalisation.epsilon,
        last_layer_batch=partial(network.last_layer, own=True),
        local_fields_batch=partial(network.local_fields, own=True),
    )
