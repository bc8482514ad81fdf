"""Run the target ``verify``."""

from orrery.stages.housekeeping import verify
from orrery.stages.runner import run_target

if __name__ == "__main__":
    run_target(snakemake, verify)  # type: ignore[name-defined]  # noqa: F821
