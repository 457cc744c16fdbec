"""Hypothesis strategies: instructions, programs, memories and tasks, with awkward numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from automl_zero.ops import COLUMN, INDEX, OPS, ROW, WEIGHT, ConstantRole, Op
from automl_zero.program import SUPERVISED_COMPONENTS, Instruction, MemorySizes, Program
from automl_zero.tasks import Task

FEATURES = (1, 2, 3, 4, 7, 16, 33)
"""Feature sizes with and without a fast path, on both sides of every vector width."""

SMALL_MEMORY = MemorySizes(4, 3, 2)
"""Few registers, so that random instructions connect and some code is live."""

DETERMINISTIC_OPS = tuple(op for op in OPS if not op.random)

_TRANSCENDENTAL = {
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "exp", "log", "gaussian",
    "power",
}  # fmt: skip
EXACT_OPS = tuple(op for op in OPS if not _TRANSCENDENTAL & set(op.kernel.split("_")))
"""Ops without transcendental functions: every interpreter must agree on them to the bit."""

AWKWARD = (
    0.0, -0.0, 1.0, -1.0, 0.5, 0.1, 2.0, -3.0, 100.0, 1e-3, 5e-324, -1e-310, 1e-160, 1e160,
    -1.7e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
"""Numbers at which arithmetic is special."""

AWKWARD_FLOAT32 = tuple(x for x in AWKWARD if not 3.4e38 < abs(x) < float("inf"))


def numbers(*, finite: bool = False) -> st.SearchStrategy[float]:
    """Mostly harmless numbers, some awkward ones."""
    awkward = [x for x in AWKWARD if np.isfinite(x) or not finite]
    return st.one_of(st.floats(-2, 2), st.sampled_from(awkward))


def constants(role: ConstantRole, field: str) -> st.SearchStrategy[float]:
    """Legal constants of a role, stored in ``field``."""
    if role in (INDEX, ROW, COLUMN):
        return st.floats(0, 1, exclude_max=True, width=32)
    if role is WEIGHT:
        return st.floats(0, 1)
    if field == "act":
        return numbers()
    return st.one_of(st.floats(-2, 2, width=32), st.sampled_from(AWKWARD_FLOAT32))


@st.composite
def instructions(
    draw: st.DrawFn, memory: MemorySizes = SMALL_MEMORY, ops: Sequence[Op] = OPS
) -> Instruction:
    """Any legal instruction on the registers of ``memory``."""
    op = draw(st.sampled_from([op for op in ops if _fits(op, memory)]))
    fields: dict[str, float] = {}
    for field, kind in zip(("in1", "in2"), op.inputs, strict=False):
        fields[field] = draw(st.integers(0, memory.count(kind) - 1))
    if op.output:
        fields["out"] = draw(st.integers(0, memory.count(op.output) - 1))
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        fields[field] = draw(constants(role, field))
    return Instruction(op, **fields)  # type: ignore[arg-type]


@st.composite
def programs(
    draw: st.DrawFn,
    memory: MemorySizes = SMALL_MEMORY,
    ops: Sequence[Op] = OPS,
    max_size: int = 8,
    components: Sequence[str] = SUPERVISED_COMPONENTS,
) -> Program:
    """Any program: 0 to ``max_size`` instructions per component function."""
    body = st.lists(instructions(memory, ops), max_size=max_size)
    return Program(**{name: draw(body) for name in components})


def memory_sizes() -> st.SearchStrategy[MemorySizes]:
    """Any memory."""
    return st.builds(
        MemorySizes,
        scalars=st.integers(2, 20),
        vectors=st.integers(1, 20),
        matrices=st.integers(0, 20),
    )


@st.composite
def register_values(
    draw: st.DrawFn, features: int, memory: MemorySizes = SMALL_MEMORY
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contents of all registers, NaN and infinities included: ``[S]``, ``[V,F]``, ``[M,F,F]``."""
    shapes = [
        (memory.scalars,),
        (memory.vectors, features),
        (memory.matrices, features, features),
    ]
    seed = draw(st.integers(0, 2**32 - 1))
    share = draw(st.sampled_from([0.0, 0.05, 0.5]))
    rng = np.random.default_rng(seed)
    scalars, vectors, matrices = (
        np.where(rng.random(shape) < share, rng.choice(AWKWARD, shape), rng.normal(size=shape))
        for shape in shapes
    )
    return scalars, vectors, matrices


@st.composite
def tasks(
    draw: st.DrawFn,
    features: Sequence[int] = (1, 2, 3, 4, 7),
    max_examples: int = 5,
    max_epochs: int = 3,
    objective: str | None = None,
) -> Task:
    """A small task of either objective; its features are sometimes 0, huge or equal."""
    size = draw(st.sampled_from(features))
    train, valid = (draw(st.integers(1, max_examples)) for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.0, 1.0, 1.0, 1.0, 1e200]))
    x = rng.normal(size=(train + valid, size)) * scale
    goal = objective or draw(st.sampled_from(("rms_error", "accuracy")))
    y = rng.integers(0, 2, train + valid) if goal == "accuracy" else rng.normal(size=train + valid)
    return Task(
        x[:train],
        y[:train].astype(float),
        x[train:],
        y[train:].astype(float),
        seed=draw(st.integers(0, 2**64 - 1)),
        epochs=draw(st.integers(1, max_epochs)),
        objective=goal,  # type: ignore[arg-type]
    )


def _fits(op: Op, memory: MemorySizes) -> bool:
    return all(memory.count(kind) > 0 for kind in op.inputs + op.output)
