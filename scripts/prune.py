"""Run the target ``prune``."""

from orrery.stages.prune import prune
from orrery.stages.runner import run_target

if __name__ == "__main__":
    run_target(snakemake, prune)  # type: ignore[name-defined]  # noqa: F821
