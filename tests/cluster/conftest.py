"""A laboratory of which the jobs go to a real Slurm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.conftest import Laboratory, clone

from .slurm import PLUGIN, Slurm, missing, submitting

__all__ = ["clone"]

# There is no accounting here, and jobs of seconds are asked after every few seconds.
QUICK = (
    "--slurm-status-command",
    "squeue",
    "--slurm-no-account",
    "--slurm-init-seconds-before-status-checks",
    "3",
)
BEHAVE = """    import os
    import time

    with Path("devices").open("a") as seen:
        seen.write(f"{payload['target']} {os.environ.get('SLURM_JOB_ID')} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
    for line in Path("behave").read_text().splitlines():
        part, action = line.split()
        met = Path(f"met-{action}")
        if part in payload["target"] and not met.exists():
            met.write_text(os.environ.get("SLURM_JOB_ID", ""))
            held = b"x" * 1_500_000_000 if action == "memory" else b""
            time.sleep(150)
            del held
"""


class Submitting(Laboratory):
    """A laboratory whose command line submits jobs to a cluster."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        super().__init__(folder)
        self.slurm = slurm

    def environment(self, forks: str = "") -> dict[str, str]:
        """Environment with the plugin and the cluster."""
        require_plugin()
        return submitting(super().environment(forks), self.slurm)

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        """The command line with the profile of the cluster."""
        return [super().command()[0], "-m", "snakemake", "--profile", "profiles/slurm", *QUICK, *arguments]

    def build_there(self, *arguments: str) -> None:
        """Run on the cluster; failure fails the test."""
        outcome = self.snakemake(*arguments)
        assert outcome.code == 0, outcome.out + outcome.err

    def dry(self, *arguments: str) -> set[str]:
        """The jobs that would run, by a process of its own: that of the tests must not load the plugin."""
        outcome = self.snakemake("-n", *arguments)
        assert outcome.code == 0, outcome.out + outcome.err
        return outcome.jobs

    def submitted(self) -> dict[str, dict[str, str]]:
        """What Slurm remembers of the jobs of this folder, by number."""
        return {
            number: said for number, said in self.slurm.jobs().items() if Path(said["WorkDir"]) == self.folder
        }


def require_plugin() -> None:
    if not (PLUGIN / "snakemake_executor_plugin_slurm").is_dir():
        pytest.skip("Snakemake's plugin for Slurm is not in .venv/slurm; `make dev` puts it there")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster that has started; stopped in the end."""
    absent = missing()
    if absent or os.geteuid() != 0:
        pytest.skip(
            f"needs root and Debian's packages slurm-wlm and munge; missing is {', '.join(absent) or 'root'}"
        )
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def prepare(clone: Any, folder: Path, config: str, **replaced: tuple[str, str]) -> Laboratory:
    """A copy of the laboratory in which nothing was built, whose training says where it runs and does as it is told.

    Args:
        clone: the laboratory.
        folder: where the copy goes.
        config: text of its config.yaml.
        replaced: by study, what to replace by what.
    """
    lab: Laboratory = clone.copy(folder)
    lab.path("config.yaml").write_text(config)
    for study, (old, new) in replaced.items():
        lab.replace(f"studies/{study}.yaml", old, new)
    script = lab.path("scripts/train.py")
    script.write_text(script.read_text().replace("\n\n\nif __name__", f"\n{BEHAVE}\n\nif __name__"))
    lab.path("behave").write_text("")
    return lab
