"""Files of the golden format: reading them, and comparing results with them.

The format is described in ``tests/golden/README.md``.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl_zero.ops import OPS
from automl_zero.program import SUPERVISED_COMPONENTS, Instruction, MemorySizes, Program
from automl_zero.reference import MEANINGS, Memory
from automl_zero.tasks import Task

FITNESS_TOLERANCE = 1e-9
VECTOR_TOLERANCE = 1e-13

_KINDS = {"s": "scalars", "v": "vectors", "m": "matrices"}


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a ``.json`` or ``.json.gz`` file.

    Raises:
        ValueError: If the file cannot be read as a JSON list; names it.
    """
    try:
        raw = path.read_bytes()
        data = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path}: expected a JSON file, {error}") from None
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list of records, received a {type(data).__name__}")
    return data


def decode(path: Path, records: list[dict[str, Any]], decoder: Callable[..., Any]) -> list[Any]:
    """Each record decoded.

    Raises:
        ValueError: If one cannot be; names file and record.
    """
    decoded = []
    for position, record in enumerate(records):
        try:
            decoded.append(decoder(record))
        except (KeyError, TypeError, IndexError, ValueError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: record {position}: {what}") from None
    return decoded


# Programs and tasks ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GoldenProgram:
    """One program and what became of it on one task."""

    id: int
    task: int
    tag: str
    max_abs_error: float
    program: Program
    fitness: float
    stop: str
    stop_step: int
    rounding_sensitive: bool
    expect: dict[str, Any]


def golden_program(record: dict[str, Any]) -> GoldenProgram:
    """Decode a record of a programs file."""
    functions = {
        name: [
            Instruction(item["op"], **{k: v for k, v in item.items() if k not in ("op", "name")})
            for item in record[name]
        ]
        for name in SUPERVISED_COMPONENTS
    }
    expect = record["expect"]
    return GoldenProgram(
        id=record["id"],
        task=record["task"],
        tag=record["tag"],
        max_abs_error=float(record["max_abs_error"]),
        program=Program(**functions),
        fitness=float(expect["fitness"]),
        stop=expect["stop"],
        stop_step=expect["stop_step"],
        rounding_sensitive=bool(expect["rounding_sensitive"]),
        expect=expect,
    )


def golden_task(record: dict[str, Any]) -> tuple[int, Task]:
    """Decode a record of a tasks file: its id and the task."""
    task = Task(
        train_x=record["train_x"],
        train_y=record["train_y"],
        valid_x=record["valid_x"],
        valid_y=record["valid_y"],
        epochs=record["num_epochs"],
        objective=record["eval_type"].lower(),
        name=f"{record['kind']} {record['id']}",
        epoch_order=record["epoch_order"],
    )
    return record["id"], task


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an interpreter says; None where it does not tell."""

    fitness: float
    stop: str | None = None
    stop_step: int | None = None


def program_mismatch(golden: GoldenProgram, outcome: Outcome) -> str:
    """What differs from the golden record; empty if nothing does."""
    if not abs(outcome.fitness - golden.fitness) <= FITNESS_TOLERANCE:
        return f"fitness {outcome.fitness!r}, expected {golden.fitness!r}"
    if outcome.stop is not None and outcome.stop != golden.stop:
        return f"stop {outcome.stop}, expected {golden.stop}"
    if outcome.stop_step is not None and outcome.stop_step != golden.stop_step:
        return f"stop at step {outcome.stop_step}, expected {golden.stop_step}"
    return ""


# Single instructions ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """One instruction, the memory before it and the registers it must leave."""

    instruction: Instruction
    features: int
    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]

    def memory(self) -> Memory:
        """A fresh memory of two registers a kind, as before the instruction."""
        memory = Memory(MemorySizes(2, 2, 2), self.features)
        for kind, values in self.before.items():
            array = getattr(memory, _KINDS[kind])
            array[...] = values.reshape(array.shape)
        return memory


def golden_vector(record: dict[str, Any]) -> GoldenVector:
    """Decode a record of an op vectors file."""
    op = OPS[record["op"]]
    fields = {"act": record["act"], **dict(zip(("f0", "f1", "f2"), record["f"], strict=True))}
    constants = {field: float.fromhex(fields[field]) for field in op.constant_fields}
    registers = dict(zip(("in1", "in2"), (record["in1"], record["in2"])[: op.arity], strict=False))
    if op.output:
        registers["out"] = record["out"]
    return GoldenVector(
        instruction=Instruction(op, **registers, **constants),
        features=record["F"],
        before={kind: _floats(record[kind]) for kind in _KINDS if record[kind] is not None},
        after={
            kind: _floats(record[f"out_{kind}"])
            for kind in _KINDS
            if record[f"out_{kind}"] is not None
        },
    )


def vector_difference(golden: GoldenVector, memory: Memory) -> float:
    """The worst relative difference of a register; infinite if a NaN or an infinity differs.

    What is left where the terms of a sum cancel, or overflow in one order but not in
    another, depends on the order of summation. So a sum of finite terms is compared
    relative to the sum of their sizes, a standard deviation by its square.
    """
    worst = 0.0
    output = golden.instruction.output
    for kind, expected in golden.after.items():
        found = getattr(memory, _KINDS[kind]).reshape(2, -1)
        expected = expected.reshape(2, -1)
        difference = _relative(found, expected, np.abs(expected))
        if output is not None and kind == output[0]:
            row = output[1]
            difference[row] = _output_difference(golden, found[row], expected[row])
        worst = max(worst, float(difference.max()))
    return worst


def _output_difference(golden: GoldenVector, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    instruction = golden.instruction
    memory = golden.memory()
    a, b = ([np.abs(memory[register]) for register in instruction.inputs] + [None, None])[:2]
    meaning = instruction.op.numpy
    finite = all(np.isfinite(values).all() for values in (a, b) if values is not None)
    if "sum(" not in meaning or not finite:
        return _relative(found, expected, np.abs(expected))
    with np.errstate(all="ignore"):
        if "square(" in meaning:
            axis = -1 if instruction.op.output == "v" else None
            scale = np.mean(a * a, axis=axis).ravel()
            # The root of a difference that rounds to just below 0 is NaN.
            found, expected = (np.nan_to_num(x * x, nan=0.0) for x in (found, expected))
        else:
            scale = MEANINGS[instruction.op.id](a, b, None, golden.features, None, None)
            scale = np.ravel(scale)
    return np.where(np.isinf(scale), 0.0, _relative(found, expected, scale))


def _relative(found: np.ndarray, expected: np.ndarray, scale: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        difference = np.abs(found - expected) / scale
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))


def _floats(texts: list[str]) -> np.ndarray:
    return np.array([float.fromhex(text) for text in texts])
