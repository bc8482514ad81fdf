"""Tables as CSV and LaTeX, and the costs of stages."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.costs import read_costs
from orrery.report import tables
from orrery.report.claims import evaluate
from orrery.report.publish import PLACEHOLDER, fill_costs

CLAIM = {
    "statement": "a & b",
    "source": "table 1",
    "known_from": "abstract",
    "checks": [{"number": "k.x_y", "within": 1, "reported": 2}, {"number": "k.z"}],
}
NUMBERS = {"k": [{"name": "x_y", "value": 2.123456789012345, "interval": [2.1, 2.2], "n": 5, "unit": "m"}]}


def test_claims_have_a_row_per_check_in_full_precision(tmp_path: Path) -> None:
    rows = tables.claim_rows(evaluate({"A": CLAIM}, NUMBERS, "laptop"))
    tables.write_csv(rows, tables.CLAIM_COLUMNS, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        first, second = csv.DictReader(file)
    assert float(first["measured"]) == 2.123456789012345
    assert (first["low"], first["high"], first["check_verdict"], first["verdict"]) == (
        "2.1",
        "2.2",
        "holds",
        "holds",
    )
    assert (second["measured"], second["check_verdict"]) == ("", "not run")


def test_latex_is_escaped_and_complete(tmp_path: Path) -> None:
    rows = tables.claim_rows(evaluate({"A": CLAIM}, NUMBERS, "laptop"))
    tables.write_claims_latex(rows, tmp_path / "t.tex")
    lines = (tmp_path / "t.tex").read_text().splitlines()
    body = [line for line in lines if line.endswith("\\\\")]
    assert {line.replace("\\&", "").count("&") for line in body} == {8}
    assert "k.x\\_y" in lines[4]
    assert "2.123 m & 2.1 to 2.2" in lines[4]
    tables.write_numbers_latex(tables.number_rows(NUMBERS), tmp_path / "n.tex")
    assert "k & x\\_y & 2.123 m & 2.1 to 2.2 & 5 & --" in (tmp_path / "n.tex").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 %", "50 \\%"),
        ("\\input{x}", "\\textbackslash{}input\\{x\\}"),
        ("3×10⁻⁹", "3$\\times$10$^{-}$$^9$"),
    ],
)
def test_latex_characters(text: str, expected: str) -> None:
    assert tables.latex(text) == expected


def test_costs_are_summed_by_stage_in_the_order_of_the_pipeline(tmp_path: Path) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmean_load\tcpu_time\n"
    folder = tmp_path / "trajectories" / "width" / "width=5"
    folder.mkdir(parents=True)
    (folder / "block=000@a.tsv").write_text(head + "2.5\t0:00:02\t100.0\t1\t1\t2.0\n")
    (folder / "block=001@b.tsv").write_text(head + "0.5\t0:00:00\tNA\t-\t-\t-\n")
    targets = [
        "results/store/claims/width@d.json",
        "results/store/trajectories/width/width=5/block=000@a.json",
        "results/store/trajectories/width/width=5/block=001@b.json",
        "results/store/trajectories/width/width=5/block=002@c.json",
    ]
    trained, judged = read_costs(tmp_path, targets)
    assert trained == {
        "stage": "trajectories",
        "jobs": 3,
        "measured": 2,
        "seconds": 3.0,
        "longest": 2.5,
        "processor_seconds": 2.0,
        "memory": 100.0,
    }
    assert (judged["stage"], judged["jobs"], judged["measured"], judged["seconds"]) == ("claims", 1, 0, None)


def test_costs_fill_their_place_again_and_again() -> None:
    row = {"stage": "<b>", "jobs": 1, "measured": 1, "seconds": 2.0, "longest": 2.0, "processor_seconds": 1.0}
    page = fill_costs(f"before {PLACEHOLDER} after", [{**row, "memory": 5.0}])
    assert page.startswith("before ")
    assert page.endswith(" after")
    assert "&lt;b&gt;" in page
    assert fill_costs(page, []).count("No benchmark") == 1
    assert "<table>" not in fill_costs(page, [])
    with pytest.raises(OrreryError, match="no place"):
        fill_costs("<html></html>", [])
