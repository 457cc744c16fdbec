"""Component functions as loops over elements: the part of code generation that languages share.

Elementwise instructions that follow each other share one loop, in which what they write
is a local variable; only what is needed afterwards is stored. The two-layer network with 784
features takes 0.15 ms for a training example so, 0.26 ms with a loop for each instruction.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from automl_zero.export._elements import ElementForm, Sum, element_form
from automl_zero.liveness import Register
from automl_zero.program import Instruction


@dataclass(frozen=True)
class SumStep:
    """A sum before the instruction that needs it; goes to a scalar or to scratch memory."""

    total: Sum
    operands: Mapping[str, Register]


@dataclass(frozen=True)
class CopyStep:
    """A matrix transposed into scratch memory, so that the output may be the input."""

    matrix: Register


@dataclass(frozen=True)
class DrawStep:
    """A random instruction, with the ordinal that keys its numbers."""

    instruction: Instruction
    ordinal: int


@dataclass
class LoopStep:
    """Elementwise instructions of one kind in one loop, or scalar ones in a row.

    Attributes:
        kind: ``"s"``, ``"v"`` or ``"m"``.
        items: Instructions with their element forms.
        stored: Registers that are needed after the loop.
    """

    kind: str
    items: list[tuple[Instruction, ElementForm]] = field(default_factory=list)
    stored: list[Register] = field(default_factory=list)


Step = SumStep | CopyStep | DrawStep | LoopStep


def steps_of(
    body: tuple[Instruction, ...], needed_after: frozenset[Register], ordinals: Mapping[int, int]
) -> list[Step]:
    """The steps of a component function.

    Args:
        body: Its instructions.
        needed_after: Registers that matter once it has run.
        ordinals: Of its random instructions, by position.
    """
    needed = list(_needed(body, needed_after))
    steps: list[Step] = []
    for position, item in enumerate(body):
        if item.output is None:
            continue
        if item.op.random:
            steps.append(DrawStep(item, ordinals[position]))
            continue
        form = element_form(item.op)
        operands = dict(zip("ab", item.inputs, strict=False))
        steps += [SumStep(total, operands) for total in form.sums]
        if form.is_transposed:
            steps.append(CopyStep(item.inputs[0]))
        kind = item.op.output
        last = steps[-1] if steps else None
        if not (isinstance(last, LoopStep) and last.kind == kind):
            last = LoopStep(kind)
            steps.append(last)
        last.items.append((item, form))
        written = {item.output for item, _ in last.items if item.output}
        last.stored = sorted(written & needed[position])
    return steps


def _needed(
    body: tuple[Instruction, ...], needed_after: frozenset[Register]
) -> Iterator[frozenset[Register]]:
    """Registers that matter after each instruction."""
    needed = set(needed_after)
    found = []
    for item in reversed(body):
        found.append(frozenset(needed))
        if item.output in needed:
            if not item.op.keeps_output:
                needed.discard(item.output)
            needed.update(item.inputs)
    return reversed(found)


def names_in(node: ast.AST) -> set[str]:
    """All names of an expression."""
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
