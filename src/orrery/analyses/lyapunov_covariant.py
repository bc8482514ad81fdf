"""Covariant vectors of the runs of one tile: back over the factors R of a window, with bounded memory.

The factors are kept for one stretch of the window at a time. A window longer than a stretch is gone through twice: the
first time for the frames at which stretches begin, and backwards, stretch by stretch, for their factors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from orrery.analyses.lyapunov import Covariant, transients
from orrery.analyses.lyapunov_tangents import Followed, Mark, carry_by
from orrery.numerics.covariant_vectors import angles, backward, groups, least_angles, lost, restricted
from orrery.numerics.tangent_frames import log_growth

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

    from orrery.systems.system import State

    Along = Callable[[Any, int, int], Iterator[Mark]]

STRETCH = 2**28
"""Bytes of factors that are kept at a time."""
ALIGNED = 5.0
"""Two directions count as told apart once their growth differs by this, in natural logarithms."""


class Backward:
    """Factors and frames on their way forward, then covariant vectors on the way back.

    Args:
        followed: the runs.
        settings: of covariant vectors.
        first, last: steps of the window.
        moments: steps at which angles are kept.
        scales: in which components are measured.
    """

    DIMS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "angle": ("moment", "pair"),
        "splitting": ("moment",),
        "least_angle": ("pair",),
        "covariant_exponent": ("index",),
        "growth_difference": (),
        "covariance_residual": (),
        "covariant_kept": (),
        "group": ("index",),
    }

    def __init__(
        self,
        followed: Followed,
        settings: Covariant,
        first: int,
        last: int,
        moments: Collection[int],
        scales: Float[torch.Tensor, "run component"] | None,
    ) -> None:
        self._followed, self._settings, self._scales = followed, settings, scales
        before, after = transients(settings)
        self._begin, self._end, self._last = first + before, last - after, last
        self._moments = sorted(moments)
        valid = [step for step in self._moments if self._begin <= step < self._end]
        spread = np.unique(np.linspace(0, len(valid) - 1, min(settings.checks, len(valid))).astype(int))
        self._checked = {valid[place] for place in spread} if valid else set()
        self._starts: list[tuple[int, torch.Tensor]] = []
        self._factors: list[tuple[int, torch.Tensor]] = []
        self._states: dict[int, tuple[State, torch.Tensor]] = {}
        self._after: dict[int, tuple[int, torch.Tensor]] = {}
        self._gone: torch.Tensor | None = None

    def take(self, mark: Mark) -> None:
        """Take in the next mark; marks come in order."""
        if mark.step < self._begin:
            return
        if mark.step == self._begin:
            self._starts.append((mark.step, mark.frame))
        elif mark.factor is not None:
            self._note(mark, mark.factor)
        if mark.step in self._checked:
            self._states[mark.step] = (mark.state, mark.frame)

    def _note(self, mark: Mark, factor: torch.Tensor) -> None:
        previous = self._factors[-1][0] if self._factors else self._starts[-1][0]
        if previous in self._states:
            self._after[previous] = (mark.step, mark.frame)
        self._factors.append((mark.step, factor))
        gone = lost(factor)
        self._gone = gone if self._gone is None else self._gone | gone
        if len(self._factors) * factor.numel() * factor.element_size() >= STRETCH and (
            mark.step < self._last
        ):
            self._starts.append((mark.step, mark.frame))
            self._factors = []

    def variables(
        self, along: Along, exponents: Float[np.ndarray, "run index"]
    ) -> tuple[dict[str, Shaped[np.ndarray, "run ..."]], dict[str, Any]]:
        """Covariant vectors of the window.

        Args:
            along: marks from a frame, a first and a last step.
            exponents: of the runs, to tell which vectors are unique.

        Returns:
            ``splitting``, the least angle between the span of the first group of vectors and that of all others;
            ``angle`` in degrees, between the spans of groups where exponents are close, NaN outside the window and
            within a group; ``least_angle`` over all steps, of single vectors only; ``covariant_exponent``, the mean
            growth of each vector; ``growth_difference``, the largest difference of these from the QR over the same
            steps; ``covariance_residual``, the largest distance of J v(t), normalised, from v(t + 1) at the checked
            steps; ``covariant_kept``, the vectors before a direction that one step wipes out; ``group``. And the
            attributes that all runs share.
        """
        assert self._gone is not None
        gone = self._gone
        directions = gone.shape[1]
        # The first direction that one step wipes out, and all behind it, have no backward solution.
        kept = torch.where(gone.any(dim=1), gone.to(torch.uint8).argmax(dim=1), directions)
        outside = torch.arange(directions)[None, :] >= kept[:, None]
        leading = min(self._settings.vectors, directions)
        pairs = list(combinations(range(leading), 2))
        tolerance = self._settings.together or ALIGNED / max(self._settings.transient, 1)
        grouped = np.array([groups(row, tolerance) for row in exponents]).reshape(exponents.shape)
        moments = {step for step in self._moments if step < self._last}
        walk = _Walk(pairs, self._begin, self._end, moments)
        vectors = torch.eye(directions, dtype=torch.float64).expand(len(gone), -1, -1)
        at_checks = {self._last: vectors}
        for earlier, later, factor in self._links(along):
            vectors, grown = backward(vectors, restricted(factor, kept))
            walk.take(earlier, later, vectors, grown, log_growth(factor))
            if earlier in self._states or earlier in {step for step, _ in self._after.values()}:
                at_checks[earlier] = vectors
        steps = self._end - self._begin
        difference = ((walk.grown - walk.stretched) / steps).abs()
        hidden = np.stack([outside[:, list(pair)].any(dim=1).numpy() for pair in pairs], axis=1)
        alone = np.stack([[_alone(row, pair) for row in grouped] for pair in pairs], axis=1)
        return {
            "angle": np.where(hidden[:, None, :], np.nan, walk.angles(self._moments, grouped)),
            "splitting": walk.splitting(self._moments, grouped, kept.numpy()),
            "least_angle": np.where(hidden | ~alone, np.nan, walk.least.numpy()),
            "covariant_exponent": torch.where(outside, torch.nan, walk.grown / steps).numpy(),
            "growth_difference": torch.where(outside, 0.0, difference).amax(dim=1).numpy(),
            "covariance_residual": self._residual(at_checks, outside).numpy(),
            "covariant_kept": kept.numpy(),
            "group": grouped,
        }, {"pairs": [list(pair) for pair in pairs], "covariant_window": [self._begin, self._end]}

    def _links(self, along: Along) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Earlier step, later step and factor between them, from the end of the window to its start."""
        stretch = self._factors
        for place in reversed(range(len(self._starts))):
            first, frame = self._starts[place]
            if place < len(self._starts) - 1:
                again = along(frame, first, self._starts[place + 1][0])
                stretch = [(mark.step, mark.factor) for mark in again if mark.factor is not None]
            earlier = [first, *(step for step, _ in stretch[:-1])]
            for before, (step, factor) in zip(reversed(earlier), reversed(stretch), strict=True):
                yield before, step, factor

    def _residual(self, vectors: Mapping[int, torch.Tensor], outside: torch.Tensor) -> torch.Tensor:
        """The largest distance of a pushed vector, normalised, from the vector where it should arrive."""
        largest = torch.zeros(len(outside), dtype=torch.float64)
        system, runs = self._followed.system, self._followed.runs
        for step, (state, frame) in self._states.items():
            if step not in self._after:
                continue
            later, after = self._after[step]
            pushed = frame @ vectors[step]
            for t in range(step, later):
                pushed = carry_by(self._followed, state, t, pushed, self._scales)
                state = system.step(state, system.batch(runs, t), t)
            pushed = pushed / torch.linalg.vector_norm(pushed, dim=1, keepdim=True)
            distance = torch.linalg.vector_norm(pushed - after @ vectors[later], dim=1)
            largest = torch.maximum(largest, torch.where(outside, 0.0, distance).amax(dim=1))
        return largest


class _Walk:
    """What is noted of the vectors on the way back."""

    def __init__(self, pairs: list[tuple[int, int]], begin: int, end: int, moments: Collection[int]) -> None:
        self._pairs, self._begin, self._end = pairs, begin, end
        self._moments = moments
        self._shown: dict[int, torch.Tensor] = {}
        self.least = self.grown = self.stretched = torch.zeros(())

    def take(
        self, earlier: int, later: int, vectors: torch.Tensor, grown: torch.Tensor, stretched: torch.Tensor
    ) -> None:
        """Take in the vectors at the earlier step, and growth from there to the later, by vector and by QR."""
        if later <= self._end:
            self.grown = self.grown + grown
            self.stretched = self.stretched + stretched
        if self._begin <= earlier <= self._end:
            now = self._of_pairs(vectors)
            # Beyond the first, the least so far.
            self.least = now if self.least.ndim == 0 else torch.minimum(self.least, now)
            if earlier in self._moments:
                self._shown[earlier] = vectors

    def _of_pairs(self, vectors: torch.Tensor) -> torch.Tensor:
        leading = self._pairs[-1][1] + 1
        every = angles(vectors[:, :leading, :leading])
        return torch.stack([every[:, one, other] for one, other in self._pairs], dim=1)

    def angles(
        self, moments: list[int], grouped: Int[np.ndarray, "run index"]
    ) -> Float[np.ndarray, "run moment pair"]:
        """Angles of single vectors, and of the spans of groups where exponents are close."""
        places, vectors = self._stored(moments)
        found = np.full((len(grouped), len(moments), len(self._pairs)), np.nan)
        for place in places:
            found[:, place] = self._of_pairs(self._shown[moments[place]]).numpy()
        for run, row in enumerate(grouped):
            # All pairs from the same two groups have the same angle.
            known: dict[tuple[int, int], np.ndarray] = {}
            for number, (one, other) in enumerate(self._pairs):
                both = (int(row[one]), int(row[other]))
                if both[0] == both[1]:
                    found[run, :, number] = np.nan
                elif not _alone(row, (one, other)):
                    if both not in known:
                        spans = [np.flatnonzero(row == group).tolist() for group in both]
                        known[both] = least_angles(vectors[run], *spans)
                    found[run, places, number] = known[both]
        return found

    def splitting(
        self, moments: list[int], grouped: Int[np.ndarray, "run index"], kept: Int[np.ndarray, " run"]
    ) -> Float[np.ndarray, "run moment"]:
        """Least angles between the first group and all others; NaN where there are no others."""
        places, vectors = self._stored(moments)
        found = np.full((len(grouped), len(moments)), np.nan)
        for run, (row, many) in enumerate(zip(grouped, kept, strict=True)):
            first = [index for index in range(many) if row[index] == row[0]]
            others = [index for index in range(many) if row[index] != row[0]]
            if first and others:
                found[run, places] = least_angles(vectors[run], first, others)
        return found

    def _stored(self, moments: list[int]) -> tuple[list[int], np.ndarray]:
        """Places of the moments that lie in the window, and vectors (run, moment, direction, column) there."""
        places = [place for place, step in enumerate(moments) if step in self._shown]
        if not places:
            return places, np.zeros((len(self.least), 0, 1, 1))
        return places, torch.stack([self._shown[moments[place]] for place in places], dim=1).numpy()


def _alone(grouped: np.ndarray, pair: tuple[int, int]) -> bool:
    """Whether no other exponent is close to either of a pair."""
    return all(int((grouped == grouped[index]).sum()) == 1 for index in pair)
