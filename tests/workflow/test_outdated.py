"""Results of the right name that are not what their name says, and times that say nothing."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from orrery.provenance.manifest import build, manifest_bytes, sealed

from .table import holds

FIRST = "tiny/slow/block=000,steps=0-10"
AFTER = {
    "analyse tiny/koopman/slow/block=000",
    "analyse tiny/weights/slow/block=000",
    "compare tiny/koopman",
    "figures tiny/koopman",
    "claims tiny",
    "report tiny",
    "publish tiny",
    "index",
}
SECOND = "train tiny/slow/block=000,steps=10-20"
READERS = {SECOND, *AFTER}


@holds("results", "the times of all outputs, any way", ())
@holds("results", "a copy that kept no times, without `.snakemake`", ())
def test_times_of_files_say_nothing(lab: Any, tmp_path: Path) -> None:
    """Outputs touched and dated back; then a copy that kept no times, without what Snakemake noted."""
    for number, path in enumerate(sorted(lab.path("results").rglob("*@*.json"))):
        os.utime(path, (1e9 - number, 1e9 - number) if number % 2 else (3e9 + number, 3e9 + number))
    assert lab.dry() == set()
    subprocess.run(["cp", "-r", lab.folder, tmp_path / "copy"], check=True)
    shutil.rmtree(tmp_path / "copy" / ".snakemake")
    assert type(lab)(tmp_path / "copy").dry() == set()


@holds(
    "results",
    "a manifest edited",
    {f"train {FIRST}", *READERS},
    "All bytes behind it are read again; found whole, nothing is trained.",
)
def test_an_edited_manifest_is_written_again(lab: Any) -> None:
    """The bytes behind it are read, found whole, and nothing is trained."""
    manifest = lab.manifest("trajectories", FIRST)
    content = manifest.read_bytes()
    chunk = next(manifest.with_suffix("").rglob("state/c/**/0"))
    made = chunk.stat().st_mtime_ns
    manifest.write_bytes(content.replace(b'"digest": "', b'"digest": "0'))
    assert lab.dry() == {f"train {FIRST}", *READERS}
    lab.build()
    assert manifest.read_bytes() == content
    assert chunk.stat().st_mtime_ns == made
    assert lab.dry() == set()


@holds(
    "results",
    "a store deleted",
    {f"train {FIRST}", *READERS},
    "The same bytes are trained again; readers take over.",
)
def test_a_deleted_store_is_made_again(lab: Any) -> None:
    manifests = lab.manifests()
    shutil.rmtree(lab.manifest("trajectories", FIRST).with_suffix(""))
    assert lab.dry() == {f"train {FIRST}", *READERS}
    lab.build()
    assert lab.manifests() == manifests
    assert lab.dry() == set()


@holds("results", "an upstream result made again alone, with other bytes, the clock set back", READERS)
@holds("results", "the same, after `--until train`", AFTER)
def test_a_result_made_alone_with_other_bytes(lab: Any) -> None:
    """As after damage that was made good on another kind of machine: what reads it is not current."""
    manifest = lab.manifest("trajectories", FIRST)
    store = manifest.with_suffix("")
    (store / "checkpoint.zarr" / "note").write_text("other bytes")
    content = sealed({**build(store), "store": store.name})
    manifest.write_bytes(manifest_bytes(content))
    # The clock was set back meanwhile, so that what reads it is of the future.
    for path in lab.path("results").rglob("*@*.json"):
        os.utime(path, (3e9, 3e9))
    os.utime(manifest, (1e9, 1e9))
    # The manifest that it wrote is the one in job.json, from which it could be taken over.
    record = json.loads((store / "job.json").read_text())
    (store / "job.json").write_text(json.dumps({**record, "manifest": content}, indent=1, sort_keys=True))

    assert lab.dry() == READERS
    lines = lab.snakemake("explain", "--quiet").out
    assert "was made of other bytes of trajectories/" + FIRST in lines

    # One of its readers alone; its own bytes stay the same, so that no more than the others is left.
    lab.build("--until", "train")
    assert lab.dry() == AFTER
    lab.build()
    assert lab.dry() == set()


def test_what_snakemake_noted_of_a_job_that_was_killed(lab: Any) -> None:
    """Its output is there and so is whole; with such a note Snakemake might make that one again and nothing else."""
    target = lab.manifest("trajectories", FIRST).relative_to(lab.folder)
    note = lab.path(".snakemake/incomplete") / base64.urlsafe_b64encode(str(target).encode()).decode()
    note.parent.mkdir(exist_ok=True)
    note.touch()
    lab.manifest("reports", "tiny").unlink()
    assert lab.dry() == {"report tiny", "publish tiny", "index"}
