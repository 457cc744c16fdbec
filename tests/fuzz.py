"""Programs of random bytes: each is refused with a ValueError, or runs.

    python -m tests.fuzz SEED COUNT

prints how many were refused and how many ran, as JSON. Anything else is a bug: another
exception ends it with a traceback, a crash of the interpreter with the process.
"""

from __future__ import annotations

import faulthandler
import json
import sys

import numpy as np

from automl_zero.evaluation import canonical_program, evaluate, program_cost, trace
from automl_zero.ops import COLUMN, INDEX, ROW, WEIGHT, known_ops
from automl_zero.program import INSTRUCTION_DTYPE, Program
from tests.workloads import random_tasks

LONGEST = 9
"""Instructions of a program, exclusive."""


def positions() -> np.ndarray:
    """Which of f0, f1, f2 are positions, by op."""
    roles = ((*op.constants, *[None] * 3) for op in known_ops())
    return np.array([[role in (INDEX, ROW, COLUMN) for role in row][:3] for row in roles])


def random_bytes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Instructions of nothing but noise, ``[count]``."""
    noise = rng.integers(0, 256, (count, INSTRUCTION_DTYPE.itemsize), np.uint8)
    return noise.view(INSTRUCTION_DTYPE)[:, 0]


def valid_bytes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Instructions with noise only in fields that may hold anything, ``[count]``."""
    items, is_position_of = random_bytes(rng, count), positions()
    items["op"] = rng.integers(0, len(known_ops()), count)
    for field in ("in1", "in2", "out"):
        items[field] = rng.integers(0, 20, count)
    for position, field in enumerate(("f0", "f1", "f2")):
        fraction = rng.integers(0, 1 << 24, count).astype(np.float32) / np.float32(1 << 24)
        is_position = is_position_of[items["op"], position]
        plain = rng.random(count) < 0.7
        value = np.where(plain, rng.normal(size=count).astype(np.float32), items[field])
        items[field] = np.where(is_position, fraction, value)
    items["act"] = np.where(rng.random(count) < 0.7, rng.normal(size=count), items["act"])
    has_weight = np.array([WEIGHT in op.constants for op in known_ops()])[items["op"]]
    items["act"] = np.where(has_weight, rng.random(count), items["act"])
    return items


def corrupted(rng: np.random.Generator, items: np.ndarray, share: float) -> np.ndarray:
    """The instructions with a share of them changed in one byte."""
    raw = items.copy().view(np.uint8).reshape(len(items), INSTRUCTION_DTYPE.itemsize)
    rows = np.flatnonzero(rng.random(len(items)) < share)
    # Mostly the op and the registers: they are what can lead out of bounds.
    column = np.where(rng.random(len(rows)) < 0.7, rng.integers(0, 4, len(rows)),
                      rng.integers(0, INSTRUCTION_DTYPE.itemsize, len(rows)))  # fmt: skip
    raw[rows, column] = rng.integers(0, 256, len(rows))
    return raw.reshape(-1).view(INSTRUCTION_DTYPE)


def random_offsets(rng: np.random.Generator, size: int) -> np.ndarray:
    """Where component functions start and end; one in thirty is nonsense."""
    if rng.random() < 1 / 30:
        return rng.integers(-3, size + 4, rng.integers(1, 6)).astype(np.int32)
    return np.array([0, *sorted(rng.integers(0, size + 1, 2)), size], np.int32)


def fuzz(seed: int, count: int) -> dict[str, int]:
    """How many of ``count`` programs were refused and how many ran."""
    rng = np.random.default_rng(seed)
    accepted: list[Program] = []
    messages: set[str] = set()
    sizes = rng.integers(0, LONGEST, count)
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    noise = random_bytes(rng, total)
    good = corrupted(rng, valid_bytes(rng, total), 0.06)
    for size, end in zip(sizes, ends, strict=True):
        source = noise if rng.random() < 0.1 else good
        try:
            accepted.append(
                Program.from_arrays(source[end - size : end], random_offsets(rng, int(size)))
            )
        except ValueError as error:
            messages.add(str(error).split(":")[0].split(".")[-1])
    shapes = ((1, 1, "rms_error"), (4, 10, "accuracy"), (8, 10, "rms_error"), (7, 3, "rms_error"))
    for number, (features, tasks, objective) in enumerate(shapes):
        batch = random_tasks(seed, tasks, features, 3, 3, 2, objective)
        some = accepted[number :: len(shapes)]
        fitness = evaluate(some, batch, precision="float32" if number % 2 else "float64")
        if not ((fitness >= 0) & (fitness <= 1)).all():
            raise RuntimeError("a fitness is outside 0..1")
    for program in accepted[:: max(1, len(accepted) // 300)]:
        canonical = canonical_program(program)
        if canonical_program(canonical) != canonical:
            raise RuntimeError(f"a canonical form is not its own canonical form\n{program}")
        program_cost(program, 10)
        trace(program, batch[0])
        if Program.parse(str(program)) != program:
            raise RuntimeError(f"the text does not give the program back\n{program}")
    return {
        "refused": count - len(accepted),
        "ran": len(accepted),
        "instructions_run": sum(map(len, accepted)),
        "reasons": len(messages),
    }


if __name__ == "__main__":
    faulthandler.enable()
    print(json.dumps(fuzz(int(sys.argv[1]), int(sys.argv[2]))))
