"""What a job used: of the benchmark and of the account that the job leaves, the larger counts."""

from __future__ import annotations

import json
from pathlib import Path

from orrery.provenance.usage import ENDING, Usage, keep_usage, read_usage

HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"


def test_a_job_leaves_what_it_used(tmp_path: Path) -> None:
    block = bytearray(200_000_000)
    keep_usage(tmp_path, "results/store/analyses/a/b/all@0123456789abcdef.json")
    (path,) = tmp_path.rglob(f"*{ENDING}")
    assert path == tmp_path / f"benchmarks/analyses/a/b/all@0123456789abcdef{ENDING}"
    used = json.loads(path.read_text())
    assert used["processor_seconds"] > 0
    assert used["memory"] > len(block) / 2**20


def test_what_is_no_job_of_a_stage_leaves_nothing(tmp_path: Path) -> None:
    keep_usage(tmp_path, "results/width/published@0123456789abcdef.json")
    assert not [*tmp_path.rglob("*")]


def test_a_folder_that_may_not_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").write_text("in the way")
    keep_usage(tmp_path, "results/store/data/a@0123456789abcdef.json")
    assert (tmp_path / "benchmarks").read_text() == "in the way"


def test_the_larger_figure_counts(tmp_path: Path) -> None:
    benchmark = tmp_path / "a@0.tsv"
    assert read_usage(benchmark) is None
    benchmark.write_text(HEAD)
    assert read_usage(benchmark) is None
    benchmark.write_text(HEAD + "2.5\t0:00:02\t100.0\tNA\n")
    assert read_usage(benchmark) == Usage(2.5, None, 100.0)
    benchmark.with_suffix(ENDING).write_text(json.dumps({"processor_seconds": 2.0, "memory": 70.0}))
    assert read_usage(benchmark) == Usage(2.5, 2.0, 100.0)
    benchmark.with_suffix(ENDING).write_text(json.dumps({"processor_seconds": 2.0, "memory": 170.0}))
    assert read_usage(benchmark) == Usage(2.5, 2.0, 170.0)
    benchmark.with_suffix(ENDING).write_text("{")
    assert read_usage(benchmark) == Usage(2.5, None, 100.0)
