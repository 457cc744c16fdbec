"""Programs and tasks that the benchmarks run.

The two hand-built programs and the sizes, registers and examples of the drawn ones are
those of the figures that we have of the original C++ program.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from automl_zero.kernels import _engine

from automl_zero.evaluation import Precision, compile_batch, stack_programs
from automl_zero.evolution import hand_built_program
from automl_zero.ops import ORIGINAL_OPS
from automl_zero.program import INSTRUCTION_DTYPE, Program
from automl_zero.streams import stream_key
from automl_zero.tasks import TaskBatch, regression_tasks

TASKS = 10
"""Tasks that run in lockstep."""

REGISTERS = (5, 9, 2)
"""Scalars, vectors and matrices of drawn programs."""

POOL_SIZE = 200
"""Programs in a pool."""

MAX_ABS_ERROR = 100.0

LINEAR = hand_built_program("linear")

# The shipped learning rate of 0.01 diverges with 16 features: most tasks would stop early.
NETWORK = Program.parse(str(hand_built_program("neural_net")).replace("s3 = 0.01", "s3 = 0.001"))

DETERMINISTIC_OPS = tuple(op.id for op in ORIGINAL_OPS if not op.random)
ALL_OPS = tuple(op.id for op in ORIGINAL_OPS)


def drawn_pool(ops: Sequence[int], sizes: tuple[int, int, int], number: int) -> list[Program]:
    """``POOL_SIZE`` programs drawn as a search draws its initial ones.

    Args:
        ops: Ids to draw from, the same in each component function.
        sizes: Instructions of setup, predict and learn.
        number: Which pool; the same number draws the same programs.
    """
    space = _engine.CompiledProgramSpace(
        REGISTERS, [list(ops)] * 3, sizes, sizes, sizes, 1.0, [1.0] + [0.0] * 7, False
    )
    stream = _engine.CompiledStream(stream_key(number, "benchmark pool", len(ops), *sizes))
    return [_program(*space.draw(stream)) for _ in range(POOL_SIZE)]


def _program(raw: bytes, sizes: tuple[int, ...]) -> Program:
    instructions = np.frombuffer(raw, dtype=INSTRUCTION_DTYPE)
    return Program.from_arrays(instructions, np.concatenate([[0], np.cumsum(sizes)]))


@functools.cache
def task_batch(kind: Any, features: int, train: int, valid: int, labels: Any) -> TaskBatch:
    """``TASKS`` synthetic tasks; always the same ones."""
    tasks = regression_tasks(kind, TASKS, features, train, valid, seed=1, labels=labels)
    return TaskBatch(tasks)


@dataclass
class Workload:
    """Programs on tasks in lockstep; call it to evaluate each program once.

    No cache is involved: every call finds each program's live code and runs it.

    Args:
        programs: What to run.
        features: Feature count F of the tasks.
        kind: Kind of the tasks, ``"linear"`` or ``"two_layer_nn"``.
        train: Training examples.
        valid: Validation examples.
        labels: ``"real"``, or ``"binary"`` for accuracy.
        precision: ``"float64"`` or ``"float32"``.
        canonical_flags: Of the compiled evaluation, e.g. ``_engine.KEEP_DEAD``.
    """

    programs: Sequence[Program]
    features: int = 4
    kind: str = "linear"
    train: int = 100
    valid: int = 100
    labels: str = "real"
    precision: Precision = "float64"
    canonical_flags: int = 0
    stops: Any = field(init=False)

    def __post_init__(self) -> None:
        tasks = task_batch(self.kind, self.features, self.train, self.valid, self.labels)
        self._batch = compile_batch(tasks, self.precision)
        self._raw, self._offsets = stack_programs(self.programs)
        self._fitness = np.zeros((len(self.programs), TASKS))
        self._train_steps = np.zeros((len(self.programs), TASKS), dtype=np.int64)
        self.stops = np.zeros((len(self.programs), TASKS, 3), dtype=np.int32)

    @property
    def evaluations(self) -> int:
        """Programs times tasks: what one call evaluates."""
        return len(self.programs) * TASKS

    def __call__(self) -> None:
        _engine.evaluate_programs(
            self._batch, self._raw, self._offsets, self._fitness, self.stops, self._train_steps,
            MAX_ABS_ERROR, float(self.train), np.inf, self.canonical_flags,
        )  # fmt: skip
