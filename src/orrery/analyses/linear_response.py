"""Do perturbed copies answer in proportion to their perturbation? d(t) over its size, for several sizes.

Copies that start in the same direction from the same state stay in proportion for as long as the tangent map describes
them: d(t) / size is one curve. Where it is not, the perturbation was too large for that, or so small that rounding
drives the copies apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number, needed
from orrery.config.names import ConditionName

if TYPE_CHECKING:
    import xarray as xr

    from orrery.trajectory.trajectory import Trajectory

SCOPE = "condition"


class Settings(AnalysisSettings):
    """Distances per size of the perturbation, beside those of one condition."""

    method: Literal["linear-response"] = "linear-response"
    reference: ConditionName = Field(
        description="condition that the others are compared with; its copies start in the same directions"
    )
    moments: int = Field(300, ge=2, description="steps at which distances are kept, evenly spaced")
    until: int | None = Field(
        None,
        ge=1,
        description="last step of which the largest difference is published; all that is read if absent",
    )


def analyse(source: Trajectory, settings: Settings, context: Context) -> xr.Dataset:
    """Distances of the copies from their originals, over the size of the perturbation.

    Returns:
        ``response(seed, copy, moment)``, the entrywise L1 distance over ``copies.amplitude``, and
        ``moment_step(moment)``; ``displacement(seed, copy)``, the sum of \\|w(T) - w(0)\\| of a copy over the sum of
        its \\|w(0)\\|; the attribute ``amplitude``.

    Raises:
        OrreryError: there are no copies.
    """
    import numpy as np
    import xarray as xr

    from orrery.analyses.runs import evenly, moving_tensors, rows_of
    from orrery.config.errors import OrreryError
    from orrery.numerics.copy_distances import copy_distances

    array = source.array(moving_tensors(source, (), "linear-response"))
    seeds, copies, rows = rows_of(array)
    if len(copies) < 2 or copies[0] != 0:
        raise OrreryError("linear-response: there are no perturbed copies; write copies: {count: 2} or more")
    amplitude = float(source.attributes["condition"]["copies"]["amplitude"])
    places = evenly(array.sizes["step"], settings.moments)
    distances = copy_distances(array.data, rows)[:, :, places]
    ends = np.asarray(array.isel(step=[0, -1]).values, dtype=float)[rows[:, 1:]]
    moved = np.abs(ends[:, :, 1] - ends[:, :, 0]).sum(axis=-1) / np.abs(ends[:, :, 0]).sum(axis=-1)
    return xr.Dataset(
        {
            "response": (("seed", "copy", "moment"), distances / amplitude),
            "moment_step": ("moment", np.asarray(array["step"].values)[places]),
            "displacement": (("seed", "copy"), moved),
        },
        coords={"seed": seeds, "copy": copies[1:]},
        attrs={"amplitude": amplitude},
    )


def compare(sources: Mapping[str, xr.Dataset], settings: Settings) -> xr.Dataset:
    """Relative differences from the reference.

    Args:
        sources: by condition, ``response(seed, copy, moment)``.
        settings: name the reference.

    Returns:
        ``difference(condition, moment)``: the largest \\|response / that of the reference - 1\\| over the pairs of seed
        and copy that both have.

    Raises:
        OrreryError: the reference is not among the conditions, or steps, seeds or copies have nothing in common.
    """
    import numpy as np
    import xarray as xr

    from orrery.config.errors import OrreryError, nearest

    if settings.reference not in sources:
        raise OrreryError(
            f"linear-response: reference: there is no condition '{settings.reference}' among those read; "
            f"{nearest(settings.reference, sources)}"
        )
    reference = sources[settings.reference]
    differences = []
    for name, source in sources.items():
        same = np.array_equal(source["moment_step"].values, reference["moment_step"].values)
        shared = {key: np.intersect1d(source[key].values, reference[key].values) for key in ("seed", "copy")}
        if not same or not all(values.size for values in shared.values()):
            raise OrreryError(
                f"linear-response: '{name}' and '{settings.reference}' need the same recorded steps and at least one "
                "seed and one copy in common"
            )
        one, other = (each["response"].sel(shared).values for each in (source, reference))
        differences.append(np.abs(one / other - 1).max(axis=(0, 1)))
    return xr.Dataset(
        {
            "difference": (("condition", "moment"), np.array(differences)),
            "moment_step": ("moment", reference["moment_step"].values),
        },
        attrs={"conditions": list(sources)},
    )


def numbers(
    comparison: xr.Dataset | None, sources: Mapping[str, xr.Dataset], settings: Settings
) -> list[Number]:
    """``difference[condition]`` of all but the reference, the largest over steps, and ``displacement[condition]``.

    Args:
        comparison: ``difference(condition, moment)``.
        sources: by condition, ``response(seed, copy, moment)``.
        settings: name the reference.

    Raises:
        OrreryError: there is no comparison.
    """
    comparison = needed(comparison, "linear-response")
    rows = zip(comparison.attrs["conditions"], comparison["difference"].values, strict=True)
    steps = comparison["moment_step"].values
    read = steps <= (steps[-1] if settings.until is None else settings.until)
    return [
        *(
            Number(
                f"difference[{name}]",
                float(values[read].max()),
                n=int(sources[name].sizes["seed"]),
                description=f"largest relative difference of d(t) over the size of the perturbation from that of "
                f"{settings.reference}, over steps to {steps[read][-1]}, seeds and copies",
            )
            for name, values in rows
            if name != settings.reference
        ),
        *(
            Number(
                f"displacement[{name}]",
                float(source["displacement"].values.mean()),
                n=int(source.sizes["seed"]),
                description=f"sum of |w({steps[-1]}) - w({steps[0]})| over the sum of |w({steps[0]})|, mean over seeds "
                "and perturbed copies",
            )
            for name, source in sources.items()
        ),
    ]


def plot(
    comparison: xr.Dataset | None, sources: Mapping[str, xr.Dataset], settings: Settings
) -> list[Figure]:
    """d(t) over the size of the perturbation, and the differences from the reference.

    Args:
        comparison: ``difference(condition, moment)``.
        sources: by condition, ``response(seed, copy, moment)``.
        settings: name the reference.

    Raises:
        OrreryError: there is no comparison.
    """
    from orrery.analyses.linear_response_figure import draw

    return [draw(needed(comparison, "linear-response"), sources, settings)]
