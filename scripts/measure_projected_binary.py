"""Accuracy of hand-written and found programs on pairs of image classes.

    python scripts/measure_projected_binary.py --data cifar10.npz fashion_mnist.npz mnist.npz
    python scripts/measure_projected_binary.py --quick    # digits: some seconds

The protocol of the AutoML-Zero paper (Real et al. 2020, section 4.2): two classes of images,
their pixels projected to 16 features by a random N(0, 1) matrix and standardised on the training
part, one epoch. The 36 search pairs choose each program's learning rate; the nine held-out pairs
are seen once, in 100 final tasks validated on test images (of data without any, on a tenth of them
that is set apart first).

Paper, on full-size features of CIFAR-10: linear 77.65, network 82.22, evolved 84.06 %.

What is tuned is every scalar constant of ``setup``, one after the other: the learning rate in the
hand-written programs. ``--program FILE`` adds programs. With ``--full`` the programs, tuned on 16
features, also run unchanged on all raw features, a final task of each held-out pair:
``*_full``, with its processor time and memory. ``*_full_tuned`` is the same with the constants
tuned anew at that size, on six tasks of search pairs with at most 2,000 training examples. Data of
more than 1,024 raw features are left out.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from automl_zero import Instruction, Program, evaluate
from automl_zero._program_file import read_program
from automl_zero.evaluation import batch_bytes, register_bytes
from automl_zero.evolution import hand_built_program
from automl_zero.tasks import (
    HELD_OUT_PAIRS,
    MAX_FEATURES,
    DataSet,
    Task,
    TaskBatch,
    load_data,
    projected_binary_tasks,
)

HAND_WRITTEN: Final = ("linear", "logistic", "neural_net", "bilinear")

FACTORS: Final = tuple(10 ** (half / 2) for half in range(-6, 5))
"""Multiples of a constant that tuning tries: from a thousandth to a hundredfold."""

TEST_SHARE: Final = 0.1

FULL_TUNING_TASKS: Final = 6

FULL_TUNING_EXAMPLES: Final = 2000  # 784 features: eleven rates of the network take a minute


def scalar_constants(program: Program) -> list[int]:
    """Positions in ``setup`` of the instructions that set a scalar other than to 1."""
    return [
        position
        for position, item in enumerate(program["setup"])
        if item.op.name == "SCALAR_CONST_SET_OP" and item.act not in (0.0, 1.0)
    ]


def with_constant(program: Program, position: int, value: float) -> Program:
    """The program with another value in an instruction that sets a scalar."""
    setup = list(program["setup"])
    setup[position] = Instruction("SCALAR_CONST_SET_OP", out=setup[position].out, act=value)
    return program.replace(setup=setup)


def tuned(program: Program, tasks: list[Task]) -> Program:
    """The program with its constants changed, one by one, to the best of all multiples."""
    best, best_fitness = program, float(np.mean(evaluate(program, tasks)))
    for position in scalar_constants(program):
        start = best["setup"][position].act
        for factor in FACTORS:
            candidate = with_constant(best, position, start * factor)
            fitness = float(np.mean(evaluate(candidate, tasks)))
            if fitness > best_fitness:
                best, best_fitness = candidate, fitness
    return best


def short_name(source: str) -> str:
    """What rows call a data set: its file's name without folder and ending."""
    return Path(source).name.partition(".")[0]


def prepared(source: str) -> DataSet:
    """The data set, with test examples."""
    data = load_data(source)
    return data if data.is_test.any() else data.with_test_rows(TEST_SHARE)


def sizes(data: DataSet) -> tuple[int, int]:
    """Training and validation examples of a pair: 8,000 and 1,000, or all that there are."""
    rows = np.bincount(data.y[~data.is_test])
    test = np.bincount(data.y[data.is_test])
    train = min(8000, int(2 * rows.min() * 8 / 9))
    return train, min(1000, int(2 * rows.min()) - train, int(2 * test.min()))


def search_tasks(data: DataSet) -> list[Task]:
    """A task of each search pair, to tune constants on."""
    train, valid = sizes(data)
    return projected_binary_tasks(data, 36, 16, train, valid, seed=1)


def final_accuracies(data: DataSet, program: Program, count: int) -> list[float]:
    """Accuracy of a tuned program on each of ``count`` tasks of held-out pairs."""
    train, valid = sizes(data)
    tasks = projected_binary_tasks(
        data, count, 16, train, valid, seed=2, pairs="held_out", valid_from="test"
    )
    return [float(value) for value in np.ravel(evaluate(program, tasks))]


def measure(data: DataSet, program: Program, final_tasks: int) -> dict[str, Any]:
    """The tuned program and its accuracies on the final tasks."""
    search = search_tasks(data)
    best = tuned(program, search)
    return {
        "program": str(best),
        "search": float(np.mean(evaluate(best, search))),
        "final": final_accuracies(data, best, final_tasks),
    }


def measure_full(data: DataSet, program: Program) -> dict[str, Any]:
    """The program on all raw features: unchanged, and with constants tuned at this size."""
    train, valid = sizes(data)
    final = projected_binary_tasks(
        data, len(HELD_OUT_PAIRS), None, train, valid, seed=2, pairs="held_out", valid_from="test"
    )
    few = min(FULL_TUNING_EXAMPLES, train)
    search = projected_binary_tasks(data, FULL_TUNING_TASKS, None, few, min(valid, few), seed=1)
    start = time.process_time()
    accuracies = one_by_one(program, final)
    seconds = time.process_time() - start
    best = tuned(program, search)
    first = TaskBatch(final[:1])
    return {
        "final": accuracies,
        "ms": 1000 * seconds / len(final),
        "mb": (batch_bytes(first) + register_bytes(program.required_memory(), first)) / 1e6,
        "program": str(best),
        "tuned": accuracies if best == program else one_by_one(best, final),
    }


def one_by_one(program: Program, tasks: list[Task]) -> list[float]:
    """Accuracy on each task; one task's examples are in memory at a time."""
    return [float(np.mean(evaluate(program, [task]))) for task in tasks]


def standard_error(values: list[float]) -> float:
    """Of the mean."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", nargs="+", metavar="FILE", help="data sets (digits)")
    parser.add_argument("--program", nargs="+", metavar="FILE", type=Path, default=[])
    parser.add_argument("--full", action="store_true", help="also on all raw features")
    options = parser.parse_args(arguments)
    sources = options.data or ["digits"]
    programs = {name: hand_built_program(name) for name in HAND_WRITTEN}
    programs |= {path.stem: read_program(path) for path in options.program}
    final_tasks = 18 if options.quick else 100
    print(machine_line())
    print(f"settings: 36 search tasks to tune, {final_tasks} final tasks, one epoch, one thread")
    known = ResultFile(options.results)
    rows = []
    for source in sources:
        data = prepared(source)
        name = short_name(source)
        print(f"{name}: {sizes(data)[0]} training, {sizes(data)[1]} validation examples")
        for label, program in programs.items():
            key = f"{name} {label} {final_tasks} {program}"
            found = known.get(key, partial(measure, data, program, final_tasks))
            unit = f"% +- {100 * standard_error(found['final']):.2f}"
            rows.append(Row(f"{name}_{label}_search", 100 * found["search"], "%"))
            rows.append(Row(f"{name}_{label}", 100 * float(np.mean(found["final"])), unit))
            if options.full and data.width <= MAX_FEATURES:
                best = Program.parse(found["program"])
                full = known.get(f"full {key}", partial(measure_full, data, best))
                for part, ending in (("final", "full"), ("tuned", "full_tuned")):
                    unit = f"% +- {100 * standard_error(full[part]):.2f}"
                    value = 100 * float(np.mean(full[part]))
                    rows.append(Row(f"{name}_{label}_{ending}", value, unit))
                rows.append(Row(f"{name}_{label}_full_ms", full["ms"], "ms a task"))
                rows.append(Row(f"{name}_{label}_full_mb", full["mb"], "MB"))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
