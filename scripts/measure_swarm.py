"""A learned swarm of particles against restarted Adam, on functions with many minima.

    python scripts/measure_swarm.py --quick
    python scripts/measure_swarm.py --results swarm.jsonl --json swarm.json    # some minutes

``swarm_rastrigin_mean`` is the mean over 100 new shifted Rastrigin functions of 10 coordinates of
the least value that 10 particles saw in 100 steps, ``_std`` its standard deviation, and
``_untrained_*`` the same of the start of the training. ``adam_rastrigin_*`` is Adam from the same
10 starts with 100 steps each, at the best of its learning rates on functions of the training.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from l2o.unrolled import LearnedSwarm, Rastrigin, restarted_adam, train_swarm

RATES = (0.03, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)


def swarm(quick: bool) -> list[Any]:
    """A learned swarm and Adam."""
    test, tuning = Rastrigin(100), Rastrigin(50, key="tuning")
    learned = LearnedSwarm()
    values = {"swarm_rastrigin_untrained": learned.minimize(test, 100, 10).best}
    train_swarm(
        learned, lambda i: (Rastrigin(8, key=f"train-{i}"), 8, 10), iterations=3 if quick else 100
    )
    values["swarm_rastrigin"] = learned.minimize(test, 100, 10).best
    rate = min(RATES, key=lambda lr: restarted_adam(tuning, 50, 10, lr=lr).mean().item())
    values["adam_rastrigin"] = restarted_adam(test, 100, 10, lr=rate)
    rows: list[Any] = []
    for name, best in values.items():
        target = "< 50" if name == "swarm_rastrigin" and not quick else None
        rows.append([f"{name}_mean", best.mean().item(), "1,000 gradients", target])
        rows.append([f"{name}_std", best.std().item(), "", None])
    if not quick:
        rows[3][3] = f"< {rows[-1][1]:.3g}, Adam's"
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(machine_line())
    print(f"settings: PyTorch {torch.__version__}, 1 thread")
    results = ResultFile(options.results)
    key = "swarm-quick" if options.quick else "swarm"
    rows = [Row(*row) for row in results.get(key, partial(swarm, options.quick))]
    write_json(rows, options.json)
    print_rows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
