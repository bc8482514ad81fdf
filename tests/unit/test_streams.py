from __future__ import annotations

import numpy as np
import pytest

from orrery.config.errors import OrreryError
from orrery.numerics.streams import STREAMS, Streams


def draw(streams: Streams, *key: object) -> np.ndarray:
    return streams.generator(*key).integers(0, 2**62, 8)  # type: ignore[arg-type]


def test_same_key_same_numbers_and_no_other_key_the_same() -> None:
    streams = Streams()
    keys = [(s, n) for s in STREAMS for n in (0, 1, -1, 2**40)]
    keys += [
        ("init", 0, "fc1.weight"),
        ("init", 0, "fc1.weight", (5, 784)),
        ("init", 0, "fc1.weight", (10, 784)),
    ]
    keys += [("order", 0, 1), ("order", 0, 2), ("order", 1, 0)]
    draws = {key: tuple(draw(streams, *key)) for key in keys}
    assert len(set(draws.values())) == len(keys)
    assert all(tuple(draw(Streams({}), *key)) == value for key, value in draws.items())


def test_shift_and_hold_touch_their_stream_only() -> None:
    plain, shifted, held = Streams(), Streams({"order": {"shift": 1000}}), Streams({"init": {"hold": 3}})
    assert (draw(shifted, "order", 5) == draw(plain, "order", 1005)).all()
    assert (draw(shifted, "init", 5) == draw(plain, "init", 5)).all()
    assert (draw(held, "init", 5) == draw(plain, "init", 3)).all()
    assert (draw(held, "init", 99, "fc1.weight") == draw(plain, "init", 3, "fc1.weight")).all()
    assert (draw(held, "order", 5) == draw(plain, "order", 5)).all()


def test_process_state_does_not_matter() -> None:
    first = draw(Streams(), "init", 1)
    np.random.seed(7)  # noqa: NPY002
    np.random.random(100)  # noqa: NPY002
    assert (draw(Streams(), "init", 1) == first).all()
    assert 0 <= Streams().word("probe", 1) < 2**63


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ordr": {"shift": 1}}, "did you mean 'order'"),
        ({"order": {"shift": 1, "hold": 2}}, "shift: n"),
        ({"order": {"move": 1}}, "shift: n"),
        ({"order": {"shift": 0.5}}, "shift: n"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict, text: str) -> None:
    with pytest.raises(OrreryError, match=text):
        Streams(settings)


def test_unknown_stream() -> None:
    with pytest.raises(OrreryError, match="no stream 'initt'"):
        Streams().generator("initt", 0)
