"""``snakemake verify`` beside ``sha256sum`` on the same files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Section, best_of, goal

HOME = Path(__file__).parents[1]
STORES, FILES, FILE_SIZE = 4, 64, 4_000_000
"""About 1 GB in chunks of the size that trajectories have."""


def run(folder: Path) -> Section:
    """Measure stores of random bytes that are in the cache of the file system for all contenders."""
    from orrery.provenance.rehash import group_by_store, rehash

    place = folder / "verify"
    manifests = _make_stores(place)
    cores = os.cpu_count() or 1

    def ours(workers: int) -> None:
        damaged = [group for group, found in rehash(group_by_store(manifests), workers) if found]
        if damaged:
            raise RuntimeError(f"intact stores were called damaged: {damaged}")

    def theirs(*options: str) -> None:
        find = subprocess.Popen(
            ["find", str(place / "results/store"), "-type", "f", "-print0"], stdout=subprocess.PIPE
        )
        command = ["xargs", "-0", *options, "sha256sum"]
        subprocess.run(command, stdin=find.stdout, stdout=subprocess.DEVNULL, check=True)
        find.wait()

    def command() -> None:
        snakemake = str(Path(sys.executable).with_name("snakemake"))
        arguments = [
            "-s",
            str(HOME / "Snakefile"),
            "--directory",
            str(place),
            "--cores",
            str(cores),
            "verify",
        ]
        subprocess.run([snakemake, *arguments], capture_output=True, check=True)

    seconds = best_of(
        {
            "ours one": lambda: ours(1),
            "theirs one": theirs,
            "ours all": lambda: ours(cores),
            "theirs all": lambda: theirs("-n", "16", "-P", str(cores)),
            "command": command,
        },
        repeats=3,
    )
    size = STORES * FILES * FILE_SIZE / 1e6
    rows = []
    for label, threads in (("one", "1"), ("all", str(cores))):
        mine, other = seconds[f"ours {label}"], seconds[f"theirs {label}"]
        rows.append(
            (
                threads,
                f"{mine:.2f} s, {size / mine:,.0f} MB/s",
                f"{other:.2f} s, {size / other:,.0f} MB/s",
                f"{other / mine:.2f} times",
                goal(other / mine >= 0.5, "half the speed"),
            )
        )
    rows.append((f"{cores}, the whole command", f"{seconds['command']:.2f} s", "–", "–", "–"))
    return Section(
        "Verify beside sha256sum",
        f"{size:,.0f} MB in {STORES} stores of {FILES} files, in memory for all: reading manifests, hashing every file "
        "and comparing, beside `sha256sum` of the same files, by `xargs -P` where there are several threads. The "
        "whole command is `snakemake verify`, with Snakemake's start and the plan.",
        ("threads", "verify", "sha256sum", "speed beside it", "goal"),
        tuple(rows),
    )


def _make_stores(place: Path) -> list[Path]:
    """Write stores with manifests into a folder with one small study."""
    from orrery.provenance.manifest import write_manifest

    (place / "studies").mkdir(parents=True)
    (place / "config.yaml").write_text("studies: [one]\n", encoding="utf-8")
    (place / "studies/one.yaml").write_text(STUDY, encoding="utf-8")
    manifests = []
    for number in range(STORES):
        store = place / "results/store/trajectories/one" / f"block={number:03d}@{number:016x}"
        store.mkdir(parents=True)
        for index in range(FILES):
            (store / f"chunk-{index:03d}").write_bytes(os.urandom(FILE_SIZE))
        manifest = store.with_name(f"{store.name}.json")
        write_manifest(store, manifest)
        manifests.append(manifest)
    return manifests


STUDY = """\
title: One map
summary: Made for a benchmark; never run.
system: {kind: mirror-descent, objective: tangent, rate: 0.01, start: {from: [0.1, 0.1], to: [0.9, 0.9], points: 3}}
training: {steps: 12, seeds: 4, block: 4, dtype: float64}
conditions: {only: {}}
analyses: {}
claims: {}
"""
