"""How far a search from empty programs gets on nonlinear regression.

    python scripts/measure_nonlinear_from_empty.py --minutes 15 --seeds 3 --results empty.jsonl
    python scripts/measure_nonlinear_from_empty.py --quick        # about one minute

The shipped experiment ``nonlinear_from_empty`` runs for so many minutes of processor time with
each seed; the tasks are two-layer networks of random weights. The best program, by the selection
tasks, is set beside the hand-written linear model and two-layer network on the 100 final tasks,
which nothing was chosen by. Their learning rates are tuned on the selection tasks.

``*_final`` are mean fitnesses, with the standard error over the tasks in the unit's place;
``zero_final`` is that of predicting 0.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from automl_zero import ProgramSearch, evaluate, load_config
from automl_zero.evolution import hand_built_program
from automl_zero.program import Instruction, Program
from automl_zero.tasks import TaskBatch, TaskSpec

CONFIG: Final = "nonlinear_from_empty"
RATES: Final = (0.003, 0.01, 0.02, 0.03, 0.05, 0.1)


def search(seed: int, minutes: float) -> dict[str, Any]:
    """One search to its limit, or to a program as good as a network."""
    settings = [f"seed={seed}", f"stop.seconds={60 * minutes}"]
    result = ProgramSearch(load_config(CONFIG, settings)).run()
    return {
        "search": result.fitness,
        "select": result.select_fitness,
        "final": list(result.final_task_fitness),
        "individuals": result.statistics.individuals,
        "experiments": result.experiments,
        "seconds": result.seconds,
        "program": str(result.program),
    }


def with_rate(program: Program, rate: float) -> Program:
    """The program with another learning rate: its one scalar constant."""
    setup = [
        Instruction(item.op, out=item.out, act=rate)
        if item.op.name == "SCALAR_CONST_SET_OP"
        else item
        for item in program["setup"]
    ]
    return program.replace(setup=setup)


def tasks(spec: TaskSpec) -> TaskBatch:
    """The tasks of a set, drawn as those of seed 0 if they are not fixed."""
    return TaskBatch(spec.make(0))


def tuned(name: str) -> tuple[float, np.ndarray]:
    """Best learning rate on the selection tasks, and fitness on the final ones with it."""
    sets = load_config(CONFIG).tasks
    program = hand_built_program(name)
    candidates = [with_rate(program, rate) for rate in RATES]
    best = int(np.argmax(evaluate(candidates, tasks(sets.select)).mean(axis=1)))
    return RATES[best], evaluate(candidates[best], tasks(sets.final))[0]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--minutes", type=float, default=15, help="for each seed (15)")
    parser.add_argument("--seeds", type=int, default=3, help="searches (3)")
    options = parser.parse_args(arguments)
    minutes, seeds = (0.25, 2) if options.quick else (options.minutes, options.seeds)
    print(machine_line())
    print(f"settings: {seeds} seeds, {minutes:g} minutes each, one thread")
    final = tasks(load_config(CONFIG).tasks.final)
    zero = evaluate(hand_built_program("no_op"), final)[0]
    rows = [_fitness_row("zero_final", zero)]
    for name in ("linear", "neural_net"):
        rate, fitness = tuned(name)
        rows += [_fitness_row(f"{name}_final", fitness), Row(f"{name}_learning_rate", rate)]
    known = ResultFile(options.results)
    for seed in range(seeds):
        run = known.get(f"{minutes:g} {seed}", partial(search, seed, minutes))
        rows += [
            _fitness_row(f"seed_{seed}_final", np.array(run["final"])),
            Row(f"seed_{seed}_select", run["select"]),
            Row(f"seed_{seed}_individuals", run["individuals"]),
            Row(f"seed_{seed}_seconds", run["seconds"], "s"),
        ]
        print(f"\nseed {seed}, fitness {np.mean(run['final']):.3f}\n{run['program']}")
    print_rows(rows)
    write_json(rows, options.json)
    return 0


def _fitness_row(name: str, fitness: np.ndarray) -> Row:
    error = fitness.std(ddof=1) / len(fitness) ** 0.5
    return Row(name, float(fitness.mean()), f"+- {error:.3f}")


if __name__ == "__main__":
    sys.exit(main())
