"""Jobs that a killed run has left are those of the folder that Snakemake submitted; all others are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.slurm import cancel_left_over, find_left_over

LISTED = """\
1|RUNNING|rule_train_wildcards_a|{folder}
2_3|PENDING|rule_train_wildcards_a|b|{folder}
3|COMPLETED|rule_train_wildcards_a|{folder}
4|RUNNING|rule_train_wildcards_a|{folder}/other
5|RUNNING|my own job|{folder}
6|RUNNING|(null)|{folder}
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that stand for those of Slurm; ``listed`` is what squeue says."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, text in {
        "squeue": f"cat {tmp_path}/listed",
        "scancel": f'echo "$@" >> {tmp_path}/cancelled',
    }.items():
        program = place / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    return place


def test_only_live_jobs_of_this_folder_that_snakemake_submitted(programs: Path, tmp_path: Path) -> None:
    listed = LISTED.replace("_a|b|", "_a|").format(folder="/home/me/study")
    (tmp_path / "listed").write_text(listed)
    assert find_left_over(Path("/home/me/study")) == ["1", "2_3"]


def test_they_are_cancelled_and_waited_for(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "listed").write_text("1|RUNNING|rule_train|/home/me\n")
    scancel = programs / "scancel"
    scancel.write_text(scancel.read_text() + f'echo "1|CANCELLED|rule_train|/home/me" > {tmp_path}/listed\n')
    assert cancel_left_over(Path("/home/me")) == ["1"]
    assert (tmp_path / "cancelled").read_text() == "1\n"
    assert cancel_left_over(Path("/home/me")) == []
    assert (tmp_path / "cancelled").read_text() == "1\n"


def test_one_that_does_not_end_is_told(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "listed").write_text("1|RUNNING|rule_train|/home/me\n")
    with pytest.raises(
        OrreryError, match="jobs 1 of a run that was killed do not end; cancel them with scancel"
    ):
        cancel_left_over(Path("/home/me"), seconds=0.2)


def test_a_slurm_that_does_not_answer_is_told(programs: Path) -> None:
    (programs / "squeue").write_text("#!/bin/sh\necho 'slurm_load_jobs error: no controller' >&2\nexit 1\n")
    with pytest.raises(OrreryError, match=r"squeue does not answer \(slurm_load_jobs error: no controller\)"):
        find_left_over(Path("/home/me"))
