"""The result of the analysis ``lyapunov`` for one condition: runs chosen, windows checked, exponents gathered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from orrery.analyses.lyapunov import Settings, transients, window_problem
from orrery.analyses.lyapunov_covariant import Backward
from orrery.analyses.lyapunov_forward import Forward
from orrery.analyses.lyapunov_tangents import WEIGHTS, Followed, Mark, marks, scales_of, start_frame
from orrery.config.errors import OrreryError
from orrery.systems.system import System
from orrery.systems.tangents import check_differentiable, places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orrery.analyses.api import Context, Replayed
    from orrery.systems.system import State
    from orrery.trajectory.trajectory import Trajectory

LARGEST_SPREAD = 10.0
"""Between two orthogonalisations the first direction may outgrow the last by this, in natural logarithms."""


@dataclass(frozen=True)
class Window:
    """The steps that an analysis looks at.

    Attributes:
        first, last: of the first and of the last state.
        read: the last step that the study reads.
        directions: number of tangent vectors.
        horizons: steps from ``first``.
        moments: steps at which curves are kept.
        stops: steps of orthogonalisation after ``first``.
    """

    first: int
    last: int
    read: int
    directions: int
    horizons: tuple[int, ...]
    moments: tuple[int, ...]
    stops: frozenset[int]

    @property
    def length(self) -> int:
        """Steps from the first to the last state."""
        return self.last - self.first


def exponents_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Exponents along the replayed runs of one condition.

    Args:
        source: tells seeds and steps that the study reads, and which runs diverged.
        settings: of the analysis.
        context: with a replay.

    Returns:
        In natural logarithms per step, ``index`` in the order of the QR:

        - ``exponent(seed, index)``: mean of ln R_ii over the window after ``align`` steps; -inf where R_ii = 0;
        - ``finite_time(seed, horizon, index)``: the same over ``horizon`` steps from the start of the window;
        - ``finite_time_svd(seed, horizon, index)``: from the singular values of the tangent map over these steps,
          largest first; NaN where rounding has lost them, and without a full basis;
        - ``running(seed, moment, index)``: the mean up to a moment; ``local(seed, moment, index)``: since the last;
        - ``convergence(seed, index)``: by how much the means over the two halves of the averaged steps differ;
        - ``sum_rule(seed)``: the sum of all exponents less the mean of ln|det J|, its size; ``sum_rule_single(seed)``:
          the largest such difference of one orthogonalisation, over no mean; NaN without a full basis;
        - ``vector_growth(seed, horizon)``, ``vector_growth_l1(seed, horizon)``: of the weight part of the first start
          vector in its L2 and L1 norm; ``vector_length(seed, moment)``, ``vector_length_l1(seed, moment)``: logarithms
          of that part relative to the start;
        - ``loss(seed, horizon)``, ``step_length(seed, horizon)``: of the state there, and of the step that leads on in
          the weights (L2); ``final_loss(seed)``: of the last state that is read;
        - ``diverged(seed)``, ``undefined(seed)``: the run, or its tangents alone, are not finite at the end of the
          window; ``super_contracted(seed)``: how often R_ii = 0; ``masked(seed)``: entries of a second moment that
          were 0 at a moment, whose tangent is set to 0, at most;
        - ``moment_step(moment)``; with ``covariant`` what :class:`orrery.analyses.lyapunov_covariant.Backward` adds.

    Raises:
        OrreryError: the settings do not fit the runs, or the system has no derivative.
    """
    if context.replay is None:
        raise OrreryError("lyapunov: the runs cannot be iterated again here; name the analysis in a study")
    seeds = source.seeds
    found: dict[int, dict[str, np.ndarray]] = {}
    attributes: dict[str, Any] = {}
    for followed in _chosen(context.replay(), seeds, settings.copy_):
        check_differentiable(followed.system, "lyapunov")
        window = window_of(source, settings, followed.system)
        variables, attributes = _of_tile(followed, window, settings)
        for place, seed in enumerate(followed.runs.seeds):
            found[seed] = {name: np.asarray(values[place]) for name, values in variables.items()}
    missing = [seed for seed in seeds if seed not in found]
    if missing:
        raise OrreryError(
            f"copy: seed {missing[0]} has no copy {settings.copy_}; write one of {source.copies}"
        )
    _leave_out_diverged(found, source, settings.copy_, window)
    dims = {**_DIMS, **Backward.DIMS}
    return xr.Dataset(
        {
            name: (("seed", *dims[name]), np.stack([found[seed][name] for seed in seeds]))
            for name in found[seeds[0]]
        }
        | {"moment_step": ("moment", np.array(window.moments))},
        coords={
            "seed": seeds,
            "index": np.arange(window.directions),
            "horizon": np.array(window.horizons),
            "moment": np.arange(len(window.moments)),
        },
        attrs={
            "axes": dict(context.axes),
            "window": [window.first, window.last],
            "averaged": [window.first + settings.align, window.last],
            "components": followed.system.size,
            **attributes,
        },
    )


_DIMS: Mapping[str, tuple[str, ...]] = {
    "exponent": ("index",),
    "finite_time": ("horizon", "index"),
    "finite_time_svd": ("horizon", "index"),
    "running": ("moment", "index"),
    "local": ("moment", "index"),
    "convergence": ("index",),
    "sum_rule": (),
    "sum_rule_single": (),
    "vector_growth": ("horizon",),
    "vector_growth_l1": ("horizon",),
    "vector_length": ("moment",),
    "vector_length_l1": ("moment",),
    "loss": ("horizon",),
    "step_length": ("horizon",),
    "final_loss": (),
    "diverged": (),
    "undefined": (),
    "super_contracted": (),
    "masked": (),
}


def _chosen(orbits: Sequence[Replayed], seeds: Sequence[int], copy: int) -> Iterator[Followed]:
    for orbit in orbits:
        pairs = zip(orbit.runs.seeds, orbit.runs.copies, strict=True)
        rows = tuple(row for row, (seed, one) in enumerate(pairs) if one == copy and seed in seeds)
        if rows:
            yield Followed(orbit, rows)


def window_of(source: Trajectory, settings: Settings, system: System) -> Window:
    """The steps of an analysis, with all defaults written out, as dims ``(horizon,)`` and ``(moment,)`` need them.

    Raises:
        OrreryError: they do not fit the runs.
    """
    steps = source.steps
    begin, read = settings.steps or (steps[0], steps[-1])
    first, last = settings.window or (begin, read)
    if last > read:
        raise OrreryError(f"window: ends at step {last}, but what is read ends at step {read}")
    if first >= last:
        raise OrreryError(f"window: there is no step between {first} and {last}; read more steps")
    problem = window_problem(settings, first, last)
    if problem is not None:
        raise OrreryError(problem)
    return Window(
        first,
        last,
        read,
        _directions(settings, system),
        tuple(sorted(set(settings.horizons))) or (last - first,),
        _moments(settings, first, last),
        _stops(settings, first, last),
    )


def _directions(settings: Settings, system: System) -> int:
    directions = system.size if settings.exponents == "all" else settings.exponents
    if directions > system.size:
        raise OrreryError(
            f"exponents: {directions} are more than the {system.size} components of the state; write at most "
            f"{system.size}, or all"
        )
    if settings.covariant is not None and directions < 2:
        raise OrreryError("covariant: angles need at least two exponents; write exponents: 2, or more")
    if settings.frame is not None:
        inside = len(places(system.components, settings.frame))
        if directions > inside:
            raise OrreryError(
                f"frame: {list(settings.frame)} has {inside} components, too few for {directions} start vectors; "
                f"write at most {inside} exponents, or leave out 'frame'"
            )
    return directions


def _moments(settings: Settings, first: int, last: int) -> tuple[int, ...]:
    if isinstance(settings.moments, tuple):
        return tuple(sorted(set(settings.moments)))
    count = min(settings.moments, last - first)
    spread = np.linspace(first, last, count + 1)[1:]
    return tuple(int(step) for step in np.unique(np.round(spread)))


def _stops(settings: Settings, first: int, last: int) -> frozenset[int]:
    """Every so many steps, and wherever something is read off."""
    stops = set(range(first + settings.every, last, settings.every)) | {last}
    stops.add(first + settings.align)
    stops.add(_middle(settings, first, last))
    stops.update(first + horizon for horizon in settings.horizons)
    stops.update(_moments(settings, first, last))
    if settings.covariant is not None:
        before, after = transients(settings.covariant)
        stops.update((first + before, last - after))
    return frozenset(step for step in stops if step > first)


def _middle(settings: Settings, first: int, last: int) -> int:
    return (first + settings.align + last + 1) // 2


def _of_tile(
    followed: Followed, window: Window, settings: Settings
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Variables (run, ...) of the chosen runs of a tile, and what all runs share."""
    system = followed.system
    _, state = next(iter(followed.states(window.first, window.first)))
    if state[system.components[0].name].dtype != torch.float64:
        raise OrreryError(
            "lyapunov: tangents are followed in double precision; write training: {dtype: float64}"
        )
    scales = _scales(followed, state, window, settings)
    preferred = WEIGHTS if scales is not None else None
    frame = start_frame(followed, window.directions, settings.frame, preferred)
    forward = Forward(
        followed,
        first=window.first,
        averaged_from=window.first + settings.align,
        middle=_middle(settings, window.first, window.last),
        horizons=window.horizons,
        moments=window.moments,
        scales=scales,
    )
    backward = None
    if settings.covariant is not None:
        backward = Backward(followed, settings.covariant, window.first, window.last, window.moments, scales)

    def along(start: Any, first: int, last: int) -> Iterator[Mark]:
        return marks(followed, start, first, last, window.stops, scales)

    for mark in along(frame, window.first, window.last):
        forward.take(mark)
        if backward is not None:
            backward.take(mark)
    variables = forward.variables()
    _check_spread(variables["exponent"], settings.every)
    variables["final_loss"] = (
        forward.loss_at(mark.step, mark.state)
        if window.read == window.last
        else forward.loss_at(*next(iter(followed.states(window.read, window.read))))
    )
    attributes: dict[str, Any] = {"norm": "euclidean" if scales is None else "scaled"}
    if backward is not None:
        more, about = backward.variables(along, variables["exponent"])
        variables |= more
        attributes |= about
    return variables, attributes


def _scales(followed: Followed, state: State, window: Window, settings: Settings) -> torch.Tensor | None:
    """What the components are measured in: nothing, or the size of the part of the state that they are of."""
    adaptive = any(part.role == "second-moment" for part in followed.system.components)
    if settings.norm == "euclidean" or (settings.norm == "auto" and not adaptive):
        return None
    scales = scales_of(followed, state)
    if (scales == 0).any():
        raise OrreryError(
            f"norm: a part of the state is zero at step {window.first}, so that nothing can be measured in its "
            f"size; let the window start later, as window: [10, {window.last}], or write norm: euclidean"
        )
    return scales


def _check_spread(exponents: np.ndarray, every: int) -> None:
    """Refuse too rare orthogonalisation: the last directions would be rounding of the first.

    Raises:
        OrreryError: it was.
    """
    finite = np.where(np.isfinite(exponents), exponents, np.nan)
    if every == 1 or np.isnan(finite).all():
        return
    spread = float(np.nanmax(np.nanmax(finite, axis=1) - np.nanmin(finite, axis=1)))
    if every * spread >= LARGEST_SPREAD:
        most = max(1, int(LARGEST_SPREAD / spread))
        raise OrreryError(
            f"every: exponents differ by {spread:.3g} per step, so that {every} steps between two "
            f"orthogonalisations lose the smallest; write at most {most}"
        )


def _leave_out_diverged(
    found: Mapping[int, dict[str, np.ndarray]], source: Trajectory, copy: int, window: Window
) -> None:
    """Take away what lies beyond the step at which training stopped a run, also where tangents are still finite."""
    data = source.dataset
    columns = (data[name].values for name in ("seed", "copy", "status", "last_step"))
    for seed, one, status, final in zip(*columns, strict=True):
        if one != copy or status != 1 or final >= window.last:
            continue
        beyond = {
            "horizon": np.array(window.horizons) + window.first > final,
            "moment": np.array(window.moments) > final,
        }
        for name, values in found[int(seed)].items():
            dims = _DIMS.get(name) or Backward.DIMS.get(name, ())
            if values.dtype.kind != "f":
                continue
            if dims and dims[0] in beyond:
                values = values.copy()
                values[beyond[dims[0]]] = np.nan
            else:
                values = np.full_like(values, np.nan)
            found[int(seed)][name] = values
        found[int(seed)]["diverged"] = np.array(True)
        found[int(seed)]["undefined"] = np.array(False)
