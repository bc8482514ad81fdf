"""Random numbers keyed by a stream and an integer, never by process state or by the name of a study.

Two conditions with the same seed share their initialisation and their batches; a study may shift or hold the integer
of one stream while the others follow the seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from orrery.config.errors import OrreryError, nearest

STREAMS: dict[str, str] = {
    "init": "initial weights and starts",
    "order": "order of the samples in the batches",
    "split": "division into training and test samples",
    "label-noise": "which labels are false",
    "dropout": "masks of dropout",
    "copy": "perturbation of the copies; keyed by the copy index, not by the seed",
    "probe": "probe samples, probe directions and projections",
}

Key = str | int | tuple[int, ...]


class Streams:
    """The named streams of one condition.

    Args:
        settings: maps a stream to ``{"shift": n}`` (integer = seed + n) or ``{"hold": n}`` (integer = n whatever the
            seed); streams that are not named follow the seed.

    Raises:
        OrreryError: for an unknown stream, or settings other than one whole number under ``shift`` or ``hold``.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._rules: dict[str, tuple[str, int]] = {}
        for stream, rule in (settings or {}).items():
            if stream not in STREAMS:
                raise OrreryError(f"streams.{stream}: there is no such stream; {nearest(stream, STREAMS)}")
            given = {word: value for word, value in dict(rule or {}).items() if value is not None}
            if "hold" in given and given.get("shift") == 0:
                del given["shift"]
            word, value = next(iter(given.items()), ("", None))
            if (
                len(given) != 1
                or word not in ("shift", "hold")
                or not isinstance(value, int)
                or isinstance(value, bool)
            ):
                raise OrreryError(
                    f"streams.{stream}: write {{shift: n}} or {{hold: n}} with one whole number, not {dict(rule or {})}"
                )
            self._rules[stream] = (word, value)

    def integer(self, stream: str, seed: int) -> int:
        """The integer that keys ``stream`` for ``seed``: seed plus shift, or the held value."""
        word, value = self._rules.get(stream, ("shift", 0))
        return value if word == "hold" else int(seed) + value

    def sequence(self, stream: str, seed: int, *key: Key) -> np.random.SeedSequence:
        """The seed sequence of (stream, integer), with an optional key below it (tensor name, shape, epoch).

        Raises:
            OrreryError: for an unknown stream.
        """
        if stream not in STREAMS:
            raise OrreryError(f"there is no stream '{stream}'; {nearest(stream, STREAMS)}")
        # Hashed rather than passed as words: numpy concatenates words, so (1, 2**32 + 1) and (1, 1, 1) would meet.
        text = json.dumps([stream, self.integer(stream, seed), *key], separators=(",", ":"))
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        return np.random.SeedSequence(int.from_bytes(digest[:16], "little"))

    def generator(self, stream: str, seed: int, *key: Key) -> np.random.Generator:
        """An independent generator (PCG64) of (stream, integer), with an optional key below it.

        Args:
            stream: one of :data:`STREAMS`.
            seed: the seed of the run, or the copy index for the stream ``copy``.
            key: what the draw is for, e.g. a tensor name and its shape, or an epoch.

        Raises:
            OrreryError: for an unknown stream.
        """
        return np.random.Generator(np.random.PCG64(self.sequence(stream, seed, *key)))

    def word(self, stream: str, seed: int, *key: Key) -> int:
        """A whole number below 2**63 of (stream, integer), for libraries that have generators of their own.

        Raises:
            OrreryError: for an unknown stream.
        """
        return int(self.sequence(stream, seed, *key).generate_state(1, np.uint64)[0] >> np.uint64(1))
