"""The page over all studies: what each found, with links to their pages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orrery.report.claims import VERDICTS
from orrery.report.inline import inline_svg
from orrery.report.render import render, slug
from orrery.report.wording import verdict_summary


def write_index(studies: Iterable[Path], out: Path) -> None:
    """Write ``index.html`` into ``out``.

    Args:
        studies: folders of published studies (``claims.json``, ``report.html``, ``figures/contents.json``).
        out: folder of the page; links to the studies are relative to it.
    """
    found = [_study(folder, out) for folder in studies]
    counts = {verdict: sum(study["counts"].get(verdict, 0) for study in found) for verdict in VERDICTS}
    amount = f"{len(found)} {'study' if len(found) == 1 else 'studies'}"
    page = render(
        "index.html",
        title="Orrery: all studies, all claims",
        studies=found,
        counts=counts,
        summary=f"{amount}, {verdict_summary(counts)}",
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(page, encoding="utf-8")


def _study(folder: Path, out: Path) -> dict[str, Any]:
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    contents = json.loads((folder / "figures" / "contents.json").read_text(encoding="utf-8"))
    thumbnail = None
    if contents["figures"]:
        first = contents["figures"][0]
        thumbnail = inline_svg(folder / first["file"], f"{slug(claims['study'])}-", first["title"])
    return {
        "name": claims["study"],
        "scale": claims["scale"],
        "title": contents["title"],
        "summary": contents["summary"],
        "link": Path(os.path.relpath(folder / "report.html", out)).as_posix(),
        "thumbnail": thumbnail,
        "claims": claims["claims"],
        "counts": claims["verdicts"],
        "counted": verdict_summary(claims["verdicts"]).capitalize(),
    }
