"""Run the job of the rule ``publish``."""

from collections.abc import Mapping
from typing import Any

from orrery.stages.runner import run_publication


def produce(payload: Mapping[str, Any]) -> None:
    """Publish what the payload names."""
    from orrery.stages.publish import publish_study

    publish_study(payload)


if __name__ == "__main__":
    run_publication(snakemake, produce)  # type: ignore[name-defined]  # noqa: F821
