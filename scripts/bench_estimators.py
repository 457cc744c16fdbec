"""How well estimators that search do on small data sets, beside standard models.

    python scripts/bench_estimators.py            # some minutes
    python scripts/bench_estimators.py --quick    # some seconds

Accuracy (R² for diabetes) on the half of each data set that no model saw, mean over some random
halves. ``searched`` is AutoMLZeroClassifier or AutoMLZeroRegressor that starts from the linear
program, ``from_nothing`` from empty programs, both with the same number of individuals, so
that the results are the same on every machine; ``linear_program`` and ``network_program`` are
the shipped programs, trained the same way without any search. ``logistic`` is scikit-learn's
logistic regression (ridge for diabetes) on standardised features. ``promised`` is what the search
says of examples that it did not see (fitness for diabetes): tasks of two classes, trained on at
most 160 examples.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from automl_zero.export import (
    AutoMLZeroClassifier,
    AutoMLZeroRegressor,
    EvolvedClassifier,
    EvolvedRegressor,
)

PAIRS: Final = ((3, 8), (4, 9), (1, 7))
"""Pairs of digits that are easily mistaken for each other."""


def data_sets(quick: bool) -> dict[str, tuple[Any, Any]]:
    """Features and labels by name."""
    found: dict[str, tuple[Any, Any]] = {
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "iris": load_iris(return_X_y=True),
        "diabetes": load_diabetes(return_X_y=True),
    }
    x, y = load_digits(return_X_y=True)
    for one, other in PAIRS[: 1 if quick else None]:
        rows = (y == one) | (y == other)
        found[f"digits_{one}_{other}"] = x[rows], y[rows]
    if not quick:
        found["digits_all"] = x, y
    return found


def models(name: str, individuals: int, seed: int) -> dict[str, Any]:
    """Untrained models by what the rows call them."""
    search: Any = AutoMLZeroRegressor if name == "diabetes" else AutoMLZeroClassifier
    evolved: Any = EvolvedRegressor if name == "diabetes" else EvolvedClassifier
    standard: Any = Ridge() if name == "diabetes" else LogisticRegression(max_iter=1000)
    pairs: dict[str, Any] = {} if name == "diabetes" else {"multi_class": "one_vs_one"}
    plain: dict[str, Any] = {"intercept": True, "random_state": seed, **pairs}
    settings: dict[str, Any] = {"max_individuals": individuals, "random_state": seed}
    return {
        "searched": search(None, **settings),
        "from_nothing": search(None, initial="no_op", **settings),
        "linear_program": evolved("linear", **plain),
        "network_program": evolved("neural_net", **plain),
        "logistic": make_pipeline(StandardScaler(), standard),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--individuals", type=int, help="programs that a search tries")
    parser.add_argument("--splits", type=int, help="random halves")
    options = parser.parse_args(arguments)
    individuals = options.individuals or (2000 if options.quick else 50_000)
    splits = options.splits or (2 if options.quick else 3)
    print(machine_line())
    print(f"settings: {individuals} individuals a search, {splits} random halves, one thread")
    rows = []
    for name, (x, y) in data_sets(options.quick).items():
        scores: dict[str, list[float]] = {}
        seconds = []
        for seed in range(splits):
            classes = None if name == "diabetes" else y
            parts = train_test_split(x, y, test_size=0.5, random_state=seed, stratify=classes)
            for label, model in models(name, individuals, seed).items():
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model.fit(parts[0], parts[2])
                if label == "searched":
                    seconds.append(time.perf_counter() - start)
                    scores.setdefault("promised", []).append(model.run_.final_fitness)
                scores.setdefault(label, []).append(model.score(parts[1], parts[3]))
        rows += [
            Row(f"{name}_{label}", float(np.mean(values)), "R2" if name == "diabetes" else "")
            for label, values in scores.items()
        ]
        rows.append(Row(f"{name}_search_seconds", float(np.mean(seconds)), "s"))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
