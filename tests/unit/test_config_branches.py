"""Messages about settings that are chosen by ``kind``, where a kind and a key have the same name."""

from __future__ import annotations

import pytest

from orrery.config.places import Places, Problems, Written
from orrery.config.validation import validate
from orrery.config.yaml_file import Document
from orrery.systems.network import Settings

GOOD = {"kind": "momentum", "rate": 0.1, "momentum": 0.9}


@pytest.mark.parametrize(
    ("optimizer", "place", "words"),
    [
        ({"kind": "momentum", "rat": 0.1, "momentum": 0.9}, "system.optimizer.rat", "did you mean 'rate'"),
        ({**GOOD, "momentum": 2.0}, "system.optimizer.momentum", "less than 1"),
        ({**GOOD, "momentum": "high"}, "system.optimizer.momentum", "number"),
    ],
)
def test_the_wrong_key_is_named_and_not_the_kind(
    optimizer: dict[str, object], place: str, words: str
) -> None:
    data = {
        "kind": "network",
        "network": {"kind": "mlp", "hidden": [8]},
        "optimizer": optimizer,
        "batches": {"kind": "full"},
    }
    document = Document("studies/some.yaml", {"system": data}, {(): 1})
    problems = Problems()
    assert validate(Settings, data, Places((Written(document, ()),)), ("system",), problems) is None
    told = [str(problem) for problem in problems.in_order()]
    assert len(told) == 1
    assert place in told[0]
    assert words in told[0]
