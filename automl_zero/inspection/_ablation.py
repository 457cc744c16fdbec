"""What each instruction of a program is worth: the fitness without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from automl_zero.evaluation import Precision, as_programs, evaluate
from automl_zero.liveness import live_instructions
from automl_zero.program import Instruction, Program
from automl_zero.tasks import Task, TaskBatch


@dataclass(frozen=True, slots=True)
class Ablation:
    """One instruction and what happens without it.

    Attributes:
        component: Its component function.
        position: Its place there, from 0.
        instruction: The instruction.
        is_live: Whether it can reach the prediction at all. If not, it changes nothing.
        fitness: Mean fitness, over the tasks, of the program without it.
        difference: That minus the mean fitness of the whole program: negative if the
            instruction helps.
        task_differences: The difference on each task, shape ``[tasks]``.

    >>> program = Program.parse('''
    ... def Setup():
    ... def Predict():
    ...   s1 = mean(v0)
    ... def Learn():
    ... ''')
    >>> task = Task([[1.0, 3.0]], [2.0], [[1.0, 3.0]], [2.0])
    >>> print(ablation(program, task)[0])
    -0.705 without: s1 = mean(v0)
    """

    component: str
    position: int
    instruction: Instruction
    is_live: bool
    fitness: float
    difference: float
    task_differences: NDArray[np.float64] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.difference:+.3f} without: {self.instruction}"


def ablation(
    program: Program,
    tasks: TaskBatch | Task | Iterable[Task],
    *,
    max_abs_error: float = 100.0,
    precision: Precision = "float64",
) -> list[Ablation]:
    """The effect of each instruction, by leaving it out: one program for each, run together.

    Leaving out and replacing by ``NO_OP`` are the same. An instruction can be worth nothing
    beside another that does the same, so look at simplified programs
    (:func:`~automl_zero.inspection.simplify`). Without a random instruction, or one that a
    random instruction needs, the random ones after it draw other numbers: that is part of
    the difference.

    Args:
        program: A supervised program.
        tasks: Tasks of one shape to run it on.
        max_abs_error: As for :func:`automl_zero.evaluate`.
        precision: As for :func:`automl_zero.evaluate`.

    Returns:
        One row per instruction, in order.

    Raises:
        ValueError: As :func:`automl_zero.evaluate` does.

    >>> from automl_zero.evolution import hand_built_program
    >>> from automl_zero.tasks import linear
    >>> rows = ablation(hand_built_program("linear"), linear(train=1000))
    >>> [row.component for row in rows if row.difference < -0.3]
    ['setup', 'predict', 'learn', 'learn', 'learn', 'learn']
    """
    (whole,) = as_programs([program])
    places = [(name, position) for name, body in whole.items() for position in range(len(body))]
    variants = [_without(whole, *place) for place in places]
    fitness = evaluate(
        [whole, *variants], tasks, max_abs_error=max_abs_error, precision=precision
    )
    differences = fitness[1:] - fitness[0]
    flags = live_instructions(whole)
    return [
        Ablation(
            component=name,
            position=position,
            instruction=whole[name][position],
            is_live=flags[name][position],
            fitness=float(np.mean(fitness[row + 1])),
            difference=float(np.mean(differences[row])),
            task_differences=differences[row],
        )
        for row, (name, position) in enumerate(places)
    ]


def _without(program: Program, component: str, position: int) -> Program:
    body = program[component]
    return program.replace(**{component: body[:position] + body[position + 1 :]})
