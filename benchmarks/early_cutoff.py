"""Jobs that are spared, beside the same jobs when they make their results: seconds of the whole process."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.measure import Section, goal

REPOSITORY = Path(__file__).resolve().parents[1]
WORKFLOW = ("Snakefile", "rules", "scripts", "src", "profiles", "envs", "captions", "studies")
STAGES = ("analyses", "comparisons", "claims")
# Code of training, given a further statement that changes no result.
CHANGED = "src/orrery/training/block.py"
BEFORE = "    began = datetime.now(UTC)\n"
LONGEST = 0.5


def run(folder: Path) -> Section:
    """Build ``mirror-descent``, change code of training, and build again."""
    home = folder / "workflow"
    home.mkdir()
    for name in WORKFLOW:
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, home / name)
    (home / "config.yaml").write_text("studies: [mirror-descent]\n")
    _snakemake(home)
    made = _seconds(home)
    path = home / CHANGED
    text = path.read_text()
    assert text.count(BEFORE) == 1
    path.write_text(text.replace(BEFORE, f"    _changed = None\n{BEFORE}"))
    _snakemake(home)
    spared = {log: seconds for log, seconds in _seconds(home).items() if log not in made}
    rows = []
    for stage in STAGES:
        before = [seconds for log, seconds in made.items() if log.parts[0] == stage]
        after = [
            seconds for log, seconds in spared.items() if log.parts[0] == stage and _taken_over(home, log)
        ]
        rows.append(
            (
                stage,
                f"{len(after)}",
                f"{median(before):.2f} s",
                f"{median(after):.2f} s",
                f"{max(after):.2f} s",
                goal(median(after) < LONGEST, f"under {LONGEST} s"),
            )
        )
    return Section(
        "Jobs that are spared",
        "The study `mirror-descent` after a change of training's code that changes no result: training runs again and "
        "gives the same bytes, and what reads it takes over what it made before. Seconds of the whole process, one job "
        "at a time.",
        ("stage", "jobs", "made, median", "spared, median", "spared, longest", "goal"),
        tuple(rows),
    )


def _snakemake(home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(home / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all"]
    subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True)


def _seconds(home: Path) -> dict[Path, float]:
    root = home / "results" / "benchmarks"
    found = {}
    for path in root.rglob("*.tsv"):
        with path.open() as file:
            found[path.relative_to(root)] = float(next(csv.DictReader(file, delimiter="\t"))["s"])
    return found


def _taken_over(home: Path, log: Path) -> bool:
    return "taken over" in (home / "results" / "logs" / log).with_suffix(".log").read_text()
