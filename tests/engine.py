"""Ways of running programs that tests compare with one another.

:func:`compiled`: the compiled interpreter with each of its switches.
:func:`compiled_functions`: makes the reference interpreter take its elementary functions
and normal numbers from the compiled one. All else then has to agree to the last bit, however
chaotic the program; the functions themselves are tested one by one in test_elementary.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from automl_zero import reference
from automl_zero.evaluation import _engine, compile_batch, stack_programs
from automl_zero.ops import OP_BY_NAME
from automl_zero.program import MAX_REGISTERS, Instruction, Program
from automl_zero.streams import stream_key
from automl_zero.tasks import Task, TaskBatch

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
        name: Name of an op that writes register 0 of its kind and reads at most register 0 of
            that kind and s1.
        constants: Its constants.
    """

    def __init__(self, name: str, **constants: float) -> None:
        op = OP_BY_NAME[name]
        self.output = op.output
        second = {"in2": 1} if op.arity == 2 else {}
        self.raw = np.frombuffer(Instruction(op, **second, **constants)._bytes(), np.uint8)

    def __call__(
        self,
        value: Any = 0.0,
        second: float = 0.0,
        *,
        features: int = 1,
        lanes: int = 1,
        key: int = 0,
        step: int = 0,
    ) -> Any:
        memory = {
            "s": np.array([0.0 if self.output == "v" else value, second]),
            "v": np.zeros((1, features)) + (value if self.output == "v" else 0.0),
            "m": np.zeros((int(self.output == "m"), features, features)),
        }
        _engine.run_one_instruction(self.raw, features, lanes, key, step, *memory.values())
        return memory[self.output][0]


class Sigmoid:
    """The sigmoid of accuracy tasks, as the compiled interpreter computes it.

    No op gives it: it is the traced prediction of a program that predicts a constant.
    """

    def __init__(self) -> None:
        task = Task([[0.0]], [0.0], [[0.0]], [0.0], objective="accuracy")
        self._batch = compile_batch(TaskBatch([task]))
        self._offsets = np.array([0, 0, 1, 1], np.int32)
        self._stops = np.zeros((1, 3), np.int32)
        self._outputs = [np.zeros((1, 1)) for _ in range(4)]
        self._scalars = np.zeros((1, MAX_REGISTERS))

    def __call__(self, x: Any) -> Any:
        constant = Instruction("SCALAR_CONST_SET_OP", out=1, act=float(x))
        _engine.trace_program(
            self._batch,
            np.frombuffer(constant._bytes(), np.uint8),
            self._offsets,
            np.zeros(1),
            self._stops,
            *self._outputs,
            self._scalars,
            np.inf,
        )
        return float(self._outputs[0][0, 0])


# The reference, with the compiled interpreter's functions --------------------------


@contextlib.contextmanager
def compiled_functions() -> Iterator[None]:
    """The reference interpreter with the compiled elementary functions and normal numbers."""
    functions = {name: Single(f"SCALAR_{name}_OP") for name in ELEMENTARY}
    meanings = list(reference.MEANINGS)
    for name, function in functions.items():
        meanings[OP_BY_NAME[f"SCALAR_{name}_OP"].id] = _of_first_input(function)
    for name in ("SCALAR_POWER", "VECTOR_POWER", "VECTOR_EXP"):
        op = OP_BY_NAME[f"{name}_OP"]
        meanings[op.id] = _of_inputs(Single(op.name), op.arity)
    replaced = {"MEANINGS": tuple(meanings), "sigmoid": Sigmoid()}
    with (
        mock.patch.multiple(reference, **replaced),
        mock.patch.object(reference.Draws, "gaussian", _gaussian),
    ):
        yield


def _of_first_input(function: Single) -> Any:
    return lambda a, *_: function(a)


def _of_inputs(function: Single, arity: int) -> Any:
    return lambda a, b, *_: function(a, *(b,)[: arity - 1], features=np.size(a)).copy()


def _gaussian(draws: reference.Draws, mean: float, std: float, shape: tuple[int, ...]) -> Any:
    """:meth:`reference.Draws.gaussian`, compiled."""
    name = ("SCALAR", "VECTOR", "MATRIX")[len(shape)]
    single = Single(f"{name}_GAUSSIAN_SET_OP", f0=mean, f1=std)
    key = stream_key(draws.seed, draws.component, draws.ordinal)
    return single(features=shape[0] if shape else 1, key=key, step=draws.step)
