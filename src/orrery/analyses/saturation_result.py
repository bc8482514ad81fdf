"""What the analysis of saturated networks stores: the runs, and the reduced map beside each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from orrery.analyses.saturation_states import Layers, Reducible, layers, recorded, reducible, state_of
from orrery.config.errors import OrreryError
from orrery.numerics import softmax_map
from orrery.numerics.streams import Streams
from orrery.numerics.tangent_frames import log_determinant, log_growth, positive_qr
from orrery.systems.system import Runs
from orrery.systems.tangents import push

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orrery.analyses.api import Context
    from orrery.analyses.saturation import Diagram, Settings, Tangents
    from orrery.systems.system import System
    from orrery.trajectory.trajectory import Trajectory

LEFT = 5000
"""Steps for which the fixed point is left alone after a small change: at 5.93 it grows by 1.0048 at each."""
TRIALS = 8
METRIC = "loss"


def result_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """See :func:`orrery.analyses.saturation.analyse`: ``loss(seed, time)`` and the others.

    Raises:
        OrreryError: the condition has no such reduction, or too few steps are read.
    """
    if context.system is None:
        raise OrreryError(
            "saturation: it needs the system of the condition, for the samples; run it in a study"
        )
    system = context.system()
    of = reducible(source, system)
    window = _window(source, settings)
    weights = recorded(source, window)
    runs = [
        layers({name: values[run] for name, values in weights.items()}, of)
        for run in range(len(source.seeds))
    ]
    last = state_of(weights)
    accuracies = {
        f"{part}_accuracy": ("seed", system.metrics[f"{part}_accuracy"](last).numpy())
        for part in ("train", "test")
    }
    found = xr.Dataset(
        {**_saturation(runs, of.rate, settings), **accuracies, **_course(source, of, settings)},
        coords={"seed": source.seeds},
    )
    if settings.tangents is not None:
        found = found.assign(
            _whole(system, weights, source, found["saturated"].values, settings.tangents)
        ).assign(_map_over_the_same(runs, found["effective_rate"].values, settings.tangents))
    beside = _reduced(runs, found["effective_rate"].values, of.fractions, settings, source.seeds)
    return found.assign({**beside, **_of_the_map(of.fractions, settings)}).assign_attrs(rate=of.rate)


def _window(source: Trajectory, settings: Settings) -> slice:
    steps = source.steps
    if len(steps) < settings.window:
        raise OrreryError(
            f"saturation: window: {settings.window} steps were asked for, but {len(steps)} recorded ones are read; "
            "write fewer, or widen 'steps'"
        )
    if steps[-1] - steps[-settings.window] != settings.window - 1:
        raise OrreryError(
            "saturation: the reduced map is followed step by step; record every step (record.steps: {every: 1}) at "
            "least over the window"
        )
    if settings.tangents is not None and settings.tangents.align + settings.tangents.steps >= settings.window:
        raise OrreryError(
            f"saturation: tangents: {settings.tangents.align} and {settings.tangents.steps} steps do not fit into the "
            f"window of {settings.window}; write fewer, or a larger 'window'"
        )
    if settings.horizon >= settings.window:
        raise OrreryError(
            f"saturation: horizon: {settings.horizon} is not less than window: {settings.window}; write fewer steps"
        )
    return slice(len(steps) - settings.window, len(steps))


def _saturation(runs: Sequence[Layers], rate: float, settings: Settings) -> dict[str, tuple]:
    ones = np.array([(run.hidden > 0.5).sum(axis=1) for run in runs])
    deviation = np.array([max(run.deviation[0], run.deviation[-1]) for run in runs])
    losses = np.array([run.loss for run in runs])
    sums = np.array([run.logits.sum(axis=1) for run in runs])
    return {
        "deviation": ("seed", deviation),
        "saturated": ("seed", deviation < settings.threshold),
        "ones": ("seed", ones[:, -1]),
        "changes": ("seed", (ones[:, 1:] != ones[:, :-1]).sum(axis=1)),
        "constant_class": ("seed", np.array([bool(run.same_class[-1]) for run in runs])),
        "sum_drift": ("seed", np.abs(sums - sums[:, :1]).max(axis=1)),
        "loss": (("seed", "time"), losses),
        "end": (("seed", "side"), _ends(losses)),
        "period": (
            "seed",
            softmax_map.periods(losses, settings.largest_period, settings.period_tolerance).astype(int),
        ),
        # Where h is constant over the samples, so is its square; elsewhere this means nothing.
        "effective_rate": ("seed", np.array([rate * (1 + (run.hidden[-1] ** 2).sum()) for run in runs])),
    }


def _reduced(
    runs: Sequence[Layers], rates: np.ndarray, fractions: np.ndarray, settings: Settings, seeds: Sequence[int]
) -> dict[str, tuple]:
    logits = np.array([run.logits for run in runs])
    losses = np.array([run.loss for run in runs])
    rate = rates[:, None]
    own = softmax_map.loss(softmax_map.iterate(logits[:, 0], rate, fractions, settings.window - 1), fractions)
    start = settings.window - 1 - settings.horizon
    followed = softmax_map.loss(
        softmax_map.iterate(logits[:, start], rate, fractions, settings.horizon), fractions
    )
    exponents, residuals = softmax_map.exponents_along(logits, rate)
    return {
        "reduced_loss": (("seed", "time"), own),
        "reduced_end": (("seed", "side"), _ends(own)),
        "attractor": (("seed", "start", "side"), _attractors(rates, fractions, settings, seeds)),
        "error": (("seed", "lag"), np.abs(followed - losses[:, start:])),
        "exponent": (("seed", "index"), exponents),
        "sum_rule": ("seed", residuals),
    }


def _attractors(
    rates: np.ndarray, fractions: np.ndarray, settings: Settings, seeds: Sequence[int]
) -> np.ndarray:
    """Least and largest loss of the reduced map from random starts, at the effective rate of each run."""
    # One step moves z by up to the effective rate, so that starts spread as wide.
    starts = np.array([_normal(seed, (settings.starts, len(fractions))) for seed in seeds])
    rate = np.repeat(rates, settings.starts)[:, None]
    logits = softmax_map.after(starts.reshape(-1, len(fractions)) * rate, rate, fractions, settings.transient)
    low, high = softmax_map.extremes(logits, rate, fractions, settings.window)
    return np.stack([low, high], axis=1).reshape(len(seeds), settings.starts, 2)


def _whole(
    system: System,
    weights: dict[str, np.ndarray],
    source: Trajectory,
    saturated: np.ndarray,
    chosen: Tangents,
) -> dict[str, tuple]:
    """Exponents of all weights along the recorded states, by QR."""
    rows = np.flatnonzero(saturated)[: chosen.runs]
    exponents = np.full((len(saturated), system.size), np.nan)
    residual = np.full(len(saturated), np.nan)
    if rows.size:
        last = next(iter(weights.values())).shape[1] - 1
        first = last - chosen.align - chosen.steps
        runs = Runs(tuple(source.seeds[row] for row in rows), (0,) * len(rows))
        start = torch.from_numpy(_normal(0, (system.size, system.size), "frame"))
        frame = positive_qr(start.expand(len(rows), -1, -1))[0]
        logs = torch.zeros((len(rows), system.size), dtype=torch.float64)
        volume = torch.zeros(len(rows), dtype=torch.float64)
        for place in range(first, last):
            step = source.steps[place - last - 1]
            state = {name: torch.from_numpy(values[rows, place]) for name, values in weights.items()}
            moved = push(system, state, system.batch(runs, step), step, frame.transpose(1, 2), together=16)
            carried, before = moved.transpose(1, 2), frame
            frame, factor = positive_qr(carried)
            if place >= first + chosen.align:
                logs += log_growth(factor)
                volume += log_determinant(carried, before)
        exponents[rows] = -np.sort(-(logs / chosen.steps).numpy(), axis=1)
        residual[rows] = ((logs.sum(dim=1) - volume) / chosen.steps).abs().numpy()
    return {
        "network_exponent": (("seed", "direction"), exponents),
        "network_sum_rule": ("seed", residual),
    }


def _map_over_the_same(runs: Sequence[Layers], rates: np.ndarray, chosen: Tangents) -> dict[str, tuple]:
    logits = np.array([run.logits for run in runs])[:, -(chosen.align + chosen.steps + 1) :]
    exponents, _ = softmax_map.exponents_along(logits, rates[:, None], chosen.align)
    return {"map_exponent": (("seed", "index"), exponents)}


def _of_the_map(fractions: np.ndarray, settings: Settings) -> dict[str, tuple]:
    chosen: Diagram = settings.diagram
    rates = np.linspace(*chosen.rates, chosen.count)
    starts = _normal(0, (chosen.count, chosen.starts, len(fractions)), "diagram") * rates[:, None, None]
    rate = np.repeat(rates, chosen.starts)[:, None]
    ends = softmax_map.after(starts.reshape(-1, len(fractions)), rate, fractions, chosen.transient)
    drawn = softmax_map.loss(softmax_map.iterate(ends, rate, fractions, chosen.kept - 1), fractions)
    return {
        "fractions": ("class", fractions),
        "diagram_rate": ("rate", rates),
        "diagram_loss": (
            ("rate", "start_of_diagram", "kept"),
            drawn.reshape(chosen.count, chosen.starts, chosen.kept),
        ),
        "end_distance": (("near", "trial"), _left_alone(fractions, settings)),
    }


def _left_alone(fractions: np.ndarray, settings: Settings) -> np.ndarray:
    """How far from the fixed point starts at a small distance from it end."""
    fixed = softmax_map.fixed_point(fractions)
    away = _normal(0, (TRIALS, len(fractions)), "near")
    away -= away.mean(axis=1, keepdims=True)
    away *= settings.distance / np.linalg.norm(away, axis=1, keepdims=True)
    found = [
        np.linalg.norm(softmax_map.after(fixed + away, rate, fractions, LEFT) - fixed, axis=1)
        for rate in settings.near_bound
    ]
    return np.array(found).reshape(len(settings.near_bound), TRIALS)


def _course(source: Trajectory, of: Reducible, settings: Settings) -> dict[str, tuple]:
    """Units at one and the range of the loss over all that is read."""
    originals = source.select(copies=[0])
    places = np.unique(np.linspace(0, len(source.steps) - 1, settings.moments).astype(int))
    steps = np.array(source.steps)[places]
    weights = recorded(source, places)
    runs = [
        layers({name: values[run] for name, values in weights.items()}, of)
        for run in range(len(source.seeds))
    ]
    between = np.full((len(source.seeds), len(steps), 2), np.nan)
    if METRIC in originals.metrics:
        series = originals.metric(METRIC)
        at, values = series["training_step"].values, np.asarray(series.values, dtype=float)
        for place, (first, last) in enumerate(itertools.pairwise(steps)):
            among = values[:, (at >= first) & (at < last)]
            if among.shape[1]:
                between[:, place] = _ends(among)
    return {
        "moment_step": ("moment", steps),
        "moment_ones": (("seed", "moment"), np.array([(run.hidden > 0.5).sum(axis=1) for run in runs])),
        "moment_deviation": (("seed", "moment"), np.array([run.deviation for run in runs])),
        "course": (("seed", "moment", "side"), between),
    }


def _ends(losses: np.ndarray) -> np.ndarray:
    """Least and largest value of each row."""
    return np.stack([losses.min(axis=1), losses.max(axis=1)], axis=1)


def _normal(key: int, shape: tuple[int, ...], purpose: str = "starts") -> np.ndarray:
    return Streams().generator("probe", key, "saturation", purpose).standard_normal(shape)
