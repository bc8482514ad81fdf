"""Arrays in what the library offers say their shapes: as jaxtyping writes them, or xarray's dimensions in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
SOURCE = HOME / "src" / "orrery"

ARRAYS = {
    "numpy.ndarray",
    "numpy.typing.ArrayLike",
    "numpy.typing.NDArray",
    "torch.Tensor",
    "dask.array.Array",
}
LABELLED = {"xarray.Dataset", "xarray.DataArray", "xarray.Variable"}
# ``state(run, step, component)`` or ``(run, step)``
DIMENSIONS = re.compile(r"``[\w/]*\([a-z_]+(?:, \*?[a-z_]+)*\)``")
REFERENCE = re.compile(r":func:`([\w.]+)`")
# What they pass on has any dimensions.
ANY = {
    "orrery.analyses.api.needed",
    "orrery.analyses.results.write_result",
    "orrery.analyses.results.open_result",
    "orrery.stages.sources.open_results",
}


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What the names that a module imports stand for, also those for type checkers only."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found


def resolved(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of ``a.b.c``, or nothing for other expressions."""
    if not isinstance(node, ast.Name | ast.Attribute):
        return ""
    first, *rest = ast.unparse(node).split(".")
    return ".".join([names.get(first, first), *rest])


def without_shape(annotation: ast.AST, names: dict[str, str], kinds: set[str] = ARRAYS) -> Iterator[str]:
    """Arrays of these kinds that an annotation mentions outside a subscript of jaxtyping."""
    name = resolved(annotation, names)
    if name in kinds:
        yield name
    elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            yield from without_shape(ast.parse(annotation.value, mode="eval").body, names, kinds)
        except SyntaxError:
            return  # text of an Annotated or a Literal
    elif not (
        isinstance(annotation, ast.Subscript) and resolved(annotation.value, names).startswith("jaxtyping.")
    ):
        for child in ast.iter_child_nodes(annotation):
            yield from without_shape(child, names, kinds)


def annotations(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Annotations of public functions, methods, constructors and fields, and the public aliases they may use."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or (prefix and node.name == "__init__"):
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                every += [argument for argument in (node.args.vararg, node.args.kwarg) if argument]
                given = [*(argument.annotation for argument in every), node.returns]
                yield from ((prefix + node.name, annotation) for annotation in given if annotation)
        elif isinstance(node, ast.ClassDef):
            if not node.name.startswith("_"):
                yield from annotations(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.AnnAssign):
            if not ast.unparse(node.target).startswith("_"):
                yield prefix + ast.unparse(node.target), node.annotation
        elif isinstance(node, ast.Assign):
            alias = ast.unparse(node.targets[0])
            is_type = isinstance(node.value, ast.Subscript | ast.BinOp | ast.Attribute)
            if is_type and not prefix and not alias.startswith("_"):
                yield alias, node.value
        elif isinstance(node, ast.If):
            yield from annotations([*node.body, *node.orelse], prefix)


def found_in(text: str) -> list[str]:
    """Names in a module whose annotations mention an array without its shape."""
    tree = ast.parse(text)
    names = imported_names(tree)
    return [name for name, annotation in annotations(tree.body) if any(without_shape(annotation, names))]


def test_public_arrays_say_their_shapes() -> None:
    found = {path: found_in(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    assert len(found) > 150
    missing = [f"{path.relative_to(HOME)}: {name}" for path, names in found.items() for name in names]
    assert not missing, (
        'write e.g. Float[np.ndarray, "run step"], or " ..." where any shape will do:\n' + "\n".join(missing)
    )


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\ndef f(x: np.ndarray): ...",
        "import numpy as np\ndef f(*, x: list[np.ndarray | None]): ...",
        "import torch\ndef f() -> 'dict[str, torch.Tensor]': ...",
        "from torch import Tensor\ndef f(*x: Tensor): ...",
        "import dask.array\ndef f(x: dask.array.Array): ...",
        "import dask.array as da\nclass C:\n    def f(self) -> da.Array: ...",
        "import torch\nclass C:\n    def __init__(self, x: torch.Tensor): ...",
        "import torch\nclass C:\n    x: torch.Tensor",
        "from collections.abc import Callable\nimport torch\nF = Callable[[torch.Tensor], float]",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n    N = float | torch.Tensor",
    ],
)
def test_an_array_without_its_shape_is_found(text: str) -> None:
    assert found_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nfrom jaxtyping import Float\ndef f(x: Float[np.ndarray, 'run step']): ...",
        "import numpy as np\nfrom jaxtyping import Int\nF = list['Int[np.ndarray, \" run\"]']",
        "import numpy as np\ndef _f(x: np.ndarray): ...",
        "import torch\nclass _C:\n    x: torch.Tensor",
        "def f(x: Tensor): ...",
    ],
)
def test_a_shape_is_enough_and_what_is_private_is_free(text: str) -> None:
    assert not found_in(text)


def docstrings(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    """Full names and docstrings of the functions and methods of a module; a constructor has that of its class."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            yield prefix + node.name, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef):
            yield f"{prefix}{node.name}.__init__", ast.get_docstring(node) or ""
            yield from docstrings(node.body, f"{prefix}{node.name}.")


def without_dimensions(modules: dict[str, str]) -> list[str]:
    """Public functions that take or return xarray objects, in modules by name, and do not name their dimensions."""
    trees = {module: ast.parse(text) for module, text in modules.items()}
    known = {
        name: text for module, tree in trees.items() for name, text in docstrings(tree.body, f"{module}.")
    }
    found = []
    for module, tree in trees.items():
        names = imported_names(tree)
        labelled = {
            f"{module}.{name}"
            for name, annotation in annotations(tree.body)
            if any(without_shape(annotation, names, LABELLED))
        }
        for name in sorted(labelled & known.keys()):
            referred = (
                known.get(target if "." in target else f"{module}.{target}", "")
                for target in REFERENCE.findall(known[name])
            )
            if not any(map(DIMENSIONS.search, (known[name], *referred))):
                found.append(name)
    return sorted(found)


def test_labelled_arrays_have_their_dimensions_in_the_docstring() -> None:
    modules = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path.read_text()
        for path in sorted(SOURCE.rglob("*.py"))
    }
    assert without_dimensions(modules) == sorted(ANY)


def test_dimensions_that_nobody_names_are_found() -> None:
    given = "import xarray as xr\ndef {}(x: xr.Dataset) -> None:\n    '{}'"
    assert without_dimensions({"m": given.format("f", "Draws x.")}) == ["m.f"]
    assert without_dimensions({"m": given.format("f", "Draws x, see :func:`n.g`.")}) == ["m.f"]
    assert without_dimensions({"m": given.format("f", "Draws ``x(run, step)``.")}) == []
    named = {"n": given.format("g", "The sum of ``x(run, step)``.")}
    assert without_dimensions({**named, "m": given.format("f", "Draws x, see :func:`n.g`.")}) == []
