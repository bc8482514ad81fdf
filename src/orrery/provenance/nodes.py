"""Small questions about nodes of a syntax tree."""

from __future__ import annotations

import ast


def kind(statement: ast.stmt) -> str:
    """Return ``function``, ``class``, ``value``, ``docstring`` or ``statement`` for a top-level statement."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return "function"
    if isinstance(statement, ast.ClassDef):
        return "class"
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    if targets and all(_only_names(target) for target in targets):
        return "value"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return "docstring"
    return "statement"


def _only_names(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(_only_names(inner) for inner in target.elts)
    if isinstance(target, ast.Starred):
        return _only_names(target.value)
    return isinstance(target, ast.Name)


def chain(node: ast.AST | None) -> str | None:
    """Return ``a.b.c`` for names and attributes of names, else ``None``."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def called(node: ast.AST) -> str:
    """Name what is called where that is not a name: a method of a literal, ``f().method``, or ``?``."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            # A method of the result of a call: judged by that call, and by its own name.
            name = chain(node.func)
            if name is not None:
                return f"{name}().{parts[0]}" if parts else "?"
            node = node.func
        elif (
            isinstance(node, (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set)) and parts
        ):
            return "str." + parts[-1]
        else:
            return "?"


def is_main_test(test: ast.expr) -> bool:
    """Whether a test is ``__name__ == "__main__"``."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and len(test.comparators) == 1
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == "__main__"
        and isinstance(test.ops[0], ast.Eq)
    )


def last(node: ast.expr) -> str:
    """Return the last part of the name of a decorator."""
    name = chain(node.func if isinstance(node, ast.Call) else node)
    return name.rpartition(".")[2] if name else "?"


def all_arguments(node: ast.arguments) -> list[ast.arg]:
    """Return the arguments of every kind."""
    every = [*node.posonlyargs, *node.args, *node.kwonlyargs]
    return every + [argument for argument in (node.vararg, node.kwarg) if argument is not None]
