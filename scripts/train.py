"""Run a job of the rule ``train``: one condition, several together, or what one of these takes over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.stages.runner import run_script


def produce_together(payload: Mapping[str, Any], out: Path) -> None:
    """Write the results of all conditions of the payload into ``out``."""
    from orrery.stages.together import train_members

    train_members(payload, out)


def take_over(payload: Mapping[str, Any], out: Path) -> None:
    """Write the result of one of several conditions into ``out``."""
    from orrery.stages.together import take_over

    take_over(payload, out)


def of_kind(job: Mapping[str, Any]) -> Any:
    """What runs a job: chosen here, so that each kind has the code that it runs and no other behind its digest."""
    if "conditions" in job["settings"]:
        return produce_together
    return take_over if job["inputs"].get("together") else produce


def produce(payload: Mapping[str, Any], out: Path) -> None:
    """Write the result of the payload into ``out``."""
    from orrery.stages.train import train

    train(payload, out)


if __name__ == "__main__":
    run_script(snakemake, of_kind(snakemake.params.job))  # type: ignore[name-defined]  # noqa: F821
