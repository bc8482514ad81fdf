"""Bring what people read to its stable place: ``results/<study>/`` and ``results/report/``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.plan.job import in_path
from orrery.provenance.manifest import store_of, write_atomically
from orrery.provenance.published import describe_files
from orrery.provenance.records import Records

PUBLISHED_FOLDERS = ("figures", "tables")
PUBLISHED_FILES = ("report.html", "numbers.json", "claims.json", "trajectories.json")


def publish_study(payload: Mapping[str, Any]) -> None:
    """Copy the report of a study, its figures, tables, numbers and claims to ``results/<study>/``.

    The marker of what was published before goes first and the new one comes last, so that a publication that
    was cut short is made again.
    """
    from orrery.provenance.costs import read_costs
    from orrery.report.publish import fill_costs

    place = _open_place(payload)
    report = store_of(Path(payload["inputs"]["report"][0]))
    claims = store_of(Path(payload["inputs"]["claims"][0]))
    for folder in PUBLISHED_FOLDERS:
        shutil.rmtree(place / folder, ignore_errors=True)
        if (report / folder).is_dir():
            shutil.copytree(report / folder, place / folder)
    for name in ("numbers.json", "claims.json"):
        write_atomically(place / name, (claims / name).read_bytes())
    write_atomically(
        place / "trajectories.json",
        json.dumps(_trajectories(payload), indent=1).encode(),
    )
    # What a run cost is of the machine, not of the spec, so it enters only here.
    costs = read_costs(Path(payload["results"]) / "benchmarks", _targets(payload))
    html = (report / "report.html").read_text(encoding="utf-8")
    write_atomically(place / "report.html", fill_costs(html, costs).encode())
    in_folders = [path for folder in PUBLISHED_FOLDERS for path in (place / folder).rglob("*")]
    files = [place / name for name in PUBLISHED_FILES] + [path for path in in_folders if path.is_file()]
    _close_place(payload, files)


def publish_index(payload: Mapping[str, Any]) -> None:
    """Write the page over all studies to ``results/report/index.html``."""
    from orrery.report.index_page import write_index

    place = _open_place(payload)
    results = Path(payload["results"])
    write_index([results / study for study in payload["settings"]["studies"]], place)
    _close_place(payload, [place / "index.html"])


def _open_place(payload: Mapping[str, Any]) -> Path:
    place = Path(payload["target"]).parent
    place.mkdir(parents=True, exist_ok=True)
    for marker in place.glob("published@*.json"):
        marker.unlink()
    return place


def _close_place(payload: Mapping[str, Any], written: list[Path]) -> None:
    """Write the marker, with the files that it stands for and what they were made of."""
    inputs = {label: [_digest_of(Path(path)) for path in paths] for label, paths in payload["inputs"].items()}
    marker = {
        "study": payload["study"],
        "digest": payload["digest"],
        "files": describe_files(Path(payload["target"]).parent, written),
        "inputs": inputs,
    }
    write_atomically(Path(payload["target"]), json.dumps(marker).encode())


def _digest_of(target: Path) -> str:
    record = Records(None).read(target)
    return record.digest if record else ""


def _targets(payload: Mapping[str, Any]) -> list[str]:
    return sorted({path for paths in payload["inputs"].values() for path in paths})


def _trajectories(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Where the trajectories of each condition lie, for ``orrery.open``."""
    conditions = {}
    root = Path(payload["results"]) / "store" / "trajectories"
    for name, bounds in payload["settings"]["conditions"].items():
        prefix = str(root / payload["study"] / in_path(name)) + "/"
        stores = [
            str(store_of(Path(path)).relative_to(root))
            for path in payload["inputs"]["trajectories"]
            if path.startswith(prefix)
        ]
        conditions[name] = {"stores": stores, **bounds}
    return {"study": payload["study"], "conditions": conditions}
