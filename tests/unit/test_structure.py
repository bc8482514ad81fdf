"""Imports run one way, packages know only what they may, and nothing of the library knows Snakemake."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
SOURCE = HOME / "src" / "orrery"

# What each package may import of the others; errors in a sentence and closed models may be used by all.
ALLOWED = {
    "config": set(),
    "numerics": set(),
    "provenance": set(),
    "figures": set(),
    "devices": {"provenance"},
    "plan": {"provenance"},
    "data": {"numerics"},
    "trajectory": {"provenance"},
    "systems": {"numerics", "data"},
    "training": {"numerics", "data", "systems", "trajectory"},
    "analyses": {"numerics", "figures", "trajectory", "systems"},
    "report": {"figures"},
    "stages": {
        "devices",
        "plan",
        "provenance",
        "data",
        "systems",
        "training",
        "trajectory",
        "analyses",
        "figures",
        "report",
    },
    "commands": {"trajectory", "provenance"},
}
HEAVY = {"torch", "xarray", "dask", "scipy", "zarr", "sklearn", "matplotlib", "pandas"}
EVAL = {"eval", "exec", "compile"}


def sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imported(path: Path, *, top: bool = False) -> Iterator[str]:
    """Modules that a file imports at run time; with ``top`` only those imported with it."""
    tree = ast.parse(path.read_text())
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                yield child.module
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            elif not (top and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
                waiting.append(child)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    for path in sorted((SOURCE / package).rglob("*.py")):
        for module in imported(path):
            parts = module.split(".")
            if parts[0] == "orrery" and len(parts) > 1 and parts[1] not in {package, "config"}:
                assert parts[1] in ALLOWED[package], f"{path.relative_to(HOME)} imports {module}"


def test_every_package_is_in_the_table() -> None:
    assert {path.parent.name for path in SOURCE.glob("*/__init__.py")} == set(ALLOWED)


def test_nothing_of_the_library_imports_snakemake() -> None:
    for path in sources():
        assert not any(module.split(".")[0] == "snakemake" for module in imported(path)), path


def test_what_the_plan_reads_is_light() -> None:
    def defines_settings(path: Path) -> bool:
        tree = ast.parse(path.read_text())
        return any(isinstance(node, ast.ClassDef) and node.name == "Settings" for node in tree.body)

    light = [
        path
        for package in ("config", "plan", "provenance", "devices")
        for path in (SOURCE / package).glob("*.py")
    ]
    light += [path for path in sources() if defines_settings(path)]
    assert len(light) > 40
    for path in light:
        assert not HEAVY & {module.split(".")[0] for module in imported(path, top=True)}, path


def test_nothing_evaluates_text_loads_pickles_or_starts_a_shell() -> None:
    for path in [*sources(), *(HOME / "scripts").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in EVAL, f"{path}:{node.lineno}"
            assert called not in {"pickle.load", "pickle.loads", "os.system"}, f"{path}:{node.lineno}"
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            assert "shell" not in keywords, f"{path}:{node.lineno}"
            if called == "torch.load":
                assert ast.unparse(keywords["weights_only"]) == "True", f"{path}:{node.lineno}"
            if called == "np.load":
                assert "allow_pickle" not in keywords, f"{path}:{node.lineno}"


def test_dask_never_writes_arrays_itself() -> None:
    # da.to_zarr and da.store corrupt without an error where chunks do not match their blocks.
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in {
                    "da.to_zarr",
                    "da.store",
                    "dask.array.to_zarr",
                    "dask.array.store",
                }
