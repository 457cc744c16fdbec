"""The shortest program that is nearly as fit: lines that earn nothing go."""

from __future__ import annotations

from collections.abc import Callable

from automl_zero._config_values import number
from automl_zero.inspection._simplify import simplify
from automl_zero.liveness import SUPERVISED, Harness, canonical_program
from automl_zero.program import Program


def pruned(
    program: Program,
    fitness: Callable[[Program], float],
    harness: Harness = SUPERVISED,
    *,
    tolerance: float = 0.0,
) -> Program:
    """The program without the instructions that its fitness does not need.

    Starts with :func:`~automl_zero.inspection.simplify`, which keeps every bit. Then the
    instruction without which the fitness is highest goes, again and again, as long as the
    fitness stays within ``tolerance`` of the whole program's. Each round tries every program
    that lacks one instruction.

    Args:
        program: A program with the harness's component functions.
        fitness: Higher is better.
        harness: What drives the program.
        tolerance: How much fitness may be given up for a shorter program, in all.

    Raises:
        ValueError: If the program is none of the harness, or ``tolerance`` is negative.

    >>> program = Program.parse('''
    ... def Setup():
    ... def Predict():
    ...   s2 = mean(v0)
    ...   s1 = abs(s2)
    ...   s1 = s2 + s1
    ... def Learn():
    ... ''')
    >>> print(pruned(program, lambda short: "mean" in str(short)))
    def Setup():
    def Predict():
      s2 = mean(v0)
      s1 = s1 + s2
    def Learn():
    """
    tolerance = number("tolerance", tolerance, 0)
    current = simplify(program, harness)
    lowest = fitness(current) - tolerance
    while True:
        shorter: dict[Program, float] = {}
        for candidate in _without_one(current, harness):
            shorter.setdefault(candidate, fitness(candidate))
        if not shorter:
            return current
        best = max(shorter, key=lambda candidate: (shorter[candidate], -len(candidate)))
        if shorter[best] < lowest:
            return current
        current = best


def _without_one(program: Program, harness: Harness) -> list[Program]:
    """The canonical forms of the program without each of its instructions."""
    return [
        canonical_program(
            program.replace(**{name: body[:position] + body[position + 1 :]}), harness
        )
        for name, body in program.items()
        for position in range(len(body))
    ]
