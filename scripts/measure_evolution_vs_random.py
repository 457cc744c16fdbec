"""Evolution against random search on the demo, at equal numbers of individuals.

    python scripts/measure_evolution_vs_random.py --results versus.jsonl   # 20 minutes; resumable
    python scripts/measure_evolution_vs_random.py --quick                  # about one minute

Each seed runs each method for so many individuals at most, in experiments of 250,000 on fresh
tasks. It succeeds if a program has fitness 0.9999 on 100 other tasks. Random search draws every
individual anew, all instructions of it, by the same loop. ``*_success`` are percent of the
seeds, with a 95 % interval (Wilson 1927).

``random`` is random search, ``plain`` regularized evolution, ``attempts`` regularized evolution
whose children are mutated until no individual alive has their live code.
"""

from __future__ import annotations

import math
import sys
from typing import Final

from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from _solves import solver

from automl_zero.config import MUTATION_TYPES

EXPERIMENTS: Final = 10
"""Of 250,000 individuals: plain evolution succeeds with about two thirds of the seeds."""

_RANDOM: Final = [
    "mutation.probability=1",
    *(f"mutation.weights.{name}={int(name == 'randomize_algorithm')}" for name in MUTATION_TYPES),
]
METHODS: Final = {
    "random": _RANDOM,
    "plain": [],
    "attempts": ["population.attempts=10"],
}
_COMMON: Final = ["islands.epoch=10000", "population.attempts=1", "evaluation.must_learn=false"]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a success rate."""
    z = 1.959964
    rate = successes / trials
    scale = 1 + z * z / trials
    middle = (rate + z * z / (2 * trials)) / scale
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--seeds", type=int, default=30, help="runs of each method (30)")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    options = parser.parse_args(arguments)
    seeds = min(4, options.seeds) if options.quick else options.seeds
    experiments = 2 if options.quick else EXPERIMENTS
    print(machine_line())
    print(f"settings: {seeds} seeds, at most {experiments} experiments of 250,000 individuals each")
    rows = []
    with solver(ResultFile(options.results), options.workers) as run_all:
        jobs = [
            (
                f"{method} {experiments} {seed}",
                ("demo", [*_COMMON, f"experiments.maximum={experiments}", *settings], seed),
            )
            for seed in range(seeds)
            for method, settings in METHODS.items()
        ]
        runs = run_all(jobs)
    for index, method in enumerate(METHODS):
        own = runs[index :: len(METHODS)]
        successes = sum(run["solved"] for run in own)
        low, high = wilson(successes, len(own))
        rows.append(
            Row(
                f"{method}_success",
                100 * successes / len(own),
                f"% of {len(own)}, {100 * low:.0f} to {100 * high:.0f}",
            )
        )
        individuals = sum(run["individuals"] for run in own)
        rows.append(Row(f"{method}_individuals", individuals, "in all"))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
