"""A Slurm of one node on loopback, from Debian's packages: a partition of cores, and one of two pretended GPUs.

It needs root and no systemd; everything that it writes lies in a folder of its own, besides the folder of munge's
socket. Only processes that were started here are stopped, by their numbers.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "munged", "munge")
PLUGIN = Path(__file__).resolve().parents[2] / ".venv" / "slurm"
"""Where ``make dev`` puts Snakemake's plugin for Slurm."""
GPUS = ("/dev/zero", "/dev/full")
"""Files that exist and stand for the devices of GPUs."""
CONFIG = """
ClusterName=orrery
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={first_port}
SlurmdPort={second_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={socket}
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
MinJobAge=300
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes=localhost Default=YES MaxTime=UNLIMITED State=UP
PartitionName=gpu Nodes=localhost MaxTime=UNLIMITED State=UP
"""


def missing() -> list[str]:
    """Programs of Debian's packages ``slurm-wlm`` and ``munge`` that are not installed."""
    return [
        name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
    ]


class Slurm:
    """The cluster.

    Args:
        folder: an empty folder, for its configuration, state and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[int] = []

    @property
    def variables(self) -> dict[str, str]:
        """What the commands of Slurm need in their environment."""
        return {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin",
        }

    def start(self) -> None:
        """Start the daemons, and wait until the node takes jobs."""
        for name in ("state", "spool", "munge", "bin"):
            (self.folder / name).mkdir(parents=True)
        socket = self._start_munge()
        cores = os.cpu_count() or 1
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        first = 20000 + os.getpid() % 20000
        config = CONFIG.format(
            folder=self.folder,
            socket=socket,
            first_port=first,
            second_port=first + 1,
            # More than there are: jobs of tests wait more than they compute.
            cores=max(cores, 4),
            memory=memory - 1000,
            gpus=len(GPUS),
        )
        (self.folder / "slurm.conf").write_text(config)
        (self.folder / "gres.conf").write_text("".join(f"Name=gpu File={file}\n" for file in GPUS))
        # Within a job the plugin drops SLURM_CONF before it calls srun; a cluster has its file in /etc.
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        for command in (["slurmctld"], ["slurmd", "-N", "localhost"]):
            self._daemon([*command, "-f", str(self.folder / "slurm.conf"), "-D"])
        self._wait(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%t"), "the node does not come up")

    def stop(self) -> None:
        """Cancel what is left, and stop the daemons in the order in which they hang on each other."""
        subprocess.run(["scancel", "--me"], env=self._environment(), check=False, capture_output=True)
        for number in reversed(self._started):
            try:
                os.kill(number, signal.SIGTERM)
            except ProcessLookupError:
                continue
            for _ in range(100):
                if not _alive(number):
                    break
                time.sleep(0.1)
            else:
                os.kill(number, signal.SIGKILL)

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def jobs(self) -> dict[str, dict[str, str]]:
        """All jobs that Slurm remembers, by number: what ``scontrol show job`` says of each."""
        found = {}
        for block in self.ask("scontrol", "show", "job", "--details").split("\n\n"):
            said = dict(re.findall(r"(\S+?)=(\S*)", block))
            if "JobId" in said:
                found[said["JobId"]] = said
        return found

    def _start_munge(self) -> Path:
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        socket = self.folder / "munge" / "socket"
        # munged insists that nobody else could have put files where it looks.
        self._daemon(
            [
                "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket}",
                f"--pid-file={self.folder}/munge/pid", f"--log-file={self.folder}/munge/log",
                f"--seed-file={self.folder}/munge/seed",
            ]
        )  # fmt: skip
        self._wait(socket.exists, "munge does not start")
        return socket

    def _daemon(self, command: list[str]) -> None:
        log = (self.folder / f"{command[0]}.out").open("w")
        process = subprocess.Popen(
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._started.append(process.pid)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def _wait(self, found: Callable[[], bool], otherwise: str) -> None:
        for _ in range(300):
            if found():
                return
            time.sleep(0.1)
        logs = "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.folder.rglob("*.out"))
        logs += "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))
        raise RuntimeError(f"{otherwise}\n{logs}")


def _alive(number: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(number, os.WNOHANG)
    return Path(f"/proc/{number}/stat").exists()


def submitting(environment: Mapping[str, str], cluster: Slurm) -> dict[str, str]:
    """The environment of a command that submits jobs to the cluster: with its addresses, and the plugin."""
    paths = [environment.get("PYTHONPATH", ""), str(PLUGIN)]
    return {**environment, **cluster.variables, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def main() -> int:
    """Run a command with a cluster that lives as long as the command."""
    if len(sys.argv) < 2 or missing():
        print(
            f"usage: python -m tests.cluster.slurm COMMAND …; missing programs: {', '.join(missing()) or 'none'}"
        )
        return 2
    # Who stops this process stops the cluster with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="orrery-slurm-") as folder:
        cluster = Slurm(Path(folder))
        try:
            cluster.start()
            return subprocess.run(sys.argv[1:], env=submitting(os.environ, cluster), check=False).returncode
        finally:
            cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
