"""The class with the largest output, against PyTorch's ``argmax``."""

from __future__ import annotations

import pytest
import torch

from orrery.systems.answers import FEW, answered


@pytest.mark.parametrize("classes", [1, 2, 10, FEW, FEW + 1])
def test_it_is_argmax_and_the_first_of_equal_ones(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    last = torch.randint(-3, 3, (4, classes, 200), generator=generator).float()
    last[0, 0, :5] = torch.inf
    last[1] = 0
    assert torch.equal(answered(last), last.argmax(dim=1))
