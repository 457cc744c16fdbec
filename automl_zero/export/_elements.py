"""What an op computes for one element of its output, derived from the op table's meaning.

Loops (Numba, C) and batched tensors (PyTorch) need an op element by element:
``dot(m0, v0)`` is, for each ``i``, a sum over ``k`` of ``m0[i, k] * v0[k]``. The meaning in
NumPy says that already; :func:`element_form` reads it out of the expression.

Expressions are Python syntax trees over these names: ``a``, ``b``, ``out`` (scalars as they
are, others subscripted), the constants' roles, ``F``, the output's indices ``i``, ``j``, and
``t0``, ``t1``, ``t2`` for the op's sums.
"""

from __future__ import annotations

import ast
import copy
import functools
from dataclasses import dataclass
from typing import Any, Final, Literal

from automl_zero.ops import Op

Span = Literal["vector", "matrix", "row", "column", "product"]

SUM_NAMES: Final = ("t0", "t1", "t2")
"""No op has more sums."""


@dataclass(frozen=True)
class Sum:
    """A sum in an op, in the engine's fixed order.

    Attributes:
        name: What stands for it: ``t0``.
        element: The term at ``k``: one subscripted operand, or a product of two.
        span: What is summed: a ``"vector"``, a ``"matrix"`` in row-major order (its index
            is ``k`` alone), for each ``i`` a ``"row"`` or ``"column"``, or for each ``i, j``
            a row times a column (``"product"``).
    """

    name: str
    element: ast.expr
    span: Span

    @property
    def factors(self) -> tuple[ast.Subscript, ast.Subscript | None]:
        """The operand, or the two that are multiplied."""
        if isinstance(self.element, ast.BinOp):
            return self.element.left, self.element.right  # type: ignore[return-value]
        return self.element, None  # type: ignore[return-value]


@dataclass(frozen=True)
class ElementForm:
    """An op for one element of its output.

    Attributes:
        sums: What is summed first.
        result: The element at ``i`` (vector), ``i, j`` (matrix) or the scalar. The name of a
            sum has the indices that the sum depends on.
        is_transposed: Reads ``a[j, i]``, so it must not write over its input.
    """

    sums: tuple[Sum, ...]
    result: ast.expr
    is_transposed: bool


@functools.cache
def element_form(op: Op) -> ElementForm:
    """The element form of an op that computes something without random numbers."""
    reader = _Reader(op)
    indices = {"s": (), "v": ("i",), "m": ("i", "j")}[op.output]
    result = reader.at(ast.parse(op.numpy, mode="eval").body, indices)
    return ElementForm(tuple(reader.sums), result, op.numpy.startswith("a.T"))


class _Reader:
    """Reads elements out of one op's meaning; collects its sums."""

    def __init__(self, op: Op) -> None:
        self._kinds = dict(zip("ab", op.inputs, strict=False)) | {"out": op.output}
        self._row_of: dict[str, tuple[str, str]] = {}
        self.sums: list[Sum] = []

    def at(self, node: ast.AST, index: tuple[str, ...]) -> ast.expr:
        """The element of ``node`` at ``index``; a broadcast operand uses the last indices."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise RuntimeError(f"no element form for {ast.unparse(node)!r}")
        found: ast.expr = method(node, index)
        return found

    def _constant(self, node: ast.Constant, index: tuple[str, ...]) -> ast.expr:
        return node

    def _name(self, node: ast.Name, index: tuple[str, ...]) -> ast.expr:
        if node.id in self._row_of:
            matrix, row = self._row_of[node.id]
            return subscript(matrix, row, index[-1])
        kind = self._kinds.get(node.id, "s")
        if kind == "s":
            return node
        return subscript(node.id, *(index[-1:] if kind == "v" else index))

    def _binop(self, node: ast.BinOp, index: tuple[str, ...]) -> ast.expr:
        left, right = self.at(node.left, index), self.at(node.right, index)
        if isinstance(node.op, ast.BitAnd):
            return ast.BoolOp(ast.And(), [left, right])
        return ast.BinOp(left, node.op, right)

    def _unaryop(self, node: ast.UnaryOp, index: tuple[str, ...]) -> ast.expr:
        return ast.UnaryOp(node.op, self.at(node.operand, index))

    def _compare(self, node: ast.Compare, index: tuple[str, ...]) -> ast.expr:
        right = [self.at(item, index) for item in node.comparators]
        return ast.Compare(self.at(node.left, index), node.ops, right)

    def _ifexp(self, node: ast.IfExp, index: tuple[str, ...]) -> ast.expr:
        return ast.IfExp(
            self.at(node.test, index), self.at(node.body, index), self.at(node.orelse, index)
        )

    def _subscript(self, node: ast.Subscript, index: tuple[str, ...]) -> ast.expr:
        # The table has one kind: x[:, None], whose last axis is broadcast.
        if not ast.unparse(node).endswith("[:, None]"):
            raise RuntimeError(f"no element form for {ast.unparse(node)!r}")
        return self.at(node.value, index[:-1])

    def _call(self, node: ast.Call, index: tuple[str, ...]) -> ast.expr:
        if isinstance(node.func, ast.Attribute):  # a.T.copy()
            matrix = node.func.value.value.id  # type: ignore[attr-defined]
            return subscript(matrix, *reversed(index))
        name = node.func.id  # type: ignore[attr-defined]
        arguments = node.args
        if name == "sum":
            return self._sum(node, index)
        if name == "stack":
            (comprehension,) = arguments
            return self._stack(comprehension, index)
        if name == "where":
            return ast.IfExp(*(self.at(item, index) for item in arguments))
        if name == "full":
            return self.at(arguments[1], index)
        if name == "tile":
            return self.at(arguments[0], index)
        if name == "arange":
            return ast.Name(index[-1])
        if name == "outer":
            left, right = arguments
            return ast.BinOp(self.at(left, index[:1]), ast.Mult(), self.at(right, index[1:]))
        if name == "square":
            base = self.at(arguments[0], index)
            return ast.BinOp(base, ast.Mult(), copy.deepcopy(base))
        return ast.Call(node.func, [self.at(item, index) for item in arguments], [])

    def _sum(self, node: ast.Call, index: tuple[str, ...]) -> ast.expr:
        (term,) = node.args
        name = f"t{len(self.sums)}"
        axis = node.keywords[0].value.value if node.keywords else None  # type: ignore[attr-defined]
        span: Span
        inner: tuple[str, ...]
        outer: tuple[str, ...]
        if axis is None:
            span = "matrix" if "m" in self._kinds_in(term) else "vector"
            inner, outer = ("k",), ()
        elif axis == 1:
            span, inner, outer = "row", ("i", "k"), ("i",)
        else:
            span, inner, outer = "column", ("k", index[-1]), (index[-1],)
        if self._row_of:
            span, outer = "product", ("i", "j")
        self.sums.append(Sum(name, self.at(term, inner), span))
        return subscript(name, *outer) if outer else ast.Name(name)

    def _stack(self, node: Any, index: tuple[str, ...]) -> ast.expr:
        (loop,) = node.generators
        self._row_of = {loop.target.id: (loop.iter.id, index[0])}
        found = self.at(node.elt, index[1:])
        self._row_of = {}
        return found

    def _kinds_in(self, node: ast.AST) -> str:
        names = (item.id for item in ast.walk(node) if isinstance(item, ast.Name))
        return "".join(self._kinds.get(name, "") for name in names)


def subscript(name: str, *indices: str) -> ast.Subscript:
    """``name[i, j]``."""
    nodes: list[ast.expr] = [ast.Name(index) for index in indices]
    return ast.Subscript(ast.Name(name), nodes[0] if len(nodes) == 1 else ast.Tuple(nodes))


def indices_of(node: ast.Subscript) -> tuple[str, ...]:
    """The names in the brackets."""
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return tuple(item.id for item in items)  # type: ignore[attr-defined]
