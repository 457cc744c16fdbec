"""scikit-learn models on the tasks of a search, to hold its program against."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.tasks import Task

HIDDEN_UNITS = 16
"""Hidden units of the small MLP: one per feature in the digits experiment."""


def baseline_accuracies(tasks: Sequence[Task]) -> dict[str, list[float]] | None:
    """Validation accuracy on each task of models trained on its training examples.

    They see the same projected features as the programs. Settings are scikit-learn's own,
    except that the MLP is small and uses L-BFGS, which suits few examples.

    Args:
        tasks: Classification tasks.

    Returns:
        Accuracies by model; None without scikit-learn.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.neural_network import MLPClassifier
    except ImportError:
        return None
    models: dict[str, Callable[[], Any]] = {
        "logistic regression": lambda: LogisticRegression(max_iter=1000),
        f"MLP, {HIDDEN_UNITS} hidden units": lambda: MLPClassifier(
            (HIDDEN_UNITS,), solver="lbfgs", max_iter=500, random_state=0
        ),
    }
    accuracies: dict[str, list[float]] = {name: [] for name in models}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for task in tasks:
            for name, make in models.items():
                model = make().fit(task.train_x, task.train_y)
                accuracies[name].append(float(model.score(task.valid_x, task.valid_y)))
    return accuracies
