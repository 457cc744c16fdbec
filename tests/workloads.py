"""Many random programs and tasks, quickly, and of the shapes that run differently.

:func:`random_programs`, :func:`random_instruction`, :func:`random_tasks`
:func:`mixed_workloads`, and :func:`digest`, one number for all bits of their results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from automl_zero.evaluation import trace
from automl_zero.liveness import FEATURES, LABEL, PREDICTION, Register
from automl_zero.ops import COLUMN, INDEX, OP_BY_NAME, OPS, ROW, WEIGHT, Op
from automl_zero.program import SUPERVISED_COMPONENTS, Instruction, MemorySizes, Program
from automl_zero.tasks import Task
from tests.engine import compiled
from tests.strategies import AWKWARD, AWKWARD_FLOAT32, SMALL_MEMORY

FUSED_OPS = tuple(
    OP_BY_NAME[f"{name}_OP"]
    for name in (
        "SCALAR_SUM", "SCALAR_DIFF", "SCALAR_PRODUCT", "SCALAR_HEAVYSIDE", "SCALAR_MAX",
        "VECTOR_SUM", "VECTOR_DIFF", "VECTOR_PRODUCT", "VECTOR_HEAVYSIDE", "VECTOR_MAX",
        "MATRIX_SUM", "MATRIX_DIFF", "VECTOR_OUTER_PRODUCT", "VECTOR_OUTER_PRODUCT",
        "SCALAR_VECTOR_PRODUCT", "SCALAR_VECTOR_PRODUCT", "VECTOR_INNER_PRODUCT", "VECTOR_MEAN",
        "VECTOR_GAUSSIAN_SET", "SCALAR_CONST_SET",
    )
)  # fmt: skip
"""Ops of which two in a row often run as one."""

STATELESS_OPS = tuple(
    OP_BY_NAME[f"{name}_OP"]
    for name in (
        "MATRIX_VECTOR_PRODUCT", "VECTOR_INNER_PRODUCT", "VECTOR_MEAN", "VECTOR_NORM", "SCALAR_SUM",
        "SCALAR_SIN", "VECTOR_MAX", "VECTOR_UNIFORM_SET", "SCALAR_GAUSSIAN_SET", "MATRIX_CONST_SET",
        "MATRIX_GAUSSIAN_SET", "VECTOR_CONST_SET",
    )
)  # fmt: skip
"""Ops of which ``predict`` often keeps nothing, so that examples can run side by side."""


def random_programs(
    seed: Any,
    count: int,
    ops: Sequence[Op] = OPS,
    memory: MemorySizes = SMALL_MEMORY,
    sizes: Sequence[int] = (3, 6, 6),
    awkward: float = 0.1,
) -> list[Program]:
    """Random programs: one half of any instructions, the other half mostly of live ones.

    Args:
        seed: Of the draw.
        count: How many.
        ops: Ops to draw from.
        memory: Registers to draw from.
        sizes: Most instructions by component function; the number itself is drawn too.
        awkward: Share of constants at which arithmetic is special.
    """
    rng = np.random.default_rng(seed)
    programs = []
    for number in range(count):
        needed = {PREDICTION} if number % 2 else None
        bodies = {}
        # Backwards, so that what an instruction reads can be written before.
        for position in (1, 2, 0):
            name, size = SUPERVISED_COMPONENTS[position], sizes[position]
            size = int(rng.integers(min(size, 1 if needed else 0), size + 1))
            bodies[name] = _body(rng, size, ops, memory, awkward, needed)
            if needed is not None:
                needed -= {LABEL, FEATURES}
        programs.append(Program(**{name: bodies[name] for name in SUPERVISED_COMPONENTS}))
    return programs


def _body(
    rng: np.random.Generator,
    size: int,
    ops: Sequence[Op],
    memory: MemorySizes,
    awkward: float,
    needed: set[Register] | None,
) -> list[Instruction]:
    """Instructions; most write a ``needed`` register, if any is given. Changes ``needed``."""
    body = []
    for _ in range(size):
        op, out = ops[rng.integers(len(ops))], None
        wanted = sorted((needed or set()) - {LABEL, FEATURES})
        if wanted and rng.random() < 0.9:
            kind, number = wanted[rng.integers(len(wanted))]
            # Ops without inputs end a chain: few of them.
            writers = [op for op in ops if op.output == kind and (op.inputs or rng.random() < 0.3)]
            if writers:
                op, out = writers[rng.integers(len(writers))], number
        body.append(random_instruction(rng, op, memory, awkward, out))
        if needed is not None and body[-1].output in needed:
            if not op.keeps_output:
                needed.discard(body[-1].output)
            needed.update(body[-1].inputs)
    return body[::-1]


def random_instruction(
    rng: np.random.Generator,
    op: Op,
    memory: MemorySizes = SMALL_MEMORY,
    awkward: float = 0.1,
    out: int | None = None,
) -> Instruction:
    """An instruction with random registers, unless ``out`` is given, and constants."""
    fields: dict[str, Any] = {
        field: int(rng.integers(memory.count(kind)))
        for field, kind in zip(("in1", "in2"), op.inputs, strict=False)
    }
    if op.output:
        fields["out"] = int(rng.integers(memory.count(op.output))) if out is None else out
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        if role in (INDEX, ROW, COLUMN):
            fields[field] = float(np.float32(rng.integers(1 << 24)) / np.float32(1 << 24))
        elif role is WEIGHT:
            fields[field] = float(rng.choice([0.0, 1.0, rng.random()]))
        elif rng.random() < awkward:
            fields[field] = float(rng.choice(AWKWARD if field == "act" else AWKWARD_FLOAT32))
        else:
            fields[field] = float(np.float32(rng.normal()))
    return Instruction(op, **fields)


def random_tasks(
    seed: Any,
    count: int,
    features: int,
    train: int = 6,
    valid: int = 5,
    epochs: int = 1,
    objective: Any = "rms_error",
) -> list[Task]:
    """Tasks of one shape; some features are 0, tiny or huge."""
    rng = np.random.default_rng(seed)
    finite = [x for x in AWKWARD if np.isfinite(x)]
    tasks = []
    for _ in range(count):
        x = rng.normal(size=(train + valid, features))
        x = np.where(rng.random(x.shape) < 0.03, rng.choice(finite, x.shape), x)
        y = x[:, 0] > 0 if objective == "accuracy" else rng.normal(size=train + valid)
        tasks.append(
            Task(
                x[:train],
                y[:train].astype(np.float64),
                x[train:],
                y[train:].astype(np.float64),
                seed=int(rng.integers(2**64, dtype=np.uint64)),
                epochs=epochs,
                objective=objective,
            )
        )
    return tasks


def mixed_workloads(seed: int, count: int) -> Iterator[tuple[list[Program], list[Task], float]]:
    """Programs of all ops, tasks and ``max_abs_error``, of the shapes that run differently.

    Args:
        seed: Of the draw.
        count: Programs per shape.
    """
    shapes: list[tuple[int, int, int, int, str]] = [
        # features, tasks, validation examples, epochs, objective
        (1, 5, 40, 1, "rms_error"),
        (2, 16, 5, 2, "rms_error"),
        (3, 9, 130, 1, "accuracy"),
        (4, 20, 33, 1, "rms_error"),
        (4, 17, 6, 3, "accuracy"),
        (4, 1, 50, 2, "rms_error"),
        (4, 10, 5, 2, "rms_error"),
        (7, 12, 20, 2, "rms_error"),
        (8, 10, 70, 1, "rms_error"),
        (16, 10, 5, 2, "accuracy"),
        (16, 20, 70, 1, "rms_error"),
        (33, 3, 4, 1, "rms_error"),
    ]
    for number, (features, tasks, valid, epochs, objective) in enumerate(shapes):
        programs = []
        for part, ops in enumerate((OPS, FUSED_OPS, STATELESS_OPS)):
            sizes = (3, 6, 0) if ops is STATELESS_OPS else (3, 8, 8)
            programs += random_programs(
                [seed, number, part], (count + 2 - part) // 3, ops, sizes=sizes
            )
        yield (
            programs,
            random_tasks([seed, number], tasks, features, 7, valid, epochs, objective),
            (100.0, 3.0)[number % 2],
        )


def digest(seed: int, count: int, precision: Any) -> str:
    """One number for all bits of the mixed workloads' results."""
    total = hashlib.sha256()
    for programs, tasks, limit in mixed_workloads(seed, count):
        total.update(compiled(programs, tasks, precision=precision, max_abs_error=limit).bytes())
        total.update(trace(programs[0], tasks)[0].train_predictions.tobytes())
    return total.hexdigest()
