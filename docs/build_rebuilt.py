"""Write the table of docs/what-is-rebuilt.md from the tests that hold its rows.

``python docs/build_rebuilt.py`` says whether the page is current; with ``--write`` it writes it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = Path(__file__).resolve().parent / "what-is-rebuilt.md"
BEGIN, END = (
    "<!-- table: written by docs/build_rebuilt.py from tests/workflow -->\n",
    "<!-- end of table -->\n",
)
TITLES = {
    "config": "Config and studies",
    "code": "Code",
    "software": "Software",
    "data": "Data",
    "results": "Results",
}


def page() -> str:
    """The page with the table of now."""
    sys.path.insert(0, str(REPOSITORY))
    from tests.workflow.table import rows, summary

    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    lines = []
    group = ""
    for row in rows():
        if row.group != group:
            group = row.group
            lines += [
                f"\n### {TITLES[group]}\n\n",
                "| change | jobs that run | held by |\n",
                "| --- | --- | --- |\n",
            ]
        jobs = summary(row) + (f". {row.why}" if row.why else "")
        lines.append(f"| {_cell(row.change)} | {_cell(jobs)} | `{row.test}` |\n")
    return before + BEGIN + "".join(lines) + "\n" + END + after


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Compare or write; 0 where the page is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.name} differs from the tests; write it with: python docs/build_rebuilt.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
