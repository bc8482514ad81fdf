"""Batch normalisation, dropout and residual connections beside torch.nn, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.unit.test_systems_network import ACTIVATIONS, dataset, make

from orrery.config.errors import OrreryError
from orrery.systems.hessian import hessian, moved
from orrery.systems.system import Runs, System
from orrery.systems.tangents import jacobian, packed

State = dict[str, torch.Tensor]
NORMAL = {"kind": "batch", "momentum": 0.3, "epsilon": 1e-3}
RUNS = Runs.product((1, 4), 2)


class Reference(torch.nn.Module):
    """One run as torch.nn layers; masks of dropout are given."""

    def __init__(self, state: State, run: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[network.get("activation", "relu")]()
        self.residual = network.get("residual", False)
        self.layers = len(network["hidden"]) + 1
        for number in range(1, self.layers + 1):
            weight = state[f"fc{number}.weight"][run]
            bias = f"fc{number}.bias" in state
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias, dtype=weight.dtype)
            self.add_module(f"fc{number}", layer)
            normal = network.get("normalisation")
            if normal and number < self.layers:
                settings = {"momentum": normal["momentum"], "eps": normal["epsilon"]}
                self.add_module(
                    f"bn{number}", torch.nn.BatchNorm1d(weight.shape[0], dtype=weight.dtype, **settings)
                )
        own = {name: tensor[run] for name, tensor in state.items()}
        self.load_state_dict({key: own.get(key, value) for key, value in self.state_dict().items()})

    def forward(self, x: torch.Tensor, masks: list[torch.Tensor] | None = None) -> torch.Tensor:
        """Logits."""
        for number in range(1, self.layers):
            y = self.get_submodule(f"fc{number}")(x)
            if hasattr(self, f"bn{number}"):
                y = self.get_submodule(f"bn{number}")(y)
            y = self.activation(y)
            if masks is not None:
                y = y * masks[number - 1].T
            x = x + y if self.residual and number > 1 else y
        return self.get_submodule(f"fc{self.layers}")(x)


NETWORKS: list[dict[str, Any]] = [
    {"hidden": [6, 5], "normalisation": NORMAL},
    {"hidden": [5], "activation": "tanh", "normalisation": NORMAL, "bias": False},
    {"hidden": [6, 5, 4], "activation": "tanh", "dropout": 0.4},
    {"hidden": [5, 5, 5], "activation": "gelu", "residual": True},
    {"hidden": [5, 5, 5], "activation": "elu", "residual": True, "dropout": 0.3, "normalisation": NORMAL},
]


def system_of(network: dict[str, Any], **more: Any) -> System:
    return make(network={"kind": "mlp", **network}, **more)


def start_of(system: System) -> State:
    """A state in which no two runs, and no gamma or beta, are alike."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: tensor + 0.2 * torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
        for name, tensor in system.initial(RUNS).items()
    }


def masks_of(batch: State, group: int) -> list[torch.Tensor] | None:
    found = [batch[name][group] for name in sorted(batch) if name.startswith("dropout")]
    return found or None


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batches", [{"kind": "shuffled", "size": 8}, {"kind": "full"}])
def test_steps_statistics_and_evaluation_equal_torch(network: dict[str, Any], batches: dict) -> None:
    system = system_of(network, batches=batches, optimizer={"kind": "momentum", "rate": 0.1})
    states = [start_of(system)]
    losses = []
    for t in range(4):
        state, told = system.advance(states[-1], system.batch(RUNS, t), t)
        states.append(state)
        losses.append(told["loss"])
    assert list(states[-1]) == [component.name for component in system.components]
    assert system.forward is not None
    inputs = torch.tensor(dataset().test_inputs)
    for run in (0, 3):
        module = Reference(states[0], run, network)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for name, parameter in module.named_parameters():
            optimizer.state[parameter]["momentum_buffer"] = states[0][f"{name}.momentum"][run].clone()
        for t in range(4):
            batch = system.batch(RUNS, t)
            group = run // 2 if len(batch["inputs"]) > 1 else 0
            logits = module(batch["inputs"][group], masks_of(batch, run // 2))
            value = torch.nn.functional.cross_entropy(logits, batch["targets"][group])
            assert float(value.detach()) == pytest.approx(float(losses[t][run]), rel=1e-12)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            for name, tensor in module.state_dict().items():
                if not name.endswith("num_batches_tracked"):
                    torch.testing.assert_close(states[t + 1][name][run], tensor, rtol=1e-12, atol=1e-12)
        module.eval()
        with torch.no_grad():
            expected = module(inputs).T
            found = system.forward.last_layer(states[-1], inputs[None])[run]
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
            if "normalisation" in network:
                assert system.forward.last_layer_batch is not None
                found = system.forward.last_layer_batch(states[-1], inputs[None])[run]
                torch.testing.assert_close(found, module.train()(inputs).T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_and_hessians_equal_automatic_differentiation(network: dict[str, Any]) -> None:
    system = system_of(network)
    state = start_of(system)
    batch = system.batch(RUNS, 2)
    assert system.gradient is not None
    gradient = system.gradient(state, batch, 2)
    curvature = hessian(system, state, batch, 2)
    for run in (0, 3):
        module = Reference(state, run, network)
        parameters = dict(module.named_parameters())

        def loss(weights: State, module: torch.nn.Module = module, group: int = run // 2) -> torch.Tensor:
            buffers = {name: tensor.clone() for name, tensor in module.named_buffers()}
            given = (batch["inputs"][group], masks_of(batch, group))
            logits = torch.func.functional_call(module, {**weights, **buffers}, given)
            return torch.nn.functional.cross_entropy(logits, batch["targets"][group])

        expected = torch.func.grad(loss)(parameters)
        for name, slope in expected.items():
            torch.testing.assert_close(gradient[name][run], slope, rtol=1e-12, atol=1e-12)
        second = torch.func.jacrev(torch.func.grad(loss))(parameters)
        names = [component.name for component in moved(system)]
        rows = [
            torch.cat([second[a][b].reshape(parameters[a].numel(), -1) for b in names], dim=1) for a in names
        ]
        torch.testing.assert_close(curvature[run], torch.cat(rows), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("network", [NETWORKS[1], NETWORKS[4]])
def test_tangents_equal_central_differences_statistics_among_them(network: dict[str, Any]) -> None:
    system = system_of({**network, "activation": "tanh"}, optimizer={"kind": "momentum", "rate": 0.1})
    state = start_of(system)
    batch = system.batch(RUNS, 1)
    found = jacobian(system, state, batch, 1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = {
            name: torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            for name, tensor in state.items()
        }
        ends = [
            packed(
                system.step({name: state[name] + sign * 1e-6 * direction[name] for name in state}, batch, 1),
                system.components,
            )
            for sign in (1, -1)
        ]
        expected = (ends[0] - ends[1]) / 2e-6
        product = torch.einsum("rij,rj->ri", found, packed(direction, system.components))
        torch.testing.assert_close(product, expected, rtol=1e-6, atol=1e-6)


def test_local_fields_come_before_normalisation_in_both_readings() -> None:
    system = system_of({"hidden": [6, 5], "activation": "tanh", "normalisation": NORMAL})
    forward = system.forward
    assert forward is not None
    assert forward.local_fields is not None
    assert forward.local_fields_batch is not None
    assert forward.epsilon == 1e-3
    state = start_of(system)
    inputs = torch.tensor(dataset().test_inputs)[None]
    fields = forward.local_fields(state, inputs)
    own = forward.local_fields_batch(state, inputs)
    assert torch.equal(fields[0], own[0])
    assert not torch.equal(fields[1], own[1])
    gain = state["bn1.weight"] / torch.sqrt(state["bn1.running_var"] + forward.epsilon)
    unit = (fields[0] - state["bn1.running_mean"][:, :, None]) * gain[:, :, None]
    active = torch.tanh(unit + state["bn1.bias"][:, :, None])
    above = torch.bmm(state["fc2.weight"], active) + state["fc2.bias"][:, :, None]
    torch.testing.assert_close(fields[1], above, rtol=1e-12, atol=1e-12)


def test_metrics_with_running_statistics_and_with_those_of_the_evaluated_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orrery.systems import evaluation

    network = {"hidden": [6, 5], "normalisation": NORMAL}
    system = system_of(network)
    state = start_of(system)
    data = dataset()
    module = Reference(state, 2, network)
    inputs, labels = torch.tensor(data.test_inputs), torch.tensor(data.test_labels)
    for ending, mode in (("_batch", True), ("", False)):
        with torch.no_grad():
            logits = module.train(mode)(inputs) if mode else Reference(state, 2, network).eval()(inputs)
        loss = float(torch.nn.functional.cross_entropy(logits, labels))
        right = float((logits.argmax(dim=1) == labels).double().mean())
        for portion in (evaluation.PORTION, 300, 1):
            monkeypatch.setattr(evaluation, "PORTION", portion)
            fresh = {name: tensor.clone() for name, tensor in state.items()}
            assert float(system.metrics[f"test_loss{ending}"](fresh)[2]) == pytest.approx(loss, rel=1e-12)
            assert float(system.metrics[f"test_accuracy{ending}"](fresh)[2]) == pytest.approx(right)
    # A state with other statistics is another state, though its weights are the same tensors.
    other = {**state, "bn2.running_mean": state["bn2.running_mean"] + 1}
    assert not torch.equal(system.metrics["test_loss"](state), system.metrics["test_loss"](other))
    assert not any(name.endswith("_batch") for name in make().metrics)


def test_gamma_and_beta_start_at_one_and_zero_and_statistics_are_no_weights() -> None:
    system = system_of(NETWORKS[0], initialisation={"kind": "normal", "spread": 0.3, "scale": 8.0})
    state = system.initial(RUNS)
    values = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
    for name, value in values.items():
        assert torch.equal(state[f"bn1.{name}"], torch.full((4, 6), value, dtype=torch.float64))
    roles = {component.name: component.role for component in system.components}
    assert [roles[f"bn2.{name}"] for name in values] == ["weight", "bias", "statistic", "statistic"]
    plain = make(initialisation={"kind": "normal", "spread": 0.3, "scale": 8.0}).initial(RUNS)
    assert torch.equal(state["fc2.weight"], plain["fc2.weight"])


def test_a_hundred_layers_keep_a_gradient_with_normalisation_and_skips() -> None:
    system = system_of({"hidden": {"layers": 100, "width": 4}, "normalisation": NORMAL, "residual": True})
    assert system.gradient is not None
    state = system.initial(RUNS)
    gradient = system.gradient(state, system.batch(RUNS, 0), 0)
    assert gradient["fc100.weight"].shape == (4, 4, 4)
    assert "bn100.running_var" in state
    assert "bn101.weight" not in state
    assert float(gradient["fc1.weight"].abs().max()) > 1e-6


@pytest.mark.parametrize(
    ("network", "more", "words"),
    [
        ({"hidden": [4, 5], "residual": True}, {}, "hidden layers of one width"),
        ({"hidden": [4], "residual": True}, {}, "at least two of them"),
        ({"hidden": [], "dropout": 0.5}, {}, "'dropout' acts on hidden layers"),
        ({"hidden": [], "normalisation": NORMAL}, {}, "'normalisation' acts on hidden layers"),
        ({"hidden": [4], "dropout": 1.0}, {}, "less than 1"),
        (
            {"hidden": [4], "normalisation": NORMAL},
            {"batches": {"kind": "shuffled", "size": 1}},
            "no variance",
        ),
        (
            {"hidden": [4], "normalisation": NORMAL},
            {"batches": {"kind": "shuffled", "size": 13, "incomplete": "keep"}},
            "write another size or 'incomplete: drop'",
        ),
    ],
)
def test_bad_settings_are_one_sentence(network: dict, more: dict, words: str) -> None:
    with pytest.raises((ValidationError, OrreryError), match=words):
        system_of(network, **more)
