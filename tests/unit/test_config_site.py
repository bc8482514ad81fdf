"""The file of a cluster: read whole, and every mistake told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.config.site import load_site


def write(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text)
    return path


def test_the_file_of_the_profile_is_one() -> None:
    site = load_site(Path(__file__).parents[2] / "profiles/slurm/site.yaml")
    assert site.account is None
    assert {name: one.max_gpu for name, one in site.partitions.items()} == {"cpu": 0, "gpu": 4}


def test_all_keys(tmp_path: Path) -> None:
    text = (
        "account: physics\npartitions:\n"
        "  long: {max_runtime: 3-00:00:00, max_mem_mb: 1000, max_gpu: 1, available_gpu_models: [a100]}\n"
    )
    site = load_site(write(tmp_path, text))
    assert site.account == "physics"
    assert site.partitions["long"].available_gpu_models == ("a100",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("account: a\n", "partitions"),
        ("partitions: {}\n", "partitions"),
        ("partitions:\n  cpu: {max_memory: 3}\n", "site.yaml:2: partitions.cpu.max_memory"),
        ("partitions:\n  cpu: {max_runtime: long}\n", "site.yaml:2: partitions.cpu.max_runtime"),
        ("partitions:\n  cpu: {max_threads: 0}\n", "site.yaml:2: partitions.cpu.max_threads"),
        ("- cpu\n", "must be a mapping"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(OrreryError) as raised:
        load_site(write(tmp_path, text))
    assert told in str(raised.value)
