"""Estimators that search for a program when they fit."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from automl_zero._config_values import choice, integer, number
from automl_zero.config import (
    CacheConfig,
    ComponentConfig,
    ExperimentConfig,
    ExperimentsConfig,
    HurdleConfig,
    IslandsConfig,
    StopConfig,
    TasksConfig,
    load_config,
)
from automl_zero.evolution import ProgramSearch
from automl_zero.export._array_tasks import ArrayTasks
from automl_zero.export._estimators import EvolvedClassifier, EvolvedRegressor, _mean_and_scale
from automl_zero.program import MemorySizes

INITIAL: Final = ("linear", "neural_net", "no_op")

_EXPERIMENT_INDIVIDUALS: Final = {"linear": 50_000, "neural_net": 50_000, "no_op": 500_000}
"""Individuals after which a search starts afresh, by what it starts from. A population that
starts from a program that learns has found what it will find by then; from nothing, the digits
experiment takes about as many to get off the ground."""

_SEARCH_TASKS, _MORE_TASKS, _MOST_TASKS = 16, 32, 64

_HELD_OUT: Final = 0.2
_FEWEST_TO_HOLD_OUT: Final = 50

_EPOCHS: Final = (1, 5, 20)
"""Passes over all examples among which a fit chooses."""


class _Searching(BaseEstimator):
    """What the classifier and the regressor share: search, then train on everything."""

    def __init__(
        self,
        time_budget: float | None = 60.0,
        *,
        max_individuals: int | None = None,
        initial: str = "linear",
        max_features: int | None = 64,
        random_state: Any = None,
    ) -> None:
        self.time_budget = time_budget
        self.max_individuals = max_individuals
        self.initial = initial
        self.max_features = max_features
        self.random_state = random_state

    def _search(self, X: NDArray[np.float64], y: NDArray[np.float64], classes: int) -> None:
        """Find a program; sets ``program_``, ``run_``, ``projection_``, ``epochs_``."""
        self._check()
        random = check_random_state(self.random_state)
        self._seed = int(random.randint(2**31 - 1))
        self.projection_ = None
        if self.max_features is not None and X.shape[1] > self.max_features:
            shape = (X.shape[1], self.max_features)
            self.projection_ = random.standard_normal(shape) / np.sqrt(X.shape[1])
        order = random.permutation(len(X))
        held_out = int(_HELD_OUT * len(X)) if len(X) >= _FEWEST_TO_HOLD_OUT else 0
        rows, unseen = order[held_out:], order[:held_out]
        self.is_final_unseen_ = held_out > 0
        self.raw_mean_, self.raw_scale_ = _mean_and_scale(X[rows])
        features = self._scaled(X, X[rows])
        if not classes:
            mean, scale = _mean_and_scale(y[rows][:, None])
            y = (y - mean) / scale
        config = self._config(features, y, rows, unseen if held_out else rows, classes)
        self.run_ = ProgramSearch(config).run()
        self.program_ = self.run_.program
        self.epochs_ = self._best_epochs(X[rows], y[rows])

    def _scaled(self, X: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features as the tasks have them: scaled by the known examples, and one that is 1."""
        X, known = self._projected(X), self._projected(known)
        mean, scale = _mean_and_scale(known)
        return np.hstack([(X - mean) / scale, np.ones((len(X), 1))])

    def _projected(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.projection_ is None:
            return X
        mean, scale = self.raw_mean_, self.raw_scale_
        projected: NDArray[np.float64] = ((X - mean) / scale) @ self.projection_
        return projected

    def _config(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        rows: NDArray[np.int64],
        unseen: NDArray[np.int64],
        classes: int,
    ) -> ExperimentConfig:
        """The digits experiment on these examples."""
        base = load_config("digits")
        is_network = self.initial == "neural_net"
        pairs = classes * (classes - 1) // 2
        # Each pair of classes comes twice at least, as it is and swapped; of many, some do.
        search, more = (
            max(count, min(2 * pairs, _MOST_TASKS)) for count in (_SEARCH_TASKS, _MORE_TASKS)
        )
        tasks = {
            "search": ArrayTasks(X, y, rows, rows, classes, search),
            "select": ArrayTasks(X, y, rows, rows, classes, more),
            "final": ArrayTasks(X, y, rows, unseen, classes, more),
        }
        each = _EXPERIMENT_INDIVIDUALS[self.initial]
        experiments = 0  # as many as there is time for
        if self.max_individuals is not None:
            experiments = math.ceil(self.max_individuals / each)
            each = self.max_individuals // experiments
        return dataclasses.replace(
            base,
            description="fit of an estimator",
            seed=self._seed,
            tasks=TasksConfig(**tasks),  # type: ignore[arg-type]
            hurdle=HurdleConfig(),
            islands=IslandsConfig(),  # one, in this thread: it may be one fit of many
            memory=MemorySizes(5, 9, 2) if is_network else base.memory,
            # Predictions without random numbers, so that a row always gets the same.
            predict=ComponentConfig(ops="deterministic", max_size=8),
            learn=ComponentConfig(ops="deterministic", max_size=12),
            population=dataclasses.replace(
                base.population,
                initial=self.initial,
                size=min(1000, max(10, each // 5)),
            ),
            evaluation=dataclasses.replace(
                base.evaluation, train_budget_factor=2.0 if is_network else 0.5
            ),
            cache=CacheConfig(
                canonical_megabytes=8,
                fec=True,
                fec_megabytes=4,
                fec_train=min(10, tasks["search"].train),
                fec_valid=min(10, tasks["search"].valid),
            ),
            stop=StopConfig(individuals=each, seconds=self.time_budget or 0.0),
            experiments=ExperimentsConfig(maximum=experiments),
        )

    def _best_epochs(self, X: NDArray[np.float64], y: NDArray[np.float64]) -> int:
        """The number of passes that does best on every fourth example; the least of equals."""
        test = np.arange(len(X)) % 4 == 3
        if not test.any() or len(np.unique(y[~test])) < 2:
            return _EPOCHS[0]
        scores = []
        for epochs in _EPOCHS:
            model = self._estimator(epochs)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(self._projected(X[~test]), y[~test])
            features = self._projected(X[test])
            is_finite = np.isfinite(model.predict(features)).all()
            scores.append(model.score(features, y[test]) if is_finite else -np.inf)
        return _EPOCHS[int(np.argmax(scores))]

    def _estimator(self, epochs: int) -> Any:
        raise NotImplementedError

    def _check(self) -> None:
        if self.time_budget is None and self.max_individuals is None:
            raise ValueError(
                "time_budget, max_individuals: expected a limit in one of them, received none"
            )
        if self.time_budget is not None:
            number("time_budget", self.time_budget, 0.01)
        if self.max_individuals is not None:
            integer("max_individuals", self.max_individuals, 1)
        if self.max_features is not None:
            integer("max_features", self.max_features, 1, 1024)
        choice("initial", self.initial, INITIAL)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def _features_of(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        return self._projected(validate_data(self, X, dtype=np.float64, reset=False))

    def _fit_all(
        self, X: NDArray[np.float64], y: NDArray[np.float64], classes: int, labels: NDArray[Any]
    ) -> None:
        """Search on class indices or numbers ``y``; train on ``labels``."""
        self._search(X, y, classes)
        self.estimator_ = self._estimator(self.epochs_).fit(self._projected(X), labels)


class AutoMLZeroClassifier(ClassifierMixin, _Searching):
    """Evolve a learning algorithm on the given data, then train it on all of them.

    The search's tasks are small samples of the examples: a pair of classes in equal numbers,
    with features permuted and every second task's labels swapped, so that the
    algorithm has to learn. A fifth of the examples (of 50 or more) is kept for the final
    tasks; nothing is chosen by them. Features are standardised, and one that is always 1 is
    added. The program that selection tasks like best is then
    trained on all examples as :class:`EvolvedClassifier` does.

    Expect about what a linear model gives: on small tables a search finds variants of
    stochastic gradient descent. ``scripts/bench_estimators.py`` measures it.

    Args:
        time_budget: Seconds for the search; None for no limit.
        max_individuals: Programs to try, in experiments of some ten thousand (from nothing: half
            a million). With ``time_budget=None`` the result is the same on
            every machine for an integer ``random_state``.
        initial: What the search starts from: ``"linear"``, a linear model with stochastic
            gradient descent (default, as a short search does not find better from nothing);
            ``"neural_net"``, a network of two layers; ``"no_op"``, nothing.
        max_features: More features are projected to so many by a random Gaussian matrix, as in
            the original experiments; None never does.
        random_state: Of tasks, search and training.

    Attributes:
        program_: The program found.
        run_: The :class:`~automl_zero.evolution.SearchResult`: fitnesses, counts, tasks.
        is_final_unseen_: Whether ``run_.final_fitness`` is of examples that the search did
            not see: there were 50 or more.
        epochs_: Passes over the examples, chosen on a part of them.
        estimator_: The :class:`EvolvedClassifier` that predicts.
        classes_: Labels, sorted.
        n_features_in_: Feature count.

    Raises:
        ValueError: In fit, if an argument is wrong or there is only one class.

    >>> from sklearn.datasets import load_breast_cancer
    >>> x, y = load_breast_cancer(return_X_y=True)
    >>> model = AutoMLZeroClassifier(None, max_individuals=500, random_state=0)
    >>> model.fit(x[::2], y[::2]).score(x[1::2], y[1::2]) > 0.9
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> AutoMLZeroClassifier:
        """Search and train on features ``[n, F]`` and labels ``[n]``."""
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, indices = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y: expected at least two classes, received one class: {self.classes_}"
            )
        self._fit_all(features, indices.astype(np.float64), len(self.classes_), labels)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The program's predictions; see :meth:`EvolvedClassifier.decision_function`."""
        features = self._features_of(X)
        decisions: NDArray[np.float64] = self.estimator_.decision_function(features)
        return decisions

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores ``[n, classes]``; see :meth:`EvolvedClassifier.predict_proba`."""
        features = self._features_of(X)
        scores: NDArray[np.float64] = self.estimator_.predict_proba(features)
        return scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Labels ``[n]``."""
        features = self._features_of(X)
        labels: NDArray[Any] = self.estimator_.predict(features)
        return labels

    def _estimator(self, epochs: int) -> Any:
        return EvolvedClassifier(
            self.program_,
            multi_class="one_vs_one",
            epochs=epochs,
            intercept=True,
            random_state=self._seed,
        )


class AutoMLZeroRegressor(RegressorMixin, _Searching):
    """Evolve a learning algorithm for regression on the given data, then train it on them.

    Arguments and attributes are those of :class:`AutoMLZeroClassifier`, without classes; every
    second task has its labels negated.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = AutoMLZeroRegressor(None, max_individuals=500, random_state=0)
    >>> model.fit(x[::2], y[::2]).score(x[1::2], y[1::2]) > 0.4
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> AutoMLZeroRegressor:
        """Search and train on features ``[n, F]`` and numbers ``[n]``."""
        features, labels = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self._fit_all(features, np.asarray(labels, np.float64), 0, labels)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions ``[n]``."""
        features = self._features_of(X)
        predictions: NDArray[np.float64] = self.estimator_.predict(features)
        return predictions

    def _estimator(self, epochs: int) -> Any:
        return EvolvedRegressor(
            self.program_, epochs=epochs, intercept=True, random_state=self._seed
        )
