"""Addition modulo p: every pair once, its class, and the share that is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tests.unit.test_data_builtin import make

from orrery.data.modular_addition import Settings, size


def pairs(inputs: np.ndarray, modulus: int) -> list[tuple[int, int]]:
    """The two numbers of every sample, once each half is seen to be a unit vector."""
    halves = inputs.reshape(len(inputs), 2, modulus)
    assert set(np.unique(halves)) == {0.0, 1.0}
    assert (halves.sum(axis=2) == 1).all()
    first, second = halves.argmax(axis=2).T.tolist()
    return list(zip(first, second, strict=True))


def test_every_pair_stands_in_one_part_with_its_sum(tmp_path: Path) -> None:
    settings = {"name": "modular-addition", "modulus": 7, "share": 0.6}
    found = make(settings, tmp_path / "a")
    train, test = pairs(found.train_inputs, 7), pairs(found.test_inputs, 7)
    assert (len(train), len(test)) == (29, 20)
    assert sorted(train + test) == [(a, b) for a in range(7) for b in range(7)]
    for these, labels in ((train, found.train_labels), (test, found.test_labels)):
        assert labels is not None
        assert labels.tolist() == [(a + b) % 7 for a, b in these]
    # 20 of 49 are held out, of every sum 2 or 3 of 7.
    assert set(np.bincount(found.test_labels).tolist()) == {2, 3}
    assert found.class_names == tuple("0123456")
    known = size(Settings.model_validate(settings))
    assert (known.train, known.test, known.features, known.classes) == (29, 20, 14, 7)


def test_the_split_says_which_pairs(tmp_path: Path) -> None:
    def trained(folder: str, **changed: float) -> list[tuple[int, int]]:
        settings = {"name": "modular-addition", "modulus": 11, **changed}
        return pairs(make(settings, tmp_path / folder).train_inputs, 11)

    first = trained("a")
    assert first == trained("b")
    assert set(first) != set(trained("c", split=1))
    few = trained("d", samples=22)
    assert len(few) == 22
    assert set(few) < set(first)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"modulus": 3, "share": 0.01}, "leaves none that is trained on; write a number from 0.11 to 0.89"),
        ({"modulus": 3, "share": 0.99}, "leaves none that is held out; write a number from 0.11 to 0.89"),
        ({"modulus": 1}, "greater than or equal to 2"),
        ({"share": 1.0}, "less than 1"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate({"name": "modular-addition", **settings})
