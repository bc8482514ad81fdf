from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch.nn.functional import cross_entropy, mse_loss, nll_loss, one_hot

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import network
from orrery.systems.network_settings import Cosine, LinearWarmup, StepSchedule
from orrery.systems.schedules import schedule_factor
from orrery.systems.system import Runs, System

CPU = torch.device("cpu")
ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "gelu": torch.nn.GELU,
    "tanh": torch.nn.Tanh,
    "elu": torch.nn.ELU,
    "sigmoid": torch.nn.Sigmoid,
    "identity": torch.nn.Identity,
}
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}
LOSSES = {
    "cross-entropy": cross_entropy,
    "nll": lambda o, y: nll_loss(torch.log_softmax(o, dim=1), y),
    "mse": lambda o, y: mse_loss(o, one_hot(y, 3).to(o.dtype)),
}


def dataset(samples: int = 40, features: int = 7, classes: int = 3) -> SimpleNamespace:
    generator = np.random.default_rng(0)
    return SimpleNamespace(
        train_inputs=generator.normal(size=(samples, features)),
        train_labels=generator.integers(0, classes, samples),
        test_inputs=generator.normal(size=(23, features)),
        test_labels=generator.integers(0, classes, 23),
        class_names=tuple("abc"[:classes]),
        attributes={},
    )


def make(
    dtype: torch.dtype = torch.float64,
    streams: Streams | None = None,
    data: SimpleNamespace | None = None,
    **settings: object,
) -> System:
    given = {
        "network": {"kind": "mlp", "hidden": [6, 5]},
        "optimizer": {"kind": "sgd", "rate": 0.1},
        "batches": {"kind": "shuffled", "size": 8},
        **settings,
    }
    return network.build(
        network.Settings.model_validate(given),
        dataset=data or dataset(),
        dtype=dtype,
        device=CPU,
        streams=streams or Streams(),
    )


def reference(state: dict[str, torch.Tensor], run: int, activation: str, bias: bool) -> torch.nn.Module:
    """The same network as torch.nn layers, with the weights of one run."""
    layers: list[torch.nn.Module] = []
    count = sum(name.endswith(".weight") for name in state)
    for number in range(1, count + 1):
        weight = state[f"fc{number}.weight"][run]
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias, dtype=weight.dtype)
        layer.weight.data.copy_(weight)
        if bias:
            layer.bias.data.copy_(state[f"fc{number}.bias"][run])
        layers += [layer, ACTIVATIONS[activation]()]
    return torch.nn.Sequential(*layers[:-1])


def weights_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in module.parameters()]


def weights_only(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] in ("weight", "bias")}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_steps_equal_torch_optim_in_float64(optimizer: str, loss: str) -> None:
    kind, arguments = OPTIMIZERS[optimizer]
    for decay, bias in ((0.0, True), (0.03, False)):
        system = make(
            network={"kind": "mlp", "hidden": [6, 5], "activation": "tanh", "bias": bias},
            loss={"kind": loss},
            optimizer={"kind": optimizer, "rate": 0.05, "weight_decay": decay},
        )
        runs = Runs.product((1, 4), 2)
        states = [system.initial(runs)]
        losses = []
        for t in range(3):
            state, byproducts = system.advance(states[-1], system.batch(runs, t), t)
            states.append(state)
            losses.append(byproducts["loss"])
        for run in (0, 3):
            module = reference(weights_only(states[0]), run, "tanh", bias)
            moving = kind(module.parameters(), lr=0.05, weight_decay=decay, **arguments)
            for t in range(3):
                batch = system.batch(runs, t)
                value = LOSSES[loss](
                    module(batch["inputs"][run // 2]), batch["targets"][run // 2].argmax(dim=1)
                )
                assert float(value.detach()) == pytest.approx(float(losses[t][run]), rel=1e-12)
                moving.zero_grad()
                value.backward()
                moving.step()
                found = weights_only(states[t + 1]).values()
                for mine, theirs in zip(found, weights_of(module), strict=True):
                    assert float((mine[run] - theirs).abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("activation", "optimizer", "loss"),
    list(
        dict.fromkeys(
            [*product(ACTIVATIONS, ["sgd", "adam"], ["nll"]), *product(["tanh"], OPTIMIZERS, LOSSES)]
        )
    ),
)
def test_fifty_steps_equal_torch_optim_in_float32(activation: str, optimizer: str, loss: str) -> None:
    kind, arguments = OPTIMIZERS[optimizer]
    system = make(
        torch.float32,
        network={"kind": "mlp", "hidden": [6, 5], "activation": activation},
        loss={"kind": loss},
        optimizer={"kind": optimizer, "rate": 0.01},
    )
    runs = Runs.product((1, 4, 5))
    state = first = system.initial(runs)
    for t in range(50):
        state = system.step(state, system.batch(runs, t), t)
    module = reference(weights_only(first), 1, activation, True)
    moving = kind(
        module.parameters(), lr=0.01, **({"weight_decay": 0.01} if optimizer == "adamw" else {}), **arguments
    )
    for t in range(50):
        batch = system.batch(runs, t)
        moving.zero_grad()
        LOSSES[loss](module(batch["inputs"][1]), batch["targets"][1].argmax(dim=1)).backward()
        moving.step()
    for mine, theirs in zip(weights_only(state).values(), weights_of(module), strict=True):
        assert float((mine[1] - theirs).norm() / theirs.norm()) < 1e-5


@pytest.mark.parametrize("link", ["identity", "sigmoid", "softmax", "tanh", "log-softmax"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "sample-mean"])
def test_links_reductions_and_factors_of_squares(link: str, reduction: str) -> None:
    system = make(
        loss={"kind": "mse", "link": link, "reduction": reduction, "factor": 0.5},
        optimizer={"kind": "sgd", "rate": 1.0},
    )
    runs = Runs.product((3,))
    state = system.initial(runs)
    batch = system.batch(runs, 0)
    after, byproducts = system.advance(state, batch, 0)
    module = reference(weights_only(state), 0, "relu", True)
    apply = {
        "identity": lambda o: o,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda o: torch.softmax(o, dim=1),
        "log-softmax": lambda o: torch.log_softmax(o, dim=1),
    }[link]
    squares = ((apply(module(batch["inputs"][0])) - batch["targets"][0]) ** 2).sum()
    value = 0.5 * squares / {"mean": 24, "sum": 1, "sample-mean": 8}[reduction]
    assert float(value.detach()) == pytest.approx(float(byproducts["loss"]), rel=1e-12)
    value.backward()
    for (name, before), parameter in zip(weights_only(state).items(), module.parameters(), strict=True):
        assert float((after[name][0] - (before[0] - parameter.grad)).abs().max()) < 1e-12


def test_rates_may_differ_between_runs() -> None:
    from orrery.systems.gradients import Dense, Product
    from orrery.systems.network_settings import Adam, Momentum, Nesterov, Sgd
    from orrery.systems.optimizers import optimizer_of

    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4, 9), (3, 9, 5))
    )
    weights = torch.randn((3, 4, 5), generator=generator, dtype=torch.float64)
    rates = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
    for settings in (
        Sgd(rate=1, weight_decay=0.1),
        Momentum(rate=1, weight_decay=0.1),
        Nesterov(rate=1),
        Adam(rate=1),
    ):
        optimizer = optimizer_of(settings)
        buffers = tuple(torch.ones_like(weights) for _ in optimizer.buffers)
        product_ = Product(left, right, tuple(weights.shape))
        together, _ = optimizer.update(weights, product_, buffers, rates, 2)
        for run, rate in enumerate(rates.tolist()):
            alone, _ = optimizer.update(weights, Dense(product_.dense()), buffers, rate, 2)
            torch.testing.assert_close(together[run], alone[run], rtol=1e-13, atol=1e-13)


def test_schedules() -> None:
    assert [schedule_factor(StepSchedule(every=2, factor=0.5), t) for t in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    cosine = [schedule_factor(Cosine(steps=10, floor=0.1), t) for t in (0, 5, 10, 50)]
    np.testing.assert_allclose(cosine, [1, 0.55, 0.1, 0.1])
    assert [schedule_factor(LinearWarmup(steps=4), t) for t in (0, 1, 3, 9)] == [0.25, 0.5, 1, 1]
    fast, slow = (make(optimizer={"kind": "sgd", "rate": rate}, schedule=schedule) for rate, schedule in (
        (0.1, {"kind": "constant"}), (0.4, {"kind": "step", "every": 5, "factor": 0.25})
    ))  # fmt: skip
    runs = Runs.product((0,))
    state = fast.initial(runs)
    one = fast.step(state, fast.batch(runs, 7), 7)
    other = slow.step(state, slow.batch(runs, 7), 7)
    assert torch.equal(one["fc1.weight"], other["fc1.weight"])


def test_every_epoch_is_a_permutation_shared_by_the_copies() -> None:
    data = dataset(40)
    data.train_inputs = np.arange(40.0)[:, None].repeat(7, axis=1)
    runs = Runs.product((1, 2), 3)
    system = make(data=data)
    drawn = [[system.batch(runs, 5 * epoch + i)["inputs"][:, :, 0] for i in range(5)] for epoch in range(3)]
    orders = []
    for epoch in drawn:
        table = torch.cat(epoch, dim=1).numpy()
        assert table.shape == (2, 40)
        assert (np.sort(table, axis=1) == np.arange(40)).all()
        orders += [tuple(row) for row in table]
    assert len(set(orders)) == 6
    # Random access, whatever was asked for before, and by the seed alone.
    again = make(data=data).batch(Runs.product((2,)), 7)["inputs"][0, :, 0]
    assert torch.equal(again, drawn[1][2][1])


def test_stream_order_changes_batches_and_nothing_else() -> None:
    runs = Runs.product((1, 2))
    first, second = make(), make(streams=Streams({"order": {"shift": 1000}}))
    for name, tensor in first.initial(runs).items():
        assert torch.equal(tensor, second.initial(runs)[name])
    assert not torch.equal(first.batch(runs, 0)["inputs"], second.batch(runs, 0)["inputs"])
    held = make(streams=Streams({"order": {"hold": 1}})).batch(runs, 3)["inputs"]
    assert held.shape[0] == 1
    assert torch.equal(held[0], first.batch(Runs.product((1,)), 3)["inputs"][0])


def test_other_kinds_of_batches() -> None:
    data = dataset(40)
    data.train_inputs = np.arange(40.0)[:, None].repeat(7, axis=1)
    runs = Runs.product((1, 2))

    def drawn(t: int, **batches: object) -> np.ndarray:
        return make(data=data, batches=batches).batch(runs, t)["inputs"][:, :, 0].numpy()

    assert (drawn(3, kind="full") == np.arange(40)[None]).all()
    assert (drawn(3, kind="fixed-order", size=16) == (np.arange(48, 64) % 40)[None]).all()
    assert (drawn(1, kind="fixed-order", size=2, order=[5, 6, 9]) == [[9, 5]]).all()
    one, two = drawn(300, kind="with-replacement", size=64), drawn(301, kind="with-replacement", size=64)
    assert one.shape == (2, 64)
    assert not (one == two).all()
    assert len(set(one[0])) < 40
    assert drawn(5, kind="shuffled", size=16).shape == (2, 16)
    assert drawn(2, kind="shuffled", size=16, incomplete="keep").shape == (2, 8)
    with pytest.raises(OrreryError, match="41 is more than the 40"):
        drawn(0, kind="shuffled", size=41)
    with pytest.raises(OrreryError, match="samples 0 to 39"):
        drawn(0, kind="fixed-order", size=2, order=[40])


def test_runs_that_share_a_batch_give_what_each_gives_alone() -> None:
    system = make()
    runs = Runs.product((1, 2), 3)
    generator = torch.Generator().manual_seed(1)
    state = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in system.initial(runs).items()
    }
    together = system.step(state, system.batch(runs, 0), 0)
    for run, seed in enumerate(runs.seeds):
        alone_runs = Runs.product((seed,))
        alone = {name: tensor[run : run + 1].clone() for name, tensor in state.items()}
        for name, tensor in system.step(alone, system.batch(alone_runs, 0), 0).items():
            torch.testing.assert_close(together[name][run : run + 1], tensor, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("settings", "deviation"),
    [
        ({"kind": "default"}, 1 / np.sqrt(3 * 50)),
        ({"kind": "uniform-fan-in", "scale": 2.0}, 2 / np.sqrt(3 * 50)),
        ({"kind": "normal", "spread": 0.3}, 0.3),
        ({"kind": "normal-fan-in", "spread": 2.0, "scale": 0.5}, 1 / np.sqrt(50)),
        ({"kind": "uniform", "spread": 0.6}, 0.6 / np.sqrt(3)),
    ],
)
def test_initialisations(settings: dict, deviation: float) -> None:
    system = make(
        data=dataset(features=50), network={"kind": "mlp", "hidden": [400]}, initialisation=settings
    )
    runs = Runs.product((1, 2), 2)
    state = system.initial(runs)
    weight, bias = state["fc1.weight"], state["fc1.bias"]
    assert float(weight.std()) == pytest.approx(deviation, rel=0.02)
    assert float(bias[::2].std()) == pytest.approx(deviation, rel=0.1)
    assert torch.equal(weight[0], weight[1])
    assert not torch.equal(weight[0], weight[2])
    if "uniform" in settings["kind"] or settings["kind"] == "default":
        assert float(weight.abs().max()) <= deviation * np.sqrt(3) * (1 + 1e-12)
    zero = make(
        network={"kind": "mlp", "hidden": [4]}, initialisation={**settings, "biases": "zero"}
    ).initial(runs)
    assert not zero["fc1.bias"].any()
    single = make(
        torch.float32,
        data=dataset(features=50),
        network={"kind": "mlp", "hidden": [400]},
        initialisation=settings,
    )
    assert torch.equal(single.initial(runs)["fc1.weight"], weight.float())


def test_metrics_and_observables_are_those_of_the_network() -> None:
    system = make()
    runs = Runs.product((1, 2), 2)
    state = system.initial(runs)
    data = dataset()
    module = reference(state, 2, "relu", True)
    with torch.no_grad():
        for part, inputs, labels in (
            ("train", data.train_inputs, data.train_labels),
            ("test", data.test_inputs, data.test_labels),
        ):
            outputs = module(torch.tensor(inputs))
            loss = cross_entropy(outputs, torch.tensor(labels))
            share = (outputs.argmax(dim=1).numpy() == labels).mean()
            assert float(system.metrics[f"{part}_loss"](state)[2]) == pytest.approx(float(loss), rel=1e-12)
            assert float(system.metrics[f"{part}_accuracy"](state)[2]) == pytest.approx(share)
    shape, outputs_of = system.observables["outputs"]
    assert outputs_of(state).shape == (4, *shape) == (4, 16, 3)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_tangents_equal_finite_differences(activation: str, optimizer: str) -> None:
    system = make(
        network={"kind": "mlp", "hidden": [6, 5], "activation": activation},
        optimizer={"kind": optimizer, "rate": 0.1, **({"epsilon": 0.01} if optimizer == "adamw" else {})},
    )
    runs = Runs.product((1, 2), 2)
    state = system.initial(runs)
    for t in range(3):
        state = system.step(state, system.batch(runs, t), t)
    batch = system.batch(runs, 3)
    generator = torch.Generator().manual_seed(0)
    # Second moments are moved in proportion, so that they stay positive.
    directions = {
        name: torch.randn((3, *tensor.shape), generator=generator, dtype=tensor.dtype)
        * (0.01 * tensor if name.endswith("second-moment") else 1e-3)
        for name, tensor in state.items()
    }

    def tangent(direction: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return torch.func.jvp(lambda s: system.step(s, batch, 3), (state,), (direction,))[1]

    found = torch.func.vmap(tangent)(directions)
    for k in range(3):
        pair = [
            system.step({name: state[name] + sign * 1e-4 * directions[name][k] for name in state}, batch, 3)
            for sign in (1, -1)
        ]
        for name in state:
            difference = (pair[0][name] - pair[1][name]) / 2e-4
            scale = float(difference.abs().max()) + 1e-9
            assert float((found[name][k] - difference).abs().max()) / scale < 2e-5, name


def test_the_gradient_of_networks_on_iris_equals_central_differences() -> None:
    """4-10-3, logistic units, all 120 samples as one batch: criterion R1 of the study of network trajectories."""
    flowers = load_iris()
    order = np.random.default_rng(0).permutation(150)
    inputs, labels = flowers.data[order], flowers.target[order]
    data = SimpleNamespace(
        train_inputs=inputs[:120],
        train_labels=labels[:120],
        test_inputs=inputs[120:],
        test_labels=labels[120:],
        class_names=("a", "b", "c"),
        attributes={},
    )
    system = make(
        data=data,
        network={"kind": "mlp", "hidden": [10], "activation": "sigmoid", "bias": True},
        initialisation={"kind": "normal", "biases": "zero"},
        loss={"kind": "cross-entropy", "reduction": "mean"},
        optimizer={"kind": "sgd", "rate": 1.0},
        batches={"kind": "full"},
    )
    runs = Runs((0, 1), (0, 0))
    state = system.initial(runs)
    assert system.gradient is not None
    gradient = system.gradient(state, system.batch(runs, 0), 0)
    width = 1e-5
    largest = 0.0
    for name, values in state.items():
        for entry in np.ndindex(*values.shape[1:]):
            losses = []
            for side in (1, -1):
                moved = {key: tensor.clone() for key, tensor in state.items()}
                moved[name][(slice(None), *entry)] += side * width
                losses.append(system.metrics["train_loss"](moved))
            difference = (losses[0] - losses[1]) / (2 * width) - gradient[name][(slice(None), *entry)]
            largest = max(largest, float(difference.abs().max()))
    assert 0 < largest < 1e-8
    assert sum(values[0].numel() for values in state.values()) == 83


def test_tangents_where_a_gradient_has_always_been_zero() -> None:
    data = dataset()
    data.train_inputs[:, 0] = 0.0
    system = make(data=data, optimizer={"kind": "adam", "rate": 0.1})
    runs = Runs.product((1,))
    state = system.initial(runs)
    batch = system.batch(runs, 0)
    direction = {name: torch.ones_like(tensor) for name, tensor in state.items()}
    _, tangent = torch.func.jvp(lambda s: system.step(s, batch, 0), (state,), (direction,))
    assert all(torch.isfinite(tensor).all() for tensor in tangent.values())


def test_a_network_without_data_is_one_sentence() -> None:
    settings = network.Settings.model_validate(
        {
            "network": {"hidden": [3], "kind": "mlp"},
            "optimizer": {"kind": "sgd", "rate": 1},
            "batches": {"kind": "full"},
        }
    )
    with pytest.raises(OrreryError, match="needs data"):
        network.build(settings, dataset=None, dtype=torch.float32, device=CPU, streams=Streams())
