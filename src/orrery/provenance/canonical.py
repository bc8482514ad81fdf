"""One text for one value: the canonical JSON that digests are taken of.

The integer 1 and the float 1.0 are different texts. A setting that a model declares as a float is a float after
validation, however the YAML wrote it, so ``lr: 1`` and ``lr: 1.0`` give one digest; where nothing
declares a type, nothing says that the two mean the same, and the digests differ.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from orrery.config.errors import OrreryError

DIGEST_LENGTH = 16
"""Hexadecimal digits of a digest: 64 bits, about 1e-10 odds of a collision among 60,000 results."""


def canonical(value: Any) -> str:
    """Write a value of JSON types as its canonical text.

    Keys are sorted, no spaces, floats in the shortest form that reads back to the same bits, all else than ASCII
    escaped. Tuples are written as lists.

    Args:
        value: nested mappings with string keys, lists, tuples, strings, numbers, booleans and ``None``.

    Raises:
        OrreryError: a NaN, an infinity, a key that is not a string, or a value of another type, with its place.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False)
    except (TypeError, ValueError) as error:
        _check(value, "")
        raise OrreryError(f"a value cannot be written as canonical JSON: {error}") from error
    if not _keys_are_strings(value):
        _check(value, "")
    return text


def digest_bytes(content: bytes) -> str:
    """Return the digest (16 hexadecimal digits of SHA-256) of bytes."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def digest(value: Any) -> str:
    """Return the digest (16 hexadecimal digits of SHA-256) of the canonical text of ``value``.

    Raises:
        OrreryError: as ``canonical``.
    """
    return digest_bytes(canonical(value).encode("ascii"))


def key_order(value: Any) -> str:
    """Return a digest of the order of the keys in all mappings of ``value``, which ``digest`` does not see.

    It is empty where all are sorted.
    """
    ordered = json.dumps(value)
    return "" if ordered == json.dumps(value, sort_keys=True) else digest_bytes(ordered.encode())


def _keys_are_strings(value: Any) -> bool:
    """Whether no key would be turned into a string without a word (``{1: …}`` would equal ``{"1": …}``)."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            for key in inner:
                if not isinstance(key, str):
                    return False
            waiting.extend(inner.values())
        elif isinstance(inner, (list, tuple)):
            waiting.extend(inner)
    return True


def _check(value: Any, place: str) -> None:
    """Walk a value that was refused and name the place that is at fault."""
    name = place or "the value"
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise OrreryError(f"{name} has the key {key!r}, which is not a string: write it in quotes")
            _check(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _check(inner, f"{place}[{index}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise OrreryError(
                f"{name} is {value}, which has no canonical form: write a finite number or null"
            )
    elif value is not None and not isinstance(value, (str, bool, int)):
        raise OrreryError(
            f"{name} is a {type(value).__name__}, which has no canonical form: "
            "give numbers, strings, lists and mappings only"
        )
