"""Ways of running programs that tests compare with one another.

:func:`compiled`: the compiled interpreter with each of its switches.
:func:`compiled_functions`: makes the reference interpreter take its elementary functions
and normal numbers from the compiled one. All else then has to agree to the last bit, however
chaotic the program; the functions themselves are tested one by one in test_elementary.py.
:func:`random_programs`, :func:`random_tasks`: many of them, quickly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from automl_zero import reference
from automl_zero.evaluation import compile_batch, stack_programs
from automl_zero.kernels import _engine
from automl_zero.ops import COLUMN, INDEX, OP_BY_NAME, OPS, ROW, Op
from automl_zero.program import (
    INSTRUCTION_DTYPE,
    SUPERVISED_COMPONENTS,
    Instruction,
    MemorySizes,
    Program,
)
from automl_zero.streams import stream_key
from automl_zero.tasks import Task, TaskBatch
from tests.strategies import AWKWARD, AWKWARD_FLOAT32, SMALL_MEMORY

EVERY_LANES = (0, 1, 8, 16)
"""Block widths that can be forced; 0 lets the batch choose."""

ELEMENTARY = ("SIN", "COS", "TAN", "ARCSIN", "ARCCOS", "ARCTAN", "EXP", "LOG")
"""Elementary functions, as the op table writes them."""


# The compiled interpreter ----------------------------------------------------------


class Results(NamedTuple):
    """What the compiled interpreter says of programs ``[P]`` on tasks ``[T]``."""

    fitness: np.ndarray
    """``[P, T]`` float64."""
    stops: np.ndarray
    """``[P, T, 3]``: reason, epoch, step."""
    train_steps: np.ndarray
    """``[P, T]``."""

    def bytes(self) -> bytes:
        """All of it, to compare to the last bit."""
        return b"".join(array.tobytes() for array in self)


def compiled(
    programs: Sequence[Program],
    tasks: Sequence[Task],
    *,
    precision: Any = "float64",
    lanes: int = 0,
    canonical_flags: int = 0,
    run_flags: int = 0,
    max_abs_error: float = 100.0,
) -> Results:
    """Programs on tasks, with the switches that users do not get."""
    batch = compile_batch(TaskBatch(tasks), precision, lanes=lanes)
    results = Results(
        np.full((len(programs), len(tasks)), np.nan),
        np.full((len(programs), len(tasks), 3), -9, np.int32),
        np.full((len(programs), len(tasks)), -9, np.int64),
    )
    _engine.evaluate_programs(
        batch,
        *stack_programs(programs),
        *results,
        max_abs_error,
        0.0,
        np.inf,
        canonical_flags,
        run_flags,
    )
    return results


class Single:
    """One instruction run again and again by the compiled interpreter, with little fuss.

    Args:
        name: Name of an op that writes register 0 of its kind and reads at most s0.
        constants: Its constants.
    """

    def __init__(self, name: str, **constants: float) -> None:
        self.output = OP_BY_NAME[name].output
        self.raw = np.frombuffer(Instruction(name, **constants)._bytes(), np.uint8)

    def __call__(
        self, value: float = 0.0, features: int = 1, lanes: int = 1, key: int = 0, step: int = 0
    ) -> Any:
        memory = {
            "s": np.full(1, value),
            "v": np.zeros((1, features)),
            "m": np.zeros((int(self.output == "m"), features, features)),
        }
        _engine.run_one_instruction(self.raw, features, lanes, key, step, *memory.values())
        return memory[self.output][0]


# The reference, with the compiled interpreter's functions --------------------------


@contextlib.contextmanager
def compiled_functions() -> Iterator[None]:
    """The reference interpreter with the compiled elementary functions and normal numbers."""
    functions = {name: Single(f"SCALAR_{name}_OP") for name in ELEMENTARY}
    meanings = list(reference.MEANINGS)
    for name, function in functions.items():
        meanings[OP_BY_NAME[f"SCALAR_{name}_OP"].id] = _of_first_input(function)
    exponential = functions["EXP"]

    def sigmoid(x: Any) -> Any:
        return 1.0 / (1.0 + exponential(-x))

    with mock.patch.multiple(reference, MEANINGS=tuple(meanings), sigmoid=sigmoid), mock.patch.object(
        reference.Draws, "gaussian", _gaussian
    ):
        yield


def _of_first_input(function: Single) -> Any:
    return lambda a, *_: function(a)


def _gaussian(draws: reference.Draws, mean: float, std: float, shape: tuple[int, ...]) -> Any:
    """:meth:`reference.Draws.gaussian`, compiled."""
    name = ("SCALAR", "VECTOR", "MATRIX")[len(shape)]
    single = Single(f"{name}_GAUSSIAN_SET_OP", f0=mean, f1=std)
    key = stream_key(draws.seed, draws.component, draws.ordinal)
    return single(features=shape[0] if shape else 1, key=key, step=draws.step)


# Many programs and tasks -----------------------------------------------------------


def random_programs(
    seed: int,
    count: int,
    ops: Sequence[Op] = OPS,
    memory: MemorySizes = SMALL_MEMORY,
    sizes: Sequence[int] = (3, 6, 6),
    awkward: float = 0.1,
) -> list[Program]:
    """Programs of random instructions.

    Args:
        seed: Of the draw.
        count: How many.
        ops: Ops to draw from.
        memory: Registers to draw from.
        sizes: Most instructions by component function; the number itself is drawn too.
        awkward: Share of constants at which arithmetic is special.
    """
    rng = np.random.default_rng(seed)
    return [
        Program(
            **{
                name: [
                    random_instruction(rng, ops[rng.integers(len(ops))], memory, awkward)
                    for _ in range(rng.integers(size + 1))
                ]
                for name, size in zip(SUPERVISED_COMPONENTS, sizes, strict=True)
            }
        )
        for _ in range(count)
    ]


def random_instruction(
    rng: np.random.Generator, op: Op, memory: MemorySizes = SMALL_MEMORY, awkward: float = 0.1
) -> Instruction:
    """An instruction with random registers and constants."""
    fields: dict[str, Any] = {
        field: int(rng.integers(memory.count(kind)))
        for field, kind in zip(("in1", "in2"), op.inputs, strict=False)
    }
    if op.output:
        fields["out"] = int(rng.integers(memory.count(op.output)))
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        if role in (INDEX, ROW, COLUMN):
            fields[field] = float(np.float32(rng.integers(1 << 24)) / np.float32(1 << 24))
        elif rng.random() < awkward:
            fields[field] = float(rng.choice(AWKWARD if field == "act" else AWKWARD_FLOAT32))
        else:
            fields[field] = float(np.float32(rng.normal()))
    return Instruction(op, **fields)


def random_tasks(
    seed: int,
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


def random_bytes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Instructions of random bytes, as arrays hold them: ``[count]``."""
    return rng.integers(0, 256, (count, INSTRUCTION_DTYPE.itemsize), np.uint8).view(
        INSTRUCTION_DTYPE
    )[:, 0]
