"""What hurdles do to the time to a solution.

    python scripts/measure_hurdles.py --results hurdles.jsonl   # half an hour; can be resumed
    python scripts/measure_hurdles.py --quick                   # about one minute

Two problems, each solved with many seeds, without a hurdle and with hurdles at several
percentiles. A run repeats experiments until its selected program suffices; a run that reaches
its limit without one is censored: its work counts, its solution does not.

``linear_40`` is the demo with 40 tasks instead of 10, 8 of them before the hurdle; solved is
fitness 0.9999 on 100 other tasks. ``digits`` is the shipped experiment on one island with 64 tasks,
16 of them before the hurdle; solved is accuracy 0.95 on the selection tasks.

``*_seconds`` is the expected processor time to a solution, total time over number of solved
runs; ``*_individuals`` the same in programs tried. ``*_ratio`` is the time without a hurdle
over the time with it (above 1: the hurdle pays), with a 95 % bootstrap interval over seeds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from automl_zero import ProgramSearch, load_config

PERCENTILES: Final = (None, 25, 50)  # None: no hurdle

PROBLEMS: Final[dict[str, tuple[str, int, list[str]]]] = {
    # name: configuration, tasks before the hurdle, settings
    "linear_40": (
        "demo",
        8,
        ["tasks.search.count=40", "experiments.maximum=60", "islands.epoch=10000"],
    ),
    "digits": (
        "digits",
        16,
        ["experiments.sufficient_fitness=0.95", "stop.seconds=0", "stop.individuals=800000",
         "experiments.maximum=4", "islands.count=1", "islands.epoch=10000"],
    ),
}


def run(problem: str, percentile: int | None, seed: int) -> dict[str, Any]:
    """One run to its solution or its limit."""
    name, first, settings = PROBLEMS[problem]
    hurdle = ["hurdle.tasks=0"] if percentile is None else [
        f"hurdle.tasks={first}", f"hurdle.percentile={percentile}"
    ]  # fmt: skip
    search = ProgramSearch(load_config(name, [f"seed={seed}", *settings, *hurdle]))
    start = time.process_time()
    result = search.run()
    return {
        "seconds": time.process_time() - start,
        "individuals": result.statistics.individuals,
        "solved": result.stopped_by == "sufficient fitness",
    }


def expected(results: Sequence[dict[str, Any]], what: str) -> float:
    """Total over solved runs: what a solution costs on average."""
    solved = sum(item["solved"] for item in results)
    total = sum(item[what] for item in results)
    return total / solved if solved else float("inf")


def ratio_interval(
    base: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]
) -> tuple[float, float]:
    """Bootstrap interval of the ratio of expected seconds, seeds drawn in pairs."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(2000):
        drawn = rng.integers(0, len(base), len(base))
        ratios.append(
            expected([base[i] for i in drawn], "seconds")
            / expected([other[i] for i in drawn], "seconds")
        )
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--seeds", type=int, default=30, help="runs of each kind (30)")
    options = parser.parse_args(arguments)
    percentiles = (None, 50) if options.quick else PERCENTILES
    seeds = 2 if options.quick else options.seeds
    problems = ["linear_40"] if options.quick else list(PROBLEMS)
    print(machine_line())
    print(f"settings: {seeds} seeds, hurdles at percentiles {percentiles[1:]}, one thread")
    known = ResultFile(options.results)
    rows = []
    for problem in problems:
        found: dict[int | None, list[dict[str, Any]]] = {each: [] for each in percentiles}
        for seed in range(seeds):
            for each in percentiles:  # in turn, so that a disturbance meets all
                key = f"{problem} {each} {seed}"
                found[each].append(known.get(key, partial(run, problem, each, seed)))
        for each, results in found.items():
            name = f"{problem}_{'no_hurdle' if each is None else f'hurdle_{each}'}"
            rows.append(Row(f"{name}_solved", sum(it["solved"] for it in results), f"of {seeds}"))
            rows.append(Row(f"{name}_seconds", expected(results, "seconds"), "s"))
            rows.append(Row(f"{name}_individuals", expected(results, "individuals"), ""))
            if each is not None:
                base = found[None]
                low, high = ratio_interval(base, results)
                ratio = expected(base, "seconds") / expected(results, "seconds")
                rows.append(Row(f"{name}_ratio", ratio, f"{low:.2f} to {high:.2f}"))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
