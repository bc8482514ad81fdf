"""Numbers of modes on curves that are known: peaks, phases, truncation curves, pairs of conditions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from orrery.analyses.modes import Settings, numbers
from orrery.analyses.modes_comparison import largest_mean
from orrery.analyses.modes_phases import early_moments, flip_steps, interior, slopes, spreads
from orrery.analyses.modes_result import arranged
from orrery.analyses.modes_truncation import agreeing_from, largest_fall
from orrery.config.errors import OrreryError

STEPS = np.array([0, 10, 20, 100])
# G of three layers at four moments: equal, early layers steeper, late ones steeper, and all a little less steep.
LAYERS = np.array([[0.0, 0.0, 0.0], [0.6, 0.4, 0.2], [0.8, 1.0, 1.2], [0.5, 0.7, 0.9]])
TRUNCATED = np.array([0.60, 0.79, 0.80])


def known(shift: float = 0.0, seeds: tuple[int, ...] = (1, 2), bins: int = 2) -> xr.Dataset:
    layers = np.stack([LAYERS + shift for _ in seeds])
    count = len(seeds)
    truncated = np.broadcast_to(TRUNCATED[None, None, None, :, None], (count, 4, 2, 3, 2)).copy()
    truncated[..., 0] -= 0.1  # the field form
    errors = np.broadcast_to(np.array([0.5, 0.1, 0.0])[:, None], truncated.shape).copy()
    density = np.ones((count, 4, 3, bins))
    density[:, -1] += np.linspace(-shift, shift, bins)
    found = {
        "gradient": np.repeat(layers[..., None], 2, axis=3),
        "layer_gradient": layers,
        "chance_deviation": np.full((count, 4, 3), 0.1),
        "density": np.ones((count, 4, 3, 2, bins)),
        "layer_density": density,
        "bent": np.zeros((count, 4, 3)),
        "accuracy": np.full((count, 4, 2), 0.80 + shift),
        "truncated_accuracy": truncated + shift,
        "map_disagreement": errors / 2,
        "map_error": errors,
    }
    attributes = {"parts": ["train", "test"], "forms": ["field", "activation"], "classes": [0, 1]}
    return arranged(found, STEPS, list(seeds)).assign_attrs(attributes)


def said(sources: dict[str, xr.Dataset], **settings: object) -> dict:
    return {number.name: number for number in numbers(None, sources, Settings(**settings))}


def test_peak_end_and_phases_of_known_gradients() -> None:
    found = said({"a": known()})
    assert found["peak-gradient[a]"].value == pytest.approx(1.0)
    assert found["peak-step[a]"].value == 20
    assert found["interior-peak[a]"].value == 1
    assert found["final-gradient[a]"].value == pytest.approx(0.7)
    assert found["final-over-peak[a]"].value == pytest.approx(0.7)
    assert found["first-layer-gradient[a]"].value == pytest.approx(0.5)
    assert found["last-layer-gradient[a]"].value == pytest.approx(0.9)
    assert found["class-gradient[a,class=1]"].value == pytest.approx(0.7)
    # The first tenth of the steps holds step 10 alone.
    assert found["early-slope[a]"].value == pytest.approx(-0.2)
    assert found["final-slope[a]"].value == pytest.approx(0.2)
    assert (found["flipped[a]"].value, found["flip-step[a]"].value) == (1, 20)
    assert found["least-spread[a]"].value == pytest.approx(0.4)
    assert found["final-spread[a]"].value == pytest.approx(0.4 / 0.7)
    assert said({"a": known()}, early=(20, 20))["early-slope[a]"].value == pytest.approx(0.2)


def test_the_start_is_held_against_random_signs() -> None:
    found = said({"a": known(0.25)})
    assert found["initial-gradient[a]"].value == pytest.approx(0.25)
    assert found["initial-gradient[a]"].floor == pytest.approx(0.1)
    assert found["initial-deviations[a]"].value == pytest.approx(2.5)
    later = known().isel(moment=slice(1, None))
    assert "initial-deviations[a]" not in said({"a": later})


def test_a_truncation_curve_that_is_known() -> None:
    found = said({"a": known()})
    assert found["linear-accuracy[a,test,activation]"].value == pytest.approx(0.60)
    assert found["linear-loss[a,test,field]"].value == pytest.approx(0.30)
    assert found["map-error[a,train,activation]"].value == pytest.approx(0.5)
    assert found["map-disagreement[a,train,activation]"].value == pytest.approx(0.25)
    assert found["identity-error[a,test]"].value == 0
    assert found["largest-fall[a,test]"].value == 0
    assert found["linear-from[a,test]"].value == 3
    assert found["linear-late-layers[a,test]"].value == 0
    wide = said({"a": known()}, agreement=0.01)
    assert wide["linear-from[a,test]"].value == 2
    assert wide["linear-late-layers[a,test]"].value == 1


def test_where_curves_agree_and_fall() -> None:
    curve = np.array([[0.8, 0.5, 0.8, 0.8], [0.8, 0.8, 0.8, 0.8], [0.1, 0.9, 0.7, 0.8], [np.nan] * 4])
    found = agreeing_from(curve, np.full(4, 0.8), 0.0)
    assert found.tolist()[:3] == [3, 1, 4]
    assert np.isnan(found[3])
    np.testing.assert_allclose(largest_fall(curve[:3]), [0.3, 0, 0.2])


def test_phases_of_curves() -> None:
    gradient = np.array([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]])
    np.testing.assert_allclose(slopes(gradient), [[1, -1]])
    np.testing.assert_allclose(spreads(gradient), [[1, 1]])
    assert np.isnan(slopes(gradient[..., :1])).all()
    assert np.isnan(spreads(gradient[..., :1])).all()
    steps = np.array([0, 5, 9])
    slope = np.array([[-1, 1, 1], [-1, 1, -1], [1, 1, 1], [-1, -1, 1], [0, 1, 2]], dtype=float)
    found = flip_steps(slope, steps)
    assert found[0] == 5
    assert found[3] == 9
    assert np.isnan(found[[1, 2, 4]]).all()
    assert interior(np.array([[1, 2, 1], [2, 1, 1], [1, 2, 3]])).tolist() == [True, False, False]


def test_the_early_stage() -> None:
    assert early_moments(STEPS, None).tolist() == [False, True, False, False]
    assert early_moments(np.array([0, 50, 100]), None).tolist() == [False, True, False]
    assert early_moments(STEPS, (0, 10)).tolist() == [True, True, False, False]
    assert early_moments(STEPS, (11, 19)).tolist() == [False] * 4


def test_a_pair_is_compared_at_the_seeds_and_steps_of_both() -> None:
    one, other = known(0.05), known(0.0, seeds=(2, 4)).isel(moment=[0, 1, 3])
    found = said({"a": one, "b": other}, pairs=(("a", "b"),))
    assert found["test-gap[a,b]"].value == pytest.approx(0.05)
    assert found["test-gap[a,b]"].n == 1
    assert found["early-train-gap[a,b]"].value == pytest.approx(0.05)
    assert found["gradient-difference[a,b]"].value == pytest.approx(0.05)
    assert found["early-gradient-difference[a,b]"].value == pytest.approx(0.05)
    assert found["density-difference[a,b]"].value == pytest.approx(0.05)
    assert said({"a": one, "b": one}, pairs=(("b", "a"),))["density-difference[b,a]"].value == 0


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (known(seeds=(7,)), "shares no seed"),
        (known(bins=3), "has 2 and 3 bins; write bins"),
        (known().isel(layer=[0, 1]), "3 and 2 layers; compare networks with as many hidden layers"),
        (known().assign_attrs(parts=["train"]), "only one has test samples"),
    ],
)
def test_pairs_that_cannot_be_compared_are_one_sentence(other: xr.Dataset, sentence: str) -> None:
    with pytest.raises(OrreryError, match=sentence):
        said({"a": known(), "b": other}, pairs=(("a", "b"),))


def test_a_pair_without_a_result_is_one_sentence() -> None:
    with pytest.raises(OrreryError, match="pairs names 'c'"):
        said({"a": known()}, pairs=(("a", "c"),))


def test_the_largest_mean_is_that_of_the_means() -> None:
    differences = np.array([[1.0, -3.0], [-1.0, -1.0], [0.0, -2.0]])
    found = largest_mean(differences, "x", "y")
    assert found.value == 2
    assert found.interval is not None
    assert 1 <= found.interval[0] < 2 < found.interval[1] <= 3
    assert largest_mean(differences[:1], "x", "y").interval is None


def test_a_flat_first_layer_goes_with_accuracy() -> None:
    sources = {f"rate={place}": known(0.02 * place) for place in range(5)}
    assert said(sources)["flat-first-layer"].value == pytest.approx(1)
    assert said(sources)["flat-first-layer"].n == 5
    turned = {name: one.assign(layer_gradient=-one["layer_gradient"]) for name, one in sources.items()}
    assert said(turned)["flat-first-layer"].value == pytest.approx(-1)
    assert "flat-first-layer" not in said(dict(list(sources.items())[:3]))
