"""How many evaluations a solution takes: plain regularized evolution, and what saves some.

    python scripts/measure_sample_efficiency.py --results efficiency.jsonl   # hours; resumable
    python scripts/measure_sample_efficiency.py --space demo --arm plain attempts all
    python scripts/measure_sample_efficiency.py --quick                      # about one minute

A run repeats experiments of a shipped configuration until the selected program suffices. A run
that reaches its number of experiments without one is censored: its work counts, its solution
does not. ``X_per_solve`` is the total of X over all runs by the number of solved ones, with a
95 % bootstrap interval over seeds; ``X_ratio`` is that of plain evolution by that of the arm
(above 1: the arm needs less).

Spaces:
    ``demo``: linear regression from random programs; solved: fitness 0.9999 on 100 other tasks.
    ``nonlinear``: how the hidden layer of a network learns (``hidden_layer``), its output layer
    given; solved: 0.65 on 32 other tasks, where the network as given has 0.46, a trained one 0.84.
    ``digits``: classifiers of digit pairs from empty programs; solved: accuracy 0.95 on the 36
    selection tasks. Plain evolution gets there in most runs; a hundredth more would leave most
    runs of every arm unsolved.

Arms:
    ``plain``: regularized evolution. Its ``evaluations`` are the individuals within the train
    budget, as it remembers nothing; the exact cache only saves the measurement's time. Its
    ``examples`` are those that the cache left to run: fewer than without it, so that the ratio
    of examples is a lower bound.
    ``fec``: with the functional equivalence cache.
    ``attempts``: children are mutated, up to ten times, until no individual alive has their
    live code.
    ``must_learn``: programs whose prediction cannot depend on features and labels are not run.
    ``hurdle``: a few tasks first.
    ``no_must_learn``: everything but that together.
    ``all``: everything together.

Counts: ``individuals``; ``programs_run``, on one example at least; ``evaluations``, on all;
``examples``, training examples run, over all tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from _solves import Solve, interval, per_solve, ratio_interval, solver

_ONE_ISLAND: Final = ["islands.count=1", "islands.epoch=10000", "stop.seconds=0"]

SPACES: Final[dict[str, tuple[str, list[str], int]]] = {
    # name: configuration, settings of all arms, tasks before the hurdle
    "demo": ("demo", ["experiments.maximum=60"], 2),
    "nonlinear": ("hidden_layer", ["experiments.maximum=40"], 2),
    "digits": (
        "digits",
        ["experiments.sufficient_fitness=0.95", "stop.individuals=800000", "experiments.maximum=6"],
        16,
    ),
}

_OFF: Final = {
    "cache.fec": "false",
    "population.attempts": "1",
    "evaluation.must_learn": "false",
    "hurdle.tasks": "0",
}
_FEC: Final = {"cache.fec": "true"}
_ATTEMPTS: Final = {"population.attempts": "10"}
_MUST_LEARN: Final = {"evaluation.must_learn": "true"}
_HURDLE: Final = {"hurdle.tasks": "FIRST", "hurdle.percentile": "25"}
ARMS: Final[dict[str, dict[str, str]]] = {
    "plain": {},
    "fec": _FEC,
    "attempts": _ATTEMPTS,
    "must_learn": _MUST_LEARN,
    "hurdle": _HURDLE,
    "no_must_learn": {**_FEC, **_ATTEMPTS, **_HURDLE},
    "all": {**_FEC, **_ATTEMPTS, **_MUST_LEARN, **_HURDLE},
}

COUNTS: Final = ("individuals", "programs_run", "evaluations", "examples")
TARGET: Final = {"all_evaluations_ratio": ">= 3"}


def settings_of(space: str, arm: str) -> tuple[str, list[str]]:
    """Configuration and settings of an arm."""
    config, common, first = SPACES[space]
    switches = {**_OFF, **ARMS[arm]}
    return config, [
        *_ONE_ISLAND,
        *common,
        *(f"{key}={value.replace('FIRST', str(first))}" for key, value in switches.items()),
    ]


def rows_of(space: str, found: dict[str, Sequence[Solve]]) -> list[Row]:
    """The numbers of one space."""
    rows = []
    for arm, runs in found.items():
        name = f"{space}_{arm}"
        rows.append(Row(f"{name}_solved", sum(run["solved"] for run in runs), f"of {len(runs)}"))
        for what in COUNTS:
            value, between = per_solve(runs, what), interval(runs, what)
            rows.append(_row(f"{name}_{what}_per_solve", value, *between))
        rows.append(Row(f"{name}_seconds_per_solve", per_solve(runs, "seconds"), "s"))
        if arm == "plain" or "plain" not in found:
            continue
        base = found["plain"]
        for what in COUNTS:
            value = per_solve(base, what) / per_solve(runs, what)
            between = ratio_interval(base, runs, what)
            target = TARGET.get(f"{arm}_{what}_ratio")
            rows.append(_row(f"{name}_{what}_ratio", value, *between, target=target))
    return rows


def _row(name: str, value: float, low: float, high: float, target: str | None = None) -> Row:
    return Row(name, value, f"{low:,.3g} to {high:,.3g}", target)


def plain_counts(run: Solve) -> Solve:
    """What plain evolution would run: every individual within the budget, in full."""
    everything = run["individuals"] - run["over_budget"]
    return {**run, "programs_run": everything, "evaluations": everything}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--space", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--arm", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=30, help="runs of each kind (30)")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    options = parser.parse_args(arguments)
    seeds = min(2, options.seeds) if options.quick else options.seeds
    spaces = options.space[:1] if options.quick else options.space
    arms = [arm for arm in options.arm if not options.quick or arm in ("plain", "all")]
    print(machine_line())
    print(f"settings: {seeds} seeds, one thread a run, {options.workers} runs at a time")
    rows = []
    with solver(ResultFile(options.results), options.workers) as run_all:
        for space in spaces:
            jobs = [  # arms in turn, so that a part of the seeds is a whole measurement
                (f"{space} {arm} {seed}", (*settings_of(space, arm), seed))
                for seed in range(seeds)
                for arm in arms
            ]
            runs = run_all(jobs)
            found = {arm: runs[index :: len(arms)] for index, arm in enumerate(arms)}
            if "plain" in found:
                found["plain"] = [plain_counts(run) for run in found["plain"]]
            rows += rows_of(space, found)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
