"""Nanoseconds per instruction and task, by op and feature size.

    python scripts/measure_kernels.py
    python scripts/measure_kernels.py --precision float32 --json kernels.json

Each op runs 100 times per training example, on 10 tasks in lockstep; the time of the same
evaluation without it is taken off. The operands are finite and not zero. Random ops include
their draws. Nothing here has a target: the table shows where the time of a search goes.
"""

from __future__ import annotations

import sys
from typing import Any

from _common import Row, argument_parser, machine_line, write_json
from _timing import median_seconds
from _workloads import TASKS, Workload
from automl_zero.kernels import _engine

from automl_zero.ops import OPS, Op
from automl_zero.program import Instruction, Program

COPIES = 100
TRAIN = 20
FEATURES = (4, 8, 16)
REGISTER = {"s": 3, "v": 3, "m": 1}
"""Where inputs are: set once, so that no result feeds back and grows."""


def program_of(op: Op | None) -> Program:
    """A program whose learn function is the op over and over; dead code, that is run anyway."""
    setup = [
        Instruction("SCALAR_CONST_SET_OP", out=3, act=0.7),
        Instruction("VECTOR_UNIFORM_SET_OP", out=3, f0=0.5, f1=0.9),
        Instruction("MATRIX_UNIFORM_SET_OP", out=1, f0=0.5, f1=0.9),
    ]
    learn = []
    if op is not None:
        operands = {f"in{i}": REGISTER[kind] for i, kind in enumerate(op.inputs, start=1)}
        constants: dict[str, Any] = {name: 0.5 for name in op.constant_fields}
        learn = [Instruction(op, out=2 if op.output else 0, **operands, **constants)] * COPIES
    return Program(setup=setup, predict=[], learn=learn)


def workload(op: Op | None, features: int, precision: str) -> Workload:
    """The evaluation to time."""
    return Workload(
        [program_of(op)],
        features,
        train=TRAIN,
        valid=1,
        precision=precision,  # type: ignore[arg-type]
        canonical_flags=_engine.KEEP_DEAD | _engine.KEEP_NAMES,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--precision", choices=("float64", "float32"), default="float64")
    options = parser.parse_args(arguments)
    print(machine_line())
    print(f"kernels {_engine.ISA}, {options.precision}, {TASKS} tasks in lockstep, one thread")
    ops = [op for op in OPS if op.name != "NO_OP"]
    pieces = {
        (op.name if op else "", features): workload(op, features, options.precision)
        for features in FEATURES
        for op in (None, *ops)
    }
    seconds = median_seconds(pieces, blocks=3 if options.quick else 9, block_seconds=0.003)
    nanoseconds = {
        (op.name, features): max(0.0, seconds[op.name, features] - seconds["", features])
        / (COPIES * TRAIN * TASKS)
        * 1e9
        for op in ops
        for features in FEATURES
    }
    width = max(len(op.name) for op in ops)
    print("ns".ljust(width), *(f"{f'F={features}':>8}" for features in FEATURES))
    for op in ops:
        cells = (f"{nanoseconds[op.name, features]:8.2f}" for features in FEATURES)
        print(op.name.ljust(width), *cells)
    rows = [Row(f"{name}_F{f}_ns", value, "ns") for (name, f), value in nanoseconds.items()]
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
