"""Changes of where data come from, and of the file that a dataset reads."""

from __future__ import annotations

import hashlib
from typing import Any

from .table import holds

MODULE = '''"""Points from a file of one's own."""

from orrery.data.api import Arrays, DatasetSettings
from orrery.data.sources import local_file


class Settings(DatasetSettings):
    sha256: str


def load(settings, cache, streams):
    import numpy as np

    table = np.loadtxt(local_file("points.csv", settings.sha256), delimiter=",")
    half = len(table) // 2
    return Arrays(
        train_inputs=table[:half, :2],
        train_labels=table[:half, 2].astype(int),
        test_inputs=table[half:, :2],
        test_labels=table[half:, 2].astype(int),
        class_names=("left", "right"),
        provenance={"source": "points.csv"},
    )
'''
ROWS = "".join(f"{i / 10},{i % 3},{i % 2}\n" for i in range(40))
STUDY = """title: Points
summary: From a file.
dataset: {name: points, sha256: SHA}
system:
  kind: network
  network: {kind: mlp, hidden: [3], activation: tanh}
  optimizer: {kind: sgd, rate: 0.1}
  batches: {kind: full}
training: {steps: 4, seeds: 1}
record: {state: all}
conditions: {one: {}}
"""


@holds("data", "the file of a dataset replaced by the same bytes", ())
@holds(
    "data",
    "the file of a dataset replaced by other bytes",
    "nothing, since what is there was made of the named bytes; where the file must be read, it is refused by name",
)
def test_the_file_of_a_dataset(lab: Any) -> None:
    """The same bytes again change nothing; other bytes are refused by name when they would be read, and no sooner."""
    lab.path("points.py").write_text(MODULE)
    lab.path("points.csv").write_text(ROWS)
    sha = hashlib.sha256(ROWS.encode()).hexdigest()
    lab.path("studies/points.yaml").write_text(STUDY.replace("SHA", sha))
    lab.replace("config.yaml", "[tiny, descent]", "[tiny, descent, points]")
    lab.build("data")
    assert lab.dry("data") == set()

    lab.path("points.csv").unlink()
    lab.path("points.csv").write_text(ROWS)
    assert lab.dry("data") == set()

    other = ROWS.replace("0.0,0,0", "0.5,0,0")
    lab.path("points.csv").write_text(other)
    # What is there was made of the file that the study names.
    assert lab.dry("data") == set()
    lab.replace("studies/points.yaml", "sha256:", "samples: 10, sha256:")
    assert lab.dry("data") == {"dataset points"}
    outcome = lab.snakemake("data")
    assert outcome.code == 1
    found = hashlib.sha256(other.encode()).hexdigest()
    assert f"points.csv refused: sha256 {found[:12]}… instead of {sha[:12]}…" in outcome.out + outcome.err
    assert "Traceback" not in outcome.out + outcome.err

    lab.path("points.csv").write_text(ROWS)
    lab.build("data")
    assert lab.dry("data") == set()


@holds("data", "the order of a dataset's sources", ())
def test_the_order_of_sources(lab: Any) -> None:
    """Of a dataset that is fetched; nothing is, since this is a dry run."""
    lab.replace("studies/tiny.yaml", "dataset: {name: iris}", "dataset: {name: mnist}")
    before = lab.snakemake("-n", "data").out
    assert lab.dry("data") == {"dataset mnist"}
    place = lab.path("src/orrery/data/mnist.toml")
    lines = place.read_text().splitlines(keepends=True)
    first, second = (number for number, line in enumerate(lines) if "https://" in line)
    lines[first], lines[second] = lines[second], lines[first]
    place.write_text("".join(lines))
    assert outputs(lab.snakemake("-n", "data").out) == outputs(before) != []


def outputs(listing: str) -> list[str]:
    return [line for line in listing.splitlines() if line.strip().startswith("output:")]
