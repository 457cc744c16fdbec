"""Evolved programs as scikit-learn estimators."""

from __future__ import annotations

import itertools
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from automl_zero._config_values import boolean, choice, integer
from automl_zero.evolution import hand_built_program
from automl_zero.export._model import BACKENDS, compile_numba, compile_numpy
from automl_zero.export._prepared import prepare
from automl_zero.program import Program

SHIPPED: Final = ("linear", "neural_net")
"""Programs that can be given by name."""

_MUCH_WORK: Final = 1_000_000
"""Instructions on short vectors from which compiling (1 to 2 s) pays: NumPy takes about 1.5 µs
for each."""

_SHORT: Final = 1000
"""Numbers in a register up to which NumPy's time for an instruction hardly depends on it."""


Part = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Row numbers of the examples that a model learns, and their targets."""


class _Evolved(BaseEstimator):
    """What the classifier and the regressor share: scaling, order, backend, memory."""

    def __init__(
        self,
        program: Program | str = "linear",
        *,
        epochs: int = 10,
        shuffle: bool = True,
        standardize: bool = True,
        intercept: bool = False,
        backend: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.program = program
        self.epochs = epochs
        self.shuffle = shuffle
        self.standardize = standardize
        self.intercept = intercept
        self.backend = backend
        self.random_state = random_state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")

    def _start(self, X: NDArray[np.float64], outputs: int, objective: str) -> None:
        """New models, and what later calls of partial_fit go on with."""
        integer("epochs", self.epochs, 1)
        boolean("shuffle", self.shuffle)
        boolean("standardize", self.standardize)
        boolean("intercept", self.intercept)
        choice("backend", self.backend, ("auto", *BACKENDS))
        prepared = prepare(_program(self.program), objective, True)
        self.program_ = prepared.program
        self._depends_on_rows = bool(prepared.carried) or any(
            item.op.random for item in prepared.program["predict"]
        )
        self._random = check_random_state(self.random_state)
        seed = int(self._random.randint(2**31 - 1))
        self.mean_, self.scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if self.standardize:
            self.mean_, self.scale_ = _mean_and_scale(X)
        compiler = compile_numpy if self._backend(0) == "numpy" else compile_numba
        self.models_ = [
            compiler(prepared.program, objective=objective, seed=seed) for _ in range(outputs)
        ]

    def _go_on(self, X: NDArray[np.float64], parts: list[Part]) -> None:
        """Train each model on its part of the examples."""
        X = self._scaled(X)
        backend = self._backend(sum(len(rows) for rows, _ in parts) * self.epochs)
        self.models_ = [model.on_backend(backend) for model in self.models_]
        for model, (rows, targets) in zip(self.models_, parts, strict=True):
            orders = [np.arange(len(rows))] * self.epochs
            if self.shuffle:
                orders = [self._random.permutation(len(rows)) for _ in orders]
            # A batch may lack both classes of a pair; a model's first call also sets it up.
            model.partial_fit(X[rows], targets, self.epochs, np.array(orders))
        if not np.isfinite(self._raw(X[:10], backend)).all():
            warnings.warn(
                "the training diverged: predictions are not finite; other programs or "
                "standardize=True may help",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _outputs(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions of each model, ``[n, outputs]``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        scaled = self._scaled(features)
        return self._raw(scaled, self._backend(len(scaled) * len(self.models_)))

    def _scaled(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features as the program sees them."""
        scaled: NDArray[np.float64] = (X - self.mean_) / self.scale_
        return np.hstack([scaled, np.ones((len(X), 1))]) if self.intercept else scaled

    def _raw(self, X: NDArray[np.float64], backend: str) -> NDArray[np.float64]:
        columns = []
        for model in self.models_:
            model = model if model.backend == backend else model.on_backend(backend)
            if self._depends_on_rows:
                # Each row from the memory that training left, whatever the other rows are.
                parts = [model.predict(X[row : row + 1]) for row in range(len(X))]
                columns.append(np.concatenate(parts))
            else:
                columns.append(model.predict(X))
        return np.stack(columns, axis=1)

    def _backend(self, rows: int) -> str:
        """The backend for so many examples."""
        if self.backend != "auto":
            return str(self.backend)
        features = len(self.mean_)
        cells = features * features if self.program_.required_memory().matrices else features
        work = rows * len(self.program_) * max(1.0, cells / _SHORT)
        return "numba" if work >= _MUCH_WORK else "numpy"


class EvolvedClassifier(ClassifierMixin, _Evolved):
    """A program that was evolved for two classes, as a classifier.

    More than two classes are learned as several pairs of them, each with a memory of its own.
    Pickles, clones and works in pipelines and grid searches.

    Each row is predicted from the memory that training left, so a prediction does not depend
    on the other rows. For a program whose predict function keeps something from example to
    example that differs from its validation in a search.

    Args:
        program: A :class:`~automl_zero.program.Program`, program text, or the name of a shipped
            program, ``"linear"`` or ``"neural_net"``.
        multi_class: More than two classes: ``"one_vs_rest"``, or ``"one_vs_one"`` for a model
            for each pair of classes. Programs are evolved on classes of equal size, as pairs
            mostly are; and their predictions need not be on one scale, which matters less where
            pairs vote.
        epochs: Passes over the examples in a call of fit or partial_fit.
        shuffle: Draw a new order of the examples for each epoch.
        standardize: Subtract the mean and divide by the standard deviation of each feature,
            those of the examples that fit, or the first partial_fit, is given. Programs are
            evolved on such features, and most diverge on large numbers.
        intercept: Give the program one more feature, which is always 1. A linear program then
            learns an intercept; none is what most programs were evolved with.
        backend: ``"numba"``, ``"numpy"``, or ``"auto"``: Numba where compiling takes less
            time than it saves. Results agree to about 1e-12.
        random_state: Order of the examples and seed of random ops.

    Attributes:
        classes_: Labels, sorted.
        program_: The program that runs: the canonical form.
        models_: A :class:`ProgramModel` for two classes, one per class, or one per pair of
            classes ``(0, 1), (0, 2), ..., (1, 2), ...``.
        mean_: What is subtracted from the features.
        scale_: What they are divided by.
        n_features_in_: Feature count F.

    Raises:
        ValueError: In fit, if an argument is wrong or there is only one class.

    >>> from sklearn.datasets import load_breast_cancer
    >>> x, y = load_breast_cancer(return_X_y=True)
    >>> model = EvolvedClassifier("linear", random_state=0).fit(x[::2], y[::2])
    >>> model.score(x[1::2], y[1::2]) > 0.95
    True
    """

    def __init__(
        self,
        program: Program | str = "linear",
        *,
        multi_class: str = "one_vs_rest",
        epochs: int = 10,
        shuffle: bool = True,
        standardize: bool = True,
        intercept: bool = False,
        backend: str = "auto",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            program,
            epochs=epochs,
            shuffle=shuffle,
            standardize=standardize,
            intercept=intercept,
            backend=backend,
            random_state=random_state,
        )
        self.multi_class = multi_class

    def fit(self, X: ArrayLike, y: ArrayLike) -> EvolvedClassifier:
        """Train from the start on features ``[n, F]`` and labels ``[n]``."""
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self._begin(features, np.unique(labels))
        self._go_on(features, self._parts(labels))
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> EvolvedClassifier:
        """Go on training with the memory there is.

        Args:
            X: Features ``[n, F]``.
            y: Labels ``[n]``.
            classes: All labels there will be; in the first call, unless ``y`` has them all.
        """
        first = not self.__sklearn_is_fitted__()
        features, labels = validate_data(self, X, y, dtype=np.float64, reset=first)
        check_classification_targets(labels)
        if first:
            known = labels if classes is None else np.asarray(classes)
            self._begin(features, np.unique(known))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes: expected {self.classes_} as in the first call, received {classes}"
            )
        self._go_on(features, self._parts(labels))
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The program's predictions: ``[n]`` for two classes (above 0: the second), or
        ``[n, classes]`` (the largest wins).

        Of pairs: how many a class wins, plus less than a half for how clearly.
        """
        outputs = self._outputs(X)
        if len(self.classes_) == 2:
            return outputs[:, 0]
        if not self._votes:
            return outputs
        outputs = _comparable(outputs)
        votes, clarity = np.zeros((2, len(outputs), len(self.classes_)))
        for (first, second), output in zip(self._pairs(), outputs.T, strict=True):
            wins = output > 0
            votes[wins, second] += 1
            votes[~wins, first] += 1
            clear = np.tanh(output)
            clarity[:, second] += clear
            clarity[:, first] -= clear
        decisions: NDArray[np.float64] = votes + clarity / (2 * len(self.classes_))
        return decisions

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The sigmoid of the predictions, divided by the sum over the classes; of pairs, their
        mean first.

        The sigmoid is what training compares with the labels 0 and 1. Evolution asked for the
        right class only, so these are scores, not calibrated probabilities: see
        :class:`sklearn.calibration.CalibratedClassifierCV`.
        """
        outputs = _comparable(self._outputs(X))
        with np.errstate(over="ignore"):
            scores = 1.0 / (1.0 + np.exp(-outputs))
        if len(self.classes_) == 2:
            return np.hstack([1.0 - scores, scores])
        if self._votes:
            wins = np.zeros((len(scores), len(self.classes_)))
            for (first, second), score in zip(self._pairs(), scores.T, strict=True):
                wins[:, second] += score
                wins[:, first] += 1.0 - score
            scores = wins
        total = scores.sum(axis=1, keepdims=True)
        even = np.full_like(scores, 1.0 / scores.shape[1])
        return np.divide(scores, total, out=even, where=total > 0)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The labels ``[n]``. A decision that is no number counts as a no."""
        decisions = _comparable(self.decision_function(X))
        chosen: Any = (decisions > 0).astype(int)
        if decisions.ndim == 2:
            chosen = decisions.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[chosen]
        return labels

    @property
    def _votes(self) -> bool:
        return len(self.classes_) > 2 and self.multi_class == "one_vs_one"

    def _pairs(self) -> list[tuple[int, int]]:
        return list(itertools.combinations(range(len(self.classes_)), 2))

    def _begin(self, X: NDArray[np.float64], classes: NDArray[Any]) -> None:
        choice("multi_class", self.multi_class, ("one_vs_rest", "one_vs_one"))
        if len(classes) < 2:
            raise ValueError(f"y: expected at least two classes, received one class: {classes}")
        self.classes_ = classes
        count = len(self._pairs()) if self._votes else len(classes)
        self._start(X, 1 if len(classes) == 2 else count, "accuracy")

    def _parts(self, y: NDArray[Any]) -> list[Part]:
        """What each model learns: rows, and targets 0 and 1."""
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y: expected the classes {self.classes_}, received {unknown}")
        indices = np.searchsorted(self.classes_, y)
        everything = np.arange(len(y))
        if self._votes:
            pairs = ((np.isin(indices, pair), pair[1]) for pair in self._pairs())
            return [
                (np.flatnonzero(rows), (indices[rows] == positive).astype(np.float64))
                for rows, positive in pairs
            ]
        positives = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        return [(everything, (indices == positive).astype(np.float64)) for positive in positives]


class EvolvedRegressor(RegressorMixin, _Evolved):
    """A program that was evolved for regression, as a regressor.

    Arguments and attributes are those of :class:`EvolvedClassifier`, without classes.
    ``standardize`` holds for the labels too; predictions are scaled back.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = EvolvedRegressor("linear", random_state=0).fit(x[::2], y[::2])
    >>> model.score(x[1::2], y[1::2]) > 0.4
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> EvolvedRegressor:
        """Train from the start on features ``[n, F]`` and numbers ``[n]``."""
        features, labels = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self._begin(features, labels)
        self._go_on(features, self._parts(labels))
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> EvolvedRegressor:
        """Go on training with the memory there is; scaling stays that of the first call."""
        first = not self.__sklearn_is_fitted__()
        features, labels = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, reset=first
        )
        if first:
            self._begin(features, labels)
        self._go_on(features, self._parts(labels))
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions ``[n]``."""
        return self._outputs(X)[:, 0] * self.y_scale_ + self.y_mean_

    def _begin(self, X: NDArray[np.float64], y: NDArray[Any]) -> None:
        self._start(X, 1, "rms_error")
        self.y_mean_, self.y_scale_ = 0.0, 1.0
        if self.standardize:
            mean, scale = _mean_and_scale(np.asarray(y, dtype=np.float64)[:, None])
            self.y_mean_, self.y_scale_ = float(mean[0]), float(scale[0])

    def _parts(self, y: NDArray[Any]) -> list[Part]:
        targets = (np.asarray(y, np.float64) - self.y_mean_) / self.y_scale_
        return [(np.arange(len(y)), targets)]


def _program(program: Any) -> Any:
    """A shipped program by its name; anything else as it is."""
    if isinstance(program, str) and "\n" not in program:
        return hand_built_program(choice("program", program, SHIPPED))
    return program


def _mean_and_scale(X: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation by column; a constant column is not divided."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = X.mean(axis=0), X.std(axis=0)
    # A deviation in the last bits is rounding: such a column is constant.
    return mean, np.where(scale > 1e-12 * np.abs(mean), scale, 1.0)


def _comparable(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(outputs), -np.inf, outputs)
