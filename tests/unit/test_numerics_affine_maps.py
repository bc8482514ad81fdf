"""Linear maps of the layers above against torch's own modules, and the identities of batch normalisation."""

from __future__ import annotations

from itertools import pairwise

import torch

from orrery.numerics.affine_maps import Affine, Normalisation, maps_above

RUNS = 3
WIDTHS = (5, 7, 6, 7, 4)


def draw(*shape: int, key: int = 0) -> torch.Tensor:
    return torch.randn(
        shape, dtype=torch.float64, generator=torch.Generator().manual_seed(key + 97 * len(shape))
    )


def layer(inputs: int, outputs: int, key: int) -> Affine:
    return Affine(draw(RUNS, outputs, inputs, key=key), draw(RUNS, outputs, key=key))


def norm(units: int, key: int) -> Normalisation:
    variance = draw(RUNS, units, key=key + 3).abs() + 0.1
    return Normalisation.of(*(draw(RUNS, units, key=key + part) for part in range(3)), variance)


def test_the_map_above_each_layer_is_the_layers_one_after_another() -> None:
    layers = [layer(a, b, key) for key, (a, b) in enumerate(pairwise(WIDTHS))]
    x = draw(RUNS, WIDTHS[0], 11)
    maps = maps_above(layers)
    assert len(maps) == len(layers)
    for place, above in enumerate(maps):
        below = draw(RUNS, WIDTHS[place], 11, key=place)
        expected = below
        for one in layers[place:]:
            expected = torch.einsum("roi,ris->ros", one.weight, expected) + one.offset[:, :, None]
        torch.testing.assert_close(above(below), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(maps[-1].weight, layers[-1].weight)
    assert torch.equal(maps[-1].offset, layers[-1].offset)
    assert maps[0](x).shape == (RUNS, WIDTHS[-1], 11)


def test_normalisation_is_that_of_torch_in_evaluation_mode() -> None:
    module = torch.nn.BatchNorm1d(6).double().eval()
    for key, tensor in enumerate((module.weight, module.bias, module.running_mean)):
        tensor.data = draw(6, key=20 + key)
    module.running_var.data = draw(6, key=9).abs() + 0.2
    found = Normalisation.of(
        *(one[None] for one in (module.weight, module.bias, module.running_mean, module.running_var)),
        module.eps,
    )
    x = draw(1, 6, 8)
    torch.testing.assert_close(found(x)[0].T, module(x[0].T), rtol=1e-13, atol=1e-13)


def test_normalisation_behind_a_layer_or_before_a_map_is_applied_once() -> None:
    below, above, between = layer(5, 7, 1), layer(7, 4, 2), norm(7, 3)
    x = draw(RUNS, 5, 9)
    torch.testing.assert_close(between.behind(below)(x), between(below(x)), rtol=1e-12, atol=1e-12)
    fields = below(x)
    torch.testing.assert_close(between.before(above)(fields), above(between(fields)), rtol=1e-12, atol=1e-12)


def test_ranks_are_those_before_and_behind_batch_normalisation() -> None:
    # Read before it, D belongs to the map, and a negative gamma turns the sign; read behind it, not.
    from orrery.numerics.rank_distributions import doubled_ranks

    fields, above, between = draw(RUNS, 7, 50), layer(7, 4, 2), norm(7, 3)
    assert (between.factor < 0).any()
    assert (between.factor > 0).any()
    before = torch.sign(between.before(above).weight)[:, :, :, None] * fields[:, None]
    behind = torch.sign(above.weight)[:, :, :, None] * between(fields)[:, None]
    assert (doubled_ranks(before.numpy()) == doubled_ranks(behind.numpy())).all()


def test_a_residual_connection_adds_the_input() -> None:
    square, x = layer(7, 7, 4), draw(RUNS, 7, 9)
    torch.testing.assert_close(square.plus_identity()(x), x + square(x), rtol=1e-12, atol=1e-12)
