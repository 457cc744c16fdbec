"""What an update rule is made of, as far as its instructions show it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from automl_zero.inspection import simplify
from automl_zero.program import Program
from l2o.rules import GRADIENT, UPDATE, UPDATE_RULE

_MIXING: Final = {
    "VECTOR_SUM_OP", "VECTOR_DIFF_OP", "VECTOR_INTERPOLATE_OP", "SCALAR_VECTOR_PRODUCT_OP",
    "VECTOR_CLIP_OP",
}  # fmt: skip
"""Ops whose result is a mixture of their vectors, more or less."""


class Node(NamedTuple):
    """A value within one update: what was computed, or what a register held before it."""

    op: str
    register: tuple[str, int] | None
    inputs: tuple[Node, ...]


def has_sign_of_interpolated_momentum(rule: Program) -> bool:
    """Whether a rule's update is a sign of a mixture of the gradient and a momentum, like Lion's.

    A momentum is a register that mixes its own value of the step before with the gradient. The
    sign must be of another mixture than the one that is kept: the sign of the momentum itself
    (Signum) does not count. The update may have other terms beside the sign, such as weight
    decay, and the mixture too.

    >>> from l2o.rules import hand_written_rule
    >>> [has_sign_of_interpolated_momentum(hand_written_rule(n)) for n in ("lion", "adamw")]
    [True, False]
    """
    held: dict[tuple[str, int], Node] = {}

    def value(register: tuple[str, int]) -> Node:
        return held.get(register, Node("before", register, ()))

    for item in simplify(rule, UPDATE_RULE)["update"]:
        if item.output is not None:
            held[item.output] = Node(item.op.name, None, tuple(map(value, item.inputs)))
    momenta = {
        register
        for register, node in held.items()
        if {GRADIENT, register} <= set(_mixed(node))
    }
    for sign in _signs(value(UPDATE)):
        (mixture,) = sign.inputs
        mixed = set(_mixed(mixture))
        if GRADIENT in mixed and any(held[it] is not mixture for it in mixed & momenta):
            return True
    return False


def _signs(node: Node) -> Iterator[Node]:
    """The signs that an update is a mixture of."""
    if node.op == "VECTOR_SIGN_OP":
        yield node
    elif node.op in _MIXING:
        for inner in node.inputs:
            yield from _signs(inner)


def _mixed(node: Node) -> Iterator[tuple[str, int]]:
    """The registers that a value is a mixture of."""
    if node.register is not None:
        yield node.register
    elif node.op in _MIXING:
        for inner in node.inputs:
            yield from _mixed(inner)
