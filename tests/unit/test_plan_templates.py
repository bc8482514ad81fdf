"""Which files stand behind a page."""

from __future__ import annotations

import re

import pytest

from orrery.plan import templates as of_plan
from orrery.plan.templates import TEMPLATES, templates


def names(*asked: str) -> set[str]:
    return {path.name for path in templates(*asked)}


def test_all_that_a_page_includes() -> None:
    assert names("study.html") == {"study.html", "base.html", "macros.html", "claims.html", "style.css"}
    assert "study.html" not in names("figures.html")


def test_the_plan_asks_for_the_templates_that_pages_render() -> None:
    rendered, asked = (
        {name for file in TEMPLATES.parents[1].glob(pattern) for name in re.findall(call, file.read_text())}
        for pattern, call in (
            ("report/*.py", r"render\(\s*[\"'](\w+\.html)"),
            ("plan/*.py", r"templates\(\s*[\"'](\w+\.html)"),
        )
    )
    assert rendered == asked
    assert names(*asked) == {path.name for path in TEMPLATES.iterdir()}


def test_a_name_that_is_computed_may_be_any(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"a.html": "{% include chosen %}", "b.html": "", "style.css": ""}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(of_plan, "TEMPLATES", tmp_path)
    assert names("a.html") == {"a.html", "b.html", "style.css"}
    assert names("b.html") == {"b.html", "style.css"}
