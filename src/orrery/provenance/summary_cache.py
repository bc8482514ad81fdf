"""Summaries of files by their content, kept in one file from one start to the next."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from pathlib import Path

from orrery.config.errors import OrreryError
from orrery.provenance.manifest import write_atomically
from orrery.provenance.summary import Reading, Summary
from orrery.provenance.syntax import summarise

_READER = ("nodes.py", "purity.py", "summary.py", "summary_cache.py", "syntax.py")
"""What the summaries depend on beside the files themselves."""


class SummaryCache:
    """Summaries by content, kept in one file; a cache that cannot be read or written is none."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.changed = False
        self.entries: dict[str, dict[str, object]] = {}
        self.version = ""
        if path is not None:
            # What is found out may change with the code that finds it and with Python's syntax tree.
            here = Path(__file__).parent
            code = b"".join((here / name).read_bytes() for name in _READER)
            self.version = hashlib.sha256(code + sys.version.encode()).hexdigest()[:16]
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(path.read_bytes())
                if content["version"] == self.version:
                    self.entries = content["entries"]

    def read(self, path: Path, reading: Reading) -> Summary:
        """Return the summary of a file.

        Raises:
            OrreryError: it cannot be read or is not valid Python.
        """
        try:
            source = path.read_bytes()
        except OSError as error:
            raise OrreryError(f"code file {path} cannot be read: {error.strerror}") from None
        key = f"{reading} {hashlib.sha256(source).hexdigest()}"
        if key in self.entries:
            with contextlib.suppress(KeyError, TypeError):
                return Summary.from_json(self.entries[key])
        try:
            summary = summarise(source, reading)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            place = f"{path}:{line}" if line else str(path)
            raise OrreryError(f"{place} is not valid Python: {getattr(error, 'msg', error)}") from None
        if self.path is not None:
            self.entries[key] = summary.to_json()
            self.changed = True
        return summary

    def save(self) -> None:
        """Write what was added."""
        if self.path is None or not self.changed:
            return
        self.changed = False
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"version": self.version, "entries": self.entries}, separators=(",", ":"))
            write_atomically(self.path, content.encode("ascii"))
