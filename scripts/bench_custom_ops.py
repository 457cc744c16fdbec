"""Ops of a user's own against those of the table.

    python scripts/bench_custom_ops.py            # about half a minute
    python scripts/bench_custom_ops.py --quick

``custom_vs_builtin_*`` is the speed of a user's op over that of the op of the table that does
the same, on registers of that kind and size: product, maximum and absolute value, of which the
slowest counts. Each op runs 100 times per training example, on 10 tasks in lockstep; the time
of the same evaluation without it is taken off. ``_f32`` rows are in float32.

``custom_exp_vs_builtin`` and ``custom_sin_vs_builtin`` are the same for two elementary functions
of a number that differs from lane to lane. A user's op calls the C library for each number; the
table's ``exp`` does too, but its ``sin`` works on vectors.

``search_custom_vs_builtin`` is individuals per second of the search for linear regression with
a difference of the user's own over those with the table's: the same individuals, one by one.

``register_seconds`` is the time to declare one more op, once Numba is loaded and warm.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _timing import median_seconds
from _workloads import Workload
from automl_zero.kernels import _engine
from measure_kernels import COPIES, TRAIN, workload

from automl_zero import load_config
from automl_zero.custom_ops import register_op
from automl_zero.evolution import ProgramEpoch
from automl_zero.ops import OP_BY_NAME, Op
from automl_zero.program import Instruction, Program

KINDS: Final = {"s": "SCALAR", "v": "VECTOR", "m": "MATRIX"}
INDIVIDUALS = 100_000
FUNCTIONS: Final[dict[str, Callable[..., float]]] = {
    "PRODUCT": lambda x, y: x * y,
    "MAX": lambda x, y: y if x < y else x,
    "ABS": lambda x: abs(x),
}


def pairs(kind: str) -> list[tuple[Op, Op]]:
    """Ops of the table on one kind of registers, each with a user's op that does the same."""
    found = []
    for name, function in FUNCTIONS.items():
        builtin = OP_BY_NAME[f"{KINDS[kind]}_{name}_OP"]
        custom = register_op(
            f"{KINDS[kind]}_MY_{name}_OP",
            function,
            inputs=builtin.inputs,  # type: ignore[arg-type]
            commutative=builtin.commutative,
        )
        found.append((custom, builtin))
    return found


def measure_ops(precision: str, blocks: int) -> list[Row]:
    """Ratios of ops, by kind and feature size."""
    suffix = "" if precision == "float64" else "_f32"
    rows = []
    for kind, word in KINDS.items():
        for features in (4,) if kind == "s" else (4, 16):
            ops = pairs(kind)
            pieces = {
                op.name if op else "": workload(op, features, precision)
                for op in (None, *(op for pair in ops for op in pair))
            }
            seconds = median_seconds(pieces, blocks=blocks, block_seconds=0.005)
            ratios = [
                (seconds[builtin.name] - seconds[""]) / (seconds[custom.name] - seconds[""])
                for custom, builtin in ops
            ]
            size = "" if kind == "s" else f"_F{features}"
            name = f"custom_vs_builtin_{word.lower()}{size}{suffix}"
            rows.append(Row(name, min(ratios), "", ">= 0.5"))
    return rows


def measure_elementary(blocks: int) -> list[Row]:
    """Ratios of elementary functions."""
    register_op("SCALAR_MY_EXP_OP", lambda x: np.exp(x), inputs="s")
    register_op("SCALAR_MY_SIN_OP", lambda x: np.sin(x), inputs="s")
    names = ("", "SCALAR_EXP_OP", "SCALAR_MY_EXP_OP", "SCALAR_SIN_OP", "SCALAR_MY_SIN_OP")
    pieces = {}
    for name in names:
        learn = [Instruction(name, in1=3, out=2)] * COPIES if name else []
        setup = [Instruction("SCALAR_UNIFORM_SET_OP", out=3, f0=0.5, f1=0.9)]
        pieces[name] = Workload(
            [Program(setup=setup, predict=[], learn=learn)],
            4,
            train=TRAIN,
            valid=1,
            canonical_flags=_engine.KEEP_DEAD | _engine.KEEP_NAMES,
        )
    seconds = median_seconds(pieces, blocks=blocks, block_seconds=0.005)
    net = {name: seconds[name] - seconds[""] for name in names}
    return [
        Row(f"custom_{word}_vs_builtin", net[f"SCALAR_{word.upper()}_OP"]
            / net[f"SCALAR_MY_{word.upper()}_OP"])
        for word in ("exp", "sin")
    ]  # fmt: skip


def measure_search(individuals: int, rounds: int) -> Row:
    """The search for linear regression, with either difference in turn."""
    register_op("SCALAR_MY_DIFF_OP", lambda x, y: x - y, inputs="ss")
    builtin = load_config("linear")
    ops = [name.replace("SCALAR_DIFF", "SCALAR_MY_DIFF") for name in builtin.learn.op_names]
    custom = load_config("linear", [f"learn.ops={ops}"])
    epochs = [ProgramEpoch(config, seed=1) for config in (custom, builtin)]
    ratios = []
    for _ in range(rounds):
        seconds = []
        for epoch in epochs:
            evolution = epoch.evolution()
            start = time.thread_time()
            evolution.run(individuals)
            seconds.append(time.thread_time() - start)
        ratios.append(seconds[1] / seconds[0])
    return Row("search_custom_vs_builtin", statistics.median(ratios), "", ">= 0.5")


def measure_registration() -> Row:
    """One more op."""
    start = time.perf_counter()
    register_op("SCALAR_LOGISTIC_OP", lambda x: 1.0 / (1.0 + 2.0 ** -x), inputs="s")
    return Row("register_seconds", time.perf_counter() - start, "s")


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    options = argument_parser(__doc__).parse_args(arguments)
    print(machine_line())
    print(f"kernels {_engine.ISA}, one thread, medians of blocks that take turns")
    blocks = 5 if options.quick else 41
    rows = measure_ops("float64", blocks) + measure_ops("float32", blocks)
    rows += measure_elementary(blocks)
    rows.append(measure_search(INDIVIDUALS, 3 if options.quick else 11))
    rows.append(measure_registration())
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
