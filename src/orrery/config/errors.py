"""The one exception that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class OrreryError(Exception):
    """Bad input, told in one sentence: what is wrong, where, and what to write instead.

    Scripts and the command line print its text without a traceback and end with exit code 1.
    """


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one place of one file.

    Attributes:
        file: the file as the user knows it.
        line: one-based line, or ``None`` where it is not known.
        key: dotted path of the key, ``""`` for the whole file.
        message: what is wrong and what is allowed.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(OrreryError):
    """All problems of the configuration, told at once, one line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known names come nearest to ``word``, as the end of a sentence.

    Returns:
        ``"did you mean 'x'?"`` where one is close, else ``"known are a, b, c"``.
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known are {', '.join(names)}" if names else "none is known here"
