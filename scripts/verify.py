"""Run the target ``verify``."""

from functools import partial

from orrery.stages.runner import run_target
from orrery.stages.verify import verify

if __name__ == "__main__":
    run_target(
        snakemake,  # type: ignore[name-defined]  # noqa: F821
        partial(verify, workers=snakemake.threads),  # type: ignore[name-defined]  # noqa: F821
    )
