"""Which GPUs a machine has is asked quickly, believed carefully, and only where a job may want one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orrery.devices import demand, gpus
from orrery.devices.demand import gpu_places, gpus_asked
from orrery.devices.gpus import usable_gpus, visible_gpus

LISTED = "GPU-1111\nGPU-2222\n"


@pytest.fixture(autouse=True)
def _torch_with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "full_version", lambda package: "2.13.0+cu130")


def pretend(folder: Path, body: str) -> dict[str, str]:
    """An environment whose nvidia-smi does what a shell script says."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ()),
        ("0", ("0",)),
        ("2, 0,1", ("2", "0", "1")),
        ("GPU-aa,GPU-bb", ("GPU-aa", "GPU-bb")),
        ("MIG-aa", ("MIG-aa",)),
        # As CUDA reads it: what follows an entry that is none is not seen, and a repeated one leaves nothing.
        ("0,-1,1", ("0",)),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("1,1", ()),
        ("GPU-aa,1", ("GPU-aa",)),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(value: str, expected: tuple[str, ...]) -> None:
    assert visible_gpus(value) == expected


def test_the_variable_decides_and_nobody_is_asked(tmp_path: Path) -> None:
    environment = pretend(tmp_path, f"touch {tmp_path}/asked; echo GPU-1111")
    assert usable_gpus({**environment, "CUDA_VISIBLE_DEVICES": "3"}) == ("3",)
    assert usable_gpus({**environment, "CUDA_VISIBLE_DEVICES": ""}) == ()
    assert not (tmp_path / "asked").exists()


def test_nvidia_smi_names_them(tmp_path: Path) -> None:
    environment = pretend(tmp_path, f'test "$1" = --query-gpu=uuid && printf "{LISTED}"')
    assert usable_gpus(environment) == ("GPU-1111", "GPU-2222")


@pytest.mark.parametrize(
    "body",
    [
        f'printf "{LISTED}"; exit 9',
        "echo No devices were found",
        "echo NVIDIA-SMI has failed because it could not communicate with the driver; exit 9",
        "kill -SEGV $$",
        r"printf '\377\376'",
    ],
)
def test_a_broken_nvidia_smi_means_none(tmp_path: Path, body: str) -> None:
    (tmp_path / "driver" / "0000:01:00.0").mkdir(parents=True)
    assert usable_gpus(pretend(tmp_path, body), tmp_path / "driver") == ()


def test_an_nvidia_smi_that_cannot_be_run_means_none(tmp_path: Path) -> None:
    environment = pretend(tmp_path, "")
    (tmp_path / "nvidia-smi").write_bytes(b"\x7fELF no program of this machine")
    assert usable_gpus(environment) == ()


def test_an_nvidia_smi_that_hangs_means_none_and_holds_nothing_up(tmp_path: Path) -> None:
    # A child that keeps the pipe open, as well as the program itself.
    environment = pretend(tmp_path, f'printf "{LISTED}"; sleep 60 & wait')
    began = time.monotonic()
    assert usable_gpus(environment) == ()
    assert time.monotonic() - began < 2 * gpus.PATIENCE


def test_without_nvidia_smi_the_driver_counts_them(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path / "bin")}
    assert usable_gpus(nothing, tmp_path / "driver") == ()
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "driver" / bus).mkdir(parents=True)
    assert usable_gpus(nothing, tmp_path / "driver") == ("0", "1")


def test_a_torch_without_cuda_uses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "full_version", lambda package: "2.13.0+cpu")
    assert usable_gpus({"CUDA_VISIBLE_DEVICES": "0"}) == ()


def settings(device: str) -> dict[str, dict[str, str]]:
    return {"training": {"device": device}}


def test_the_machine_is_looked_at_only_where_a_job_may_want_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(demand, "usable_gpus", lambda: asked.append(1) or ("0", "1"))
    assert gpu_places([settings("cpu"), settings("cpu")], 3) == 0
    assert not asked
    assert gpu_places([settings("cpu"), settings("auto")], 3) == 6
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("device", "places", "expected"),
    [
        ("auto", 2, 1),
        ("cuda", 2, 1),
        ("cpu", 2, 0),
        ("auto", 0, 0),
        ("cuda", 0, 0),  # it fails in a sentence; a resource that nobody has would make it wait for ever
        ("auto", None, 1),
        ("cuda", None, 1),
        ("cpu", None, 0),
    ],
)
def test_what_a_job_asks_for(device: str, places: int | None, expected: int) -> None:
    assert gpus_asked(settings(device), places) == expected


def test_asking_imports_nothing_heavy() -> None:
    code = (
        "import sys, orrery.devices.demand, orrery.devices.slots\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
