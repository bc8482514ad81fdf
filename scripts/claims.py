"""Run the job of the rule ``claims``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orrery.stages.runner import run_script


def produce(payload: Mapping[str, Any], out: Path) -> None:
    """Write the result of the payload into ``out``."""
    from orrery.stages.claims import write

    write(payload, out)


if __name__ == "__main__":
    run_script(snakemake, produce)  # type: ignore[name-defined]  # noqa: F821
