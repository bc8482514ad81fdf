"""What the main process does while jobs run: it has a core to share with them."""

from __future__ import annotations

import shutil

from .conftest import Laboratory, asking_for_forks


def test_ready_jobs_are_looked_at_when_one_ends_and_not_again_and_again(lab: Laboratory) -> None:
    """Snakemake's limit of jobs per second has each job that ends start a chain of looks, one a second."""
    shutil.rmtree(lab.path("results"))
    done = lab.snakemake("--verbose", ORRERY_FORKS=asking_for_forks())
    assert done.code == 0, done.out + done.err
    jobs = done.err.count("Finished jobid")
    assert jobs > 20
    # Once for each that ends, or for several that end together.
    assert 5 < done.err.count("Resources before job selection") < 1.5 * jobs
