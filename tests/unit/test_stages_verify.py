"""How verify tells how far it is, and what it says where it cannot act."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orrery.provenance.lock import StoreLock
from orrery.stages import verify as stage
from orrery.stages.verify import Bar, _doubt

NAMED: Any = SimpleNamespace(jobs={})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    with Bar(2_000_000, stream) as bar:
        bar.advance(2_000_000)
    assert "2.0/2.0 MB" in stream.getvalue()
    assert "━" in stream.getvalue()


def test_plain_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0, 11.0, 12.0, 25.0])
    monkeypatch.setattr(stage, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    stream = io.StringIO()
    with Bar(8_000_000, stream) as bar:
        for _ in range(4):
            bar.advance(2_000_000)
    assert stream.getvalue().splitlines() == [
        "verify: 4 of 8 MB, 0 MB/s",
        "verify: 8 of 8 MB, 0 MB/s",
    ]


def test_the_manifest_of_a_store_that_is_being_written_stays(tmp_path: Path) -> None:
    manifest = tmp_path / "a=1.4@0123456789abcdef.json"
    manifest.write_text("{}")
    with StoreLock(tmp_path / "a=1.4@0123456789abcdef"):
        line = _doubt(manifest, NAMED)
    assert "its manifest stays" in line
    assert "is being written" in line
    assert manifest.is_file()
    assert "is removed" in _doubt(manifest, NAMED)
    assert not manifest.exists()


def test_a_manifest_that_cannot_be_removed_is_left_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "a@0123456789abcdef.json"
    manifest.write_text("{}")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == manifest:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    line = _doubt(manifest, NAMED)
    assert f"remove {manifest} by hand" in line
    assert "Permission denied" in line
