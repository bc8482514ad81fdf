"""What happens to results between two runs: lost outputs, partial targets, jobs that failed."""

from __future__ import annotations

import shutil
from typing import Any

from .table import holds
from .test_changes_code import COMPARED, of

TINY = "studies/tiny.yaml"
RATE = "slow: {system: {optimizer: {rate: 0.1}}}"
TRAINED = {f"train tiny/slow/block=000,steps={steps}" for steps in ("0-10", "10-20")}
READ = {
    "analyse tiny/weights/slow/block=000",
    "analyse tiny/koopman/slow/block=000",
    *of("tiny", COMPARED),
}
SPREAD = {"analyse descent/spread/all", *of("descent", COMPARED)}


@holds("results", "`.snakemake` deleted and a rate changed", {*TRAINED, *READ})
def test_no_records_of_snakemake_and_another_rate(lab: Any) -> None:
    shutil.rmtree(lab.path(".snakemake"))
    lab.replace(TINY, RATE, RATE.replace("0.1", "0.15"))
    lab.settles({*TRAINED, *READ})


@holds("results", "an upstream trained alone with `--until train`, after a change of its rate", READ)
def test_upstream_alone(lab: Any) -> None:
    lab.replace(TINY, RATE, RATE.replace("0.1", "0.15"))
    # Snakemake 9.27 ends such a run with an error where one such job reads another, so the second segment waits.
    lab.snakemake("--until", "train")
    assert lab.dry() == {max(TRAINED), *READ}
    lab.build("--until", "train")
    assert lab.dry() == READ
    lab.build()
    assert lab.dry() == set()


@holds(
    "results",
    "the manifest of an analysis deleted",
    READ,
    "Its bytes are read and found whole, so nothing is made.",
)
def test_an_output_deleted(lab: Any) -> None:
    before = lab.manifests()
    manifest = lab.manifest("analyses", "tiny/weights/slow/block=000")
    store = manifest.with_suffix("")
    made = (store / "job.json").stat().st_mtime_ns
    manifest.unlink()
    assert lab.dry() == READ
    lab.build()
    assert lab.manifests() == before
    assert (store / "job.json").stat().st_mtime_ns == made
    assert lab.dry() == set()


@holds("results", "a job that failed under `--keep-incomplete`", SPREAD)
def test_a_job_that_failed(lab: Any) -> None:
    before = lab.manifests("comparisons", "descent/*").values()
    lab.replace(
        "spread.py", "    deviation = source", '    raise RuntimeError("broken")\n    deviation = source'
    )
    outcome = lab.snakemake("--keep-incomplete", "--keep-going")
    assert outcome.code == 1
    assert lab.dry() == SPREAD
    lab.replace("spread.py", '    raise RuntimeError("broken")\n', "    _mended = None\n")
    assert lab.dry() == SPREAD
    lab.build()
    assert lab.dry() == set()
    assert set(lab.manifests("comparisons", "descent/*").values()) == set(before)
