"""The files that say what is installed agree with each other and with what is installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions, packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"


def _load_update() -> ModuleType:
    spec = importlib.util.spec_from_file_location("envs_update", ENVS / "update.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


update = _load_update()
RUNTIME = update.read_lock(update.RUNTIME_LOCK)
DEV = update.read_lock(update.DEV_LOCK)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def _tracked(*paths: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("stage", update.STAGES)
def test_conda_file_is_what_the_lock_says(stage: str) -> None:
    path = ENVS / f"{stage}.yaml"
    assert path.read_text(encoding="utf-8") == update.conda_file(stage, RUNTIME), "run `make lock`"
    pins = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    assert pins[0] == "python=3.11"
    pypi_names = {conda: pypi for pypi, conda in update.CONDA_NAMES.items()}
    for pin in pins[1:]:
        name, _, version = pin.partition("=")
        assert RUNTIME[pypi_names.get(name, name)] == version


def test_there_is_no_other_conda_file() -> None:
    assert {path.stem for path in ENVS.glob("*.y*ml")} == set(update.STAGES)


def test_every_line_of_a_lock_is_an_exact_pin() -> None:
    for path in (update.RUNTIME_LOCK, update.DEV_LOCK):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"#.*|[a-z0-9-]+==[A-Za-z0-9.]+", line), f"{path.name}: {line}"


def test_no_package_is_in_two_parts_or_both_locks() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (update.RUNTIME_LOCK, update.DEV_LOCK))
    names = re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE)
    assert sorted(names) == sorted(set(names))


def test_torch_is_constrained_as_it_is_locked() -> None:
    constraints = update.read_lock(update.CONSTRAINTS)
    assert set(constraints) == {"torch", "torchvision"}
    assert constraints["torch"] == RUNTIME["torch"]
    install = (ENVS / "install.sh").read_text(encoding="utf-8")
    assert "-c envs/constraints.txt" in install


def test_the_torch_part_holds_all_that_torch_requires() -> None:
    # install.sh resolves this part while others are being installed: it must not reach into theirs.
    text = update.RUNTIME_LOCK.read_text(encoding="utf-8")
    part = set(re.findall(r"^([a-z0-9-]+)==", text.split("# part a")[0], flags=re.MULTILINE))
    closure = update.closure("torch", SITE_PACKAGES)
    assert {name for name in closure if not update.BUILD_SPECIFIC.match(name)} == part


@pytest.mark.parametrize("name", ["snakemake-executor-plugin-slurm", "torchvision", "beartype", "obstore"])
def test_what_must_not_be_in_the_runtime_lock_is_not(name: str) -> None:
    assert name not in RUNTIME


def test_the_slurm_plugin_is_an_extra_only() -> None:
    assert PROJECT["optional-dependencies"]["slurm"] == ["snakemake-executor-plugin-slurm==2.8.0"]
    assert not any("slurm" in name for name in RUNTIME | DEV)


def test_object_storage_is_an_extra_that_the_tests_install() -> None:
    """No stage lists it: where no study lies in an object store, no job imports it, and no spec names it."""
    from orrery.provenance.software import STAGE_PACKAGES

    (requirement,) = PROJECT["optional-dependencies"]["s3"]
    assert requirement in PROJECT["optional-dependencies"]["dev"]
    assert not any(Requirement(requirement).name in packages for packages in STAGE_PACKAGES.values())


def test_the_ranges_of_the_package_admit_the_lock() -> None:
    groups = {"dependencies": (PROJECT["dependencies"], RUNTIME)}
    groups["dev"] = (PROJECT["optional-dependencies"]["dev"], RUNTIME | DEV)
    for requirements, pins in groups.values():
        for requirement in map(Requirement, requirements):
            version = pins[update.canonical(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement} does not admit {version}"
    assert SpecifierSet(PROJECT["requires-python"]).contains("3.11.7")


def test_what_runs_here_is_what_is_locked() -> None:
    installed = {
        update.canonical(d.name): d.version.partition("+")[0]
        for d in distributions(path=[str(SITE_PACKAGES)])
    }
    wrong = {n: (v, installed.get(n)) for n, v in (RUNTIME | DEV).items() if installed.get(n) != v}
    assert not wrong, "run `make dev`: (locked, installed) is {wrong}"


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"orrery"}


def test_every_import_of_the_library_is_a_declared_dependency() -> None:
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["s3"]]
    declared = {update.canonical(Requirement(line).name) for line in lines}
    provided_by = packages_distributions()
    undeclared = {}
    for path in (ROOT / "src" / "orrery").rglob("*.py"):
        for name in _imported(path):
            if not declared & {update.canonical(d) for d in provided_by.get(name, [])}:
                undeclared.setdefault(name, []).append(path.name)
    assert not undeclared


# What runs in a stage's environment, beside the modules in src/orrery that it imports in turn.
STAGE_ROOTS = {
    "data": ["stages/data.py", "data"],
    "train": ["stages/train.py", "training", "systems"],
    "analyse": ["stages/analyse.py", "stages/compare.py", "analyses"],
    "report": [
        "stages/figures.py",
        "stages/claims.py",
        "stages/report.py",
        "stages/publish.py",
        "report",
        "figures",
    ],
}


EXTRAS = {"obstore"}
"""What only those import who chose an extra."""


def _third_party_imports(roots: list[Path]) -> dict[str, str]:
    """Follow imports through the library; return what it imports from elsewhere, and where."""
    library = ROOT / "src"
    found: dict[str, str] = {}
    seen: set[Path] = set()
    todo = [path for root in roots for path in ([root] if root.suffix else root.rglob("*.py"))]
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for module in modules:
                if module.partition(".")[0] == "orrery":
                    base = library / module.replace(".", "/")
                    todo += [base.with_suffix(".py"), base / "__init__.py"]
                else:
                    found.setdefault(module.partition(".")[0], path.name)
    return {name: place for name, place in found.items() if name not in sys.stdlib_module_names}


@pytest.mark.parametrize("stage", update.STAGES)
def test_a_stage_has_what_its_code_imports(stage: str) -> None:
    provided: set[str] = set()
    for name in update.STAGES[stage]:
        provided |= update.closure(name, SITE_PACKAGES)
    provided_by = packages_distributions()
    imports = _third_party_imports([ROOT / "src" / "orrery" / root for root in STAGE_ROOTS[stage]])
    missing = {
        name: place
        for name, place in imports.items()
        if name not in EXTRAS
        and not provided & {update.canonical(distribution) for distribution in provided_by.get(name, [name])}
    }
    assert not missing, f"add to STAGES in envs/update.py, then `python envs/update.py --conda`: {missing}"


def test_the_environment_of_a_stage_has_the_packages_in_its_specs() -> None:
    from orrery.provenance.software import STAGE_PACKAGES

    environments = {"trajectories": "train", "analyses": "analyse", "comparisons": "analyse", "data": "data"}
    for stage, packages in STAGE_PACKAGES.items():
        provided: set[str] = set()
        for name in update.STAGES[environments.get(stage, "report")]:
            provided |= update.closure(name, SITE_PACKAGES)
        assert {update.canonical(name) for name in packages} <= provided, stage


def test_no_registry_or_address_is_named() -> None:
    forbidden = re.compile(
        r"://|index-url|find-links|trusted-host|\bpypi\.[a-z]|pythonhosted|anaconda\.org", re.I
    )
    paths = _tracked("envs", "pyproject.toml", "Makefile", ".ci", ".pre-commit-config.yaml", "profiles")
    assert paths
    for path in paths:
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)} names {found[0]!r}"


def test_the_default_profile_keeps_results_right() -> None:
    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8"))
    assert profile == {
        "rerun-triggers": ["mtime"],
        "ignore-incomplete": True,
        "cores": "all",
        "printshellcmds": False,
    }


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--strict-skips"], 1)])
def test_a_skip_is_a_failure_where_skips_are_strict(tmp_path: Path, options: list[str], status: int) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu: a device\n", encoding="utf-8")
    (tmp_path / "test_skips.py").write_text(
        "import pytest\n\ndef test_skipped():\n    pytest.skip('not here')\n", encoding="utf-8"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    run = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=environment)
    assert run.returncode == status, run.stdout
    assert ("1 failed" if status else "1 skipped") in run.stdout
