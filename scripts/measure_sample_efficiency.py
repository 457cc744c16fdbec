"""How many programs and training examples a solution costs, on three spaces.

    python scripts/measure_sample_efficiency.py --results efficiency.jsonl   # can be resumed
    python scripts/measure_sample_efficiency.py --quick                      # about one minute

An arm is a set of settings of a shipped configuration:

* ``plain``: regularized evolution that evaluates every individual in full. On the demo it is run
  like that. On the others it would take hours; there it is counted from the runs of ``cached``,
  which go through the same individuals: all of them but those over the train budget, which
  nobody runs. Training examples of ``plain`` are not known there, and no row tells them;
* ``cached``: with the cache of live code, which changes no result;
* ``fec``: that and the functional equivalence cache;
* ``new_code``: children are mutated again, ten times at most, while their live code is that of
  an individual alive (``population.attempts``); ``new_code_must_learn`` also runs no programs that
  cannot learn (``evaluation.must_learn``);
* ``hurdle``: caches and a hurdle after the first tasks, where a space has tasks enough;
* ``random``: programs drawn without selection, with both caches (not by default: ``--arm``).

Each seed repeats experiments, with fresh tasks, until the program selected suffices, or until its
limit of experiments: then its work counts and its solution does not.

``*_individuals_per_solve`` counts programs tried, ``*_evaluations_per_solve`` those of them that
ran in full, and ``*_examples_per_solve`` training examples run, by all programs and on all tasks:
what probes and hurdles cost is in it. Each is the total of all seeds over the number of solved
ones. ``*_gain`` is the cost of ``plain`` over that of the arm. Intervals are 95 % bootstrap
intervals over seeds. ``*_solved`` has Wilson's interval. Checks on the selection tasks, the same
kind for all arms, are not counted.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from automl_zero import ProgramSearch, load_config

COSTS: Final = ("individuals", "evaluations", "examples")
_NO_CACHE: Final = ("cache.canonical=false", "cache.fec=false")
_NO_HURDLE: Final = ("hurdle.tasks=0",)


@dataclass(frozen=True, slots=True)
class Space:
    """A problem: a shipped configuration, what counts as solved, and the arms that apply."""

    config: str
    settings: tuple[str, ...]
    arms: dict[str, tuple[str, ...]]


SPACES: Final = {
    # As shipped: solved is fitness 0.9999 on 100 other tasks.
    "demo": Space(
        "demo",
        ("experiments.maximum=20", "islands.epoch=5000"),
        {
            "plain": _NO_CACHE,
            "cached": ("cache.fec=false",),
            "fec": (),
            "new_code": ("population.attempts=10",),
            "new_code_must_learn": ("population.attempts=10", "evaluation.must_learn=true"),
            # A population that never fills up selects nothing: every program is a new draw.
            # One epoch: taking the state of so large a population again and again costs minutes.
            "random": ("population.size=250000", "islands.epoch=250000"),
        },
    ),
    "nonlinear": Space(
        "nonlinear",
        # With the one task that is shipped, programs fit its random draws and fail on others
        # (0.9996 there, 0.94 on the selection task). Solved is 0.9 on 16 other tasks.
        (
            "tasks.search.count=8",
            "tasks.select.count=16",
            "experiments.sufficient_fitness=0.9",
            "experiments.maximum=20",
            "stop.train_steps=0",
            "stop.individuals=20000",
            "islands.epoch=1000",
        ),
        {
            "cached": (),
            "fec": ("cache.fec=true",),
            "new_code": ("cache.fec=true", "population.attempts=10"),
        },
    ),
    "digits": Space(
        "digits",
        # Solved is an accuracy that takes learning: 0.85 on the selection tasks. One island.
        (
            "experiments.sufficient_fitness=0.85",
            "experiments.maximum=10",
            "stop.seconds=0",
            "stop.individuals=400000",
            "islands.count=1",
            "islands.epoch=5000",
        ),
        {
            "cached": ("cache.fec=false", *_NO_HURDLE),
            "fec": _NO_HURDLE,
            "hurdle": (),
        },
    ),
}


def run(space: str, arm: str, seed: int) -> dict[str, Any]:
    """One seed, to its solution or its limit."""
    problem = SPACES[space]
    settings = [f"seed={seed}", *problem.settings, *problem.arms[arm]]
    result = ProgramSearch(load_config(problem.config, settings)).run()
    return {
        "individuals": result.statistics.individuals,
        "evaluations": result.statistics.evaluations,
        "examples": result.statistics.train_steps,
        "over_budget": result.statistics.over_budget,
        "solved": result.stopped_by == "sufficient fitness",
    }


def counted_as_plain(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What plain evolution would have run in the place of exact caches."""
    return [
        item | {"evaluations": item["individuals"] - item["over_budget"], "examples": math.nan}
        for item in results
    ]


def per_solve(table: np.ndarray) -> np.ndarray:
    """Costs of a solution, from rows (..., seed, [costs..., solved])."""
    totals = table.sum(axis=-2)
    with np.errstate(divide="ignore"):
        return totals[..., :-1] / totals[..., -1:]


def resampled(results: Sequence[dict[str, Any]], count: int = 4000) -> np.ndarray:
    """Bootstrap over seeds of the costs per solve, (count, costs); arms draw the same seeds."""
    table = table_of(results)
    drawn = np.random.default_rng(0).integers(0, len(table), (count, len(table)))
    return per_solve(table[drawn])


def table_of(results: Sequence[dict[str, Any]]) -> np.ndarray:
    """One row per seed: costs and whether it was solved."""
    return np.array([[float(item[name]) for name in (*COSTS, "solved")] for item in results])


def interval(values: np.ndarray) -> str:
    """The 95 % interval of bootstrap values; infinite ones (no solve drawn) are the largest."""
    low, high = np.percentile(values, [2.5, 97.5], method="inverted_cdf")
    return f"{low:,.4g} to {high:,.4g}"


def wilson(successes: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, successes / count
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def rows_of(
    name: str, results: Sequence[dict[str, Any]], plain: Sequence[dict[str, Any]] | None
) -> list[Row]:
    """The rows of one arm; with gains if the results of ``plain`` are given."""
    solved = sum(item["solved"] for item in results)
    low, high = wilson(solved, len(results))
    rows = [Row(f"{name}_solved", solved, f"of {len(results)}, {low:.0%} to {high:.0%}")]
    if not solved:
        totals = table_of(results).sum(axis=0)
        return rows + [
            Row(f"{name}_{cost}_without_solve", total)
            for cost, total in zip(COSTS, totals[:-1].tolist(), strict=True)
            if not math.isnan(total)
        ]
    costs, drawn = per_solve(table_of(results)), resampled(results)
    for i, cost in enumerate(COSTS):
        if not math.isnan(costs[i]):
            rows.append(Row(f"{name}_{cost}_per_solve", float(costs[i]), interval(drawn[:, i])))
    if plain is None or not any(item["solved"] for item in plain):
        return rows
    base, base_drawn = per_solve(table_of(plain)), resampled(plain)
    for i, cost in enumerate(COSTS):
        if math.isnan(base[i]):
            continue
        with np.errstate(invalid="ignore"):
            gains = base_drawn[:, i] / drawn[:, i]
        gains = gains[~np.isnan(gains)]  # neither solved in this resample
        target = ">= 3" if cost == "evaluations" else None
        rows.append(Row(f"{name}_{cost}_gain", float(base[i] / costs[i]), interval(gains), target))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--space", action="append", choices=list(SPACES), help="these only")
    parser.add_argument("--arm", action="append", help="these only")
    parser.add_argument("--seeds", type=int, default=30, help="of each arm (30)")
    parser.add_argument("--workers", type=int, default=1, help="processes, one seed each (1)")
    options = parser.parse_args(arguments)
    names = options.space or (["nonlinear"] if options.quick else list(SPACES))
    seeds = min(options.seeds, 3) if options.quick else options.seeds
    known_arms = {arm for name in names for arm in SPACES[name].arms}
    if unknown := set(options.arm or ()) - known_arms:
        parser.error(f"--arm: expected one of {sorted(known_arms)}, received {sorted(unknown)}")
    chosen = {
        name: [arm for arm in SPACES[name].arms if arm in (options.arm or known_arms - {"random"})]
        for name in names
    }
    work = [
        (name, arm, seed)
        for name, arms in chosen.items()
        for seed in range(seeds)
        for arm in arms  # in turn, so that a disturbance meets all
    ]
    print(machine_line())
    print(f"settings: {seeds} seeds, one thread each, {options.workers} at a time")
    known = ResultFile(options.results)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(options.workers) as pool:
        keys = [" ".join(map(str, item)) for item in work]
        pending = {
            key: pool.submit(run, *item)
            for key, item in zip(keys, work, strict=True)
            if key not in known
        }
        for key, (name, arm, _) in zip(keys, work, strict=True):
            measure = pending[key].result if key in pending else dict
            found.setdefault((name, arm), []).append(known.get(key, measure))
    for name in names:
        if "plain" not in SPACES[name].arms and (name, "cached") in found:
            found[name, "plain"] = counted_as_plain(found[name, "cached"])
    rows = []
    for (name, arm), results in found.items():
        plain = None if arm == "plain" else found.get((name, "plain"))
        rows += rows_of(f"{name}_{arm}", results, plain)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
