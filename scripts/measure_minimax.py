"""Learned players of minimax games against analytic ones.

    python scripts/measure_minimax.py --quick
    python scripts/measure_minimax.py --results minimax.jsonl    # some minutes

``twin_*_distance`` is the mean over 100 new games (20 with ``--quick``) of the Euclidean distance
to the nearest solution after 1,000 steps of Twin-L2O (two gradients each), ``_largest`` the most,
``_100_steps`` the mean after 100; ``_untrained`` the same before training. Matrix games with a
singular value in (0, 0.05) are left out. ``extragradient`` (two gradients a step) and
``optimistic`` (one, so 2,000 steps) have the best of their rates, chosen on these very games.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from torch import Tensor

from l2o.unrolled import (
    MatrixGames,
    SeesawGames,
    TwinOptimizer,
    extragradient,
    optimistic,
    train_twin,
)

KINDS: dict[str, tuple[Any, str, str]] = {
    "matrix": (MatrixGames, "momentum", "<= 2e-3"),
    "seesaw": (SeesawGames, "extragradient", "<= 6e-4"),
}
RATES = (0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
ANALYTIC = {"extragradient": (extragradient, 1000), "optimistic": (optimistic, 2000)}


def measured(kind: str, quick: bool) -> list[Any]:
    """Rows of a kind of games as plain data."""
    games, start, target = KINDS[kind]
    twin, test = TwinOptimizer(start=start), games(20 if quick else 100)
    validation = games(20 if quick else 200, key="validation")
    rows = distance_rows(f"twin_{kind}_untrained", twin.solve(test).distance, None)
    train_twin(
        twin,
        lambda number: games(64, key=f"train-{number}"),
        iterations=2 if quick else 30,
        steps=40 if quick else 200,
        validation=validation,
    )
    result = twin.solve(test)
    rows += distance_rows(f"twin_{kind}", result.distance, None if quick else target)
    fallen_back = result.fallen_back
    unit = f"of {len(fallen_back)} games"
    rows.append([f"twin_{kind}_fallen_back", int(fallen_back.sum()), unit, None])
    for name, (play, steps) in ANALYTIC.items():

        last = {rate: play(test, rate=rate, steps=steps)[-1].mean() for rate in RATES}
        distance, rate = min((float(d.nan_to_num(torch.inf)), rate) for rate, d in last.items())
        rows.append([f"{name}_{kind}_distance", distance, f"rate {rate:g}", None])
    return rows


def distance_rows(name: str, distance: Tensor, target: str | None) -> list[Any]:
    """Mean at the end, the largest there, and the mean on the way."""
    return [
        [f"{name}_distance", distance[-1].mean().item(), "1,000 steps", target],
        [f"{name}_largest_distance", distance[-1].max().item(), "1,000 steps", None],
        [f"{name}_distance_100_steps", distance[99].mean().item(), "100 steps", None],
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(machine_line())
    print(f"settings: PyTorch {torch.__version__}, 1 thread")
    results = ResultFile(options.results)
    rows: list[Row] = []
    for kind in KINDS:
        key = f"{kind}{'-quick' if options.quick else ''}"
        found = results.get(key, partial(measured, kind, options.quick))
        rows += [Row(*row) for row in found]
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
