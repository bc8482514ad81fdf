"""Which code and which software stand behind the jobs of each stage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orrery.provenance.code import CodeIndex
from orrery.provenance.software import software


class Entries:
    """Digests of code and software by stage; each closure is computed once.

    The extension modules that a study names are reached through no import, so they enter here by name.
    """

    def __init__(self, index: CodeIndex) -> None:
        self._index = index
        self._codes: dict[tuple[str | Path, ...], tuple[str, dict[str, str]]] = {}
        self._software: dict[str, dict[str, str]] = {}

    def code(self, script: str, extra: Iterable[str | Path] = ()) -> tuple[str, dict[str, str]]:
        """Digest, and its parts, of a script with all definitions that it and the ``extra`` entries reach.

        Of a script that runs jobs of several kinds also the function, ``script:function``; else it is ``produce``.
        """
        name, _, function = script.partition(":")
        entries = (f"scripts.{name}:{function or 'produce'}", "orrery.stages.runner:prepare", *extra)
        if entries not in self._codes:
            self._codes[entries] = self._index.digest(entries)
        return self._codes[entries]

    def software(self, stage: str) -> dict[str, str]:
        """Versions of the packages that a stage uses."""
        if stage not in self._software:
            # Publishing renders the page over all studies with the packages of the pages.
            self._software[stage] = software("reports" if stage == "publish" else stage)
        return self._software[stage]
