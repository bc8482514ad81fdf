"""How far each weight moves and how long its path is, and the L1 norm of all weights over time.

Relative displacement |w(T) - w(0)| / |w(0)| and path length sum over t of |w(t) - w(t - 1)| of single weights, and
their sums over all weights (Danovski, Soriano, Lacasa, arXiv 2404.05782). A weight with a small displacement and a long
path would wander about; one whose path is no longer than its displacement goes straight. With ``ablate`` also by how
much the loss at the last step changes where one weight is set to zero: the ratio is 1 for one that does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number
from orrery.config.closed import Closed

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

USES_SYSTEM = True
SCOPE = "block"


class Ablate(Closed):
    """Single weights that are set to zero, one at a time, in the state of the last step."""

    tensors: tuple[str, ...] = Field(min_length=1, description="names or patterns of the tensors")
    most: int = Field(400, ge=1, description="entries of each tensor, evenly spaced")


class Follow(Closed):
    """Single weights that are kept over time."""

    tensors: tuple[str, ...] = Field(min_length=1, description="names or patterns of the tensors")
    most: int = Field(12, ge=1, description="entries kept of each tensor, evenly spaced")
    seed: int | None = Field(None, ge=0, description="seed that is drawn; the first one where absent")


class Settings(AnalysisSettings):
    """Displacements, path lengths and L1 norm of the original run (copy 0) of every seed."""

    method: Literal["displacements"] = "displacements"
    tensors: tuple[str, ...] = Field(
        (), description="names or patterns of the tensors; all weights, biases and variables where empty"
    )
    drawn: int = Field(
        400, ge=2, description="steps at which norms and single weights are kept, evenly spaced"
    )
    follow: Follow | None = Field(None, description="single weights over time; none where absent")
    ablate: Ablate | None = Field(
        None, description="loss with single weights set to zero, over the loss; none where absent"
    )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Displacements and paths of one condition.

    Returns:
        ``relative(seed, component)``, \\|w(T) - w(0)\\| / \\|w(0)\\|, NaN where a weight starts at zero;
        ``displacement(seed, component)`` without the denominator; ``path(seed, component)``; ``total(seed)``, the sum
        of the displacements over the sum of \\|w(0)\\|; ``norm(seed, moment)`` at ``moment_step(moment)``; with
        ``follow`` also ``single(seed, moment, entry)``, with ``ablate`` also ``loss_ratio(seed, ablated)`` at
        ``ablated_component(ablated)``. Attribute ``components`` is the table of the tensors, ``entries`` names the
        single weights.

    Raises:
        OrreryError: steps with gaps, nothing of these names was recorded, or a system without a loss on its samples.
    """
    from orrery.analyses.displacements_result import displacements_of

    return displacements_of(source, settings, context)


def numbers(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """``displacement[condition]``, norms at both ends, how displacements and paths go together, and loss ratios.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: not read.
    """
    from orrery.analyses.displacements_numbers import publish

    return publish(sources)


def plot(comparison: None, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """Path length against displacement, L1 norm over time; single weights over time and loss ratios where asked for.

    Args:
        comparison: there is none.
        sources: by condition, from :func:`analyse`.
        settings: name the seed whose single weights are drawn.
    """
    from orrery.analyses.displacements_figures import draw

    return draw(sources, settings)
