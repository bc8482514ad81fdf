"""The change table: every row is a change and the jobs that it makes stale, and names the test that holds it.

``docs/what-is-rebuilt.md`` shows the rows; ``docs/build_rebuilt.py`` writes them there.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

MODULES = (
    "test_changes_config",
    "test_changes_branches",
    "test_extend",
    "test_changes_code",
    "test_changes_together",
    "test_changes_software",
    "test_changes_data",
    "test_changes_results",
    "test_outdated",
    "test_results",
    "test_interruption",
    "test_faults",
    "test_object_storage",
)
"""The files of tests that hold rows, in the order of the page."""
GROUPS = ("config", "code", "software", "data", "results")
TABLE: list[Row] = []


@dataclass(frozen=True)
class Row:
    """One change.

    Attributes:
        group: what is changed, one of ``GROUPS``.
        change: the change, in words.
        jobs: what a dry run lists, ``<rule> <readable name>``; or words, where it is no dry run that tells.
        test: the file and the test that hold it.
        why: the reason, where a job runs that makes the bytes that were there.
    """

    group: str
    change: str
    jobs: frozenset[str] | str
    test: str
    why: str = ""


def holds(
    group: str, change: str, jobs: Iterable[str] | str, why: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a test as the one that holds a row; a test may hold several."""

    def mark(test: Callable[..., Any]) -> Callable[..., Any]:
        add(group, change, jobs, f"{test.__module__.rpartition('.')[2]}::{test.__name__}", why)
        return test

    return mark


def add(group: str, change: str, jobs: Iterable[str] | str, test: str, why: str = "") -> None:
    """Add a row, once."""
    row = Row(group, change, jobs if isinstance(jobs, str) else frozenset(jobs), test, why)
    if row not in TABLE:
        TABLE.append(row)


def rows() -> list[Row]:
    """All rows, by group, in the order of the tests."""
    for module in MODULES:
        importlib.import_module(f"tests.workflow.{module}")
    return sorted(TABLE, key=lambda row: GROUPS.index(row.group))


def summary(row: Row) -> str:
    """The jobs of a row by rule, as they stand in the table."""
    if isinstance(row.jobs, str):
        return row.jobs
    if not row.jobs:
        return "nothing"
    counted = Counter(job.partition(" ")[0] for job in row.jobs)
    return ", ".join(f"{rule} {number}" if number > 1 else rule for rule, number in counted_in_order(counted))


def counted_in_order(counted: Counter[str]) -> list[tuple[str, int]]:
    """Rules in the order in which a run goes through them."""
    order = ("dataset", "train", "analyse", "compare", "figures", "claims", "report", "publish", "index")
    return [(rule, counted[rule]) for rule in order if rule in counted]
