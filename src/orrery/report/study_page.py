"""What people read of one study: numbers and claims as JSON and tables, and the page with everything on it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orrery.report import tables
from orrery.report.claims import count_verdicts, evaluate
from orrery.report.criteria import criteria_digest
from orrery.report.describe import describe
from orrery.report.figures_page import contents, copy_figures, read_figures
from orrery.report.publish import PLACEHOLDER
from orrery.report.render import render
from orrery.report.wording import joined, setting


def write_claims(
    study: Mapping[str, Any], numbers: Mapping[str, Iterable[Mapping[str, Any]]], out: Path
) -> None:
    """Write ``numbers.json``, ``claims.json``, ``table.csv`` and ``tables/`` (both as CSV and LaTeX) into ``out``.

    Args:
        study: ``name``, ``scale`` and ``claims`` (id -> claim, as in a study file).
        numbers: analysis -> the numbers that it published, as plain dicts.
        out: a fresh folder.

    Raises:
        OrreryError: a criterion cannot be read.
    """
    plain = {analysis: [_number(one) for one in those] for analysis, those in numbers.items()}
    claims = study.get("claims") or {}
    evaluated = evaluate(claims, plain, study["scale"])
    head = {"study": study["name"], "scale": study["scale"]}
    out.mkdir(parents=True, exist_ok=True)
    _write_json({**head, "numbers": plain}, out / "numbers.json")
    _write_json(
        {
            **head,
            "criteria_digest": criteria_digest(claims),
            "verdicts": count_verdicts(evaluated),
            "claims": evaluated,
        },
        out / "claims.json",
    )
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    claim_rows, number_rows = tables.claim_rows(evaluated), tables.number_rows(plain)
    tables.write_csv(claim_rows, tables.CLAIM_COLUMNS, folder / "claims.csv")
    tables.write_csv(claim_rows, tables.CLAIM_COLUMNS, out / "table.csv")
    tables.write_csv(number_rows, tables.NUMBER_COLUMNS, folder / "numbers.csv")
    tables.write_claims_latex(claim_rows, folder / "claims.tex")
    tables.write_numbers_latex(number_rows, folder / "numbers.tex")


def write_page(
    study: Mapping[str, Any],
    claims_dir: Path,
    figure_dirs: Mapping[str, Path],
    provenance: Mapping[str, Any],
    out: Path,
) -> None:
    """Write ``report.html``, ``page.html`` (without links to files), ``figures/`` and ``tables/`` into ``out``.

    Args:
        study: ``name``, ``title``, ``summary``, ``paper``, ``scale``, ``conditions`` and ``analyses`` (as
            ``orrery.report.describe.describe`` reads them).
        claims_dir: where ``write_claims`` wrote.
        figure_dirs: analysis -> folder with its figures and ``figures.json``, in the order of the page.
        provenance: ``software`` (stage -> package -> version) and, by stage, the digests of specs:
            ``trajectories`` (condition -> digests), ``analyses`` (analysis -> condition -> digests).
        out: a fresh folder.
    """
    numbers = json.loads((claims_dir / "numbers.json").read_text(encoding="utf-8"))["numbers"]
    claims = json.loads((claims_dir / "claims.json").read_text(encoding="utf-8"))
    groups = [
        {"analysis": analysis, "figures": figures}
        for analysis, folder in figure_dirs.items()
        if (figures := read_figures(folder, analysis))
    ]
    values = {
        "title": f"{study['title']} – {study['name']}",
        "study": study,
        "claims": claims["claims"],
        "counts": claims["verdicts"],
        "criteria_digest": claims["criteria_digest"],
        "numbers": numbers,
        "figures": groups,
        "description": describe(study),
        "seeds": _seeds(study),
        "software": _software(provenance.get("software") or {}),
        "digests": _digests(provenance),
        "costs_placeholder": PLACEHOLDER,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.html").write_text(render("study.html", links=True, **values), encoding="utf-8")
    (out / "page.html").write_text(render("study.html", links=False, **values), encoding="utf-8")
    for analysis, folder in figure_dirs.items():
        copy_figures(folder, analysis, out / "figures")
    (out / "figures").mkdir(exist_ok=True)
    _write_json(contents(study, groups), out / "figures" / "contents.json")
    shutil.copytree(claims_dir / "tables", out / "tables", dirs_exist_ok=True)


def _number(one: Mapping[str, Any]) -> dict[str, Any]:
    """A number as JSON can hold it: what is not finite becomes null."""
    kept: dict[str, Any] = {key: one.get(key) for key in tables.NUMBER_KEYS}
    for key in ("value", "floor"):
        if kept[key] is not None:
            kept[key] = float(kept[key]) if math.isfinite(kept[key]) else None
    if kept["interval"] is not None:
        ends = [float(end) if end is not None else math.nan for end in kept["interval"]]
        kept["interval"] = ends if all(map(math.isfinite, ends)) else None
    return kept


def _seeds(study: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The seeds, with the conditions that have them where conditions differ."""
    by_seeds: dict[str, list[str]] = {}
    for name, condition in study["conditions"].items():
        by_seeds.setdefault(setting((condition.get("training") or {}).get("seeds") or []), []).append(name)
    return [(seeds, joined(names) if len(by_seeds) > 1 else "") for seeds, names in by_seeds.items() if seeds]


def _software(by_stage: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """Package and version, sorted by package; where stages differ, all versions."""
    versions: dict[str, list[str]] = {}
    for packages in by_stage.values():
        for package, version in packages.items():
            if str(version) not in versions.setdefault(package, []):
                versions[package].append(str(version))
    return [(package, ", ".join(versions[package])) for package in sorted(versions, key=str.lower)]


def _digests(provenance: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Stage -> (what, digests) for every entry of the provenance that holds digests, however deeply nested."""
    found = []
    for stage, entry in provenance.items():
        groups = list(_groups(entry, "")) if isinstance(entry, Mapping) and stage != "software" else []
        if groups:
            found.append((stage, groups))
    return found


def _groups(entry: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, list[str]]]:
    for name, value in entry.items():
        full = f"{prefix} · {name}" if prefix else name
        if isinstance(value, Mapping):
            yield from _groups(value, full)
        else:
            yield full, [value] if isinstance(value, str) else [str(one) for one in value]


def _write_json(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
