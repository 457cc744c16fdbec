"""How much shorter simplification makes the programs that searches find.

    python scripts/measure_simplify.py
    python scripts/measure_simplify.py --quick --json simplify.json

Runs shipped configurations with several seeds (of digits one experiment, of nonlinear 20,000
individuals) and prints the instructions of the best program: as found, as live code in
canonical form, and simplified, with every bit of the fitness kept and with the algebra of real
numbers. Programs for regression are simplified for regression. The fitness of each
exact form is compared to that of the program as found, on the selection tasks, bit for bit.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero import ProgramSearch, evaluate, load_config
from automl_zero.inspection import simplify
from automl_zero.liveness import REGRESSION, SUPERVISED, canonical_program
from automl_zero.program import Program
from automl_zero.streams import stream_key

CONFIGS = {
    "demo": (),
    "digits": ("experiments.maximum=1",),
    "nonlinear": ("stop.individuals=20000",),
}
SEEDS = 10
QUICK_SEEDS = 2


@dataclass(frozen=True, slots=True)
class Lengths:
    """Instructions of one program in its forms."""

    found: int
    live: int
    exact: int
    inexact: int
    inexact_change: float
    """Largest change of fitness on a selection task by inexact simplification."""


def measure(name: str, seed: int) -> tuple[Program, Lengths]:
    """The program that one short search finds, simplified, and its lengths."""
    config = load_config(name, [*CONFIGS[name], f"seed={seed}", "stop.seconds=0"])
    found = ProgramSearch(config).run().program
    tasks = config.tasks.select.make(stream_key(seed, "measure_simplify"))
    harness = SUPERVISED if tasks[0].objective == "accuracy" else REGRESSION
    exact = simplify(found, harness)
    inexact = simplify(found, harness, exact=False)
    for precision in ("float64", "float32"):
        fitness = evaluate([found, exact, inexact], tasks, precision=precision)
        if fitness[0].tobytes() != fitness[1].tobytes():
            raise SystemExit(f"{name}, seed {seed}: the fitness changed\n{found}\n{exact}")
    change = float(np.max(np.abs(fitness[2] - fitness[0])))
    live = canonical_program(found)
    return exact, Lengths(len(found), len(live), len(exact), len(inexact), change)


def rows_of(name: str, lengths: list[Lengths]) -> list[Row]:
    """Means over the searches of one configuration."""
    count = len(lengths)
    shortened = sum(item.exact < item.live for item in lengths)
    rows = [Row(f"{name}_programs", count)]
    for form in ("found", "live", "exact", "inexact"):
        mean = float(np.mean([getattr(item, form) for item in lengths]))
        rows.append(Row(f"{name}_{form}_length", mean, "instructions"))
    rows.append(Row(f"{name}_shortened", 100.0 * shortened / count, "%"))
    largest = max(item.inexact_change for item in lengths)
    rows.append(Row(f"{name}_inexact_fitness_change", largest))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, help=f"searches per configuration ({SEEDS})")
    parser.add_argument("--show", action="store_true", help="print the simplified programs")
    options = parser.parse_args(arguments)
    seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    print(machine_line())
    rows = []
    for name in CONFIGS:
        results = [measure(name, seed) for seed in range(seeds)]
        if options.show:
            for program, lengths in results:
                print(f"\n{name}: {lengths}\n{program}")
        rows += rows_of(name, [lengths for _, lengths in results])
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
