"""How fast exported programs train, and how far they are from the interpreter.

    python scripts/bench_export.py            # about a minute
    python scripts/bench_export.py --quick    # some seconds

Each program trains on one task, example by example: the hand-built linear model and the
two-layer network, both with a learning rate at which neither stops early.
``numba_vs_numpy`` is how many times as fast the compiled export is as the NumPy module;
``numba_vs_interpreter_one_lane`` is the time of the compiled export over that of the compiled
interpreter on the same task at one lane (below 1: faster). Medians of processor time; compiling
is not counted. ``*_ns`` are nanoseconds per training example. ``torch_module_max_difference`` is
the largest difference between the predictions of the PyTorch module of a trained program, in
float64, and those of the compiled interpreter, over both programs and all feature counts; it
is left out without PyTorch.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _timing import median_seconds
from _workloads import LINEAR, NETWORK
from automl_zero.kernels import _engine

from automl_zero.evaluation import compile_batch, stack_programs, trace
from automl_zero.export import compile_numba, compile_numpy, to_torch_module
from automl_zero.program import Program
from automl_zero.tasks import Task, TaskBatch, regression_tasks

FEATURES: Final = (4, 16, 64, 784)

PROGRAMS: Final[dict[str, tuple[Program, Any]]] = {
    "linear": (Program.parse(str(LINEAR).replace("s2 = 0.01", "s2 = 1e-5")), "linear"),
    # At a larger rate the network diverges with 784 features.
    "network": (Program.parse(str(NETWORK).replace("s3 = 0.001", "s3 = 1e-6")), "two_layer_nn"),
}

EXAMPLES: Final = {4: 5000, 16: 5000, 64: 2000, 784: 200}
"""Training examples by feature count: some milliseconds of the fastest."""


def interpreter(program: Program, task: Task) -> Callable[[], None]:
    """One evaluation of the program on the task by the compiled interpreter at one lane.

    Raises:
        RuntimeError: If it stops early: then it would be timed on less work.
    """
    batch = compile_batch(TaskBatch([task]), lanes=1)
    raw, offsets = stack_programs([program])
    fitness = np.zeros((1, 1))
    stops = np.zeros((1, 1, 3), np.int32)
    steps = np.zeros((1, 1), np.int64)

    def run() -> None:
        _engine.evaluate_programs(
            batch, raw, offsets, fitness, stops, steps, 1e300, float(task.train_count), np.inf
        )

    run()
    if stops[0, 0, 0]:
        raise RuntimeError(f"the program stops early on {task!r}")
    return run


def speed_rows(name: str, features: int, quick: bool) -> list[Row]:
    """Rows of one program at one feature count."""
    program, kind = PROGRAMS[name]
    count = EXAMPLES[features]
    (task,) = regression_tasks(kind, 1, features, count, 1, seed=1)
    few = count // 50  # of the NumPy module, which takes long
    compiled, plain = compile_numba(program, seed=task.seed), compile_numpy(program, seed=task.seed)
    pieces: dict[str, Callable[[], None]] = {
        "numba": lambda: void(compiled.partial_fit(task.train_x, task.train_y)),
        "numpy": lambda: void(plain.partial_fit(task.train_x[:few], task.train_y[:few])),
        "interpreter": interpreter(program, task),
    }
    seconds = median_seconds(pieces, blocks=3 if quick else 15)
    each = {
        piece: value / (few if piece == "numpy" else count) for piece, value in seconds.items()
    }
    where = f"{name}_F{features}"
    return [
        Row(f"{where}_numba_ns", each["numba"] * 1e9, "ns"),
        Row(f"{where}_numba_vs_numpy", each["numpy"] / each["numba"], "", ">= 5"),
        Row(
            f"{where}_numba_vs_interpreter_one_lane",
            each["numba"] / each["interpreter"],
            "",
            "<= 1.5",
        ),
    ]


def torch_difference(name: str, features: int) -> float:
    """Largest difference of a trained program's predictions in PyTorch from the interpreter's."""
    import torch

    program, kind = PROGRAMS[name]
    (task,) = regression_tasks(kind, 1, features, 100, 100, seed=1)
    model = compile_numba(program, seed=task.seed).fit(task.train_x, task.train_y)
    module = to_torch_module(model)
    found = module(torch.from_numpy(task.valid_x.copy())).detach().numpy()
    (run,) = trace(program, task, max_abs_error=1e300)
    return float(np.max(np.abs(found - run.valid_predictions)))


def torch_rows() -> list[Row]:
    """How far PyTorch modules are from the interpreter; none without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        return []
    worst = max(torch_difference(name, features) for name in PROGRAMS for features in FEATURES)
    return [Row("torch_module_max_difference", worst, "", "<= 1e-12")]


def void(_: object) -> None:
    """Drop a result."""


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    options = argument_parser(__doc__).parse_args(arguments)
    print(machine_line())
    kind = "quick" if options.quick else "full"
    print(f"settings: kernels {_engine.ISA}, one thread, {kind} run")
    rows = [
        row
        for name in PROGRAMS
        for features in FEATURES
        for row in speed_rows(name, features, options.quick)
    ]
    rows += torch_rows()
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
