"""What every instruction writes, on one training example: a program step by step."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automl_zero import reference
from automl_zero.liveness import FEATURES, LABEL, PREDICTION, Register, random_ordinals
from automl_zero.program import Instruction, Program
from automl_zero.tasks import Task


@dataclass(frozen=True, slots=True)
class RegisterStep:
    """One register written.

    Attributes:
        component: The component function that runs.
        position: The instruction's place there, from 0; -1 if the harness writes.
        instruction: The instruction; None if the harness writes.
        register: What is written, as (kind, number).
        before: Its content before: a float, or an array ``[F]`` or ``[F, F]``.
        after: Its content after.
        note: What the harness writes: ``"features"``, ``"no label"``, ``"label"``,
            ``"sigmoid"`` (of the prediction, for classification); empty for instructions.

    >>> task = Task([[2.0]], [6.0], [[1.0]], [3.0])
    >>> program = Program.parse("def Setup():\\ndef Predict():\\n  s1 = mean(v0)\\ndef Learn():")
    >>> step = list(trace_registers(program, task))[2]
    >>> print(step.instruction, step.before, step.after, step.is_change)
    s1 = mean(v0) 0.0 2.0 True
    """

    component: str
    position: int
    instruction: Instruction | None
    register: Register
    before: Any = field(repr=False, compare=False)
    after: Any = field(repr=False, compare=False)
    note: str = ""

    @property
    def is_change(self) -> bool:
        """Whether the register holds anything else than before; NaN is NaN."""
        return not np.array_equal(self.before, self.after, equal_nan=True)


def trace_registers(
    program: Program, task: Task, example: int = 0, *, max_abs_error: float = 100.0
) -> Iterator[RegisterStep]:
    """The steps of a training example, by the reference interpreter, once those before have run.

    What comes: the steps of setup if ``example`` is 0; the harness's writes of features and
    label and the steps of predict; for classification the sigmoid of the prediction; if the
    training goes on, the writes before learn and the steps of learn. Dead code runs too;
    ``NO_OP`` does not show.

    Args:
        program: A supervised program.
        task: What it learns.
        example: Number of the training example, from 0, in the first epoch's order.
        max_abs_error: Errors above it, or NaN, end the training.

    Raises:
        ValueError: If there is no such example, training ends before it, or as
            :func:`automl_zero.reference.evaluate` does.

    >>> from automl_zero.evolution import hand_built_program
    >>> from automl_zero.tasks import linear
    >>> for step in trace_registers(hand_built_program("linear"), linear(), example=3):
    ...     if step.component == "learn" and step.register[0] == "s":
    ...         print(step.note or step.instruction, round(step.after, 4))
    label -0.7544
    s3 = s0 - s1 -0.7273
    s3 = s2 * s3 -0.0073
    """
    number = _example_number(example, task)
    past = reference.evaluate(
        program, task, max_abs_error=max_abs_error, train_limit=number, valid_limit=0
    )
    if past.stop != "none":
        raise ValueError(
            f"example: expected at most {past.stop_step}, where the training ends "
            f"({past.stop}), received {number}"
        )
    return _steps(program, task, number, past.memory, max_abs_error)


def _example_number(example: int, task: Task) -> int:
    try:
        number = operator.index(example)
    except TypeError:
        number = -1
    if not 0 <= number < len(task.train_y):
        raise ValueError(
            f"example: expected an integer in 0..{len(task.train_y) - 1}, received {example!r}"
        )
    return number


def _steps(
    program: Program, task: Task, number: int, memory: reference.Memory, max_abs_error: float
) -> Iterator[RegisterStep]:
    ordinals = random_ordinals(program)
    row = int(task.epoch_order[0][number])
    label = float(task.train_y[row])

    def write(component: str, register: Register, value: Any, note: str) -> RegisterStep:
        before = np.copy(memory[register])[()]
        memory[register] = value
        return RegisterStep(component, -1, None, register, before, np.copy(value)[()], note)

    def run(component: str, step: int) -> Iterator[RegisterStep]:
        index = program.components.index(component)
        for position, item in enumerate(program[component]):
            if item.output is None:
                continue
            draws = None
            if item.op.random:
                draws = reference.Draws(task.seed, index, ordinals[component][position], step)
            before = np.copy(memory[item.output])[()]
            reference.run_instruction(item, memory, draws)
            after = np.copy(memory[item.output])[()]
            yield RegisterStep(component, position, item, item.output, before, after)

    if number == 0:
        memory = reference.Memory(program.required_memory(), memory.features)
        yield from run("setup", 0)
    yield write("predict", FEATURES, task.train_x[row], "features")
    yield write("predict", LABEL, 0.0, "no label")
    yield from run("predict", number)
    if task.objective == "accuracy":
        with np.errstate(all="ignore"):
            squashed = reference.sigmoid(memory[PREDICTION])
        yield write("predict", PREDICTION, squashed, "sigmoid")
    error = abs(label - float(memory[PREDICTION]))
    if math.isnan(error) or error > max_abs_error:
        return
    yield write("learn", FEATURES, task.train_x[row], "features")
    yield write("learn", LABEL, label, "label")
    yield from run("learn", number)
