"""Which operations of a rule's graph become one.

PyTorch adds a scaled tensor, product or quotient in one pass (``add`` with alpha, ``addcmul``,
``addcdiv``). So a scaling, sum, product or quotient whose only reader is a sum becomes part of
it. It changes results by rounding alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from l2o.optim._graph import Node
from l2o.optim._scalars import Number, ScalarCode

_JOINABLE: Final = ("linear", "mul", "div")


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a sum: ``factor * a``, ``factor * a * b`` or ``factor * a / b``."""

    factor: Number
    op: str
    a: Node
    b: Node | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What it reads."""
        return (self.a,) if self.b is None else (self.a, self.b)


@dataclass(frozen=True, slots=True)
class Step:
    """A node to compute, with everything that is computed on the way.

    Attributes:
        node: The node.
        terms: Of a linear node: its parts, those of nodes that it swallowed among them.
        constant: Of a linear node: what is added to every element.
        reads: Nodes that it reads.
    """

    node: Node
    terms: tuple[Term, ...]
    constant: Number
    reads: frozenset[Node]


def fused_steps(nodes: Iterable[Node], roots: Iterable[Node], scalars: ScalarCode) -> list[Step]:
    """What has to be computed, in order.

    Args:
        nodes: All nodes, each behind its inputs.
        roots: Nodes whose values are needed.
        scalars: Gets the arithmetic of factors.
    """
    needed, roots = [], list(roots)
    wanted = set(roots)
    for node in reversed(list(nodes)):
        if node in wanted:
            needed.append(node)
            wanted.update(node.inputs)
    needed.reverse()
    uses = Counter(node for item in needed for node in item.inputs)
    uses.update(roots)
    needed = _factors_pulled_out(needed, uses, scalars)

    readers = {node: item for item in needed for node in item.inputs}
    swallowed = {
        node
        for node in needed
        if uses[node] == 1 and node in readers and _joins(node, readers[node])
    }
    steps = []
    for node in needed:
        if node.op == "leaf" or node in swallowed:
            continue
        terms, constant = _terms(node, swallowed, scalars) if node.op == "linear" else ((), 0.0)
        reads = {item for term in terms for item in term.nodes} or set(node.inputs)
        steps.append(Step(node, tuple(terms), constant, frozenset(reads)))
    return steps


def _joins(node: Node, reader: Node) -> bool:
    if reader.op != "linear" or node.op not in _JOINABLE or node.kind != reader.kind:
        return False
    # A product with a number of each tensor would need its elements spread first.
    return all(arg.kind == node.kind for arg in node.args if isinstance(arg, Node))


def _factors_pulled_out(needed: list[Node], uses: Counter[Node], scalars: ScalarCode) -> list[Node]:
    """``(c * a) * b`` as ``c * (a * b)``, where nobody else reads ``c * a``."""
    result: list[Node] = []
    for node in needed:
        result.append(node)
        if node.op not in ("mul", "div"):
            continue
        factor: Number = 1.0
        args = []
        for position, arg in enumerate(node.args):
            if isinstance(arg, Node) and uses[arg] == 1 and _is_scaling(arg):
                inner_factor, inner = arg.terms[0]
                divides = node.op == "div" and position == 1
                combine = scalars.quotient if divides else scalars.product
                factor = combine(factor, inner_factor)
                result.remove(arg)
                arg = inner
            args.append(arg)
        if tuple(args) != node.args:
            bare = Node(node.kind, node.op, tuple(args))
            uses[bare] = 1
            node.op, node.args, node.terms = "linear", (), [(factor, bare)]
            result.insert(-1, bare)
    return result


def _is_scaling(node: Node) -> bool:
    return node.op == "linear" and len(node.terms) == 1 and node.constant == 0.0


def _terms(node: Node, swallowed: set[Node], scalars: ScalarCode) -> tuple[list[Term], Number]:
    """The parts of a linear node, equal ones put together."""
    factors: dict[tuple[str, Node, Node | None], Number] = {}
    constant = node.constant
    for factor, part in node.terms:
        if part not in swallowed:
            inner: list[Term] = [Term(1.0, "", part)]
        elif part.op == "linear":
            inner, inner_constant = _terms(part, swallowed, scalars)
            if inner_constant != 0.0:
                constant = scalars.sum(constant, scalars.product(factor, inner_constant))
        else:
            a, b = part.args
            inner = [Term(1.0, part.op, a, b)]  # type: ignore[arg-type]
        for term in inner:
            key = (term.op, term.a, term.b)
            value = scalars.product(factor, term.factor)
            factors[key] = scalars.sum(factors[key], value) if key in factors else value
    return [Term(factor, *key) for key, factor in factors.items()], constant
