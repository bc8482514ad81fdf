"""The pages themselves: links lead somewhere, the reference is that of the models, what is shown is valid."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def builder() -> ModuleType:
    """The script that writes the reference."""
    spec = importlib.util.spec_from_file_location(
        "build_reference", REPOSITORY / "docs" / "build_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page; one that comes twice gets a number, as on GitHub."""
    anchor = builder().anchor
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = anchor(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading))
        number = 0
        while (name := f"{plain}-{number}" if number else plain) in found:
            number += 1
        found.add(name)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(prose(page))
    for link in links:
        if link.startswith(("https://", "http://")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert target.is_relative_to(REPOSITORY), f"{page.name} links out of the repository: {link}"
        if fragment:
            assert fragment in anchors(target), f"{page.name} links to {link}: no such heading"


def test_every_page_is_linked_from_the_readme() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text] == []


def test_the_reference_is_that_of_the_models() -> None:
    module = builder()
    text = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
    assert text == module.generate(), "run python docs/build_reference.py --write"


def test_the_change_table_is_that_of_the_tests() -> None:
    """Run apart, since the tests that it reads are perhaps being run here under another name."""
    command = [sys.executable, REPOSITORY / "docs" / "build_rebuilt.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_headings_of_the_reference_are_the_same() -> None:
    headings = re.findall(r"^#+ (.+)$", prose(REPOSITORY / "docs" / "reference.md"), re.MULTILINE)
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_yaml_is_valid(page: Path) -> None:
    for text in _YAML.findall(page.read_text(encoding="utf-8")):
        assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_nothing_of_one_machine(page: Path) -> None:
    assert not re.search(r"/(?:work|home|root|Users)/", page.read_text(encoding="utf-8"))
