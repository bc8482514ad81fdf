"""Spectra of one condition: all delays, the headline and its variants, stride and split halves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol

import dask
import numpy as np
import xarray as xr
from jaxtyping import Complex, Float

from orrery.analyses.ensembles import from_reduction, from_trajectory, window_of
from orrery.analyses.koopman import Sweep
from orrery.analyses.koopman_estimators import Estimator, Wanted, estimator, gram_estimator
from orrery.config.errors import OrreryError
from orrery.numerics.embedding import check_length
from orrery.numerics.gram import centred_gram
from orrery.numerics.matching import distance
from orrery.numerics.parts import Part
from orrery.numerics.spectrum import RankError, Spectrum, available_rank

if TYPE_CHECKING:
    from orrery.analyses.koopman import Settings
    from orrery.trajectory.trajectory import Trajectory

PATHS = ("direct", "gram", "covariance", "operator")


@dataclass(frozen=True)
class Variant:
    """Rank and centring; variant 0 is the headline. Variants of a sweep may be refused."""

    rank: int
    centred: bool


@dataclass(frozen=True)
class Group:
    """Runs that share a spectrum: their states, or the Gram matrix of these."""

    seed: int
    data: Float[np.ndarray, "run step component"] | Float[np.ndarray, "run step run step"]
    is_gram: bool
    runs: int
    steps: int
    stacked: int
    """Entries of the embedded state per block; unknown (very large) for a Gram matrix."""

    def estimator(self, delays: int, path: str, wanted: Wanted, *, centred: bool) -> Estimator:
        """The estimator of the group at one number of delays; ``centred`` takes the mean state of the group away.

        Raises:
            OrreryError: a path that needs the states of a Gram matrix, no convergence, values that are not finite, too
                few steps.
        """
        if self.is_gram:
            return gram_estimator(centred_gram(self.data) if centred else self.data, delays, path)
        states = self.data - self.data.mean(axis=(0, 1)) if centred else self.data
        return estimator(states, delays, path, wanted)


class Reader(Protocol):
    """A group that is read when its turn comes, by the task that needs it."""

    def group(self) -> Group:
        """Read it."""


class StatesReader:
    """A group as states (seed, copy, step, component)."""

    def __init__(self, seed: int, states: Part) -> None:
        self._seed, self._states = seed, states

    def group(self) -> Group:
        """Read the states, in float64."""
        states = np.asarray(self._states.read(), dtype=np.float64)
        steps, components = states.shape[-2:]
        flat = states.reshape(-1, steps, components)
        return Group(self._seed, flat, False, len(flat), steps, components)


class GramReader:
    """A group as the Gram matrix of its states, of which some steps are used."""

    def __init__(self, seed: int, gram: Part, steps: int, places: slice, stacked: int) -> None:
        self._seed, self._gram, self._steps = seed, gram, steps
        self._places, self._stacked = places, stacked

    def group(self) -> Group:
        """Read the matrix."""
        gram = self._gram.read()
        runs = len(gram) // self._steps
        blocks = gram.reshape(runs, self._steps, runs, self._steps)[:, self._places][:, :, :, self._places]
        return Group(self._seed, blocks, True, runs, blocks.shape[1], self._stacked)


def spectra_of(source: Trajectory | xr.Dataset, settings: Settings) -> xr.Dataset:
    """Spectra of all groups of a condition; see :func:`orrery.analyses.koopman.analyse`."""
    if not settings.controls:
        settings = settings.model_copy(update={"stride": 1, "splits": 0, "sweep": Sweep()})
    variants = _variants(settings)
    readers = _groups(source, settings)
    tasks = [dask.delayed(_spectra_of_group)(reader, settings, variants) for _, reader in readers]
    parts = dask.compute(*tasks)
    stacked = {
        name: (dims, np.stack([part[name][1] for part in parts])) for name, (dims, _) in parts[0].items()
    }
    modes = max(variant.rank for variant in variants)
    return xr.Dataset(
        {name: (("seed", *dims), values) for name, (dims, values) in stacked.items()},
        coords={
            "seed": ("seed", np.array([seed for seed, _ in readers])),
            "delays": ("delays", np.array(settings.delays)),
            "variant": ("variant", np.arange(len(variants))),
            "mode": ("mode", np.arange(modes)),
        },
        attrs={
            "group": settings.group,
            "variants": [{"rank": variant.rank, "centred": variant.centred} for variant in variants],
            "paths": list(PATHS),
            "stride": settings.stride,
            "steps": list(settings.steps) if settings.steps else [],
            "observable": list(settings.observable),
        },
    )


def _variants(settings: Settings) -> list[Variant]:
    rank = settings.rank if isinstance(settings.rank, int) else settings.rank.most
    found = [Variant(rank, settings.centred)]
    found += [Variant(other, settings.centred) for other in settings.sweep.ranks]
    if settings.sweep.centred:
        found.append(Variant(rank, not settings.centred))
    return list(dict.fromkeys(found))


def _groups(source: Trajectory | xr.Dataset, settings: Settings) -> list[tuple[int, Reader]]:
    """The groups by their (first) seed; a group is read when its turn comes."""
    if isinstance(source, xr.Dataset):
        if settings.observable:
            raise OrreryError("koopman: 'observable' is chosen by the reduction that is read; leave it out")
        if source.attrs.get("kind") == "gram":
            return _gram_groups(source, settings)
        if source.attrs.get("kind") != "states":
            raise OrreryError(
                f"koopman: '{settings.of}' is no reduction; write of: trajectory or a reduction"
            )
        ensemble = from_reduction(source, settings.steps)
    else:
        ensemble = from_trajectory(source, settings.observable, settings.steps)
    seeds = len(ensemble.seeds)
    members = [[i] for i in range(seeds)] if settings.group == "seed" else [list(range(seeds))]

    return [
        (seed := int(ensemble.seeds[places[0]]), StatesReader(seed, Part([ensemble.states[places]])))
        for places in members
    ]


def _gram_groups(source: xr.Dataset, settings: Settings) -> list[tuple[int, Reader]]:
    if source.attrs["group"] != settings.group:
        raise OrreryError(
            f"koopman: group is '{settings.group}', and the Gram matrices of '{settings.of}' are per "
            f"{source.attrs['group']}; write the same group in both"
        )
    steps = source["step"].values
    places = window_of(steps, settings.steps)

    stacked = int(source.attrs["components"])
    return [
        (int(seed), GramReader(int(seed), Part([source["gram"].data[index]]), len(steps), places, stacked))
        for index, seed in enumerate(source["seed"].values)
    ]


def _spectra_of_group(
    reader: Reader, settings: Settings, variants: list[Variant]
) -> dict[str, tuple[tuple[str, ...], Any]]:
    group = reader.group()
    shape = (len(settings.delays), len(variants))
    modes = max(variant.rank for variant in variants)
    found: dict[str, tuple[tuple[str, ...], Any]] = {
        "eigenvalue": (("delays", "variant", "mode"), np.full((*shape, modes), np.nan, dtype=complex)),
        "modes": (("delays", "variant"), np.zeros(shape, dtype=int)),
        "singular_ratio": (("delays", "variant"), np.full(shape, np.nan)),
        "error": (("delays", "variant"), np.full(shape, np.nan)),
        "path": (("delays", "variant"), np.full(shape, -1, dtype=np.int8)),
    }
    if settings.stride > 1:
        found["stride_eigenvalue"] = (
            ("delays", "mode"),
            np.full((shape[0], modes), np.nan, dtype=complex),
        )
    halves = _halves(group.runs, settings.splits)
    if halves:
        found["split_distance"] = (("delays", "split"), np.full((shape[0], len(halves)), np.nan))
        found["split_error"] = ((), np.full((), np.nan))
    if not np.isfinite(group.data).all():
        # A run has diverged: this seed has no spectrum; comparisons leave it out and say so.
        return found
    for place, delays in enumerate(settings.delays):
        _fill(found, group, place, delays, settings, variants, halves)
    return found


def _fill(
    found: dict[str, tuple[tuple[str, ...], Any]],
    group: Group,
    place: int,
    delays: int,
    settings: Settings,
    variants: list[Variant],
    halves: list[tuple[list[int], list[int]]],
) -> None:
    """Everything at one number of delays."""
    check_length(group.steps, delays, settings.stride)
    most = available_rank((delays + 1) * group.stacked, group.runs * (group.steps - delays - 1))
    rank = settings.rank if isinstance(settings.rank, int) else min(settings.rank.most, most)
    swept = settings.sweep.delays is None or delays in settings.sweep.delays
    asked = [
        (index, rank if index == 0 or variant.centred != settings.centred else variant.rank, variant)
        for index, variant in enumerate(variants)
        if index == 0 or swept
    ]
    further = max(
        (other for _, other, variant in asked if variant.centred == settings.centred and other <= most),
        default=0,
    )
    wanted = Wanted(rank, further, subsets=bool(halves) or settings.stride > 1)
    made = {settings.centred: group.estimator(delays, settings.path, wanted, centred=settings.centred)}
    for index, other, variant in asked:
        if index and other > most:
            continue
        if variant.centred not in made:
            plain = Wanted(rank, 0, subsets=False)
            made[variant.centred] = group.estimator(delays, settings.path, plain, centred=variant.centred)
        try:
            _put(found, place, index, made[variant.centred].spectrum(other))
        except RankError:
            if index == 0:
                raise
    main = made[settings.centred]
    if settings.stride > 1:
        values = main.spectrum(rank, settings.stride).eigenvalues
        found["stride_eigenvalue"][1][place, : len(values)] = values
    if halves:
        spectra = main.subsets(rank, [half for split in halves for half in split])
        found["split_distance"][1][place] = [
            distance(a.eigenvalues, b.eigenvalues) for a, b in zip(spectra[::2], spectra[1::2], strict=True)
        ]
        if place == 0 and not group.is_gram:
            # The halves are approximated in a common basis; one of them, computed exactly, tells by how much.
            states = group.data[halves[0][0]]
            if settings.centred:
                states = states - group.data.mean(axis=(0, 1))
            exact = estimator(states, delays, settings.path, Wanted(rank, 0, subsets=False)).spectrum(rank)
            found["split_error"][1][...] = distance(exact.eigenvalues, spectra[0].eigenvalues)


def _put(found: dict[str, tuple[tuple[str, ...], Any]], place: int, index: int, spectrum: Spectrum) -> None:
    count = len(spectrum.eigenvalues)
    found["eigenvalue"][1][place, index, :count] = spectrum.eigenvalues
    found["modes"][1][place, index] = count
    found["singular_ratio"][1][place, index] = spectrum.ratio
    found["error"][1][place, index] = spectrum.error
    found["path"][1][place, index] = PATHS.index(spectrum.path)


def _halves(runs: int, splits: int) -> list[tuple[list[int], list[int]]]:
    """Fixed splits of the runs into halves, evenly spaced among all; an odd run out joins the second half."""
    if splits == 0 or runs < 2:
        return []
    everyone = set(range(runs))
    half = runs // 2
    # With equal halves, those that hold run 0 already are all splits.
    every = [list(chosen) for chosen in combinations(range(runs), half) if runs % 2 or 0 in chosen]
    places = np.unique(np.linspace(0, len(every) - 1, min(splits, len(every))).round().astype(int))
    return [(every[place], sorted(everyone - set(every[place]))) for place in places]


def finite(values: Complex[np.ndarray, " mode"]) -> Complex[np.ndarray, " kept"]:
    """The eigenvalues of a stored spectrum, without the NaN that pads it to the highest rank."""
    return np.asarray(values[np.isfinite(values)])
