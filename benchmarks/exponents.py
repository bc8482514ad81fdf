"""Ten Lyapunov exponents of a network: Orrery beside the full Jacobian, a loop of single products, and clvlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, best_of, goal, times
from benchmarks.networks import NETWORKS, condition_of, make_dataset

DIRECTIONS, WEIGHTS, SMALL = 10, 2_410, 82
STEPS = {"orrery": 100, "loop": 20, "jacobian": 3, "clvlib": 100}
"""Steps of each contender; times are compared per step."""


def run(folder: Path) -> Section:
    """Measure all on the same runs; the first steps of each are not counted."""
    rows = []
    for weights, runs in ((WEIGHTS, 1), (WEIGHTS, 32)):
        case = Case.of(weights, runs, folder)
        peers: dict[str, tuple[Callable[[int], Any], float | None, str]] = {
            "loop": (case.by_single_products, 5.0, "a loop of single `jvp` calls"),
        }
        if runs == 1:
            peers["jacobian"] = (case.by_jacobian, 20.0, "the full Jacobian, `jacfwd`")
        rows += compared(case, peers)
    case = replace(Case.of(SMALL, 1, folder), first_axes=True)
    rows += compared(case, {"clvlib": (case.by_clvlib, None, "clvlib, with our Jacobian")})
    return Section(
        "Ten Lyapunov exponents of a network",
        f"The {DIRECTIONS} leading exponents of networks of one hidden layer in mini-batch training (batches of 64, "
        "or 32 for the smallest), float64, one QR at each step; Orrery as its analysis runs. Per step, orbit "
        "included. clvlib needs the matrix of the tangent map and keeps all frames, so that it is set beside Orrery "
        "where the matrix is small.",
        ("weights", "runs", "beside", "Orrery", "peer", "faster", "largest difference", "goal"),
        tuple(rows),
    )


def compared(
    case: Case, peers: dict[str, tuple[Callable[[int], Any], float | None, str]]
) -> Iterator[tuple[str, ...]]:
    """A row for each peer, measured in turn with Orrery."""
    import numpy as np

    for name, (peer, wanted, words) in peers.items():
        steps = STEPS[name]
        ours, theirs = case.by_orrery(steps), peer(steps)
        seconds = best_of(
            {
                "orrery": lambda: case.by_orrery(STEPS["orrery"]),
                "peer": lambda peer=peer, steps=steps: peer(steps),
            },
            repeats=3,
        )
        each = {"orrery": seconds["orrery"] / STEPS["orrery"], "peer": seconds["peer"] / steps}
        ratio = each["peer"] / each["orrery"]
        yield (
            f"{case.system.size:,}",
            f"{case.runs.count}",
            words,
            f"{1e3 * each['orrery']:.2f} ms",
            f"{1e3 * each['peer']:.2f} ms",
            times(ratio),
            f"{float(np.abs(np.asarray(ours) - np.asarray(theirs)).max()):.0e}",
            goal(ratio >= wanted, f"{wanted:g} times") if wanted else "–",
        )


@dataclass(frozen=True)
class Case:
    """A network in training, and several ways to its exponents; each returns them per run, in QR order."""

    orbit: Any
    directions: int = DIRECTIONS
    first_axes: bool = False
    """Whether the frame starts with the first axes, as clvlib's does, not with a draw."""

    @classmethod
    def of(cls, weights: int, runs: int, folder: Path, directions: int = DIRECTIONS) -> Case:
        """Seeds 0, 1, …, of a network of so many weights."""
        import torch

        from orrery.numerics.streams import Streams
        from orrery.systems.system import Runs
        from orrery.training.build import build_system
        from orrery.training.replay import Orbit

        network = NETWORKS[weights]
        condition = {**condition_of(network), "training": {"dtype": "float64"}}
        system = build_system(condition, make_dataset(network, folder), torch.device("cpu"))
        return cls(Orbit(system, Runs.product(range(runs)), {0: None}, {}, Streams()), directions)

    @property
    def system(self) -> Any:
        return self.orbit.system

    @property
    def runs(self) -> Any:
        return self.orbit.runs

    def by_orrery(self, steps: int) -> Any:
        """As the analysis does it."""
        from orrery.analyses.lyapunov_tangents import Followed, marks
        from orrery.numerics.tangent_frames import log_growth

        followed = Followed(self.orbit, tuple(range(self.runs.count)))
        frame = self._frames()
        total: Any = 0
        for mark in marks(followed, frame, 0, steps, range(1, steps + 1)):
            total = total + (0 if mark.factor is None else log_growth(mark.factor))
        return total / steps

    def by_single_products(self, steps: int) -> Any:
        """One ``jvp`` for each direction of each run, one after the other."""
        import torch

        from orrery.numerics.tangent_frames import log_growth, positive_qr
        from orrery.systems.system import Runs
        from orrery.systems.tangents import packed, unpacked

        alone = [Runs((seed,), (0,)) for seed in self.runs.seeds]
        frames = self._frames()
        found = []
        with torch.no_grad():
            for run, frame in zip(alone, frames, strict=True):
                state, total = self.system.initial(run), torch.zeros(self.directions, dtype=torch.float64)
                for t in range(steps):
                    batch = self.system.batch(run, t)

                    def step(at: Any, batch: Any = batch, t: int = t) -> Any:
                        return self.system.step(at, batch, t)

                    columns = []
                    for column in frame.T:
                        tangent = unpacked(column[None], self.system.components)
                        columns.append(
                            packed(torch.func.jvp(step, (state,), (tangent,))[1], self.system.components)[0]
                        )
                    state = step(state)
                    (frame,), factor = positive_qr(torch.stack(columns, dim=1)[None])
                    total += log_growth(factor)[0]
                found.append(total / steps)
        return torch.stack(found)

    def by_jacobian(self, steps: int) -> Any:
        """The matrix of the tangent map of every step, times the frame; of one run."""
        import torch

        from orrery.numerics.tangent_frames import log_growth, positive_qr
        from orrery.systems.tangents import packed

        vector = packed(self.system.initial(self.runs), self.system.components)[0]
        (frame,), total = self._frames(), torch.zeros(self.directions, dtype=torch.float64)
        for t in range(steps):
            step = self._flat_step(t)
            (frame,), factor = positive_qr((torch.func.jacfwd(step)(vector) @ frame)[None])
            total += log_growth(factor)[0]
            vector = step(vector)
        return (total / steps)[None]

    def by_clvlib(self, steps: int) -> Any:
        """The library, which is given the orbit and the matrices; of one run."""
        import numpy as np
        import torch
        from clvlib.numpy import lyap_exp

        from orrery.systems.tangents import jacobian, packed, unpacked

        components = self.system.components
        orbit = np.stack([packed(state, components)[0].numpy() for _, state in self.orbit.states(0, steps)])

        def step(t: float, x: Any) -> Any:
            return self._flat_step(round(t))(torch.from_numpy(x)).numpy()

        def matrix(t: float, x: Any) -> Any:
            state = unpacked(torch.from_numpy(x)[None], components)
            return jacobian(self.system, state, self.system.batch(self.runs, round(t)), round(t))[0].numpy()

        found = lyap_exp(
            step, matrix, orbit, np.arange(steps + 1.0), stepper="discrete", n_lyap=self.directions
        )
        return found[0][None]

    def _flat_step(self, t: int) -> Callable[[Any], Any]:
        from orrery.systems.tangents import packed, unpacked

        batch = self.system.batch(self.runs, t)

        def step(vector: Any) -> Any:
            state = unpacked(vector[None], self.system.components)
            return packed(self.system.step(state, batch, t), self.system.components)[0]

        return step

    def _frames(self) -> Any:
        import torch

        from orrery.analyses.lyapunov_tangents import Followed, start_frame

        if self.first_axes:
            axes = torch.eye(self.system.size, self.directions, dtype=torch.float64)
            return axes.expand(self.runs.count, -1, -1)
        followed = Followed(self.orbit, tuple(range(self.runs.count)))
        return start_frame(followed, self.directions, None, None)
