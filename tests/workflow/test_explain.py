"""``snakemake explain`` says why, for exactly the jobs that a dry run lists."""

from __future__ import annotations

from typing import Any

STAGES = {
    "dataset": "data",
    "train": "trajectories",
    "analyse": "analyses",
    "compare": "comparisons",
    "figures": "figures",
    "claims": "claims",
    "report": "reports",
    "publish": "publish",
}


def explained(lab: Any) -> dict[str, str]:
    outcome = lab.snakemake("explain")
    assert outcome.code == 0, outcome.err
    lines = [line.partition(": ") for line in outcome.out.splitlines()]
    return {name: reason for name, _, reason in lines if name.partition("/")[0] in STAGES.values()}


def listed(lab: Any) -> set[str]:
    pairs = [(job.split(" ", 1) if job != "index" else ["publish", "report"]) for job in lab.dry()]
    return {f"{STAGES[rule]}/{name}" for rule, name in pairs}


def test_reasons_of_several_changes(lab: Any) -> None:
    assert explained(lab) == {}
    lab.replace(
        "studies/tiny.yaml",
        "slow: {system: {optimizer: {rate: 0.1}}}",
        "slow: {system: {optimizer: {rate: 0.3}}}",
    )
    lab.replace("studies/descent.yaml", "seeds: 4", "seeds: 5")
    lab.change_function("spread.py", "plot")
    reasons = explained(lab)
    assert reasons.keys() == listed(lab)
    expected = {
        "trajectories/tiny/slow/block=000,steps=0-10": ("rate", "0.1 → 0.3"),
        "trajectories/tiny/slow/block=000,steps=10-20": ("0.1 → 0.3",),
        "trajectories/descent/rate=0.01/block=001,steps=0-12": ("new",),
        "figures/descent/spread": ("code of", "plot"),
    }
    for job, words in expected.items():
        for word in words:
            assert word in reasons[job], reasons[job]


def test_a_result_that_is_lost(lab: Any) -> None:
    lab.manifest("analyses", "tiny/weights/slow/block=000").unlink()
    reasons = explained(lab)
    assert reasons.keys() == listed(lab)
    assert "deleted" in reasons["analyses/tiny/weights/slow/block=000"]
