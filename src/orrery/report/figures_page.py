"""Figures of an analysis, made ready for a page, and the page that shows only them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.report.inline import inline_svg
from orrery.report.render import render, slug

_KINDS = {"PDF": ".pdf", "SVG": ".svg", "PNG": ".png", "data (CSV)": ".csv"}
_IF_ASKED_FOR = ".png"


def read_figures(folder: Path, analysis: str) -> list[dict[str, Any]]:
    """The figures that a folder lists in ``figures.json``, in order.

    Returns:
        For each ``name``, ``title``, ``caption``, ``id`` (of the page), ``svg`` (markup) and ``files`` (kind ->
        path from the page of the study).
    """
    listing = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    figures = []
    for number, one in enumerate(listing):
        identity = f"figure-{slug(analysis)}-{slug(one['name'])}"
        label = f"{one['title']}. {one['caption']}"
        figures.append(
            {
                **{key: one[key] for key in ("name", "title", "caption")},
                "title": one["title"].rstrip("."),
                "id": identity,
                "svg": inline_svg(folder / f"{one['name']}.svg", f"{slug(analysis)}{number}-", label),
                "files": {
                    kind: f"figures/{_place(analysis, one['name'])}{ending}"
                    for kind, ending in _kinds(folder, one["name"]).items()
                },
            }
        )
    return figures


def copy_figures(folder: Path, analysis: str, out: Path) -> None:
    """Copy the files of all figures of an analysis into ``out``, as ``<analysis>-<name>.<ending>``."""
    out.mkdir(parents=True, exist_ok=True)
    for one in json.loads((folder / "figures.json").read_text(encoding="utf-8")):
        for ending in _kinds(folder, one["name"]).values():
            shutil.copyfile(
                folder / f"{one['name']}{ending}", out / f"{_place(analysis, one['name'])}{ending}"
            )


def write_figures_page(folder: Path, title: str) -> None:
    """Write ``page.html`` with all figures of ``folder`` into ``folder``: what Snakemake's own report shows."""
    page = render("figures.html", title=title, figures=read_figures(folder, title))
    (folder / "page.html").write_text(page, encoding="utf-8")


def contents(study: Mapping[str, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """What ``figures/contents.json`` holds: the study's heading, and each figure with its caption, in order."""
    return {
        **{key: study.get(key) for key in ("name", "title", "summary", "scale")},
        "figures": [
            {"file": one["files"]["SVG"], "title": one["title"], "caption": one["caption"]}
            for group in groups
            for one in group["figures"]
        ],
    }


def _kinds(folder: Path, name: str) -> dict[str, str]:
    """The files of a figure, kind -> ending."""
    return {
        kind: ending
        for kind, ending in _KINDS.items()
        if ending != _IF_ASKED_FOR or (folder / f"{name}{ending}").is_file()
    }


def _place(analysis: str, name: str) -> str:
    return f"{slug(analysis)}-{slug(name)}"
