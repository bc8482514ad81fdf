"""A network, its loss, its optimizer and its batches put together: training as a map."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems.batches import Groups, SampleIndices, groups_of
from orrery.systems.evaluation import Evaluation
from orrery.systems.forward import Forward
from orrery.systems.gradients import Gradient
from orrery.systems.initial import draw_weights, stack_runs
from orrery.systems.losses import loss_of
from orrery.systems.mlp import StackedMlp
from orrery.systems.modules import StackedModule, fresh_weights
from orrery.systems.network_settings import Mlp
from orrery.systems.optimizers import optimizer_of
from orrery.systems.samples import Samples, Split, samples_of
from orrery.systems.schedules import schedule_factor
from orrery.systems.system import Component, Runs, System

if TYPE_CHECKING:
    from jaxtyping import Float

    from orrery.systems.network import Settings
    from orrery.systems.system import Batch, Byproducts, State


class Stacked(Protocol):
    """A stack of networks of one shape: what training and evaluation need of it."""

    weights: tuple[Component, ...]
    statistics: tuple[Component, ...]

    def differentiate(
        self, state: State, batch: Batch, t: int
    ) -> tuple[Float[torch.Tensor, " run"], dict[str, Gradient], State]:
        """Loss of each run, gradient of each weight, and statistics after the step."""

    def predict(
        self, state: State, inputs: Float[torch.Tensor, "sample feature"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """The last layer of every run on the same samples."""

    def last_layer(
        self, state: State, inputs: Float[torch.Tensor, "group sample feature"]
    ) -> Float[torch.Tensor, "run output sample"]:
        """The last layer of every run: on the same samples, or on samples of its own."""


def network_system(
    settings: Settings, *, dataset: Any, dtype: torch.dtype, device: torch.device, streams: Streams
) -> System:
    """The system of a network in training; see :class:`orrery.systems.network.Settings`.

    State: the weights, then the statistics of the network (running means), then for each weight what the optimizer
    carries, named ``<weight>.momentum`` and so on. By-product: ``loss``, of the state before the step on its batch.
    """
    samples = samples_of(dataset, dtype, device)
    loss = loss_of(settings.loss)
    if samples.train.labels is None and loss.kind == "likelihood":
        raise OrreryError(
            f"system.loss.kind: '{settings.loss.kind}' needs classes, and this dataset has numbers as targets; "
            "write loss: {kind: mse}"
        )
    network: Stacked
    if isinstance(settings.network, Mlp):
        widths = (samples.features, *settings.network.hidden, samples.outputs)
        network = StackedMlp(widths, settings.network.activation, settings.network.bias, loss)
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

    stable = optimizer.edge

    def outputs(state: State) -> torch.Tensor:
        return loss.outputs(network.predict(state, fixed), axis=1).transpose(1, 2)

    return System(
        components=(*network.weights, *network.statistics, *carried),
        initial=_initial(settings, network, carried, dtype, device, streams),
        batch=_batches(settings, samples, device, streams),
        advance=advance,
        symmetric=optimizer.symmetric and not network.statistics,
        gradient=gradient,
        whole=lambda: _all_of(samples.train),
        test=(lambda: _all_of(samples.test)) if len(samples.test.inputs) else None,
        edge=None if stable is None else lambda t: stable(rate * schedule_factor(settings.schedule, t)),
        observables={"outputs": ((shown, samples.outputs), outputs)},
        forward=Forward(
            network.last_layer,
            loss,
            network.local_fields if isinstance(network, StackedMlp) else None,
            settings.network.activation if isinstance(settings.network, Mlp) else "",
        ),
        metrics=evaluation.metrics(),
        # A module of anybody's may do with the step what it likes.
        clock=partial(schedule_factor, settings.schedule)
        if optimizer.steady and isinstance(network, StackedMlp)
        else None,
    )


def _initial(
    settings: Settings,
    network: Stacked,
    carried: tuple[Component, ...],
    dtype: torch.dtype,
    device: torch.device,
    streams: Streams,
) -> Callable[[Runs], State]:
    def initial(runs: Runs) -> State:
        state: State = {}
        own: dict[int, State] = {}
        if isinstance(network, StackedModule):
            # A module initialises itself by rules of its own; its constructor runs once per seed.
            own = {
                seed: fresh_weights(network.settings, streams.word("init", seed))
                for seed in dict.fromkeys(runs.seeds)
            }
        keeps_own = bool(own) and settings.initialisation.kind == "default"

        def draw(component: Component, seed: int) -> Any:
            if component.role == "statistic" or (keeps_own and settings.initialisation.biases == "drawn"):
                factor = 1.0 if component.role == "statistic" else settings.initialisation.scale
                return own[seed][component.name].detach().double().numpy() * factor
            return draw_weights(component, network.weights, settings.initialisation, streams, seed)

        for component in (*network.weights, *network.statistics):
            state[component.name] = stack_runs(runs, partial(draw, component), dtype, device)
        for component in carried:
            state[component.name] = torch.zeros((runs.count, *component.shape), dtype=dtype, device=device)
        return state

    return initial


def _all_of(split: Split) -> Batch:
    return {"inputs": split.inputs[None], "targets": split.targets[None]}


def _batches(
    settings: Settings, samples: Samples, device: torch.device, streams: Streams
) -> Callable[[Runs, int], Batch]:
    train = samples.train
    indices = SampleIndices(settings.batches, len(train.inputs), streams, device)
    whole = _all_of(train)
    grouped: dict[Runs, Groups] = {}

    def batch(runs: Runs, t: int) -> Batch:
        if indices.every_sample:
            return whole
        groups = grouped.get(runs)
        if groups is None:
            groups = grouped[runs] = groups_of(runs, streams, indices.shared)
        chosen = indices.at(groups, t)
        flat = chosen.reshape(-1)
        return {
            "inputs": train.inputs.index_select(0, flat).unflatten(0, chosen.shape),
            "targets": train.targets.index_select(0, flat).unflatten(0, chosen.shape),
        }

    return batch
