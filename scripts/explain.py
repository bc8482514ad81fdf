"""Run the target ``explain``."""

from orrery.stages.explain import explain
from orrery.stages.runner import run_target

if __name__ == "__main__":
    run_target(snakemake, explain)  # type: ignore[name-defined]  # noqa: F821
