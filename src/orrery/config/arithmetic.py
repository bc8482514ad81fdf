"""Derived values such as ``320 // width``: arithmetic on the numbers of a grid, and nothing else.

The text is parsed to a syntax tree, and only the nodes listed here are walked; nothing is ever run as code.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from orrery.config.errors import OrreryError, nearest

Value = int | float

_LONGEST = 200
_LARGEST = 2.0**63
_BINARY: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., Value]] = {"min": min, "max": max, "round": round}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ALLOWED = "numbers, names of axes, + - * / // % **, parentheses, min, max, round, and one comparison"


def calculate(text: str, names: Mapping[str, Value]) -> Value | bool:
    """Return the value of an arithmetic expression, or the truth of a comparison of two (``width == 40``).

    Args:
        text: the expression, at most 200 characters.
        names: the numbers that it may name.

    Raises:
        OrreryError: it is no such expression, names something unknown, divides by zero, or leaves the range
            of 64-bit numbers.
    """
    if len(text) > _LONGEST:
        raise OrreryError(f"the expression has {len(text)} characters; at most {_LONGEST} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OrreryError(f"'{text}' is not an arithmetic expression; allowed are {ALLOWED}") from None
    try:
        body = tree.body
        if isinstance(body, ast.Compare) and len(body.ops) == 1 and type(body.ops[0]) in _COMPARISONS:
            left, right = (_value(side, names, text) for side in (body.left, body.comparators[0]))
            return _COMPARISONS[type(body.ops[0])](left, right)
        return _value(body, names, text)
    except ZeroDivisionError:
        raise OrreryError(f"'{text}' divides by zero with {_listed(names)}") from None
    except RecursionError:
        raise OrreryError(f"'{text}' is nested too deeply") from None


def _value(node: ast.expr, names: Mapping[str, Value], text: str) -> Value:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        return _bounded(node.value, text)
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise OrreryError(
                f"'{text}' names '{node.id}', which is no axis with numbers; {nearest(node.id, names)}"
            )
        return _bounded(names[node.id], text)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, names, text)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left, names, text), _value(node.right, names, text)
        return _bounded(_combine(type(node.op), left, right, text), text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _bounded(_call(node, names, text), text)
    raise OrreryError(f"'{text}' is not plain arithmetic; allowed are {ALLOWED}")


def _combine(kind: type[ast.operator], left: Value, right: Value, text: str) -> Value:
    if kind is ast.Pow:
        # decided on logarithms first: 9**9**9 must be refused, not calculated
        too_large = left != 0 and abs(right * math.log2(abs(left))) > 63
        if too_large or abs(right) > 1000:
            raise OrreryError(f"a power in '{text}' is too large; results lie below 2**63")
    try:
        result = _BINARY[kind](left, right)
    except OverflowError:
        raise OrreryError(f"'{text}' is too large; results lie below 2**63") from None
    if isinstance(result, complex):
        raise OrreryError(f"'{text}' is not a real number")
    return result


def _call(node: ast.Call, names: Mapping[str, Value], text: str) -> Value:
    assert isinstance(node.func, ast.Name)
    most = 2 if node.func.id == "round" else 20
    least = 1 if node.func.id == "round" else 2
    if node.keywords or not least <= len(node.args) <= most:
        raise OrreryError(f"'{node.func.id}' in '{text}' takes {least} to {most} numbers")
    arguments = [_value(argument, names, text) for argument in node.args]
    if node.func.id == "round" and len(arguments) == 2 and not isinstance(arguments[1], int):
        raise OrreryError(f"'round' in '{text}' takes a whole number of digits")
    return _FUNCTIONS[node.func.id](*arguments)


def _bounded(value: Value, text: str) -> Value:
    if not math.isfinite(value) or abs(value) >= _LARGEST:
        raise OrreryError(f"'{text}' is too large; results lie below 2**63")
    return value


def _listed(names: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in names.items()) or "no names"
