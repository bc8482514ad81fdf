"""What all tests share: one compute thread, checked shapes, budgets of time, and no silent skips."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

# One thread, and no other number: LAPACK gives other bits with two. The libraries read these when they are
# imported, so they are set before anything else; processes that tests start inherit them.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MPLBACKEND"] = "Agg"

from threadpoolctl import threadpool_limits

# Plugins of pytest have loaded NumPy by now, which reads them no more.
threadpool_limits(limits=1)

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# From here on the shapes in the annotations of orrery.numerics are checked at every call.
install_import_hook("orrery.numerics", "beartype.beartype")

# The same examples in every run, on every machine.
settings.register_profile("orrery", derandomize=True, database=None, deadline=None, print_blob=False)
settings.load_profile("orrery")

TESTS = Path(__file__).resolve().parent
# Seconds that one test of a suite may take, unless it says otherwise with @pytest.mark.timeout.
BUDGETS = {"unit": 120, "workflow": 600, "cluster": 600, "page": 300}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips",
        action="store_true",
        default=os.environ.get("CI", "").lower() in {"1", "true"},
        help="a skipped test is a failure (the default where CI=true)",
    )


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        suite = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if suite in BUDGETS and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(BUDGETS[suite]))

    # A missing GPU cannot be installed, so these tests are deselected, which the closing line counts.
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_cuda():
        config.hook.pytest_deselected(items=on_gpu)
        items[:] = [item for item in items if item not in on_gpu]


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason} (with --strict-skips a skipped test is a failure)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.config.getoption("--strict-skips"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption("--strict-skips"):
        _fail_if_skipped(report)
    return report
