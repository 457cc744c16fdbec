"""Meta-train the learned optimizers that are shipped in l2o/learned/weights.

    python scripts/train_learned_optimizers.py --quick
    python scripts/train_learned_optimizers.py --folder learned-runs --only lstm_quadratics
    python scripts/train_learned_optimizers.py --folder learned-runs --data mnist.npz --write

Each training is resumable: checkpoints are kept below ``--folder``, and the same command goes on.
``--write`` puts the weights of finished trainings where the package ships them, with the
settings, seed and number of iterations in the file.

``lstm_quadratics``: the LSTM of Andrychowicz et al. 2016 on 10-dimensional quadratics, by truncated
backpropagation with a batch of problems in lockstep.

``mlp``: the small network around Adam on MLPs of 20 units for MNIST (``--data``), by
backpropagation through whole optimizations of 100 steps, with second derivatives; the losses of the
last ten steps count. Without second derivatives, or on smaller images too, it did not learn to be
better on MNIST.

``halo``: HALO's network, with gradient penalty and skipped tensors, on small MLPs for
scikit-learn's digits in three sizes, from random weights or from other classes, by truncated
backpropagation with second derivatives: what ``measure_halo.py`` measures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _common import ProgressLine, Row, argument_parser, machine_line, print_rows, write_json
from _halo_training import GRADIENT_PENALTY, SETTINGS, STEPS, tasks, validation

import l2o.learned
from l2o.halo import HALONetwork
from l2o.learned import (
    Classifiers,
    CoordinatewiseLSTM,
    LearnedOptimizerNetwork,
    ProblemSource,
    Quadratics,
    SmallMLP,
    meta_train,
    npz_examples,
    save_network,
)

WEIGHTS = Path(l2o.learned.__file__).parent / "weights"


Tasks = Callable[[Path | None], ProblemSource]


@dataclass(frozen=True)
class Recipe:
    """How a network is made.

    Stages of :func:`meta_train`, each going on with the last one's: tasks, tasks of validation, and
    arguments.
    """

    network: Callable[[], LearnedOptimizerNetwork]
    stages: list[tuple[Tasks, Tasks, dict[str, Any]]]


def mnist(data: Path | None) -> Classifiers:
    """Networks of 20 sigmoid units."""
    if data is None:
        raise SystemExit("--data: expected the npz file of MNIST for the training of mlp")
    return Classifiers(npz_examples(data))


def quadratics(data: Path | None) -> Quadratics:
    """Of ten dimensions."""
    return Quadratics()


RECIPES = {
    "lstm_quadratics": Recipe(
        CoordinatewiseLSTM,
        [
            (
                quadratics,
                quadratics,
                {
                    "iterations": 8_000,
                    "batch_size": 128,
                    "horizon": 100,
                    "truncation": 20,
                    "objective": "log",
                    "lr": 3e-3,
                    "decay": "cosine",
                    "validation_problems": 500,
                    "validate_every": 250,
                },
            )
        ],
    ),
    "halo": Recipe(
        lambda: HALONetwork(lr=1e-2, steps=STEPS),
        [
            (
                lambda data: tasks(),
                lambda data: validation(),
                SETTINGS | {"iterations": 600, "gradient_penalty": GRADIENT_PENALTY},
            )
        ],
    ),
    "mlp": Recipe(
        lambda: SmallMLP(lr=0.05),
        [
            (
                mnist,
                mnist,
                {
                    "iterations": 150,
                    "batch_size": 4,
                    "horizon": 100,
                    "truncation": 100,
                    "counted": 0.1,
                    "lr": 3e-3,
                    "decay": "cosine",
                    "second_derivatives": True,
                    "validation_problems": 8,
                    "validate_every": 50,
                    "checkpoint_every": 25,
                },
            )
        ],
    ),
}


def train(name: str, options: argparse.Namespace) -> list[Row]:
    """Meta-train one, or go on with it; rows about it."""
    recipe = RECIPES[name]
    folder, quick = options.folder, options.quick
    network = recipe.network()
    rows = []
    for stage, (make_tasks, make_validation, settings) in enumerate(recipe.stages):
        if quick:
            settings = settings | {"iterations": 20, "validation_steps": 100}
        result = meta_train(
            network,
            make_tasks(options.data),
            validation=make_validation(options.data),
            folder=None if folder is None else folder / f"{name}-{stage}",
            progress=ProgressLine(f"{name}-{stage}"),
            seed=stage,
            **settings,
        )
        if result.stopped_by != "iterations":
            raise RuntimeError(f"{name}: meta-training diverged at iteration {result.iteration}")
        unit = f"mean log loss at iteration {result.best_iteration:,} of {result.iteration:,}"
        rows.append(Row(f"{name}_validation_{stage}", float(result.best_validation or 0.0), unit))
    if options.write:
        origin = {
            "script": Path(__file__).name,
            "stages": [
                settings | {"seed": seed, "tasks": make_tasks(options.data).settings()}
                for seed, (make_tasks, _, settings) in enumerate(recipe.stages)
            ],
        }
        save_network(network, WEIGHTS / f"{name}.safetensors", origin)
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Train, print and write the rows."""
    parser = argument_parser(__doc__)
    parser.add_argument("--only", choices=RECIPES, action="append", help="these only")
    parser.add_argument("--folder", type=Path, help="where checkpoints are kept")
    parser.add_argument("--data", type=Path, metavar="FILE", help="npz file of MNIST, for mlp")
    parser.add_argument("--write", action="store_true", help="write the shipped weights")
    options = parser.parse_args(arguments)
    if options.write and options.quick:
        parser.error("--write: expected a whole training, received --quick")
    torch.set_num_threads(1)
    print(machine_line())
    rows = []
    for name in options.only or RECIPES:
        rows += train(name, options)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
