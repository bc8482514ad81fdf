"""What is read off frames on their way forward: exponents, finite-time exponents, sum rule, lengths of vectors."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import torch

from orrery.analyses.lyapunov_tangents import WEIGHTS, Followed, Mark
from orrery.numerics.tangent_frames import GradedProduct, log_determinant, log_growth, resolved
from orrery.systems.tangents import packed, places

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from orrery.systems.system import State


class Forward:
    """Sums over the marks of one tile; see :func:`orrery.analyses.lyapunov_result.exponents_of` for what comes out.

    Args:
        followed: the runs.
        first: step of the first mark.
        averaged_from: step from which mean exponents count.
        middle: step that halves the averaged ones.
        horizons: steps from ``first``.
        moments: steps.
        scales: in which components are measured.
    """

    def __init__(
        self,
        followed: Followed,
        *,
        first: int,
        averaged_from: int,
        middle: int,
        horizons: Collection[int],
        moments: Collection[int],
        scales: Float[torch.Tensor, "run component"] | None,
    ) -> None:
        self._followed = followed
        self._first, self._from, self._middle = first, averaged_from, middle
        self._horizons, self._moments = horizons, set(moments)
        self._scales = scales
        components = followed.system.components
        self._weights = torch.tensor(places(components, WEIGHTS) or range(followed.system.size))
        self._seconds = places(components, ("second-moment",))
        self._kept: dict[str, list[torch.Tensor]] = {}
        self._product: GradedProduct | None = None

    def take(self, mark: Mark) -> None:
        """Take in the next mark; marks come in order."""
        if mark.factor is None or mark.carried is None or mark.before is None:
            self._start(mark)
        else:
            self._add(mark, mark.factor, mark.carried, mark.before)
        horizon = mark.step - self._first
        if horizon in self._horizons:
            self._at_horizon(mark, horizon)
        if mark.step in self._moments:
            self._at_moment(mark)
        self._last = mark

    def _start(self, mark: Mark) -> None:
        zeros = torch.zeros_like(mark.frame[:, 0, :])
        self._total, self._averaged, self._half, self._since = (zeros.clone() for _ in range(4))
        self._volume = zeros[:, 0].clone()
        self._apart = zeros[:, 0].clone()
        self._lost = torch.zeros(zeros.shape[0], dtype=torch.int64)
        self._masked = torch.zeros(zeros.shape[0], dtype=torch.int64)
        self._since_step = mark.step
        self._full = mark.frame.shape[1] == mark.frame.shape[2]
        if self._full:
            self._product = GradedProduct(mark.frame)
        self._lengths = self._logs_of_lengths(mark)

    def _add(self, mark: Mark, factor: torch.Tensor, carried: torch.Tensor, before: torch.Tensor) -> None:
        logs = log_growth(factor)
        self._lost += (logs == -torch.inf).sum(dim=1)
        self._total = self._total + logs
        self._since = self._since + logs
        if mark.step > self._from:
            self._averaged = self._averaged + logs
            if mark.step <= self._middle:
                self._half = self._half + logs
            if self._full:
                volume = log_determinant(carried, before)
                self._volume = self._volume + volume
                self._apart = torch.maximum(self._apart, (logs.sum(dim=1) - volume).abs())
        if self._product is not None and mark.step - self._first <= max(self._horizons):
            self._product.multiply(factor)

    def _at_horizon(self, mark: Mark, horizon: int) -> None:
        self._keep("finite_time", self._total / horizon)
        if self._product is not None:
            logs = resolved(self._product.log_singular_values(), self._total)
            self._keep("finite_time_svd", logs / horizon)
        else:
            self._keep("finite_time_svd", torch.full_like(self._total, torch.nan))
        euclidean, absolute = self._logs_of_lengths(mark)
        self._keep("vector_growth", (self._total[:, 0] + euclidean - self._lengths[0]) / horizon)
        self._keep("vector_growth_l1", (self._total[:, 0] + absolute - self._lengths[1]) / horizon)
        loss, length = self._step_from(mark.step, mark.state)
        self._keep("loss", loss)
        self._keep("step_length", length)

    def _at_moment(self, mark: Mark) -> None:
        averaged = mark.step - self._from
        self._keep(
            "running",
            self._averaged / averaged if averaged > 0 else torch.full_like(self._averaged, torch.nan),
        )
        since = mark.step - self._since_step
        self._keep("local", self._since / since if since else torch.full_like(self._since, torch.nan))
        self._since, self._since_step = torch.zeros_like(self._since), mark.step
        euclidean, absolute = self._logs_of_lengths(mark)
        self._keep("vector_length", self._total[:, 0] + euclidean - self._lengths[0])
        self._keep("vector_length_l1", self._total[:, 0] + absolute - self._lengths[1])
        if self._seconds:
            zeros = (packed(mark.state, self._followed.system.components)[:, self._seconds] == 0).sum(dim=1)
            self._masked = torch.maximum(self._masked, zeros)

    def _logs_of_lengths(self, mark: Mark) -> tuple[torch.Tensor, torch.Tensor]:
        """ln of the L2 and of the L1 norm of the weight part of the first direction, in natural units."""
        vector = mark.frame[:, :, 0] if self._scales is None else mark.frame[:, :, 0] * self._scales
        part = vector[:, self._weights]
        return torch.linalg.vector_norm(part, dim=1).log(), part.abs().sum(dim=1).log()

    def _step_from(self, step: int, state: State) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of a state and length of the step that it takes in the weights; NaN where there is no loss."""
        system = self._followed.system
        after, byproducts = system.advance(state, system.batch(self._followed.runs, step), step)
        moved = (packed(after, system.components) - packed(state, system.components))[:, self._weights]
        length = torch.linalg.vector_norm(moved, dim=1)
        return byproducts.get("loss", torch.full_like(length, torch.nan)), length

    def loss_at(self, step: int, state: State) -> Float[np.ndarray, " run"]:
        """The loss of a state of the runs, on the batch of the step that starts there; NaN where there is none."""
        return self._step_from(step, state)[0].numpy()

    def _keep(self, name: str, values: torch.Tensor) -> None:
        self._kept.setdefault(name, []).append(values)

    def variables(self) -> dict[str, Shaped[np.ndarray, "run ..."]]:
        """All of it, after the last mark."""
        steps = self._last.step - self._from
        exponents = self._averaged / steps
        early, late = self._middle - self._from, self._last.step - self._middle
        found = {name: torch.stack(values, dim=1) for name, values in self._kept.items()}
        found["exponent"] = exponents
        rest = self._averaged - self._half
        found["convergence"] = (
            (self._half / early - rest / late).abs() if early and late else torch.full_like(rest, torch.nan)
        )
        volume = (exponents.sum(dim=1) - self._volume / steps).abs()
        for name, residual in (("sum_rule", volume), ("sum_rule_single", self._apart)):
            found[name] = residual if self._full else torch.full_like(residual, torch.nan)
        state = packed(self._last.state, self._followed.system.components)
        diverged = ~state.isfinite().all(dim=1)
        found["diverged"] = diverged
        found["undefined"] = self._total.isnan().any(dim=1) & ~diverged
        found["super_contracted"] = self._lost
        found["masked"] = self._masked
        return {name: values.numpy() for name, values in found.items()}
