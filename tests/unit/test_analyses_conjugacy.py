"""Conjugate partners whose gap is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.analysis_examples import trajectory

from orrery.analyses.conjugacy import Settings, compare, numbers, plot
from orrery.config.errors import OrreryError


def partners(path: Path, gap: float) -> dict[str, object]:
    """u decays linearly, x = e^u + gap."""
    starts = np.log(np.linspace(0.2, 0.9, 6)).reshape(6, 1, 1, 1) * np.array([1.0, 0.7])
    u = starts * 0.98 ** np.arange(30).reshape(1, 1, 30, 1)
    path.mkdir()
    return {
        f"x{gap}": trajectory(path / "x.zarr", {"x": np.exp(u) + gap}),
        f"u{gap}": trajectory(path / "u.zarr", {"u": u}),
    }


def settings() -> Settings:
    return Settings.model_validate(
        {
            "method": "conjugacy",
            "delays": 1,
            "rank": 2,
            "sequence": [
                {"value": 0.02, "first": "x0.1", "second": "u0.1"},
                {"value": 0.01, "first": "x0.05", "second": "u0.05"},
                {"value": 0.005, "first": "x0.0", "second": "u0.0"},
            ],
        }
    )


def test_gaps_distances_and_falls(tmp_path: Path) -> None:
    sources = {}
    for gap in (0.1, 0.05, 0.0):
        sources |= partners(tmp_path / f"{gap}", gap)
    chosen = settings()
    found = compare(sources, chosen)
    assert found["gap"].values == pytest.approx([0.1, 0.05, 0.0], abs=1e-14)
    assert found["distance"].values[2] == pytest.approx(0, abs=1e-12)
    assert found["distance"].values[0] > found["distance"].values[1] > 0
    with np.errstate(divide="ignore"):
        said = {number.name: number.value for number in numbers(found, sources, chosen)}
    assert said["gap[rate=0.02]"] == pytest.approx(0.1)
    assert said["smallest-fall[gap]"] == pytest.approx(2.0)
    assert len(plot(found, sources, chosen)[0].data) == 3


def test_other_starts_are_refused(tmp_path: Path) -> None:
    sources = partners(tmp_path / "a", 0.1)
    sources["u0.1"] = sources["u0.1"].select(steps=(0, 9))
    short = Settings.model_validate({"sequence": [{"value": 1.0, "first": "x0.1", "second": "u0.1"}]})
    with pytest.raises(OrreryError, match="give both the same starts and steps"):
        compare(sources, short)
