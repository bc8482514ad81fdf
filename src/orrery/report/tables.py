"""Tables as CSV and LaTeX: claims and numbers, one row each, the same columns in both."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orrery.report.wording import measured, number

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": r"$-$",
    "×": r"$\times$",
    "–": "--",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "λ": r"$\lambda$",
    "η": r"$\eta$",
    "⁻": r"$^{-}$",
    **{digit: f"$^{index}$" for index, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
CLAIM_COLUMNS = (
    "id",
    "statement",
    "source",
    "known_from",
    "check",
    "reported",
    "measured",
    "low",
    "high",
    "n",
    "floor",
    "unit",
    "criterion",
    "check_verdict",
    "verdict",
)
NUMBER_KEYS = ("name", "value", "interval", "n", "floor", "unit", "description")
NUMBER_COLUMNS = ("analysis", "name", "value", "low", "high", "n", "floor", "unit", "description")


def claim_rows(claims: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per check of each claim (one for a claim without checks), keyed by ``CLAIM_COLUMNS``."""
    rows = []
    for claim in claims:
        for check in claim["checks"] or [{}]:
            low, high = check.get("interval") or (None, None)
            rows.append(
                {
                    **{key: claim[key] for key in ("id", "statement", "source", "known_from", "verdict")},
                    "check": check.get("label") or check.get("number"),
                    **{key: check.get(key) for key in ("reported", "measured", "n", "floor", "unit")},
                    "low": low,
                    "high": high,
                    "criterion": (check.get("criterion") or {}).get("words"),
                    "check_verdict": check.get("verdict", claim["verdict"]),
                }
            )
    return rows


def number_rows(numbers: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One row per number, keyed by ``NUMBER_COLUMNS``."""
    rows = []
    for analysis, those in numbers.items():
        for one in those:
            low, high = one.get("interval") or (None, None)
            kept = {key: one.get(key) for key in ("name", "value", "n", "floor", "unit", "description")}
            rows.append({"analysis": analysis, **kept, "low": low, "high": high})
    return rows


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write rows as CSV, numbers in full precision, an empty cell for ``None``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def latex(text: str) -> str:
    """``text`` with all that LaTeX reads as commands escaped."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def write_claims_latex(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """The claims as a ``tabular`` with the rules of the package booktabs, to be read with ``\\input``."""
    heads = (
        "Claim",
        "Check",
        "Reported",
        "Measured",
        "95\\,\\% interval",
        "$n$",
        "Floor",
        "Criterion",
        "Verdict",
    )
    lines, previous = [], None
    for row in rows:
        value, interval = _value_and_interval(row, "measured")
        cells = (
            row["id"] if row["id"] != previous else "",
            row["check"] or "–",
            number(row["reported"]),
            _with_unit(value, row["unit"]),
            interval or "–",
            number(row["n"]),
            number(row["floor"]),
            row["criterion"] or "–",
            row["check_verdict"],
        )
        previous = row["id"]
        lines.append(" & ".join(latex(str(cell)) for cell in cells))
    _write_tabular(heads, "llrrlrrll", lines, path)


def write_numbers_latex(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """The numbers as a ``tabular`` with the rules of the package booktabs, to be read with ``\\input``."""
    heads = ("Analysis", "Number", "Value", "95\\,\\% interval", "$n$", "Floor")
    lines = []
    for row in rows:
        value, interval = _value_and_interval(row, "value")
        cells = (
            row["analysis"],
            row["name"],
            _with_unit(value, row["unit"]),
            interval or "–",
            number(row["n"]),
            number(row["floor"]),
        )
        lines.append(" & ".join(latex(str(cell)) for cell in cells))
    _write_tabular(heads, "llrlrr", lines, path)


def _value_and_interval(row: Mapping[str, Any], key: str) -> tuple[str, str]:
    return measured(row[key], None if row["low"] is None else (row["low"], row["high"]))


def _with_unit(value: str, unit: str | None) -> str:
    return f"{value} {unit}" if unit and value != "–" else value


def _write_tabular(heads: Sequence[str], alignment: str, lines: Iterable[str], path: Path) -> None:
    body = "".join(f"  {line} \\\\\n" for line in lines)
    path.write_text(
        f"\\begin{{tabular}}{{{alignment}}}\n  \\toprule\n  {' & '.join(heads)} \\\\\n  \\midrule\n{body}"
        "  \\bottomrule\n\\end{tabular}\n",
        encoding="utf-8",
    )
