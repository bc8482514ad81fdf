"""Places on GPUs: each job alone on its own, gone with its holder however that ended, told once that it waits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.devices import slots as module
from orrery.devices.slots import gpu_slot, lock_folder

HOLD = """
import os, sys, time
from orrery.devices import gpus
gpus.full_version = lambda package: "2.13.0+cu130"
from orrery.devices.slots import gpu_slot
say = lambda text: print(text, flush=True)
with gpu_slot(sys.argv[1], int(sys.argv[2]), say) as gpu:
    say(f"{gpu} {os.environ.get('CUDA_VISIBLE_DEVICES')}")
    time.sleep(float(sys.argv[3]))
say("ended")
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path / "locks")
    yield found
    for process in found.processes:
        process.kill()
        process.wait()


class Machine:
    """A machine with two pretended GPUs, and the jobs on it."""

    def __init__(self, folder: Path) -> None:
        self.variables = {"ORRERY_GPU_LOCKS": str(folder), "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
        self.processes: list[subprocess.Popen[str]] = []

    def start(
        self, device: str = "auto", slots: int = 1, seconds: float = 60, **variables: str
    ) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUDA", "SLURM"))}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, device, str(slots), str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
            env={**kept, **self.variables, **variables},
        )
        self.processes.append(process)
        return process


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_job_sees_a_gpu_of_its_own(machine: Machine) -> None:
    seen = [line_of(machine.start()) for _ in range(2)]
    assert seen == ["GPU-a GPU-a", "GPU-b GPU-b"]


def test_a_job_without_a_place_says_so_once_and_waits(machine: Machine) -> None:
    first = machine.start(seconds=3)
    line_of(first)
    line_of(machine.start())
    third = machine.start(seconds=0)
    assert line_of(third) == (
        "all places for training on this machine are taken (1 on each of 2 GPUs); this job waits for one"
    )
    # It tries several times before the first has ended, and says nothing more of it.
    assert line_of(third) == "GPU-a GPU-a"
    assert line_of(first) == "ended"
    assert line_of(third) == "ended"


def test_a_killed_holder_leaves_its_place(machine: Machine) -> None:
    first, second = machine.start(), machine.start()
    assert {line_of(first), line_of(second)} == {"GPU-a GPU-a", "GPU-b GPU-b"}
    third = machine.start()
    assert "waits for one" in line_of(third)
    second.kill()
    second.wait()
    assert line_of(third) in ("GPU-a GPU-a", "GPU-b GPU-b")


def test_jobs_spread_before_they_share(machine: Machine) -> None:
    seen = [line_of(machine.start(slots=2)).split()[0] for _ in range(4)]
    assert seen == ["GPU-a", "GPU-b", "GPU-a", "GPU-b"]
    assert "2 on each of 2 GPUs" in line_of(machine.start(slots=2))


def test_never_two_on_one_gpu(machine: Machine, tmp_path: Path) -> None:
    """Many jobs that come and go: a file that is made by the holder must not be there already."""
    code = """
import os, time
from orrery.devices import gpus, slots
gpus.full_version = lambda package: "2.13.0+cu130"
slots.SECONDS_BETWEEN_TRIES = 0.001
for _ in range(30):
    with slots.gpu_slot("auto", 1, lambda text: None) as gpu:
        place = os.path.join(os.environ["INSIDE"], gpu)
        os.close(os.open(place, os.O_CREAT | os.O_EXCL))
        time.sleep(0.002)
        os.unlink(place)
"""
    inside = tmp_path / "inside"
    inside.mkdir()
    environment = {**os.environ, **machine.variables, "INSIDE": str(inside)}
    environment.pop("SLURM_JOB_ID", None)
    machine.processes += [
        subprocess.Popen([sys.executable, "-c", code], text=True, env=environment) for _ in range(4)
    ]
    assert [process.wait(timeout=60) for process in machine.processes] == [0, 0, 0, 0]


@pytest.mark.parametrize(("device", "visible"), [("cpu", "GPU-a,GPU-b"), ("auto", ""), ("cuda", "")])
def test_no_place_where_there_is_nothing_to_hold(machine: Machine, device: str, visible: str) -> None:
    for _ in range(3):
        assert line_of(machine.start(device, CUDA_VISIBLE_DEVICES=visible)) == f"None {visible}".strip()
    assert not Path(machine.variables["ORRERY_GPU_LOCKS"]).exists()


def test_the_gpu_that_slurm_gave_is_used_without_a_place(machine: Machine) -> None:
    for _ in range(2):
        assert line_of(machine.start(SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="0")) == "0 0"
    assert not Path(machine.variables["ORRERY_GPU_LOCKS"]).exists()


def test_within_an_allocation_of_several_gpus_jobs_have_places(machine: Machine) -> None:
    """A whole workflow that runs inside one Slurm job; another job numbers its own GPUs from 0 as well."""
    first = [line_of(machine.start(SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="0,1")) for _ in range(2)]
    other = [line_of(machine.start(SLURM_JOB_ID="8", CUDA_VISIBLE_DEVICES="0,1")) for _ in range(2)]
    assert first == other == ["0 0", "1 1"]


def test_the_variable_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "usable_gpus", lambda: ("GPU-a",))
    monkeypatch.setenv("ORRERY_GPU_LOCKS", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    for before in (None, "GPU-a,GPU-b"):
        if before:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
        with gpu_slot("auto", 1, print) as gpu:
            assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu == "GPU-a"
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before


def test_a_folder_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "usable_gpus", lambda: ("GPU-a",))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("ORRERY_GPU_LOCKS", str(tmp_path / "file" / "below"))
    with (
        pytest.raises(OrreryError, match=r"cannot be made.*set ORRERY_GPU_LOCKS"),
        gpu_slot("auto", 1, print),
    ):
        pass
    # A link that somebody else has put into /tmp is followed by nobody.
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("ORRERY_GPU_LOCKS", str(tmp_path / "link"))
    with pytest.raises(OrreryError, match="is not yours"), gpu_slot("auto", 1, print):
        pass


def test_the_folder_is_the_same_for_all_processes_of_a_user() -> None:
    expected = Path(f"/tmp/orrery-gpu-{os.getuid()}")
    assert lock_folder({"XDG_RUNTIME_DIR": "/run/user/1", "TMPDIR": "/scratch"}) == expected
    assert lock_folder({"SLURM_JOB_ID": "7"}) == expected / "slurm-7"
