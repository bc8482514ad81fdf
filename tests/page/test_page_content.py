"""The page parses, escapes, loads nothing, has unique ids, and says what a reader needs."""

from __future__ import annotations

import filecmp
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orrery.report.index_page import write_index

VOID = {"meta", "br", "hr", "img", "input", "link"}
PAGES = ("report", "page", "index")


class Page(HTMLParser):
    """Collects what the assertions are about; refuses tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.parts: list[str] = []
        self.feed(text)
        assert self.open == []
        self.words = re.sub(r"\s+", " ", " ".join(self.parts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.parts.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def texts(published: Path) -> dict[str, str]:
    index = published.parent / "report"
    write_index([published], index)
    files = (published / "report.html", published / "page.html", index / "index.html")
    return {name: file.read_text(encoding="utf-8") for name, file in zip(PAGES, files, strict=True)}


@pytest.fixture(scope="module")
def pages(texts: dict[str, str]) -> dict[str, Page]:
    return {name: Page(text) for name, text in texts.items()}


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_links_inside_arrive(pages: dict[str, Page], name: str) -> None:
    ids = pages[name].attributes("id")
    assert [identity for identity, times in Counter(ids).items() if times > 1] == []
    inside = [
        link[1:] for key in ("href", "xlink:href") for link in pages[name].attributes(key) if link[0] == "#"
    ]
    assert set(inside) <= set(ids)
    painted = [
        match
        for _, attributes in pages[name].tags
        for value in attributes.values()
        for match in re.findall(r"url\(#([^)]+)\)", value)
    ]
    assert painted
    assert set(painted) <= set(ids)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_and_nothing_runs(pages: dict[str, Page], texts: dict[str, str], name: str) -> None:
    page = pages[name]
    assert {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    } == set()
    assert [key for _, attributes in page.tags for key in attributes if key.startswith("on")] == []
    assert all(source.startswith("data:image/") for source in page.attributes("src"))
    for tag, attributes in page.tags:
        for key in ("href", "xlink:href"):
            link = attributes.get(key, "#")
            if tag == "a":
                assert not re.match(r"(?i)\s*(javascript|data|vbscript):", link)
                assert not link.startswith("http") or re.match(r"https://(arxiv\.org/abs|doi\.org)/", link)
            else:
                assert link.startswith(("#", "data:image/"))
    assert "@import" not in texts[name]
    assert re.findall(r"url\(\s*[\"']?(?!#)", texts[name]) == []


@pytest.mark.parametrize("name", PAGES)
def test_text_of_the_config_is_shown_as_text(
    pages: dict[str, Page], texts: dict[str, str], nasty: str, name: str
) -> None:
    assert "<script" not in texts[name]
    assert nasty in pages[name].words
    assert "7 * 7" in texts[name]
    assert "<!-- " not in texts[name].replace("<!-- costs start -->", "").replace("<!-- costs end -->", "")


def test_links_to_files_arrive(pages: dict[str, Page], published: Path) -> None:
    links = [link for link in pages["report"].attributes("href") if not link.startswith(("#", "http"))]
    assert len(links) > 12
    assert [link for link in links if not (published / link).is_file()] == []
    for link in pages["index"].attributes("href"):
        if not link.startswith(("#", "http")):
            assert (published.parent / "report" / link.partition("#")[0]).is_file()


def test_the_standalone_page_links_to_no_file(pages: dict[str, Page]) -> None:
    assert [link for link in pages["page"].attributes("href") if not link.startswith(("#", "http"))] == []


def test_what_a_reader_needs_is_there(pages: dict[str, Page]) -> None:
    words = pages["report"].words
    for wanted in (
        "hidden layers of 5, 10 or 40 units",
        "60 samples each, shuffled anew in each epoch",
        "stochastic gradient descent, rate 0.1",
        "1,000 steps in float32, for 6 seeds: 2, 3, 6, 7, 11, 16",
        "fc2.weight at every step",
        "within a factor 1.5 of 0.007",
        "0.0061 to 0.0069",
        "n = 6 is below the 8 asked for",
        "the claim is for scale paper only",
        "What the verdicts mean",
        "torch",
        "2.13.0",
        "0123456789abcdef",
        "812",
        "not finite",
    ):
        assert wanted in words, wanted


def test_verdicts_are_words_not_only_colours(pages: dict[str, Page], published: Path) -> None:
    claims = json.loads((published / "claims.json").read_text())["claims"]
    assert {claim["id"]: claim["verdict"] for claim in claims} == {
        "W-1": "holds",
        "W-2": "holds",
        "W-3": "undecided",
        "W-5": "reported",
        "W-6": "not run",
        "W-7": "fails",
    }
    for verdict in ("holds", "fails", "undecided", "reported", "not run"):
        assert verdict in pages["report"].words
        assert verdict in pages["index"].words


def test_equal_input_gives_equal_bytes(published: Path, published_again: Path) -> None:
    files = sorted(file.relative_to(published) for file in published.rglob("*") if file.is_file())
    assert len(files) > 15
    _, differing, missing = filecmp.cmpfiles(published, published_again, map(str, files), shallow=False)
    assert (differing, missing) == ([], [])


def test_figures_take_the_colours_of_the_page(texts: dict[str, str]) -> None:
    markup = re.findall(r"<svg.*?</svg>", texts["report"], flags=re.DOTALL)
    assert len(markup) == 4
    for svg in markup:
        assert "var(--figure-ink)" in svg
        assert not re.search(r"#(1f2328|0072b2|ffffff|000000)", svg)
        assert 'role="img"' in svg
        assert "aria-label" in svg
