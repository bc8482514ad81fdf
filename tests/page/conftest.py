"""A study as real as one that never ran can be, and its page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as MatplotlibFigure

from orrery.figures import panels, style
from orrery.report.publish import fill_costs
from orrery.report.study_page import write_claims, write_page

NASTY = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }}"
WIDTHS = (5, 10, 40)
SEEDS = [2, 3, 6, 7, 11, 16]


@dataclass(frozen=True)
class Drawn:
    name: str
    title: str
    caption: str
    figure: MatplotlibFigure
    data: pd.DataFrame


def draw() -> list[Drawn]:
    generator = np.random.default_rng(0)
    one = style.figure("double", 78)
    plane, matrix = one.subplots(1, 2)
    spectra = {
        f"width={width}": np.concatenate(
            [[1, 0.99], 0.97 + 0.02 * generator.random(8) + 0.005j * generator.standard_normal(8)]
        )
        for width in WIDTHS
    }
    panels.complex_plane(plane, spectra)
    distances = 0.004 + 0.003 * generator.random((3, 3))
    floors = {
        "split halves": 0.001 * generator.random(3),
        "other order": 0.003 * np.ones(3),
        "other delays": np.array([math.nan, 0.002, 0.0031]),
    }
    panels.matrix_with_floors(matrix, (distances + distances.T) / 2, list(spectra), floors, quantity="W")
    panels.panel_letter(plane, "a")
    panels.panel_letter(matrix, "b")
    two = style.figure("single", 62)
    axes = two.subplots()
    steps = np.arange(100)
    for index, label in enumerate(spectra):
        loss = np.exp(-steps / (20 + 10 * index)) + 0.05 * generator.standard_normal((60, 100))
        loss[0, 50:] = math.nan
        panels.curves_of_runs(axes, steps, loss, label, index=index)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("training loss")
    axes.legend()
    three = style.figure("single", 55)
    values = np.array([0.006, 0.0065, math.nan, 0.005, 0.007])
    panels.sensitivity_strip(
        three.subplots(),
        ["rank 5", "rank 10", "rank 20", "8 delays", "64 delays"],
        values,
        intervals=np.column_stack([values - 0.0005, values + 0.0006]),
        headline=1,
        floors={"split halves": 0.001, "other order": 0.004},
        quantity="W(5, 40)",
    )
    data = pd.DataFrame({"step": steps, "value": np.exp(-steps / 20)})
    return [
        Drawn(
            "spectra",
            "Spectra and distances",
            "Left: Koopman eigenvalues of each width. Right: W.",
            one,
            data,
        ),
        Drawn("loss", "Training loss of all runs", f"Median and 25-75 % band. {NASTY}", two, data),
        Drawn("sensitivity", "Sensitivity of W(5, 40)", "Filled: the headline.", three, data),
    ]


def study() -> dict[str, Any]:
    conditions = {}
    for width in WIDTHS:
        for order, shift in {"first": 0, "second": 1_000_000}.items():
            conditions[f"width={width},order={order}"] = {
                "axes": {"width": width, "order": order},
                "dataset": {"name": "mnist-5k", "standardise": "global"},
                "system": {
                    "kind": "network",
                    "network": {"kind": "mlp", "hidden": [width], "activation": "relu", "bias": False},
                    "initialisation": {"kind": "uniform-fan-in", "scale": 1.0},
                    "loss": {"kind": "nll", "reduction": "mean"},
                    "optimizer": {"kind": "sgd", "rate": 0.1, "momentum": 0.0, "nesterov": False},
                    "batches": {"kind": "shuffled", "size": 60},
                },
                "training": {
                    "steps": 1000,
                    "segment": 1000,
                    "block": 6,
                    "seeds": SEEDS,
                    "dtype": "float32",
                    "device": "cpu",
                },
                "streams": {"order": {"shift": shift}} if shift else {},
                "copies": {
                    "count": 10,
                    "amplitude": 0.001,
                    "kind": "relative",
                    "distribution": "uniform",
                    "tensors": ["*"],
                },
                "record": {
                    "state": ["fc2.weight"],
                    "steps": {"every": 1, "window": None},
                    "observables": [],
                    "metrics": ["loss"],
                    "evaluate": {"every": 50, "metrics": ["test_loss", "test_accuracy"]},
                    "projection": None,
                },
                "analyses": {"koopman-paper-delays": {"delays": 320 // width}},
            }
    return {
        "name": "width",
        "title": f"Fully connected networks of different width {NASTY}",
        "summary": f"Do narrow and wide networks train by conjugate dynamics? {NASTY}",
        "paper": {
            "citation": "Redman et al., Identifying Equivalent Training Dynamics, NeurIPS 2024",
            "arxiv": "2302.09160",
            "doi": None,
            "known_from": "released code",
        },
        "scale": "laptop",
        "conditions": conditions,
        "analyses": {
            "output-layer": {"method": "reduction", "of": "trajectory", "tensors": ["fc2.weight"]},
            "koopman": {
                "method": "koopman",
                "of": "output-layer",
                "conditions": ["*"],
                "gather": False,
                "steps": [1, 1000],
                "delays": [8, 32, 64],
                "rank": 10,
                "compare": {"pairs": [["width=5", "width=10"], ["width=5", "width=40"]]},
            },
            NASTY: {"method": "mine.spectrum", "note": NASTY},
        },
        "claims": claims(),
    }


def claims() -> dict[str, Any]:
    common = {"known_from": "abstract", "scales": ["laptop", "paper"]}
    return {
        "W-1": {
            **common,
            "statement": "The net of width 10 is nearer to that of width 40 than the net of width 5 is.",
            "source": "section 4.2, figure 3",
            "checks": [
                {"number": "koopman.difference[5-40,10-40]", "label": "d(5, 40) − d(10, 40)", "above": 0},
                {"number": "koopman.share", "label": "share of seeds", "above": 0.6},
                {"number": "koopman.p", "label": "Wilcoxon p", "below": 0.05, "minimum_n": 6},
            ],
        },
        "W-2": {
            **common,
            "statement": f"The distances have the size of the paper's. {NASTY}",
            "source": NASTY,
            "checks": [{"number": "koopman.distance[5,40]", "reported": 0.007, "within_factor": 1.5}],
        },
        "W-3": {
            **common,
            "statement": "Narrow and wide nets are not conjugate.",
            "source": "abstract",
            "checks": [
                {
                    "number": "koopman.distance[5,40]",
                    "above": {"number": "koopman.floor[5]", "times": 2},
                    "minimum_n": 8,
                }
            ],
        },
        "W-5": {
            **common,
            "statement": "The distance at the paper's delays.",
            "source": "own",
            "checks": [{"number": "koopman.distance[5,40]", "reported": 0.007}],
        },
        "W-6": {
            **common,
            "statement": "All of it at full size.",
            "source": "own",
            "scales": ["paper"],
            "checks": [{"number": "koopman.distance[5,40]", "below": 1}],
        },
        "W-7": {
            **common,
            "statement": "Loss rises with width.",
            "source": "figure 2",
            "checks": [{"number": "koopman.loss-trend", "above": 0}],
        },
    }


def numbers() -> dict[str, list[dict[str, Any]]]:
    return {
        "koopman": [
            {
                "name": "distance[5,40]",
                "value": 0.00652,
                "interval": [0.0061, 0.0069],
                "n": 6,
                "floor": 0.0031,
            }
            | {"unit": "", "description": f"mean W at equal delays {NASTY}"},
            {"name": "difference[5-40,10-40]", "value": 0.0021, "interval": [0.0012, 0.0033], "n": 6},
            {"name": "share", "value": 5 / 6, "n": 6},
            {"name": "p", "value": 0.0156, "n": 6, "description": "one-sided"},
            {"name": "floor[5]", "value": 0.0031, "interval": [0.0028, 0.0034], "n": 6},
            {"name": "loss-trend", "value": -0.2, "n": 6},
            {"name": "gap", "value": math.nan},
        ],
        "output-layer": [],
    }


def provenance() -> dict[str, Any]:
    return {
        "trajectories": {name: ["0123456789abcdef"] for name in study()["conditions"]},
        "analyses": {"koopman": {name: ["fedcba9876543210"] for name in study()["conditions"]}},
        "software": {
            "trajectories": {"torch": "2.13.0"},
            "figures": {"matplotlib": "3.11.2", "numpy": "2.4.0"},
        },
    }


def costs() -> list[dict[str, Any]]:
    measured = {"seconds": 41.2, "longest": 12.0, "processor_seconds": 40.0, "memory": 812.4}
    return [
        {"stage": "trajectories", "jobs": 6, "measured": 6, **measured},
        {"stage": "figures", "jobs": 2, "measured": 0, **dict.fromkeys(measured)},
    ]


def publish(results: Path) -> Path:
    """Write the study as a published one into ``results/width`` and return that folder."""
    store, place = results / "store", results / "width"
    write_claims(study(), numbers(), store / "claims")
    style.save_all(draw(), store / "koopman")
    style.save_all(draw()[1:2], store / "curves")
    write_page(
        study(),
        store / "claims",
        {"koopman": store / "koopman", NASTY: store / "curves"},
        provenance(),
        place,
    )
    for name in ("claims.json", "numbers.json"):
        (place / name).write_bytes((store / "claims" / name).read_bytes())
    page = place / "report.html"
    page.write_text(fill_costs(page.read_text(encoding="utf-8"), costs()), encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def nasty() -> str:
    """Text that is in the title, a claim, a caption, a number and a setting of the study."""
    return NASTY


@pytest.fixture(scope="session")
def published_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("again"))
