"""One change of the config at a time, from the same built state: exactly the jobs that it makes stale are listed."""

from __future__ import annotations

from typing import Any

import pytest

from .table import add, holds

TINY = "studies/tiny.yaml"
DESCENT = "studies/descent.yaml"
BOTH = ("slow", "fast")


def trained(conditions: tuple[str, ...], *tiles: str) -> set[str]:
    return {f"train tiny/{name}/{tile}" for name in conditions for tile in tiles}


def analysed(analysis: str, conditions: tuple[str, ...], *blocks: str) -> set[str]:
    return {
        f"analyse tiny/{analysis}/{name}/block={block}" for name in conditions for block in blocks or ("000",)
    }


REPORTED = {"report tiny", "publish tiny", "index"}
CLAIMED = {"claims tiny", *REPORTED}
COMPARED = {"compare tiny/koopman", "figures tiny/koopman", *CLAIMED}
TILES = ("block=000,steps=0-10", "block=000,steps=10-20")
SPECTRA = analysed("koopman", BOTH) | COMPARED
READ = analysed("weights", BOTH) | SPECTRA
ALL_OF_TINY = trained(BOTH, *TILES) | READ
ALL_OF_DESCENT = {
    "train descent/rate=0.01/block=000,steps=0-12",
    "train descent/rate=0.02/block=000,steps=0-12",
    "analyse descent/spread/all",
    "compare descent/spread",
    "figures descent/spread",
    "claims descent",
    "report descent",
    "publish descent",
    "index",
}
MORE_STARTS = {
    "train descent/rate=0.01/block=001,steps=0-12",
    "train descent/rate=0.02/block=001,steps=0-12",
    *(job for job in ALL_OF_DESCENT if not job.startswith("train")),
}

# Why a job runs although what it makes stays the same, or more runs than one would think.
WHY = {
    "the order of conditions, which comparisons and pages show": "Tables and figures follow the order.",
    "the device": "A setting of the study: CPU and GPU give other bits. Under `auto` the machine has no say.",
    "the size of blocks": "How many runs are batched may change their last bits.",
    "fewer seeds": "Analyses read less of what is there.",
    "fewer steps": "Analyses read less of what is there.",
}

# What changes: file, text that goes, text that comes; and the jobs that this makes stale.
CHANGES: dict[str, tuple[list[tuple[str, str, str]], set[str]]] = {
    "nothing": ([], set()),
    "the rate of one condition": (
        [(TINY, "slow: {system: {optimizer: {rate: 0.1}}}", "slow: {system: {optimizer: {rate: 0.15}}}")],
        trained(("slow",), *TILES)
        | analysed("weights", ("slow",))
        | analysed("koopman", ("slow",))
        | COMPARED,
    ),
    "the rates of two conditions swapped": (
        [
            (TINY, "slow: {system: {optimizer: {rate: 0.1}}}", "slow: {system: {optimizer: {rate: 0.20}}}"),
            (TINY, "fast: {system: {optimizer: {rate: 0.2}}}", "fast: {system: {optimizer: {rate: 0.1}}}"),
        ],
        ALL_OF_TINY,
    ),
    "a value that every condition overrides": (
        [(TINY, "  optimizer: {kind: sgd, rate: 0.1}\n", "  optimizer: {kind: sgd, rate: 0.7}\n")],
        set(),
    ),
    "more seeds": (
        [(TINY, "seeds: 2", "seeds: 3")],
        trained(BOTH, "block=001,steps=0-10", "block=001,steps=10-20")
        | analysed("weights", BOTH, "001")
        | analysed("koopman", BOTH, "001")
        | COMPARED,
    ),
    "fewer seeds": ([(TINY, "seeds: 2", "seeds: 1")], READ),
    "more steps": (
        [(TINY, "steps: 20, segment: 10", "steps: 30, segment: 10")],
        trained(BOTH, "block=000,steps=20-30") | READ,
    ),
    "fewer steps": ([(TINY, "steps: 20, segment: 10", "steps: 15, segment: 10")], READ),
    "more copies, after the block of copies was set to what is trained": (
        [(TINY, "copies: {count: 2,", "copies: {count: 3, block: 2,")],
        trained(BOTH, "block=000,copies=2-3,steps=0-10", "block=000,copies=2-3,steps=10-20") | READ,
    ),
    "more copies without a block of copies": (
        [(TINY, "copies: {count: 2,", "copies: {count: 3,")],
        ALL_OF_TINY,
    ),
    "fewer copies than are trained": (
        [(TINY, "copies: {count: 2,", "copies: {count: 1, block: 2,")],
        READ,
    ),
    "the block of copies, as large as it is": (
        [(TINY, "copies: {count: 2,", "copies: {count: 2, block: 2,")],
        set(),
    ),
    "the size of blocks": (
        [(TINY, "block: 2", "block: 1")],
        trained(BOTH, *TILES, "block=001,steps=0-10", "block=001,steps=10-20")
        | analysed("weights", BOTH, "000", "001")
        | analysed("koopman", BOTH, "000", "001")
        | COMPARED,
    ),
    "a metric that is recorded": ([(TINY, "[test_accuracy]", "[test_accuracy, test_loss]")], ALL_OF_TINY),
    "the samples held out": (
        [(TINY, "{name: iris}", "{name: iris, test: 33}")],
        {"dataset iris", *ALL_OF_TINY},
    ),
    "two numeric settings swapped": (
        [(TINY, "    delays: 2\n    rank: 4\n", "    delays: 4\n    rank: 2\n")],
        SPECTRA,
    ),
    "the rank of the spectra": ([(TINY, "rank: 4", "rank: 3")], SPECTRA),
    "the window of an analysis": (
        [(TINY, "    delays: 2\n", "    delays: 2\n    steps: [2, 20]\n")],
        SPECTRA,
    ),
    "the tensors that are read": (
        [(TINY, "[fc2.weight]", "[fc1.weight]")],
        READ,
    ),
    "what is compared": ([(TINY, "resamples: 100", "resamples: 200")], COMPARED),
    "a claim's criterion": ([(TINY, "above: 0.001", "above: 0.002")], CLAIMED),
    "a figure setting": (
        [(TINY, "claims:\n", "figures: {font_size: 8}\nclaims:\n")],
        {"figures tiny/koopman", *REPORTED},
    ),
    "the default of a figure setting, written out": (
        [(TINY, "claims:\n", "figures: {font_size: 7.5}\nclaims:\n")],
        set(),
    ),
    "a title": ([(TINY, "title: Two rates on iris", "title: Two rates")], REPORTED),
    "a condition that was added": (
        [(TINY, "conditions:\n", "conditions:\n  medium: {system: {optimizer: {rate: 0.15}}}\n")],
        trained(("medium",), *TILES)
        | analysed("weights", ("medium",))
        | analysed("koopman", ("medium",))
        | COMPARED,
    ),
    "the order of conditions, which comparisons and pages show": (
        [
            (TINY, "  slow: {system: {optimizer: {rate: 0.1}}}\n", ""),
            (TINY, "analyses:\n", "  slow: {system: {optimizer: {rate: 0.1}}}\nanalyses:\n"),
        ],
        COMPARED,
    ),
    "a rate added to a grid": (
        [(DESCENT, "[0.01, 0.02]", "[0.01, 0.02, 0.03]")],
        ALL_OF_DESCENT - {f"train descent/rate={rate}/block=000,steps=0-12" for rate in (0.01, 0.02)}
        | {"train descent/rate=0.03/block=000,steps=0-12"},
    ),
    "a setting of a user's own analysis": (
        [(DESCENT, "last: 4", "last: 5")],
        {job for job in ALL_OF_DESCENT if not job.startswith("train")},
    ),
    "the device": ([("config.yaml", "device: cpu", "device: auto")], ALL_OF_TINY | ALL_OF_DESCENT),
    "the threads of a job": (
        [("config.yaml", "device: cpu", "device: cpu\nparallelism: {threads: 1}")],
        set(),
    ),
    "the training jobs that share a GPU": (
        [("config.yaml", "device: cpu", "device: cpu\nparallelism: {gpu_slots: 2}")],
        set(),
    ),
    "whether jobs are forks": (
        [("config.yaml", "device: cpu", "device: cpu\nparallelism: {forks: false}")],
        set(),
    ),
    "what computes an analysis with Dask": (
        [("config.yaml", "device: cpu", "device: cpu\nparallelism: {dask: cluster, worker_memory: 900}")],
        set(),
    ),
    "a study that is left out": ([("config.yaml", "[tiny, descent]", "[tiny]")], {"index"}),
    "the scale": (
        [("config.yaml", "device: cpu", "device: cpu\nscale: paper")],
        CLAIMED | MORE_STARTS,
    ),
    "comments, the order of keys, other ways to write the same": (
        [
            (
                "config.yaml",
                "studies: [tiny, descent]\ndevice: cpu",
                "device: cpu # here\nstudies:\n- tiny\n- 'descent'",
            ),
            (TINY, "dataset: {name: iris}\n", ""),
            (TINY, "claims:\n", "dataset:\n  name: 'iris'  # flowers\n\nclaims:\n"),
            (TINY, "amplitude: 0.01", "amplitude: 1.0e-2"),
            (
                TINY,
                "{kind: mlp, hidden: [3], activation: tanh}",
                "{activation: tanh, hidden: [ 3 ], kind: mlp}",
            ),
            (
                TINY,
                "record:\n  state: all\n  metrics: [loss]\n",
                "record:\n  metrics: [loss]\n  state: all\n",
            ),
            (DESCENT, "rate: 0.01, start", "rate: 1.0e-02, start"),
        ],
        set(),
    ),
}


for _change, (_, _jobs) in CHANGES.items():
    add(
        "config",
        _change,
        _jobs,
        "test_changes_config::test_jobs_that_a_change_makes_stale",
        WHY.get(_change, ""),
    )


@pytest.mark.parametrize("change", CHANGES)
def test_jobs_that_a_change_makes_stale(lab: Any, change: str) -> None:
    edits, expected = CHANGES[change]
    for name, old, new in edits:
        lab.replace(name, old, new)
    lab.settles(expected)


@holds("config", "a study that is added", {job.replace("descent", "again") for job in ALL_OF_DESCENT})
def test_a_study_that_is_added(lab: Any) -> None:
    text = lab.path(DESCENT).read_text()
    lab.path("studies/again.yaml").write_text(text)
    lab.replace("config.yaml", "[tiny, descent]", "[tiny, descent, again]")
    lab.settles({job.replace("descent", "again") for job in ALL_OF_DESCENT})


@holds("config", "a rate changed, built, and changed back", {"publish descent", "index"})
def test_a_rate_and_back(lab: Any) -> None:
    """Afterwards nothing is stale; going back publishes what was there, and trains nothing."""
    before, stores = published(lab), lab.manifests()
    lab.replace(DESCENT, "values: [0.01, 0.02]", "values: [0.01, 0.03]")
    lab.build()
    assert lab.dry() == set()
    assert published(lab) != before
    assert stores.items() < lab.manifests().items()

    lab.replace(DESCENT, "values: [0.01, 0.03]", "values: [0.01, 0.02]")
    assert lab.dry() == {"publish descent", "index"}
    lab.build()
    assert lab.dry() == set()
    assert published(lab) == before


@holds("config", "another scale, built, and back", ())
def test_another_scale_with_more_seeds_and_back(lab: Any) -> None:
    paper = ("--config", "scale=paper", "--", "trajectories")
    stores = lab.manifests()
    assert lab.dry(*paper) == {job for job in MORE_STARTS if job.startswith("train")}
    lab.build(*paper)
    assert lab.dry(*paper) == set()
    assert lab.dry() == set()
    # What was trained is still what it was, and the new block beside it.
    assert stores.items() < lab.manifests().items()


def published(lab: Any) -> dict[str, bytes]:
    """What people read of the study ``descent``; the page tells what the run cost, so it is left out."""
    place = lab.path("results/descent")
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.name != "report.html"
    }
