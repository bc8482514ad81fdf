"""Templates to HTML. Everything that comes from a config is escaped; only our own SVG and markup is not."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orrery.report import wording

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: a file of ``orrery/report/templates``.
        values: what it shows; strings are escaped.
    """
    text = _environment().get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text)


def slug(text: str) -> str:
    """``text`` as part of an id or a file name: letters, digits, dots and hyphens; distinct texts may collide."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-") or "x"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["slug"] = slug
    environment.globals.update(
        css=_style(),
        count=wording.count,
        known_from=wording.KNOWN_FROM,
        measured=wording.measured,
        number=wording.number,
        verdict_words=wording.VERDICT_WORDS,
    )
    return environment


def _style() -> Any:
    from markupsafe import Markup

    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # our own file
