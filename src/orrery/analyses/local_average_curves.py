"""Local averages of recorded networks, and of the constant kernel that they start with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from orrery.analyses.feature_settings import not_plain
from orrery.analyses.feature_space_curves import by_moment
from orrery.analyses.network_states import Networks, networks_of
from orrery.config.errors import OrreryError
from orrery.numerics.constant_kernel import ConstantKernel, constant_kernel
from orrery.numerics.local_average import fit_scales, weights
from orrery.numerics.ranks import rank_correlation
from orrery.systems.tangent_kernels import by_jacobians

if TYPE_CHECKING:
    from orrery.analyses.api import Context
    from orrery.analyses.local_average import Settings
    from orrery.systems.system import State, System
    from orrery.trajectory.trajectory import Trajectory

Found = dict[str, tuple[tuple[str, ...], Any]]


def curves_of(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Local averages along the recorded steps; see :func:`orrery.analyses.local_average.analyse`.

    Raises:
        OrreryError: as there.
    """
    networks = networks_of(source, context, settings.moments, "local-average")
    if networks.inputs.shape[1] != 1 or networks.targets.shape[1] != 1:
        raise OrreryError(
            f"local-average: the fit is for one input and one target, and a sample has {networks.inputs.shape[1]} and "
            f"{networks.targets.shape[1]}; leave its conditions out of 'conditions'"
        )
    points = torch.linspace(*settings.grid.interval, settings.grid.points, dtype=torch.float64)[:, None]
    at_points, at_samples, first = _outputs(networks, points)
    start = at_points[:, :1], at_samples[:, 0]
    data = networks.targets[:, 0].numpy() - start[1]
    learnt = at_points - start[0]
    scales = np.geomspace(*settings.scales.between, settings.scales.count)
    of_samples = weights(points[:, 0].numpy(), networks.inputs[:, 0].numpy(), scales)
    averages = np.einsum("sxi,ri->rsx", of_samples, data)[:, None]
    fit = fit_scales(learnt, averages, scales)
    moment, steps = ("seed", "moment"), networks.steps
    found: Found = {
        "scale": (moment, fit.scale),
        "gain": (moment, fit.gain),
        "explained": (moment, fit.explained),
        "output": ((*moment, "point"), learnt),
        "moment_step": (("moment",), steps),
        "point_x": (("point",), points[:, 0].numpy()),
        "rho": (("seed",), falling(fit.scale, steps.astype(float))),
        "diverged": (("seed",), ~np.isfinite(learnt).all(axis=(1, 2))),
    }
    if settings.reference != "none":
        kernel = _kernel(networks, source, settings, first, points)
        found |= _reference(kernel, settings, averages, scales, data)
        found["departure"] = (moment, _departure(kernel, learnt, data, steps - steps[0]))
    return xr.Dataset(found, coords={"seed": list(networks.seeds)}, attrs={"axes": dict(context.axes)})


def falling(
    scale: Float[np.ndarray, "seed time"], times: Float[np.ndarray, " time"]
) -> Float[np.ndarray, " seed"]:
    """Spearman's correlation of the scale with time, over the times with a scale; NaN where it does not vary."""
    found = []
    for row in scale:
        known = np.isfinite(row)
        varies = known.any() and np.ptp(row[known]) > 0
        found.append(rank_correlation(row[known], times[known]) if varies else np.nan)
    return np.array(found)


def _outputs(
    networks: Networks, points: torch.Tensor
) -> tuple[np.ndarray, np.ndarray, dict[str, torch.Tensor]]:
    """Outputs on the grid and at the samples (seed, moment, ...), and the state of the first moment."""
    inputs = torch.cat([points, networks.inputs])[None]
    units = sum(component.shape[0] for component in networks.system.components if component.shape)
    parts, first = [], {}
    for chosen, state, finite in networks.portions(inputs.shape[1] * units):
        with torch.no_grad():
            layer = networks.forward.last_layer(state, inputs)
            parts.append(by_moment(networks.forward.loss.outputs(layer, axis=1)[:, 0].numpy(), finite))
        if chosen.start == 0:
            moments = finite.shape[1]
            first = {name: tensor[::moments] for name, tensor in state.items()}
    whole = np.concatenate(parts, axis=1)
    return whole[:, :, : len(points)], whole[:, :, len(points) :], first


def _kernel(
    networks: Networks,
    source: Trajectory,
    settings: Settings,
    first: dict[str, torch.Tensor],
    points: torch.Tensor,
) -> ConstantKernel:
    """The kernel of the first state, trained as the condition says.

    Raises:
        OrreryError: the closed form does not hold for the condition.
    """
    described = source.attributes["condition"]["system"]
    reason = not_plain(described)
    if reason:
        raise OrreryError(f"local-average: the closed form needs {reason}; write reference: none")
    loss = networks.forward.loss
    rate = 2 * float(described["optimizer"]["rate"]) * loss.weight(len(networks.targets), 1)
    gram, across = kernels_of(networks.system, first, points, networks.inputs)
    return constant_kernel(gram, across, rate, discrete=settings.reference == "steps")


def kernels_of(
    system: System,
    state: State,
    points: Float[torch.Tensor, "point feature"],
    samples: Float[torch.Tensor, "sample feature"],
) -> tuple[Float[np.ndarray, "run sample sample"], Float[np.ndarray, "run point sample"]]:
    """Tangent kernels of networks with one output: between the samples, and between the points and the samples.

    Args:
        system: a network.
        state: tensors ``(run, *shape)``.
        points: rows of the second kernel.
        samples: columns of both.
    """
    own = by_jacobians(system, state, samples[None])
    across = by_jacobians(system, state, points[None], samples[None])
    return own[:, :, 0, :, 0].numpy(), across[:, :, 0, :, 0].numpy()


def _reference(
    kernel: ConstantKernel, settings: Settings, averages: np.ndarray, scales: np.ndarray, data: np.ndarray
) -> Found:
    times = np.unique(np.geomspace(*settings.times.between, settings.times.count).round())
    # Beyond this product discrete steps leave the solution, and there is no closed form to look at.
    stable = (kernel.product < 2) | (not kernel.discrete)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = np.where(stable[:, None, None], kernel.outputs(data, times), np.nan)
        freedom = np.where(stable[:, None], kernel.degrees_of_freedom(times), np.nan)
        variance = np.where(stable[:, None, None], kernel.row_norms(times), np.nan)
    fit = fit_scales(outputs, averages, scales)
    time = ("seed", "time")
    return {
        "closed_scale": (time, fit.scale),
        "closed_gain": (time, fit.gain),
        "closed_explained": (time, fit.explained),
        "closed_rho": (("seed",), falling(fit.scale, times)),
        "freedom": (time, freedom),
        "variance": ((*time, "point"), variance),
        "time_step": (("time",), times),
        "edge_product": (("seed",), kernel.product),
    }


def _departure(
    kernel: ConstantKernel, learnt: np.ndarray, data: np.ndarray, elapsed: np.ndarray
) -> np.ndarray:
    """Relative distance from the closed form, over the grid; NaN before the first step."""
    with np.errstate(over="ignore", invalid="ignore"):
        closed = kernel.outputs(data, elapsed.astype(float))
        length = np.linalg.norm(closed, axis=2)
        apart = np.linalg.norm(learnt - closed, axis=2)
    return np.divide(
        apart, length, out=np.full(length.shape, np.nan), where=np.isfinite(length) & (length > 0)
    )
