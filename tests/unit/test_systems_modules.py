from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams
from orrery.systems import network
from orrery.systems.system import Runs, System


def dataset() -> SimpleNamespace:
    generator = np.random.default_rng(0)
    return SimpleNamespace(
        train_inputs=generator.normal(size=(40, 7)),
        train_labels=generator.integers(0, 3, 40),
        test_inputs=generator.normal(size=(23, 7)),
        test_labels=generator.integers(0, 3, 23),
        class_names=("a", "b", "c"),
    )


def make(**settings: object) -> System:
    given = {
        "optimizer": {"kind": "sgd", "rate": 0.1},
        "batches": {"kind": "shuffled", "size": 8},
        **settings,
    }
    return network.build(
        network.Settings.model_validate(given),
        dataset=dataset(),
        dtype=torch.float64,
        device=torch.device("cpu"),
        streams=Streams(),
    )


class TwoLayers(torch.nn.Module):
    """A user's own network: the same as an mlp with one hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(7, width)
        self.fc2 = torch.nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.tanh(self.fc1(x)))


class Normed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(7, 5)
        self.norm = torch.nn.BatchNorm1d(5)
        self.fc2 = torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.norm(self.fc1(x))))


class Dropping(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(self.fc1(x), training=self.training)


def module(name: str, **more: object) -> dict:
    return {"kind": "module", "path": f"{__name__}.{name}", **more}


@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_a_module_equals_the_built_in_network(batching: str) -> None:
    common = {
        "initialisation": {"kind": "normal-fan-in"},
        "optimizer": {"kind": "adam", "rate": 0.01, "weight_decay": 0.1},
        "loss": {"kind": "nll"},
    }
    own = make(network=module("TwoLayers", arguments={"width": 6}, batching=batching), **common)
    built_in = make(network={"kind": "mlp", "hidden": [6], "activation": "tanh"}, **common)
    assert [(c.name, c.shape, c.role) for c in own.components] == [
        (c.name, c.shape, c.role) for c in built_in.components
    ]
    runs = Runs.product((1, 2), 3)
    states = [own.initial(runs), built_in.initial(runs)]
    for t in range(5):
        batch = own.batch(runs, t)
        states = [system.step(state, batch, t) for system, state in zip((own, built_in), states, strict=True)]
    for name in states[0]:
        torch.testing.assert_close(states[0][name], states[1][name], rtol=1e-10, atol=1e-13)
    for metric in own.metrics:
        torch.testing.assert_close(own.metrics[metric](states[0]), built_in.metrics[metric](states[1]))


def test_a_module_initialises_itself_by_seed() -> None:
    system = make(
        network=module("TwoLayers", arguments={"width": 6}), initialisation={"kind": "default", "scale": 2.0}
    )
    torch.manual_seed(5)
    first = system.initial(Runs.product((1, 2), 2))
    assert torch.initial_seed() == 5
    torch.rand(3)
    again = system.initial(Runs.product((2,)))
    assert torch.equal(first["fc1.weight"][2], again["fc1.weight"][0])
    assert torch.equal(first["fc1.weight"][2], first["fc1.weight"][3])
    assert not torch.equal(first["fc1.weight"][0], first["fc1.weight"][2])
    bound = 2 / 7**0.5
    assert bound * 0.8 < float(first["fc1.weight"].abs().max()) <= bound


@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_running_statistics_are_part_of_the_state(batching: str) -> None:
    system = make(network=module("Normed", batching=batching), loss={"kind": "cross-entropy"})
    runs = Runs.product((1, 2), 2)
    state = first = system.initial(runs)
    roles = {component.name: component.role for component in system.components}
    assert roles["norm.running_mean"] == roles["norm.running_var"] == "statistic"
    assert "norm.num_batches_tracked" not in roles
    for t in range(4):
        state = system.step(state, system.batch(runs, t), t)
    theirs = Normed().double()
    theirs.load_state_dict({name: tensor[2] for name, tensor in first.items()}, strict=False)
    moving = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for t in range(4):
        batch = system.batch(runs, t)
        moving.zero_grad()
        torch.nn.functional.cross_entropy(
            theirs(batch["inputs"][1]), batch["targets"][1].argmax(dim=1)
        ).backward()
        moving.step()
    for name, tensor in theirs.state_dict().items():
        if name in state:
            torch.testing.assert_close(state[name][2], tensor, rtol=1e-10, atol=1e-12)
    assert not first["norm.running_mean"].any()
    theirs.eval()
    with torch.no_grad():
        outputs = theirs(torch.tensor(dataset().test_inputs))
    share = (outputs.argmax(dim=1).numpy() == dataset().test_labels).mean()
    assert float(system.metrics["test_accuracy"](state)[2]) == pytest.approx(share)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"path": "Nowhere"}, "no import path"),
        ({"path": "no.such.Module"}, "cannot import"),
        ({"path": "collections.OrderedDict"}, "not a torch.nn.Module"),
        ({"path": f"{__name__}.TwoLayers"}, "cannot be made"),
        (
            {"path": f"{__name__}.TwoLayers", "arguments": {"width": 4}, "input_shape": [7, 2]},
            "does not take samples",
        ),
        (
            {"path": "torch.nn.Linear", "arguments": {"in_features": 7, "out_features": 9}},
            "the data need 3 outputs",
        ),
    ],
)
def test_modules_that_do_not_fit_are_one_sentence(given: dict, text: str) -> None:
    with pytest.raises(OrreryError, match=text):
        make(network={"kind": "module", **given})


@pytest.mark.parametrize("batching", ["vmap", "loop"])
def test_randomness_inside_a_module_is_refused(batching: str) -> None:
    system = make(network=module("Dropping", batching=batching))
    runs = Runs.product((1, 2))
    state = system.initial(runs)
    with pytest.raises(OrreryError, match="random numbers"):
        system.step(state, system.batch(runs, 0), 0)


def test_code_of_a_module_enters_the_digest() -> None:
    assert network.entries({"network": module("TwoLayers")}) == (f"{__name__}:TwoLayers",)
    assert network.entries({"network": {"kind": "mlp", "hidden": []}}) == ()
