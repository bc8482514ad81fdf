"""Each stale job is explained by what differs from its nearest earlier result."""

from __future__ import annotations

from pathlib import Path

from orrery.plan.explain import explain, keep_code, stale
from orrery.plan.job import Job
from orrery.plan.plan import Plan
from orrery.provenance.job import run_job


def plan(
    results: Path,
    *,
    rate: float = 0.1,
    rank: int = 10,
    code: str = "a" * 16,
    numpy: str = "2.4.6",
    spectrum: str = "function:1",
    seeds: tuple[int, ...] = (0, 1),
    copies: tuple[int, ...] = (0, 1),
) -> Plan:
    named = f",copies={copies[0]}-{copies[-1]}" if copies[0] else ""
    trained = Job(
        "trajectories",
        "width",
        f"width/width=40/block={seeds[0]:03d}{named},steps=0-10",
        {
            "training": {"rate": rate},
            "seeds": list(seeds),
            "copy_numbers": list(copies),
            "first": 0,
            "last": 10,
        },
        "c" * 16,
        {"torch": "2.13.0"},
        {},
        {"orrery.training.block:train_block": "function:1"},
    )
    analysed = Job(
        "analyses",
        "width",
        "width/koopman/width=40/all",
        {"rank": rank},
        code,
        {"numpy": numpy},
        {"width=40": (trained,)},
        {"orrery.analyses.koopman:spectrum": spectrum},
    )
    return Plan(str(results), {}, analysed)


def build(one: Plan) -> None:
    keep_code(one)
    for job in one:
        run_job(job.payload(one.results), lambda out: (out / "data.txt").write_text("same") and None)


def test_nothing_is_stale_after_a_run(tmp_path: Path) -> None:
    build(plan(tmp_path))
    assert stale(plan(tmp_path)) == {}
    assert list(explain(plan(tmp_path))) == []


def test_settings_software_and_code_are_told_by_name(tmp_path: Path) -> None:
    build(plan(tmp_path))
    assert list(explain(plan(tmp_path, rank=5))) == [
        "analyses/width/koopman/width=40/all: rank changed 10 → 5"
    ]
    assert list(explain(plan(tmp_path, numpy="2.5.0"))) == [
        "analyses/width/koopman/width=40/all: numpy 2.4.6 → 2.5.0"
    ]
    assert list(explain(plan(tmp_path, code="b" * 16, spectrum="function:2"))) == [
        "analyses/width/koopman/width=40/all: code of orrery.analyses.koopman changed (function spectrum)"
    ]


def test_what_reads_a_stale_result_says_so(tmp_path: Path) -> None:
    build(plan(tmp_path))
    assert list(explain(plan(tmp_path, rate=0.2))) == [
        "trajectories/width/width=40/block=000,steps=0-10: training.rate changed 0.1 → 0.2",
        "analyses/width/koopman/width=40/all: reads what is made anew: "
        "trajectories/width/width=40/block=000,steps=0-10",
    ]


def test_a_new_block_and_a_deleted_manifest_are_told(tmp_path: Path) -> None:
    build(plan(tmp_path))
    assert next(explain(plan(tmp_path, seeds=(4, 7)))) == (
        "trajectories/width/width=40/block=004,steps=0-10: no earlier result, new seed block 4-7, steps 0-10"
    )
    assert next(explain(plan(tmp_path, copies=(10, 19)))) == (
        "trajectories/width/width=40/block=000,copies=10-19,steps=0-10: no earlier result, new copies 10-19, "
        "seed block 0-1, steps 0-10"
    )
    one = plan(tmp_path)
    Path(one.target(one.index)).unlink()
    assert list(explain(one)) == ["analyses/width/koopman/width=40/all: its manifest was deleted"]
