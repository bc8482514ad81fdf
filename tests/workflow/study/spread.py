"""How far apart the runs are: an analysis of a user's own, beside the studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from orrery.analyses.api import AnalysisSettings, Context, Figure, Number

if TYPE_CHECKING:
    import xarray as xr

COLOUR = "#0072b2"


class Settings(AnalysisSettings):
    """Standard deviation over the runs, and its mean over the last steps."""

    last: int = Field(4, ge=1, description="steps at the end that are averaged")


def analyse(source: Any, settings: Settings, context: Context) -> xr.Dataset:
    """The standard deviation over the runs, averaged over the components: ``spread(step)``."""
    import xarray as xr

    deviation = source.array().std("run").mean("component")
    return xr.Dataset({"spread": deviation.drop_vars(["seed", "copy"], errors="ignore").compute()})


def compare(sources: Mapping[str, xr.Dataset], settings: Settings) -> xr.Dataset:
    """The mean spread at the end: ``final(condition)``, the conditions in the order of the study."""
    import xarray as xr

    values = [mean_at_end(source, settings.last) for source in sources.values()]
    return xr.Dataset({"final": ("condition", values)}, attrs={"conditions": list(sources)})


def mean_at_end(source: xr.Dataset, last: int) -> float:
    """The mean over the last steps."""
    return float(source["spread"][-last:].mean())


def numbers(comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Number]:
    """The spread at the end, of each condition."""
    values = comparison["final"].values
    return [Number(f"final[{name}]", float(value)) for name, value in zip(sources, values, strict=True)]


def plot(comparison: xr.Dataset, sources: Mapping[str, xr.Dataset], settings: Settings) -> list[Figure]:
    """The spread over the steps."""
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing()
    axes = drawing.subplots()
    columns = {name: source["spread"].values for name, source in sources.items()}
    for values in columns.values():
        axes.plot(values, color=COLOUR)
    return [Figure("spread", "Spread", "Spread over the steps.", drawing, pd.DataFrame(columns))]
