"""The page on a phone, on a desk, light and dark, in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from orrery.report.index_page import write_index

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium is installed (apt-get install chromium)"
)
pytestmark = needs_browser
# Runs in the test only: the page itself has no script. It writes what sticks out of the window into the title.
PROBE = """<script>addEventListener("load", () => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (node) => node && node !== document.body &&
    (["auto", "scroll", "hidden"].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const out = [...document.querySelectorAll("body *")].filter((node) =>
    !node.closest("svg") && !node.matches(".skip, thead, thead *") &&
    node.getBoundingClientRect().right > wide + 1 && !scrolls(node.parentElement));
  document.title = `probe ${wide} ${document.documentElement.scrollWidth} ${out.map((node) =>
    `${node.tagName}.${node.className}`).slice(0, 5).join("|")} end`;
});</script>"""


def browse(*options: str) -> str:
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def pages(published: Path) -> dict[str, Path]:
    write_index([published], published.parent / "report")
    return {"report": published / "report.html", "index": published.parent / "report" / "index.html"}


@pytest.mark.parametrize("name", ["report", "index"])
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_nothing_sticks_out_of_the_window(
    pages: dict[str, Path], tmp_path: Path, name: str, width: int
) -> None:
    probed = tmp_path / "probed.html"
    # A frame has exactly the width asked for, where a window has a smallest one.
    text = pages[name].read_text(encoding="utf-8")
    text = text.replace("<details", "<details open").replace("</body>", f"{PROBE}</body>")
    probed.write_text(text, encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!DOCTYPE html><iframe id="frame" src="probed.html" style="border:0;width:{width}px;height:800px"></iframe>'
        '<script>addEventListener("load", () => { document.title = '
        'document.getElementById("frame").contentDocument.title; });</script>',
        encoding="utf-8",
    )
    dom = browse("--allow-file-access-from-files", "--window-size=1400,900", "--dump-dom", frame.as_uri())
    found = re.search(r"<title>probe (\d+) (\d+) (.*?)end</title>", dom)
    assert found, dom[:500]
    assert int(found[1]) == width
    assert (int(found[2]), found[3].strip()) == (width, "")


def test_light_and_dark_differ_and_both_can_be_read(pages: dict[str, Path], tmp_path: Path) -> None:
    shots = {}
    for scheme, number in {"dark": 0, "light": 1}.items():
        shot = tmp_path / f"{scheme}.png"
        browse(
            f"--blink-settings=preferredColorScheme={number}",
            "--window-size=1280,2400",
            f"--screenshot={shot}",
            pages["report"].as_uri(),
        )
        shots[scheme] = imread(shot)[..., :3].mean(axis=-1)
    for scheme, image in shots.items():
        assert image.shape == (2400, 1280)
        background = np.median(image)
        assert background > 0.9 if scheme == "light" else background < 0.2
        contrast = np.abs(image - background)
        # Text of the head, of the claims and of the figures stands out from the page in every part of it.
        for part in np.array_split(contrast, 6):
            assert (part > 0.6).mean() > 0.002, scheme
