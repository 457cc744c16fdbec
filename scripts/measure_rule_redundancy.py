"""How many update rules are known already, and how much of them has no effect.

    python scripts/measure_rule_redundancy.py            # six minutes
    python scripts/measure_rule_redundancy.py --quick    # about one minute

Runs the shipped searches ``from_adamw`` and ``lion`` for so many rules and looks at the first and
the last tenth of those after the first population, which is copies of the start. Shares are of the
new rules of that time, not of the population:

* ``*_same_hits``: share whose canonical form (live code) had a fitness already;
* ``*_hits``: those, and rules that behave on the probe as one with a known fitness;
* ``*_redundant``: share of the instructions that have no effect, i.e. dead code.

Chen et al., "Symbolic discovery of optimization algorithms" (2023), report hits of up to 89 % and
70 % redundant statements late in searches with many more rules. Their rules may grow longer than
those of ``lion``, which has eight instructions at most.
"""

from __future__ import annotations

import sys
from typing import Final

from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero.evolution import EpochReport, PopulationStatistics
from l2o.rules import UpdateRuleSearch, load_rule_config

SEARCHES: Final = ("from_adamw", "lion")
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


def measure(search: str, seed: int, rules: int, quick: bool) -> dict[str, dict[str, float]]:
    """Shares early and late in one search."""
    settings = [f"seed={seed}", "stop.seconds=0", f"stop.individuals={rules}"]
    settings += ["funnel=[]", "selection.finalists=1", "tasks.select.variants=1"]
    if quick:
        settings.append("tasks.search.variants=1")
    islands: dict[int, PopulationStatistics] = {}
    history = [PopulationStatistics()]

    def watch(report: EpochReport) -> None:
        islands[report.island] = report.statistics
        history.append(PopulationStatistics.merged(list(islands.values())))

    config = load_rule_config(search, settings)
    UpdateRuleSearch(config).run(callbacks=[watch])

    def state(individuals: float) -> PopulationStatistics:
        return next(item for item in history if item.individuals >= individuals)

    copies = config.islands.count * config.population.size
    tenth = (history[-1].individuals - copies) / 10
    start = state(copies)
    late = [item for item in history if item.individuals <= copies + 9 * tenth][-1]
    return {
        "early": shares(start, state(start.individuals + tenth)),
        "late": shares(late, history[-1]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the searches (0)")
    parser.add_argument("--rules", type=int, default=40_000, help="of each search (40000)")
    options = parser.parse_args(arguments)
    rules = min(options.rules, 2_000) if options.quick else options.rules
    print(machine_line())
    print(f"settings: {rules} rules a search, seed {options.seed}, one process")
    rows = []
    for search in SEARCHES:
        found = measure(search, options.seed, rules, options.quick)
        for name in NAMES:
            for when in ("early", "late"):
                target = PUBLISHED.get(name) if when == "late" else None
                rows.append(Row(f"{search}_{when}_{name}", found[when][name], "", target))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
