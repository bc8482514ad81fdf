"""A study in a user's own folder, other numbers of cores, and the targets by name."""

from __future__ import annotations

from typing import Any


def test_own_folder_and_one_core_give_the_same_bytes(built: Any, mine: Any) -> None:
    """``snakemake -s <repository>/Snakefile --directory mine``: same names, since specs know no place; same bytes."""
    mine.build("descent", "data", cores=1)
    assert (mine.folder / "results/descent/report.html").is_file()
    assert not (mine.workflow / "results").exists()
    assert mine.dry("descent", "data") == set()
    expected = {
        name: content for name, content in built.manifests().items() if "/descent" in name or "/iris" in name
    }
    assert mine.manifests() == expected


def test_targets_by_name(mine: Any) -> None:
    everything = mine.dry()
    stages = {
        "data": ("dataset",),
        "trajectories": ("dataset", "train"),
        "analyses": ("dataset", "train", "analyse", "compare"),
        "reports": ("dataset", "train", "analyse", "compare", "figures", "claims", "report", "publish"),
    }
    for target, rules in stages.items():
        assert mine.dry(target) == {job for job in everything if job.split()[0] in rules}, target
    assert mine.dry("tiny") == {job for job in everything if " tiny" in job} | {"dataset iris"}
