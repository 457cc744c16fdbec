"""How many update rules are known already, and how much of them has no effect.

    python scripts/measure_rule_redundancy.py --quick              # runs the search ``lion``
    python scripts/measure_rule_redundancy.py --run DIR --run DIR  # reads searches that were run

Looks at the first and the last tenth of a search's rules after the first population, which is
copies of the start. Shares are of the new rules of that time, not of the population:

* ``*_same_hits``: share whose canonical form (live code) had a fitness already;
* ``*_hits``: those, and rules that behave on the probe as one with a known fitness;
* ``*_redundant``: share of the instructions that have no effect, i.e. dead code.

Chen et al., "Symbolic discovery of optimization algorithms" (2023), report hits of up to 89 % and
70 % redundant statements late in searches with many more rules. Rules of ``lion`` have eight
instructions at most.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero.evolution import EpochReport, PopulationStatistics
from automl_zero.evolution.runs import Run
from l2o.rules import UpdateRuleSearch, load_rule_config

SEARCH: Final = "lion"
PUBLISHED: Final = {"hits": "published: 0.89", "redundant": "published: 0.70"}
NAMES: Final = ("same_hits", "hits", "redundant")


def shares(first: PopulationStatistics, last: PopulationStatistics) -> dict[str, float]:
    """What new rules were like between two states of a search."""
    rules = last.individuals - first.individuals
    same = last.known - first.known
    instructions = last.instructions - first.instructions
    live = last.live_instructions - first.live_instructions
    return {
        "same_hits": same / rules,
        "hits": (same + last.fec_hits - first.fec_hits) / rules,
        "redundant": 1 - live / instructions,
    }


def searched(seed: int, rules: int, quick: bool) -> list[PopulationStatistics]:
    """Counts of all islands of a new search, after each epoch."""
    settings = [f"seed={seed}", "stop.seconds=0", f"stop.individuals={rules}"]
    settings += ["funnel=[]", "selection.finalists=1", "tasks.select.variants=1"]
    if quick:
        settings.append("tasks.search.variants=1")
    islands: dict[int, PopulationStatistics] = {}
    history = [PopulationStatistics()]

    def watch(report: EpochReport) -> None:
        islands[report.island] = report.statistics
        history.append(PopulationStatistics.merged(list(islands.values())))

    UpdateRuleSearch(load_rule_config(SEARCH, settings)).run(callbacks=[watch])
    return history


def logged(run: Run) -> list[PopulationStatistics]:
    """Those of the first experiment of a run, from its log."""
    islands: dict[int, PopulationStatistics] = {}
    history = [PopulationStatistics()]
    for event in run.events("epoch").to_pylist():
        if event["experiment"] != 1:
            break
        counts = ("individuals", "known", "fec_hits", "instructions", "live_instructions")
        islands[event["island"]] = replace(
            PopulationStatistics(), **{name: event[name] for name in counts}
        )
        history.append(PopulationStatistics.merged(list(islands.values())))
    return history


def rows_of(label: str, history: list[PopulationStatistics], copies: int) -> list[Row]:
    """Shares early and late in one search, of which so many rules are copies of the start."""

    def state(individuals: float) -> PopulationStatistics:
        return next(item for item in history if item.individuals >= individuals)

    tenth = (history[-1].individuals - copies) / 10
    start = state(copies)
    late = [item for item in history if item.individuals <= copies + 9 * tenth][-1]
    found = {
        "early": shares(start, state(start.individuals + tenth)),
        "late": shares(late, history[-1]),
    }
    return [
        Row(
            f"{label}_{when}_{name}",
            found[when][name],
            f"of {history[-1].individuals:,} rules",
            PUBLISHED.get(name) if when == "late" else None,
        )
        for name in NAMES
        for when in ("early", "late")
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the search (0)")
    parser.add_argument("--rules", type=int, default=40_000, help="of the search (40000)")
    parser.add_argument("--run", action="append", type=Path, metavar="DIR", help="a run instead")
    options = parser.parse_args(arguments)
    print(machine_line())
    rows = []
    for folder in options.run or ():
        run = Run.open(folder)
        config = load_rule_config(run.path / "config.toml")
        copies = config.islands.count * config.population.size
        rows += rows_of(run.path.resolve().name, logged(run), copies)
    if not options.run:
        rules = min(options.rules, 2_000) if options.quick else options.rules
        print(f"settings: {rules} rules of {SEARCH}, seed {options.seed}, one process")
        config = load_rule_config(SEARCH)
        copies = config.islands.count * config.population.size
        rows = rows_of(SEARCH, searched(options.seed, rules, options.quick), copies)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
