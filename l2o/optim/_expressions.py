"""An op's meaning as a PyTorch expression, out of the op table."""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from automl_zero.ops import Op

_TORCH_NAMES: Final = {
    name: f"torch.{name}"
    for name in (
        "abs", "arccos", "arcsin", "arctan", "cos", "exp", "log", "sin", "sqrt", "square", "tan",
        "where",
    )
} | {"power": "pow"}  # fmt: skip
"""Functions of meanings that apply element by element."""


def torch_expression(op: Op, operands: Mapping[str, str], dtype: str) -> str:
    """The op applied to operands element by element, as Python source.

    Args:
        op: An op that computes each element from those at the same place.
        operands: Source that stands for ``a``, ``b`` and for the constants.
        dtype: Source of the result's dtype, for results that no operand gives one.

    Raises:
        KeyError: If the op is none that applies element by element.
    """
    nodes = {name: _parsed(text) for name, text in operands.items()}
    tree = _ToTorch(nodes, dtype).visit(_parsed(op.numpy))
    text = ast.unparse(ast.fix_missing_locations(tree))
    return re.sub(r"([\w.]+) \*\* ([\w.]+)", r"\1**\2", text)  # as formatters have it


@functools.cache
def is_elementwise(op: Op) -> bool:
    """Whether :func:`torch_expression` can write the op on tensors of one shape."""
    if not op.output or op.random or op.keeps_output or not op.inputs or "full" in op.numpy:
        return False
    if "m" in op.inputs + op.output or set(op.inputs) - {"s"} and op.output == "s":
        return False
    called = {
        node.func.id
        for node in ast.walk(_parsed(op.numpy))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return called <= set(_TORCH_NAMES)


def number_text(value: float) -> str:
    """A number as source that needs no import."""
    if math.isnan(value) or math.isinf(value):
        return f'float("{value}")'
    return repr(float(value))


class _ToTorch(ast.NodeTransformer):
    def __init__(self, operands: Mapping[str, ast.expr], dtype: str) -> None:
        self._operands = operands
        self._dtype = dtype

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._operands:
            return self._operands[node.id]
        return _parsed(_TORCH_NAMES[node.id])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        function = ast.unparse(node.func)
        if function == "pow":
            return ast.BinOp(node.args[0], ast.Pow(), node.args[1])
        if function != "torch.where":
            return node
        condition, *choices = node.args
        if isinstance(condition, ast.Compare):
            left, right = _number(condition.left), _number(condition.comparators[0])
            if left is not None and right is not None:
                return choices[0 if _HOLDS[type(condition.ops[0])](left, right) else 1]
        if all(_number(choice) is not None for choice in choices):
            # Of two plain numbers torch.where makes float32; the table has 1 and 0 alone.
            return _parsed(f"({ast.unparse(condition)}).to({self._dtype})")
        return node


_HOLDS: Final[dict[type, Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _number(node: ast.expr) -> float | None:
    """The number that stands there as :func:`number_text` writes it."""
    try:
        return float(ast.unparse(node).removeprefix("float('").removesuffix("')"))
    except ValueError:
        return None


def _parsed(text: str) -> Any:
    return ast.parse(text, mode="eval").body
