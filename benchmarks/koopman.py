"""A Koopman spectrum of 79,510 weights over 1,000 states: Orrery beside PyDMD, each in its own process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Section, goal, in_process, times
from benchmarks.networks import NETWORKS, make_dataset, train_by_orrery

STEPS, RANK, WEIGHTS = 999, 10, 79_510


def run(folder: Path) -> Section:
    """Measure both on one recorded trajectory; each reads it from the store."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    store = str(make_trajectory(folder) / "data.zarr")
    answers = {name: in_process("benchmarks.koopman", name, store) for name in ("orrery", "pydmd")}
    spectra = {
        name: np.array([complex(*pair) for pair in each["eigenvalues"]]) for name, each in answers.items()
    }
    distance = np.abs(spectra["orrery"][:, None] - spectra["pydmd"][None])
    error = float(distance[linear_sum_assignment(distance)].max())
    ours, theirs = answers["orrery"], answers["pydmd"]
    ratio = theirs["seconds"] / ours["seconds"]
    rows = (
        (
            "time",
            f"{ours['seconds']:.2f} s",
            f"{theirs['seconds']:.2f} s",
            times(ratio),
            goal(ratio >= 10, "10 times"),
        ),
        (
            "peak memory of the process",
            f"{ours['peak']:,.0f} MB",
            f"{theirs['peak']:,.0f} MB",
            times(theirs["peak"] / ours["peak"]),
            "–",
        ),
        ("largest difference of an eigenvalue", f"{error:.1e}", "–", "–", goal(error <= 1e-8, "1e-8")),
    )
    return Section(
        "Koopman spectrum beside PyDMD",
        f"{STEPS + 1:,} recorded states of one network of {WEIGHTS:,} weights, rank {RANK}, no delays, float64. Both "
        "read the store; Orrery in chunks, PyDMD as one array.",
        ("", "Orrery", "PyDMD", "ratio", "goal"),
        rows,
    )


def make_trajectory(folder: Path) -> Path:
    """Train one run of the largest network and keep every step; done once."""
    out = folder / "trajectory"
    if not out.exists():
        network = NETWORKS[WEIGHTS]
        train_by_orrery(network, make_dataset(network, folder), out, seeds=[0], steps=STEPS)
    return out


def main(name: str, store: str) -> dict[str, Any]:
    """Compute the spectrum one way; runs in a process of its own."""
    return {"orrery": _by_orrery, "pydmd": _by_pydmd}[name](store)


def _by_orrery(store: str) -> dict[str, Any]:
    from orrery.numerics.gram import delay_gram, estimate_from_gram, gram_matrix
    from orrery.stages.scheduler import scheduler
    from orrery.trajectory.trajectory import Trajectory

    start = time.perf_counter()
    states = Trajectory.open(store).array().data[0]
    with scheduler("threads"):
        gram = gram_matrix(states)
    spectrum = estimate_from_gram(delay_gram(gram[None, :, None, :], 0), RANK)
    return _answer(spectrum.eigenvalues, start)


def _by_pydmd(store: str) -> dict[str, Any]:
    import numpy as np
    import xarray as xr
    from pydmd import DMD

    start = time.perf_counter()
    states = xr.open_zarr(store)["state"].values[0].astype(np.float64)
    decomposition = DMD(svd_rank=RANK)
    decomposition.fit(states.T)
    return _answer(decomposition.eigs, start)


def _answer(eigenvalues: Any, start: float) -> dict[str, Any]:
    return {
        "seconds": time.perf_counter() - start,
        "eigenvalues": [(float(value.real), float(value.imag)) for value in eigenvalues],
    }
