"""Write the locks and the conda files of this folder from `pyproject.toml`.

    python envs/update.py            resolve anew: all locks, then the conda files (what `make lock` does)
    python envs/update.py --conda    only the conda files, from the runtime lock as it is

The runtime lock is what `pip freeze` says of a fresh environment that holds the package's dependencies, the
others what its extras `slurm` and `dev` add to that. `tests/unit/test_environment.py` holds all files to each
other.
"""

from __future__ import annotations

import argparse
import functools
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE / "constraints.txt"
RUNTIME_LOCK = HERE / "requirements.lock"
DEV_LOCK = HERE / "requirements-dev.lock"
SLURM_LOCK = HERE / "requirements-slurm.lock"

# Some builds of torch require these, and their names and versions differ from build to build.
BUILD_SPECIFIC = re.compile(r"(nvidia|cuda|triton|rocm|pytorch-triton|intel-)", re.IGNORECASE)

# Packages of each stage by their name on PyPI. The package itself comes from src/, Snakemake from the
# environment that starts the jobs.
COMMON = ("numpy", "pydantic", "pyyaml", "rich", "numcodecs", "xarray", "zarr")
STAGES: dict[str, tuple[str, ...]] = {
    "data": (*COMMON, "jaxtyping", "mlxtend", "pandas", "pooch", "scikit-learn", "scipy"),
    "train": (*COMMON, "dask", "jaxtyping", "safetensors", "scipy", "torch"),
    "analyse": (
        *(*COMMON, "dask", "distributed", "jaxtyping", "matplotlib", "pandas", "pot"),
        *("safetensors", "scikit-learn", "scipy", "threadpoolctl", "torch"),
    ),
    "report": (
        *(*COMMON, "dask", "jaxtyping", "jinja2", "jsonschema", "matplotlib", "pandas", "scipy"),
        "threadpoolctl",
    ),
}
# Where conda-forge has another name than PyPI.
CONDA_NAMES = {"dask": "dask-core", "matplotlib": "matplotlib-base", "torch": "pytorch"}


def canonical(name: str) -> str:
    """Spell a package name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, str]:
    """Return the versions of a lock or constraints file, by canonical name."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pins = (line.partition("==") for line in lines if line)
    return {canonical(name): version for name, _, version in pins}


def conda_file(stage: str, pins: dict[str, str]) -> str:
    """Return the text of a stage's conda file for the pinned versions."""
    packages = sorted((CONDA_NAMES.get(name, name), pins[name]) for name in STAGES[stage])
    lines = [
        "# Written by envs/update.py from requirements.lock: run `make lock` instead of editing.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python=3.11",
        *(f"  - {name}={version}" for name, version in packages),
    ]
    return "\n".join(lines) + "\n"


def write_conda_files() -> None:
    """Write one conda file per stage."""
    pins = read_lock(RUNTIME_LOCK)
    for stage in STAGES:
        (HERE / f"{stage}.yaml").write_text(conda_file(stage, pins), encoding="utf-8")


def lock_text(purpose: str, pins: dict[str, str], torch_part: set[str]) -> str:
    """Return the text of a lock, in the parts that `install.sh` installs at the same time."""
    lines = [f"# {purpose} Written by envs/update.py: run `make lock` instead of editing."]
    rest = sorted(set(pins) - torch_part)
    parts = {"torch": sorted(torch_part & set(pins)), "a": rest[0::2], "b": rest[1::2]}
    for part, names in parts.items():
        if names:
            lines += [f"# part {part}", *(f"{name}=={pins[name]}" for name in names)]
    return "\n".join(lines) + "\n"


@functools.cache
def _requirements(site_packages: Path) -> dict[str, list[str]]:
    return {canonical(d.name): d.requires or [] for d in distributions(path=[str(site_packages)])}


def closure(root: str, site_packages: Path) -> set[str]:
    """Return a distribution of an environment and all that it requires there."""
    requires = _requirements(site_packages)
    found: set[str] = set()
    todo = [root]
    while todo:
        name = todo.pop()
        if name in found or name not in requires:
            continue
        found.add(name)
        for requirement in requires[name]:
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            if match and "extra ==" not in requirement:
                todo.append(canonical(match[0]))
    return found


def resolve() -> None:
    """Resolve the dependencies in a fresh environment and write the locks."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        subprocess.run([sys.executable, "-m", "venv", root / "env"], check=True)
        pip = [root / "env" / "bin" / "python", "-m", "pip"]

        def install_and_freeze(requirements: list[str], constraints: Path) -> dict[str, str]:
            wanted = root / "requirements.txt"
            wanted.write_text("\n".join(requirements), encoding="utf-8")
            options = ["-q", "--no-compile", "-c", CONSTRAINTS, "-c", constraints, "-r", wanted]
            subprocess.run([*pip, "install", *options], check=True)
            frozen = root / "frozen.txt"
            with frozen.open("w", encoding="utf-8") as stream:
                subprocess.run([*pip, "freeze", "--all", "--exclude", "pip"], check=True, stdout=stream)
            # "2.13.0+cpu" names a build; the lock names the version, for every build of it.
            pins = {name: version.partition("+")[0] for name, version in read_lock(frozen).items()}
            return {name: version for name, version in pins.items() if not BUILD_SPECIFIC.match(name)}

        runtime = install_and_freeze(project["dependencies"], CONSTRAINTS)
        torch_part = closure("torch", next((root / "env" / "lib").glob("python3.*")) / "site-packages")
        RUNTIME_LOCK.write_text(lock_text("What every job needs.", runtime, torch_part), encoding="utf-8")

        # Builds of torch differ in the local part of their version, which a pin without one accepts.
        extras = project["optional-dependencies"]
        present = set(runtime)
        for extra, path, purpose in (
            ("slurm", SLURM_LOCK, "What submitting jobs to Slurm adds."),
            ("dev", DEV_LOCK, "What tests and linters add."),
        ):
            found = install_and_freeze(extras[extra], RUNTIME_LOCK)
            added = {name: version for name, version in found.items() if name not in present}
            path.write_text(lock_text(purpose, added, set()), encoding="utf-8")
            present |= set(added)


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--conda", action="store_true", help="write the conda files only")
    if not parser.parse_args().conda:
        resolve()
    write_conda_files()


if __name__ == "__main__":
    main()
