"""Responses to one probe step: Orrery's batched call beside a loop of copy, step and undo in plain torch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.measure import Section, best_of, goal, times

UNITS, RUNS, STEPS, PLACES = 50, 32, 50, 200
RATE, TARGET, PROBE = 1e-5, 1.0, 0.3
WANTED = 10.0


def run(folder: Path) -> Section:
    """Measure both on the same states; the largest difference is relative to the largest response of its kind."""
    import torch

    rows = []
    for units in (UNITS, 2 * UNITS):
        system, state = recorded_states(units)
        ours, theirs = by_orrery(system, state), by_loop(state)
        size = theirs.abs().amax(dim=(1, 2))
        difference = float(((ours - theirs).abs().amax(dim=(1, 2)) / size).max())
        seconds = best_of(
            {
                "orrery": lambda system=system, state=state: by_orrery(system, state),
                "loop": lambda state=state: by_loop(state),
            },
            repeats=9,
        )
        ratio = seconds["loop"] / seconds["orrery"]
        assert torch.isfinite(ours).all()
        rows.append(
            (
                f"{units}",
                f"{1e3 * seconds['orrery']:.0f} ms",
                f"{1e3 * seconds['loop']:.0f} ms",
                times(ratio),
                f"{difference:.0e}",
                goal(ratio >= WANTED, f"{WANTED:g} times"),
            )
        )
    return Section(
        "Responses to one probe step",
        f"Responses on a grid of {PLACES} places at {STEPS} steps for {RUNS} runs of a network of one hidden layer "
        "(ReLU, squares behind a sigmoid), float64, in all three normalisations. Orrery: one call; the loop loads each "
        "state into a module, takes one step of `torch.optim.SGD` on the pair, reads the change on the grid, and "
        "undoes the step.",
        ("hidden units", "Orrery", "copy, step and undo", "faster", "largest difference", "goal"),
        tuple(rows),
    )


def recorded_states(units: int) -> tuple[Any, dict[str, Any]]:
    """A network of one sample, and the states of all runs after each of some steps, side by side as runs."""
    import numpy as np
    import torch

    from orrery.numerics.streams import Streams
    from orrery.systems.network import Settings, build
    from orrery.systems.system import Runs

    x, y = np.array([[PROBE]]), np.array([[TARGET]])
    data = SimpleNamespace(train_inputs=x, train_targets=y, test_inputs=x, test_targets=y, class_names=())
    settings = Settings.model_validate(
        {
            "network": {"kind": "mlp", "hidden": [units], "activation": "relu"},
            "loss": {"kind": "mse", "reduction": "sum", "link": "sigmoid"},
            "optimizer": {"kind": "sgd", "rate": 0.05},
            "batches": {"kind": "full"},
        }
    )
    system = build(settings, dataset=data, dtype=torch.float64, device=torch.device("cpu"), streams=Streams())
    state = system.initial(Runs.product(range(RUNS)))
    assert system.whole is not None
    states = []
    with torch.no_grad():
        for t in range(STEPS):
            states.append(state)
            state = system.step(state, system.whole(), t)
    return system, {name: torch.cat([one[name] for one in states]) for name in state}


def by_orrery(system: Any, state: dict[str, Any]) -> Any:
    """One call for all runs and places: raw, out and pre, ``(normalisation, run, place)``."""
    import torch

    from orrery.systems.probing import responses

    x0 = torch.full((1, 1, 1), PROBE, dtype=torch.float64)
    y0 = torch.full((1, 1, 1), TARGET, dtype=torch.float64)
    grid = torch.linspace(-1, 1, PLACES, dtype=torch.float64)[:, None]
    found = responses(system, state, x0, y0, grid, RATE)
    return torch.stack([found.raw[:, 0], found.out[:, 0], found.pre[:, 0]])


def by_loop(state: dict[str, Any]) -> Any:
    """State by state: load it, read the outputs, step, read them again, and undo the step."""
    import torch

    count, units, _ = state["fc1.weight"].shape
    network = torch.nn.Sequential(
        torch.nn.Linear(1, units), torch.nn.ReLU(), torch.nn.Linear(units, 1)
    ).double()
    names = ("0.weight", "0.bias", "2.weight", "2.bias")
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    x0 = torch.full((1, 1), PROBE, dtype=torch.float64)
    grid = torch.linspace(-1, 1, PLACES, dtype=torch.float64)[:, None]
    found = []
    for run in range(count):
        network.load_state_dict(
            {name: tensor[run] for name, tensor in zip(names, state.values(), strict=True)}
        )
        with torch.no_grad():
            before = network(grid)
        kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        optimizer.zero_grad()
        output = torch.sigmoid(network(x0))
        ((TARGET - output) ** 2).sum().backward()
        optimizer.step()
        with torch.no_grad():
            after = network(grid)
            raw = torch.sigmoid(after) - torch.sigmoid(before)
            of_output = 2 * (TARGET - output)
            of_layer = of_output * output * (1 - output)
            parts = raw, raw / (RATE * of_output), (after - before) / (RATE * of_layer)
            found.append(torch.stack([part[:, 0] for part in parts]))
        network.load_state_dict(kept)
    return torch.stack(found, dim=1)
