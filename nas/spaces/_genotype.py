"""Genotypes: a normal and a reduction cell, whose nodes add up two operations each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Term = tuple[str, int]
"""An operation and what it reads: 0 and 1 are the cell's inputs, 2 is the first node."""

Node = tuple[Term, Term]


@dataclass(frozen=True, slots=True)
class CellGenotype:
    """A cell with two inputs, the outputs of the two cells before it.

    Attributes:
        nodes: What each node adds up, first to last.
        concat: The nodes whose channels, side by side, are the output.
    """

    nodes: tuple[Node, ...]
    concat: tuple[int, ...]

    def canonical(self) -> CellGenotype:
        """The same cell with its nodes in one certain order: isomorphic cells become equal.

        Of all orders in which every node stands behind what it reads, the one whose text is
        first; the two terms of a node, whose sum does not depend on their order, are sorted.
        """
        orders = _first_orders(self, {0: 0, 1: 1}, ())
        cells = []
        for nodes, names in orders:
            cells.append(CellGenotype(nodes, tuple(sorted(names[old] for old in self.concat))))
        return min(cells, key=lambda cell: cell.concat)

    def operations(self) -> Iterator[tuple[int, str, int]]:
        """Target, operation and source of every term."""
        for target, node in enumerate(self.nodes, 2):
            for name, source in node:
                yield target, name, source


def _first_orders(
    cell: CellGenotype, names: dict[int, int], chosen: tuple[Node, ...]
) -> list[tuple[tuple[Node, ...], dict[int, int]]]:
    """The orders of the remaining nodes that come first, with the new number of every node.

    Position by position: the first sequence begins with the least node that can begin one.
    """
    if len(chosen) == len(cell.nodes):
        return [(chosen, names)]
    candidates: dict[int, Node] = {}
    for old, ((name_a, a), (name_b, b)) in enumerate(cell.nodes, 2):
        if old not in names and a in names and b in names:
            first, second = sorted([(names[a], name_a), (names[b], name_b)])
            candidates[old] = ((first[1], first[0]), (second[1], second[0]))
    least = min(candidates.values(), key=_order)
    equal = [old for old, node in candidates.items() if node == least]
    # Of outputs that no node reads, any one may come first.
    unread = set(equal) & set(cell.concat) - {source for _, _, source in cell.operations()}
    equal = [old for old in equal if old not in unread] + sorted(unread)[:1]
    found: list[tuple[tuple[Node, ...], dict[int, int]]] = []
    for old in equal:
        renamed = {**names, old: len(chosen) + 2}
        found += _first_orders(cell, renamed, (*chosen, least))
    best = min(tuple(map(_order, order)) for order, _ in found)
    return [(order, renamed) for order, renamed in found if tuple(map(_order, order)) == best]


def _order(node: Node) -> tuple[int, int, str, str]:
    (name_a, a), (name_b, b) = node
    return a, b, name_a, name_b


@dataclass(frozen=True, slots=True)
class Genotype:
    """A normal cell and a reduction cell; the text form is the one that papers' code prints.

    >>> text = (
    ...     "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=[2], "
    ...     "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
    ... )
    >>> genotype = Genotype.parse(text)
    >>> genotype.normal.nodes
    ((('sep_conv_3x3', 0), ('skip_connect', 1)),)
    >>> str(genotype) == text
    True
    """

    normal: CellGenotype
    reduce: CellGenotype

    def __str__(self) -> str:
        parts = []
        for name, cell in (("normal", self.normal), ("reduce", self.reduce)):
            terms = [term for node in cell.nodes for term in node]
            parts.append(f"{name}={terms!r}, {name}_concat={list(cell.concat)!r}")
        return f"Genotype({', '.join(parts)})"

    def canonical(self) -> Genotype:
        """Both cells in their canonical order."""
        return Genotype(self.normal.canonical(), self.reduce.canonical())

    @classmethod
    def parse(cls, text: str) -> Genotype:
        """The genotype of a text, ``range(2, 6)`` for a list included. Nothing is evaluated.

        Raises:
            ValueError: If the text is none; names the field.
        """
        try:
            call: ast.expr | None = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, AttributeError, RecursionError, MemoryError):
            call = None
        names = ["normal", "normal_concat", "reduce", "reduce_concat"]
        if (
            not isinstance(call, ast.Call)
            or call.args
            or not isinstance(call.func, ast.Name)
            or sorted(str(item.arg) for item in call.keywords) != names
        ):
            raise ValueError(
                f"genotype: expected Genotype({'=..., '.join(names)}=...), received {text!r}"
            )
        fields = {str(item.arg): _literal(str(item.arg), item.value) for item in call.keywords}
        return cls(
            *(_cell(name, fields[name], fields[f"{name}_concat"]) for name in ("normal", "reduce"))
        )


def _literal(field: str, node: ast.expr) -> Any:
    try:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "range"
            and len(node.args) == 2
        ):
            first, end = (ast.literal_eval(item) for item in node.args)
            # More nodes than any cell has: what comes after is a clear error.
            return list(range(first, min(end, first + 1000)))
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"{field}: expected a list, received {ast.unparse(node)!r}") from None


def _cell(field: str, terms: Any, concat: Any) -> CellGenotype:
    if not isinstance(terms, list | tuple) or len(terms) % 2 or not terms:
        raise ValueError(f"{field}: expected two (operation, input) per node, received {terms!r}")
    checked: list[Term] = []
    for number, term in enumerate(terms):
        node = 2 + number // 2
        if (
            not isinstance(term, list | tuple)
            or len(term) != 2
            or not isinstance(term[0], str)
            or type(term[1]) is not int
            or not 0 <= term[1] < node
        ):
            raise ValueError(
                f"{field}: expected (operation, input) with an input in 0..{node - 1} for node "
                f"{node}, received {term!r}"
            )
        checked.append((term[0], term[1]))
    nodes = tuple(zip(checked[::2], checked[1::2], strict=True))
    numbers = range(2, 2 + len(nodes))
    if (
        not isinstance(concat, list | tuple)
        or not concat
        or any(type(item) is not int or item not in numbers for item in concat)
        or len(set(concat)) != len(concat)
    ):
        raise ValueError(
            f"{field}_concat: expected different nodes of {numbers[0]}..{numbers[-1]}, "
            f"received {concat!r}"
        )
    return CellGenotype(nodes, tuple(sorted(concat)))
