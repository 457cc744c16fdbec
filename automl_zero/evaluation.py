"""Fitness of programs on tasks, by the compiled interpreter.

Public names: :func:`evaluate`, :func:`trace`, :func:`run_instruction`,
:class:`TaskTrace`, :data:`STOP_REASONS`. What a program means stands in
:mod:`automl_zero.reference`; this gives the same fitness, thousands of times faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from automl_zero.kernels import _engine
from automl_zero.program import (
    INSTRUCTION_DTYPE,
    MAX_REGISTERS,
    SUPERVISED_COMPONENTS,
    Instruction,
    MemorySizes,
    Program,
)
from automl_zero.tasks import Task, TaskBatch
from automl_zero.tasks._checks import require_memory

Precision = Literal["float64", "float32"]

PRECISIONS: Final = ("float64", "float32")

STOP_REASONS: Final = (
    "none",
    "train_nan",
    "train_inf",
    "train_large",
    "valid_nan",
    "valid_inf",
    "valid_large",
)
"""How an evaluation can end; the index is the compiled interpreter's code."""

# A batch of the compiled interpreter holds at most this many tasks.
MAX_TASKS: Final = 4096

# As the compiled interpreter lays tasks out: from this many features on one by one, else
# side by side in vectors of this many bytes; rows start at multiples of 64 bytes.
_ONE_LANE_FEATURES: Final = 64
_VECTOR_BYTES: Final = {"v3": 32, "v4": 64}.get(_engine.ISA, 16)
_ALIGNMENT: Final = 64

# What takes less is not checked against the memory there is: finding out takes as long as
# evaluating some programs.
_SMALL_BYTES: Final = 16 << 20


@dataclass(frozen=True, eq=False)
class TaskTrace:
    """What one program did on one task, example by example.

    Attributes:
        fitness: Best fitness of all epochs, in [0, 1].
        stop: One of :data:`STOP_REASONS`; ``"none"`` if every epoch ran to its end.
        stop_epoch: Epoch of the stop, -1 if none.
        stop_step: Training or validation example of that epoch, -1 if none.
        train_predictions: ``[epochs * n]``, after the sigmoid if the objective is accuracy;
            NaN beyond the stop.
        valid_predictions: ``[epochs * m]``, raw.
        epoch_fitness: ``[epochs]``, NaN where not reached.
        sum_loss: ``[epochs]``, sum of squared errors or of wrong classes; infinite if the
            validation stopped early, NaN where not reached.
        scalars: ``[20]``, scalar registers of the canonical form at the end; NaN if unused.
    """

    fitness: float
    stop: str
    stop_epoch: int
    stop_step: int
    train_predictions: NDArray[np.float64]
    valid_predictions: NDArray[np.float64]
    epoch_fitness: NDArray[np.float64]
    sum_loss: NDArray[np.float64]
    scalars: NDArray[np.float64]


def evaluate(
    programs: Program | Iterable[Program],
    tasks: TaskBatch | Task | Iterable[Task],
    *,
    max_abs_error: float = 100.0,
    precision: Precision = "float64",
    max_cost: float = np.inf,
) -> NDArray[np.float64]:
    """Fitness of each program on each task.

    Args:
        programs: Supervised programs (component functions setup, predict, learn).
        tasks: Tasks of one shape. Pass a :class:`TaskBatch` when calling often.
        max_abs_error: Training or validation stops with fitness 0 for the epoch once an
            error is NaN or larger than this; 100 is the original project's default.
        precision: float32 halves the time of programs with many matrix operations.
        max_cost: Train budget: programs whose live code costs more (setup, plus predict and
            learn once per training example; unit of :attr:`Op.cost`) get fitness 0 unrun.

    Returns:
        Array ``[programs, tasks]`` of fitnesses in [0, 1]; higher is better.

    Raises:
        ValueError: If an argument has the wrong kind, tasks differ in shape, or the examples
            or the programs' registers do not fit in memory.

    >>> from automl_zero.tasks import linear
    >>> program = Program.parse('''
    ... def Setup():
    ...   s2 = 0.1
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s2 * s3
    ...   v2 = s3 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> evaluate(program, linear(train=1000)).round(3)
    array([[1.]])
    """
    listed = as_programs(programs)
    batch = as_batch(tasks)
    _require_positive("max_abs_error", max_abs_error)
    _require_positive("max_cost", max_cost)
    compiled = compile_batch(batch, precision)
    _require_register_memory(listed, batch, precision)
    raw, offsets = stack_programs(listed)
    fitness = np.zeros((len(listed), len(batch)))
    stops = np.zeros((len(listed), len(batch), 3), dtype=np.int32)
    train_steps = np.zeros((len(listed), len(batch)), dtype=np.int64)
    _engine.evaluate_programs(
        compiled,
        raw,
        offsets,
        fitness,
        stops,
        train_steps,
        max_abs_error,
        float(batch.train_count * batch.epochs),
        max_cost,
    )
    return fitness


def trace(
    program: Program,
    tasks: TaskBatch | Task | Iterable[Task],
    *,
    max_abs_error: float = 100.0,
    precision: Precision = "float64",
) -> list[TaskTrace]:
    """One program's predictions and losses, example by example; arguments as `evaluate`.

    >>> from automl_zero.tasks import linear
    >>> run = trace(Program.parse("def Setup():\\ndef Predict():\\ndef Learn():"), linear())[0]
    >>> run.stop, run.valid_predictions.shape
    ('none', (100,))
    """
    program = _one_program(program)
    batch = as_batch(tasks)
    _require_positive("max_abs_error", max_abs_error)
    _require_register_memory([program], batch, precision)
    count, epochs = len(batch), batch.epochs
    fitness = np.zeros(count)
    stops = np.zeros((count, 3), dtype=np.int32)
    train = np.full((count, epochs * batch.train_count), np.nan)
    valid = np.full((count, epochs * batch.valid_count), np.nan)
    epoch_fitness, sum_loss = np.full((2, count, epochs), np.nan)
    scalars = np.full((count, MAX_REGISTERS), np.nan)
    raw, offsets = stack_programs([program])
    _engine.trace_program(
        # Among other lanes, a stopped one would run on and be traced beyond its stop.
        compile_batch(batch, precision, lanes=1),
        raw,
        offsets[0],
        fitness,
        stops,
        train,
        valid,
        epoch_fitness,
        sum_loss,
        scalars,
        max_abs_error,
    )
    sum_loss[~np.isnan(epoch_fitness) & np.isnan(sum_loss)] = np.inf
    return [
        TaskTrace(
            float(fitness[t]),
            STOP_REASONS[stops[t, 0]],
            int(stops[t, 1]),
            int(stops[t, 2]),
            train[t],
            valid[t],
            epoch_fitness[t],
            sum_loss[t],
            scalars[t],
        )
        for t in range(count)
    ]


def run_instruction(
    instruction: Instruction,
    scalars: NDArray[np.float64],
    vectors: NDArray[np.float64],
    matrices: NDArray[np.float64],
    *,
    lanes: int = 1,
    key: int = 0,
    step: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The memory after one instruction, by the compiled interpreter; for tests.

    Args:
        instruction: What to run.
        scalars: ``[S]``.
        vectors: ``[V, F]``.
        matrices: ``[M, F, F]``.
        lanes: Copies that run in lockstep: 1, 8 or 16; all give the same.
        key: Stream key of a random op.
        step: How often the instruction ran before.

    Returns:
        New arrays of the same shapes.

    Raises:
        ValueError: If shapes disagree or the memory lacks a register.
    """
    copies = [np.array(x, dtype=np.float64, order="C") for x in (scalars, vectors, matrices)]
    features = copies[1].shape[-1] if copies[1].ndim == 2 else 0
    shapes = [x.ndim for x in copies] == [1, 2, 3]
    if not shapes or copies[2].shape[1:] != (features, features) or features < 1:
        raise ValueError(
            "scalars, vectors, matrices: expected shapes [S], [V, F], [M, F, F], received "
            + ", ".join(str(x.shape) for x in copies)
        )
    if lanes not in (1, 8, 16):
        raise ValueError(f"lanes: expected 1, 8 or 16, received {lanes}")
    program = Program(setup=[instruction], predict=[], learn=[])
    needed = program.required_memory()
    for kind, array in zip(("scalars", "vectors", "matrices"), copies, strict=True):
        if getattr(needed, kind) > len(array) and _uses(instruction, kind[0]):
            raise ValueError(
                f"{kind}: expected at least {getattr(needed, kind)} registers for "
                f"'{instruction}', received {len(array)}"
            )
    raw, _ = stack_programs([program])
    _engine.run_one_instruction(raw, features, lanes, key, step, *copies)
    return copies[0], copies[1], copies[2]


def _uses(instruction: Instruction, kind: str) -> bool:
    registers = [*instruction.inputs, *([instruction.output] if instruction.output else [])]
    return any(register[0] == kind for register in registers)


def canonical_program(program: Program, *, flags: int = 0) -> Program:
    """Canonical form by the compiled core: what the caches key on.

    The same as :func:`automl_zero.liveness.canonical_program`, faster.
    """
    program = _one_program(program)
    raw, offsets = stack_programs([program])
    code, sizes, _, _ = _engine.canonical_form(raw, offsets[0], flags)
    instructions = np.frombuffer(code, dtype=INSTRUCTION_DTYPE)
    return Program.from_arrays(instructions, np.concatenate([[0], np.cumsum(sizes)]))


def program_cost(program: Program, train_steps: int) -> float:
    """Train-budget cost of a program's live code: setup, plus predict and learn once per
    training example (``train_steps`` = examples × epochs)."""
    program = _one_program(program)
    raw, offsets = stack_programs([program])
    setup, step = _engine.canonical_form(raw, offsets[0])[2]
    return float(setup + train_steps * step)


def compile_batch(
    batch: TaskBatch, precision: Precision = "float64", *, lanes: int = 0
) -> _engine.CompiledBatch:
    """The batch in lockstep layout.

    Args:
        batch: The tasks.
        precision: Of the interpreter.
        lanes: Width of a block of tasks, for tests: no result depends on it. 0 chooses; 1,
            16, and in float64 8 force it.

    Raises:
        ValueError: If precision or lanes are unknown, there are too many tasks, or their
            examples do not fit in memory.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision: expected one of {', '.join(PRECISIONS)}, received {precision!r}"
        )
    widths = (0, 1, 8, 16) if precision == "float64" else (0, 1, 16)
    if lanes not in widths:
        raise ValueError(
            f"lanes: expected one of {', '.join(map(str, widths))}, received {lanes}"
        )
    if len(batch) > MAX_TASKS:
        raise ValueError(f"tasks: expected at most {MAX_TASKS}, received {len(batch)}")
    _require_memory(f"tasks: examples of {batch!r}", batch_bytes(batch, precision))
    return _engine.CompiledBatch(
        batch.train_x,
        batch.train_y,
        batch.valid_x,
        batch.valid_y,
        batch.epoch_order,
        batch.seeds,
        batch.objective == "accuracy",
        8 if precision == "float64" else 4,
        lanes,
    )


def as_programs(programs: Any) -> list[Program]:
    """A list of supervised programs, or an error that names the first other thing."""
    try:
        listed = [programs] if isinstance(programs, Program) else list(programs)
    except TypeError:
        raise ValueError(f"programs: expected Programs, received {programs!r}") from None
    for index, program in enumerate(listed):
        if not isinstance(program, Program):
            raise ValueError(
                f"programs[{index}]: expected a Program, received {type(program).__name__}"
            )
        if program.components != SUPERVISED_COMPONENTS:
            raise ValueError(
                f"programs[{index}]: expected component functions "
                f"{', '.join(SUPERVISED_COMPONENTS)}, received {', '.join(program.components)}"
            )
    return listed


def as_batch(tasks: TaskBatch | Task | Iterable[Task]) -> TaskBatch:
    """A task batch of what may be one already, one task, or several."""
    if isinstance(tasks, TaskBatch):
        return tasks
    try:
        listed = [tasks] if isinstance(tasks, Task) else list(tasks)
    except TypeError:
        raise ValueError(f"tasks: expected Tasks, received {tasks!r}") from None
    return TaskBatch(listed)


def stack_programs(programs: Sequence[Program]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """All instructions as bytes, and offsets ``[programs, components + 1]`` into them."""
    arrays = [program.to_arrays() for program in programs]
    sizes = [len(instructions) for instructions, _ in arrays]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    offsets = np.array(
        [own + start for (_, own), start in zip(arrays, starts, strict=False)], dtype=np.int32
    ).reshape(len(arrays), len(SUPERVISED_COMPONENTS) + 1)
    instructions = np.concatenate(
        [np.empty(0, INSTRUCTION_DTYPE), *(instructions for instructions, _ in arrays)]
    )
    return instructions.view(np.uint8), offsets


def batch_bytes(batch: TaskBatch, precision: Precision = "float64") -> int:
    """Bytes of the examples in lockstep layout: about, and hardly ever too few.

    Training examples are laid out once for each epoch, in its order; examples of fewer than
    64 features a second time, to run side by side.
    """
    real = 8 if precision == "float64" else 4
    tasks, width = len(batch), _VECTOR_BYTES // real
    one_lane = tasks == 1 or batch.features >= _ONE_LANE_FEATURES
    lanes = tasks if one_lane else -(-tasks // width) * width
    padding = 2 * _ALIGNMENT * (tasks if one_lane else -(-tasks // 16))
    rows = batch.train_count * batch.epochs + batch.valid_count
    total = rows * (lanes * (batch.features + 1) * real + padding)
    if batch.features < _ONE_LANE_FEATURES:
        # Cut into chunks of up to 128 lanes; the last may be filled up.
        wide = batch.valid_count + 128 + (batch.train_count + 128 if batch.epochs == 1 else 0)
        total += tasks * wide * (batch.features + 1) * real
    return total


def register_bytes(memory: MemorySizes, batch: TaskBatch, precision: Precision = "float64") -> int:
    """Bytes that a program of this memory works in, scratch space included."""
    real, features = 8 if precision == "float64" else 4, batch.features
    lanes = 1 if features >= _ONE_LANE_FEATURES or len(batch) == 1 else 16
    # One more matrix for results that overwrite an operand.
    square = (memory.matrices + 1) * features * features
    total = (memory.scalars + memory.vectors * features + square) * lanes * real
    # With more than one epoch, lanes that fail in validation are set aside as float64.
    return total if batch.epochs == 1 else total + total * 8 // real


def _require_register_memory(
    programs: Sequence[Program], batch: TaskBatch, precision: Precision
) -> None:
    if register_bytes(MemorySizes(), batch, precision) > _SMALL_BYTES:
        for index, program in enumerate(programs):
            needed = register_bytes(program.required_memory(), batch, precision)
            _require_memory(f"programs[{index}]: registers at F = {batch.features}", needed)


def _require_memory(name: str, needed: int) -> None:
    if needed > _SMALL_BYTES:
        require_memory(name, needed)


def _one_program(program: Any) -> Program:
    listed = as_programs(program)
    if len(listed) != 1:
        raise ValueError(f"program: expected one Program, received {len(listed)}")
    return listed[0]


def _require_positive(name: str, value: Any) -> None:
    try:
        positive = bool(value > 0)
    except (TypeError, ValueError):
        positive = False
    if not positive:
        raise ValueError(f"{name}: expected a positive number, received {value!r}")


def require_memory_sizes(memory: MemorySizes, programs: Iterable[Program]) -> None:
    """Error if a program needs more registers than ``memory`` has."""
    for program in programs:
        program.check(memory)
