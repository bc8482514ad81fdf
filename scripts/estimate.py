"""Run the target ``estimate``."""

from orrery.stages.estimate import estimate
from orrery.stages.runner import run_target

if __name__ == "__main__":
    run_target(snakemake, estimate)  # type: ignore[name-defined]  # noqa: F821
