"""What ``snakemake prune`` lists and removes in a folder with two studies at two scales."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

PAPER = ("--config", "scale=paper")


def test_a_study_that_is_gone(lab: Any) -> None:
    """Its results, logs and publication are listed with sizes that add up, then removed; the other's stay."""
    lab.build("descent", *PAPER)
    config, study = lab.path("config.yaml").read_text(), lab.path("studies/tiny.yaml")
    lab.path("config.yaml").write_text(config.replace("[tiny, descent]", "descent"))
    assert "nothing to prune" in lab.snakemake("prune").out, "a study beside the others counts, listed or not"

    broken = lab.path("studies/broken.yaml")
    study.rename(broken)
    broken.write_text(broken.read_text().replace("title:", "titel:"))
    before = everything(lab)
    refused = lab.snakemake("prune", ORRERY_PRUNE="yes")
    assert refused.code == 1
    assert "broken.yaml" in refused.err
    assert "titel" in refused.err
    assert everything(lab) == before

    broken.unlink()
    lab.path("results/tiny/notes.txt").write_text("of the user")
    lab.path("results/mine").mkdir()
    lab.path("results/mine/report.html").write_text("of the user")
    listed = lab.snakemake("prune")
    assert listed.code == 0
    sizes = {name: int(size.replace(",", "")) for size, name in LISTED.findall(listed.out)}
    total = sizes.pop("bytes")
    assert sum(sizes.values()) == total
    assert "remove them with ORRERY_PRUNE=yes snakemake prune" in listed.out
    assert everything(lab) - before == {"results/tiny/notes.txt", "results/mine/report.html"}
    stages = {name.split("/")[2] for name in sizes if name.startswith("results/store/")}
    assert {"data", "trajectories", "analyses", "comparisons", "figures", "claims", "reports"} <= stages
    assert "results/tiny" in sizes
    assert not any("descent" in name for name in sizes)

    bytes_before = apparent_size(lab)
    removed = lab.snakemake("prune", ORRERY_PRUNE="yes")
    assert removed.code == 0
    assert f"{total:,}  bytes removed in {len(sizes)} things" in removed.out
    logs = len(lab.path("results/logs/prune.log").read_bytes()) - len(listed.out.encode())
    assert bytes_before - apparent_size(lab) + logs == total
    left = everything(lab)
    assert {name for name in left if "tiny" in name} == {"results/tiny/notes.txt"}
    assert "results/mine/report.html" in left
    assert not any(not list(folder.iterdir()) for folder in lab.path("results").rglob("*") if folder.is_dir())
    assert lab.dry("descent", *PAPER) == set()
    assert lab.dry("descent") == {"publish descent"}, "the other scale was published after this one"
    assert lab.snakemake("verify").code == 0


LISTED = re.compile(r"^ *([0-9,]+)  (\S+)", re.MULTILINE)


def everything(lab: Any) -> set[str]:
    """Every file below the results."""
    return {str(path.relative_to(lab.folder)) for path in lab.path("results").rglob("*") if path.is_file()}


def apparent_size(lab: Any) -> int:
    """Bytes of all files below the results, as ``du`` counts them."""
    files = sorted(path for path in Path(lab.path("results")).rglob("*") if path.is_file())
    names = "\0".join(map(str, files))
    told = subprocess.run(
        ["du", "--apparent-size", "--block-size=1", "--count-links", "--total", "--files0-from=-"],
        input=names,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout.splitlines()[-1].split()[0])
