"""scikit-learn models on the tasks of a search, to hold its program against."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from automl_zero.reference import fitness_of_rms

if TYPE_CHECKING:
    from automl_zero.tasks import Task

HIDDEN_UNITS: Final = 16
"""Hidden units of the small MLP: one per feature in the digits experiment."""


def baseline_fitness(tasks: Sequence[Task]) -> dict[str, list[float]] | None:
    """Fitness on each task of models trained on its training examples.

    They see the same features as the programs and are judged by the same measure, on the
    validation examples. Settings are scikit-learn's own, except that the MLP is small and
    uses L-BFGS, which suits few examples.

    Args:
        tasks: All of one objective.

    Returns:
        Fitness by model: of logistic regression and a small MLP on accuracy tasks, of linear
        regression on rms_error tasks. None without scikit-learn.

    Raises:
        ValueError: If a model cannot be trained, as on examples of one class.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LinearRegression, LogisticRegression
        from sklearn.neural_network import MLPClassifier
    except ImportError:
        return None
    models: dict[str, Callable[[], Any]] = {"linear regression": LinearRegression}
    if tasks and tasks[0].objective == "accuracy":
        models = {
            "logistic regression": lambda: LogisticRegression(max_iter=1000),
            f"MLP, {HIDDEN_UNITS} hidden units": lambda: MLPClassifier(
                (HIDDEN_UNITS,), solver="lbfgs", max_iter=500, random_state=0
            ),
        }
    found: dict[str, list[float]] = {name: [] for name in models}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for task in tasks:
            for name, make in models.items():
                model = make().fit(task.train_x, task.train_y)
                found[name].append(_fitness(task, model.predict(task.valid_x)))
    return found


def _fitness(task: Task, predictions: Any) -> float:
    errors = predictions - task.valid_y
    if task.objective == "accuracy":
        return float(np.mean(errors == 0))
    return fitness_of_rms(float(np.sqrt(np.mean(errors**2))))
