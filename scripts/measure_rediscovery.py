"""Does the search find Lion's rule from SGD with momentum?

    python scripts/measure_rediscovery.py --results rediscovery.jsonl   # two hours; can be resumed
    python scripts/measure_rediscovery.py --quick                       # about one minute

Runs the shipped search ``lion`` (l2o/configs/lion.toml) with several seeds: it starts from SGD with
momentum and may use ten vector ops, among them all that Lion is made of. A seed is *rediscovered*
if the simplified winner of the funnel is a sign of a mixture of gradient and momentum
(``*_sign_of_interpolation``), or at least as good as Lion, which is tuned over the same grid, on
the last stage of the funnel (``*_at_least_lion``); nothing is chosen by that stage.

``random`` is the same search without selection, with as many rules as evolution had with that seed:
each is SGD with momentum after 1 to 12 random mutations, evaluated, cached, judged and sent through
the funnel alike. ``*_known_share`` tells how many of its rules were known, ``*_evaluations`` how
many were trained.

Intervals of shares are Wilson's, those of differences bootstrap intervals over seeds, both 95 %.
``seconds_to_sign`` is the time until the search had a best rule of that shape.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from _rule_shape import has_sign_of_interpolated_momentum

from automl_zero.evolution import EpochReport, RandomStream
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.program import Program
from automl_zero.streams import stream_key
from l2o.rules import (
    RuleFitness,
    RuleSearchConfig,
    UpdateRuleSearch,
    UpdateRuleSpace,
    find_rule,
    hand_written_rule,
    load_rule_config,
    parse_rule,
)

MOST_MUTATIONS: Final = 12


class MutantSpace(UpdateRuleSpace):
    """Rules drawn as mutants of a start: random search around it."""

    start: Program

    def draw(self, stream: RandomStream) -> Program:
        """The start after some mutations."""
        rule = self.start
        for _ in range(1 + stream.below(MOST_MUTATIONS)):
            rule = self.mutate(rule, stream)
        return rule


class RandomSearchConfig(RuleSearchConfig):
    """A search whose population never fills up, so that no rule is ever selected."""

    def space(self) -> MutantSpace:
        """The space of mutants of SGD with momentum."""
        space = MutantSpace(
            self.memory, setup=self.setup, update=self.update, mutation=self.mutation
        )
        space.start = hand_written_rule("momentum")
        return space


def config_of(
    method: str, seed: int, quick: bool, *, seconds: float = 0, individuals: int = 0
) -> RuleSearchConfig:
    """The search of a method and a seed, of so much time or so many rules."""
    settings = [f"seed={seed}", f"stop.seconds={seconds}", f"stop.individuals={individuals}"]
    if quick:
        settings += ["tasks.search.variants=1", "tasks.select.variants=1", "selection.finalists=2"]
    if method == "evolution":
        return load_rule_config("lion", settings)
    settings += ["population.initial=random", "population.size=1000000", "islands.epoch=2000"]
    settings += ["islands.migration=none"]
    config = load_rule_config("lion", settings)
    return RandomSearchConfig(**{it.name: getattr(config, it.name) for it in fields(config)})


def run(config: RuleSearchConfig, workers: int) -> dict[str, Any]:
    """One search and its funnel."""
    signs: list[float] = []

    def watch(report: EpochReport) -> None:
        if not signs and any(
            has_sign_of_interpolated_momentum(parse_rule(item.genome))
            for item in report.improvements
        ):
            signs.append(report.seconds)

    with contextlib.ExitStack() as stack:
        executor = None
        if workers > 1:
            executor = ProcessExecutor(workers)
            stack.callback(executor.kill)
        result = UpdateRuleSearch(config).run(executor=executor, callbacks=[watch])
    last = len(config.funnel) - 1
    fitness = RuleFitness(
        config.funnel[last].tasks,
        stream_key(config.seed, "funnel", last),
        baseline=find_rule(config.fitness.baseline).rule,
        bound=config.fitness.bound,
    )
    counts = result.statistics
    return {
        "rule": str(result.simplified),
        "sign": has_sign_of_interpolated_momentum(result.simplified),
        "final": fitness(result.simplified),
        "lion": fitness(hand_written_rule("lion")),
        "beats_all": bool(result.funnel and result.funnel.beats_all),
        "seconds": result.seconds,
        "seconds_to_sign": signs[0] if signs else None,
        "individuals": counts.individuals,
        "evaluations": counts.evaluations,
        "known": counts.known / counts.individuals,
        "redundant": counts.redundant_share,
    }


def wilson(successes: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, successes / count
    middle = share + z * z / (2 * count)
    half = z * (share * (1 - share) / count + z * z / (4 * count**2)) ** 0.5
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(values), (4000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def rows_of(method: str, results: Sequence[dict[str, Any]]) -> list[Row]:
    """The rows of a method."""
    count = len(results)

    def share(name: str, flags: Sequence[bool], target: str | None = None) -> Row:
        low, high = wilson(sum(flags), count)
        unit = f"of {count}, interval {low:.0%} to {high:.0%}"
        return Row(f"{method}_{name}", sum(flags), unit, target)

    good = [it["final"] >= it["lion"] for it in results]
    either = [it["sign"] or better for it, better in zip(results, good, strict=True)]
    low, high = mean_interval([it["final"] - it["lion"] for it in results])
    times = [it["seconds_to_sign"] for it in results if it["seconds_to_sign"] is not None]
    is_goal = method == "evolution" and count == 10
    return [
        share("rediscovered", either, ">= 8" if is_goal else None),
        share("sign_of_interpolation", [it["sign"] for it in results]),
        share("at_least_lion", good),
        Row(f"{method}_final_score", statistics.median(it["final"] for it in results), "median"),
        Row(
            f"{method}_minus_lion",
            statistics.mean(it["final"] - it["lion"] for it in results),
            f"mean, {low:+.3f} to {high:+.3f}",
        ),
        Row(
            f"{method}_seconds_to_sign",
            statistics.median(times) if times else "never",
            f"s, median of {len(times)}",
        ),
        Row(f"{method}_rules", statistics.median(it["individuals"] for it in results), "median"),
        Row(
            f"{method}_evaluations",
            statistics.median(it["evaluations"] for it in results),
            "median",
        ),
        Row(f"{method}_known_share", statistics.mean(it["known"] for it in results), ""),
        Row(f"{method}_redundant_share", statistics.mean(it["redundant"] for it in results), ""),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--seeds", type=int, default=10, help="searches of each method (10)")
    parser.add_argument("--seconds", type=float, default=300, help="of each search (300)")
    parser.add_argument("--workers", type=int, default=2, help="processes of each search (2)")
    parser.add_argument("--no-random", action="store_true", help="leave out random search")
    options = parser.parse_args(arguments)
    seeds = min(options.seeds, 2) if options.quick else options.seeds
    seconds = min(options.seconds, 8.0) if options.quick else options.seconds
    methods = ["evolution"] if options.no_random else ["evolution", "random"]
    print(machine_line())
    print(f"settings: {seeds} seeds, {seconds:g} s a search, {options.workers} processes")
    known = ResultFile(options.results)
    found: dict[str, list[dict[str, Any]]] = {method: [] for method in methods}
    for seed in range(seeds):
        for method in methods:
            budget: dict[str, Any] = {"seconds": seconds}
            if method == "random":
                budget = {"individuals": found["evolution"][-1]["individuals"]}
            (size,) = budget.values()
            key = f"{method} {seed} {size:g} {options.workers} {options.quick}"
            config = config_of(method, seed, options.quick, **budget)
            item = known.get(key, partial(run, config, options.workers))
            found[method].append(item)
            print(
                f"{method} {seed}: final {item['final']:+.3f}, Lion {item['lion']:+.3f}, "
                f"{'a' if item['sign'] else 'no'} sign of interpolated momentum, "
                f"{item['individuals']} rules\n{item['rule']}",
                flush=True,
            )
    lion = statistics.median(item["lion"] for item in found["evolution"])
    rows = [Row("lion_final_score", lion, "median")]
    for method, results in found.items():
        rows += rows_of(method, results)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
