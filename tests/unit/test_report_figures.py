"""Figures: sizes, equal bytes, panels, and SVG fit to stand in a page."""

from __future__ import annotations

import json
import re
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont

from orrery.config.errors import OrreryError
from orrery.config.figures import Figures
from orrery.figures import panels, style
from orrery.figures.embedded_fonts import LAYOUT_TABLES
from orrery.figures.look import Look
from orrery.figures.tick_labels import in_plain_text, write_numbers
from orrery.report.figures_page import copy_figures, read_figures, write_figures_page
from orrery.report.inline import inline_svg


def drawn(name: str = "one", label: str = "x") -> Any:
    figure = style.figure("single", 50)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], marker="o", label=label)
    axes.legend()
    return SimpleNamespace(
        name=name,
        title="A title.",
        caption="A caption.",
        figure=figure,
        data=pd.DataFrame({"x": [0.1, 1 / 3]}),
    )


def test_widths_are_those_of_a_journal(tmp_path: Path) -> None:
    style.save(drawn(), tmp_path)
    size = re.search(r'width="([\d.]+)pt"', (tmp_path / "one.svg").read_text())
    assert size
    assert float(size[1]) == pytest.approx(85 / 25.4 * 72, abs=0.01)
    assert style.figure("double").get_figwidth() == pytest.approx(176 / 25.4)


def test_equal_figures_are_equal_bytes_without_a_date(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        style.save_all([drawn()], tmp_path / folder)
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == ["figures.json", "one.csv", "one.pdf", "one.svg"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert b"Date" not in (tmp_path / "a" / "one.pdf").read_bytes()
    assert "date" not in (tmp_path / "a" / "one.svg").read_text()
    assert (tmp_path / "a" / "one.csv").read_text() == "x\n0.1\n0.3333333333333333\n"
    assert json.loads((tmp_path / "a" / "figures.json").read_text())[0]["caption"] == "A caption."


def test_a_users_matplotlibrc_has_no_say() -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        figure = style.figure()
        assert matplotlib.rcParams["font.size"] == 7.5
        assert figure.subplots().get_facecolor()[3] == 0


def test_the_default_look_is_the_one_without_settings(tmp_path: Path) -> None:
    style.save(drawn(), tmp_path / "without")
    with style.drawing(Look.of(Figures().model_dump(mode="json"))):
        style.save(drawn(), tmp_path / "default")
    for name in ("one.svg", "one.pdf", "one.csv"):
        assert (tmp_path / "default" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    assert not (tmp_path / "default" / "one.png").exists()
    settings = Look().matplotlib()
    assert [settings[f"{text}size"] for text in ("font.", "axes.title", "axes.label", "xtick.label")] == [
        7.5,
        8,
        7.5,
        7,
    ]
    assert (settings["legend.fontsize"], settings["lines.linewidth"]) == (7, 1.2)
    assert [style.mark(index).colour for index in range(7)] == [
        *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#0072b2")
    ]


def look(**given: Any) -> Look:
    return Look.of(Figures.model_validate(given).model_dump(mode="json"))


def test_a_look_holds_while_it_is_drawn_and_no_longer(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    chosen = look(font_size=9, line_width=2.4, palette=["black", "#ABCDEF", "blue"], png=100)
    with style.drawing(chosen):
        one = drawn()
        axes = one.figure.axes[0]
        assert axes.lines[0].get_color() == "#000000"
        assert axes.lines[0].get_linewidth() == 2.4
        assert axes.xaxis.get_ticklabels()[0].get_fontsize() == pytest.approx(7 * 1.2)
        assert [style.mark(index).colour for index in range(4)] == [
            "#000000",
            "#abcdef",
            "#0072b2",
            "#000000",
        ]
        assert (style.text_size(6), style.line(0.6)) == pytest.approx((7.2, 1.2))
        panels.curves_of_runs(axes, np.arange(3), np.ones((2, 3)), "a", index=1)
        assert [line.get_linewidth() for line in axes.lines[1:]] == pytest.approx([0.8, 0.8, 3.0])
        panels.panel_letter(axes, "a")
        assert axes.texts[0].get_fontsize() == pytest.approx(8.5 * 1.2)
        style.save(one, tmp_path)
    assert dict(matplotlib.rcParams) == before
    assert style.mark(1).colour == "#d55e00"
    assert style.text_size(6) == 6
    wide, high = struct.unpack(">II", (tmp_path / "one.png").read_bytes()[16:24])
    assert (wide, high) == (int(85 / 25.4 * 100), int(50 / 25.4 * 100))


def test_a_png_is_the_same_bytes_and_published_beside_the_others(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        with style.drawing(look(png=72)):
            style.save_all([drawn()], tmp_path / folder)
    assert (tmp_path / "a" / "one.png").read_bytes() == (tmp_path / "b" / "one.png").read_bytes()
    copy_figures(tmp_path / "a", "k", tmp_path / "out")
    (figure,) = read_figures(tmp_path / "a", "k")
    assert {Path(place).name for place in figure["files"].values()} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert list(figure["files"]) == ["PDF", "SVG", "PNG", "data (CSV)"]
    (tmp_path / "a" / "one.png").unlink()
    assert list(read_figures(tmp_path / "a", "k")[0]["files"]) == ["PDF", "SVG", "data (CSV)"]


@pytest.mark.parametrize("count", [3, 4, 6, 7])
def test_no_two_series_look_alike_with_a_palette_of_any_length(count: int) -> None:
    with style.drawing(Look(colours=tuple(f"#00000{index}" for index in range(count)))):
        looks = [style.mark(index) for index in range(6 * count)]
    assert len({(one.colour, one.marker) for one in looks}) == 6 * count


def test_looks_differ_in_more_than_colour() -> None:
    looks = [style.mark(index) for index in range(12)]
    assert len({(look.colour, look.marker) for look in looks}) == 12
    assert len({look.marker for look in looks[:6]}) == 6


def test_inlined_svg_shares_no_id_and_runs_nothing(tmp_path: Path) -> None:
    style.save(drawn(label="--><script>alert(1)</script>"), tmp_path)
    one, two = (inline_svg(tmp_path / "one.svg", prefix, 'a "label"') for prefix in ("p-", "q-"))
    ids = [set(re.findall(r'\bid="([^"]+)"', markup)) for markup in (one, two)]
    assert ids[0]
    assert ids[0] & ids[1] == set()
    assert set(re.findall(r'href="#([^"]+)"', one)) <= ids[0]
    assert "<script" not in one
    assert "<style" not in one
    assert "<!--" not in one
    assert 'aria-label="a &quot;label&quot;"' in one


def test_svg_of_others_is_made_harmless(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10" '
        'onload="alert(1)"><script>alert(1)</script><a href="javascript:alert(1)"><path d="M0 0"/></a>'
        '<image xlink:href="http://example.org/x.png"/><path fill="url(#g)" d="M0.123456 1"/></svg>'
    )
    markup = inline_svg(tmp_path / "x.svg", "p-", "label")
    for gone in ("alert", "javascript", "example.org", "onload"):
        assert gone not in markup
    assert "url(#p-g)" in markup
    assert "M0.12 1" in markup


@pytest.mark.parametrize("text", ["not xml", "<html></html>"])
def test_what_is_not_svg_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.svg").write_text(text)
    with pytest.raises(OrreryError, match=r"x\.svg: not an SVG file"):
        inline_svg(tmp_path / "x.svg", "p-", "label")


def test_the_page_of_one_analysis(tmp_path: Path) -> None:
    style.save_all([drawn("one"), drawn("two")], tmp_path)
    write_figures_page(tmp_path, "width/koopman")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<figure") == 2
    assert [one["id"] for one in read_figures(tmp_path, "k")] == ["figure-k-one", "figure-k-two"]
    assert "width/koopman" in page


def test_divergences_are_counted() -> None:
    axes = style.figure().subplots()
    values = np.ones((4, 10))
    values[1, 5:] = np.nan
    panels.curves_of_runs(axes, np.arange(10), values, "lr=1", index=0)
    panels.curves_of_runs(axes, np.arange(10), np.full((2, 10), np.nan), "lr=9", index=1)
    panels.curves_of_runs(axes, np.arange(10), np.ones((2, 10)), "lr=0", index=2)
    assert axes.get_legend_handles_labels()[1] == ["lr=1 (1 of 4 diverged)", "lr=9 (2 of 2 diverged)", "lr=0"]


def test_matrix_and_floors_share_one_scale_and_mark_what_is_missing() -> None:
    axes = style.figure("double").subplots()
    matrix = np.array([[0.001, 0.005], [0.005, np.nan]])
    panels.matrix_with_floors(axes, matrix, ["a", "b"], {"floor": np.array([0.0005, np.nan])}, quantity="W")
    assert sorted(text.get_text() for text in axes.texts) == ["0.50", "1.0", "5.0", "5.0"]
    assert sum(bool(patch.get_hatch()) for patch in axes.patches) == 2
    bar = axes.figure.axes[-1]
    assert bar.get_ylabel() == "W (10⁻³)"
    assert bar.get_ylim() == pytest.approx((0, 5))


@pytest.mark.parametrize("values", [np.array([]), np.array([1 + 0j]), np.array([np.nan + 0j, 3 + 4j])])
def test_spectra_of_any_size_can_be_drawn(values: np.ndarray, tmp_path: Path) -> None:
    figure = style.figure()
    axes = figure.subplots()
    panels.complex_plane(axes, {"a": values})
    reach = axes.get_xlim()[1]
    assert reach == pytest.approx(5.4 if values.size == 2 else 1.12)
    style.save(SimpleNamespace(name="x", title="", caption="", figure=figure, data=pd.DataFrame()), tmp_path)


def test_a_strip_says_what_is_undecided() -> None:
    axes = style.figure().subplots()
    panels.sensitivity_strip(axes, ["a", "b"], np.array([1.0, np.nan]), headline=0, floors={"f": 0.5})
    assert [text.get_text() for text in axes.texts] == ["undecided"]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (r"$\mathdefault{10^{-3}}$", "10⁻³"),
        (r"$\mathdefault{-2\times10^{14}}$", "−2×10¹⁴"),
        (r"$\times\mathdefault{10^{−4}}\mathdefault{+1.5}$", "×10⁻⁴+1.5"),
        (r"$\mathdefault{−0.25}$", "−0.25"),
        (r"$\mathdefault{10^{0.50}}$", r"$\mathdefault{10^{0.50}}$"),
        ("eps=1e-3", "eps=1e-3"),
        ("", ""),
    ],
)
def test_powers_of_ten_are_written_without_formulas(written: str, plain: str) -> None:
    assert in_plain_text(written) == plain


def test_no_tick_label_of_a_saved_figure_is_a_formula(tmp_path: Path) -> None:
    figure = style.figure("double")
    logarithmic, linear, symmetric = figure.subplots(1, 3)
    logarithmic.loglog([1e-9, 1e3], [2.1, 3.9])
    linear.plot([0, 1e-5], [1e6, 3e6])
    linear.ticklabel_format(useOffset=False, style="plain", axis="x")
    inset = linear.inset_axes((0.5, 0.5, 0.4, 0.4))
    symmetric.set_yscale("symlog", linthresh=1e-3)
    symmetric.plot([-1, 1], [-100, 100])
    style.save(SimpleNamespace(name="x", title="", caption="", figure=figure, data=pd.DataFrame()), tmp_path)
    labels = {
        name: [label.get_text() for label in axis.get_ticklabels(which="both")]
        for name, axis in {
            "log": logarithmic.xaxis,
            "between": logarithmic.yaxis,
            "plain": linear.xaxis,
            "linear": linear.yaxis,
            "inset": inset.xaxis,
            "symmetric": symmetric.yaxis,
        }.items()
    }
    assert not [label for found in labels.values() for label in found if "$" in label]
    assert "10⁻⁸" in labels["log"]
    assert "3×10⁰" in labels["between"]
    assert "0.00001" in [label.rstrip("0") or label for label in labels["plain"]]
    assert "0.5" in labels["inset"]
    assert linear.yaxis.get_offset_text().get_text() == "×10⁶"
    assert {"−10²", "0", "10²"} <= set(labels["symmetric"])


def test_fonts_in_a_pdf_have_glyphs_and_no_tables_for_typesetting(tmp_path: Path) -> None:
    style.save(drawn(), tmp_path)
    fonts = []
    for stream in re.findall(
        rb"stream\r?\n(.*?)\r?\nendstream", (tmp_path / "one.pdf").read_bytes(), re.DOTALL
    ):
        with suppress(zlib.error):
            if (font := zlib.decompress(stream)).startswith(b"\0\1\0\0"):
                fonts.append(set(TTFont(BytesIO(font)).keys()))
    assert fonts
    assert all("glyf" in tables and not tables & set(LAYOUT_TABLES) for tables in fonts)


def test_axes_of_few_decades_say_plain_numbers(tmp_path: Path) -> None:
    one = drawn()
    (axes,) = one.figure.axes
    axes.set(yscale="log", ylim=(0.05, 0.9))
    write_numbers(axes.yaxis)
    style.save(one, tmp_path)
    labels = [tick.label1.get_text() for tick in (*axes.yaxis.majorTicks, *axes.yaxis.minorTicks)]
    assert "0.1" in labels
    assert not any("e" in label or "10" in label for label in labels)
