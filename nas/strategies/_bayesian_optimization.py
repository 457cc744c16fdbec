"""Bayesian optimization of architectures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import integer, number
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._acquisition import most_promising
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite, keys
from nas.strategies._gaussian_process import (
    GaussianProcess,
    Kernel,
    Points,
    fit,
    standardized,
)
from nas.strategies._strategy import Trial

_GOOD: Final = 5  # of the best architectures, the neighbors are candidates
_TRIES: Final = 100
_CACHE: Final = 2**15


class BayesianOptimization(AskTellStrategy):
    """Evaluates what promises most under a Gaussian process of what is known.

    The first architectures are random. For each further one, a Gaussian process on the
    decisions and the space's :meth:`~nas.spaces.ChoiceSpace.features` predicts values, and the
    new architecture of the highest upper confidence bound (Srinivas, Krause, Kakade & Seeger,
    "Gaussian process optimization in the bandit setting", ICML 2010) that a beam search finds
    is next. Architectures that share a key with one asked for before are left out.

    A step costs milliseconds, and more with the square of the number of evaluations: it is for
    searches of some hundred evaluations that take seconds or longer. Outstanding trials count
    as evaluated with the value that is expected of them, so many may run at the same time.

    The process is computed by NumPy's linear algebra: a seed gives the same search on one
    machine, but another machine's last bits may decide a tie. Its matrices are small: one
    thread (``OMP_NUM_THREADS=1``) is faster than several.

    Args:
        space: Where to search.
        initial: Random architectures to start with.
        confidence: Standard deviations that the bound lies above the expected value: more
            looks further away from what is known to be good.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.benchmarks import NasBench201
    >>> benchmark = NasBench201("cifar10")
    >>> search, best = BayesianOptimization(benchmark.space, seed=2), 0.0
    >>> for _ in range(60):
    ...     trial = search.ask()
    ...     accuracy = benchmark.validation(trial.architecture)
    ...     search.tell(trial, accuracy)
    ...     best = max(best, accuracy)
    >>> best == benchmark.best("cifar10_val_12")[1]
    True
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        initial: int = 10,
        confidence: float = 2.0,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed)
        self.initial = integer("initial", initial, 2)
        self.confidence = number("confidence", confidence, 0.0)
        self._told: list[Architecture] = []
        self._values: list[float] = []
        self._seen: dict[str, None] = {}
        self._kernel: tuple[int, Kernel] | None = None  # with the evaluations that it is of
        # The same architectures are candidates again and again.
        self._key = functools.lru_cache(_CACHE)(space.key)
        self._features = functools.lru_cache(_CACHE)(space.features)

    def _propose(self) -> tuple[Architecture, int | None]:
        architecture = self._proposal() if len(self._told) >= self.initial else None
        if architecture is None:
            architecture = self._draw()
        self._seen[self.space.key(architecture)] = None
        return architecture, None

    def _learn(self, trial: Trial, value: float) -> None:
        self._told.append(trial.architecture)
        self._values.append(value)

    def _own_state(self) -> dict[str, Any]:
        return {
            "told": [self.space.to_data(item) for item in self._told],
            "values": list(self._values),
            "seen": list(self._seen),
        }

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        told = fields.read("told", lambda data: [self.space.from_data(item) for item in data])
        values = fields.read("values", lambda data: [finite(item) for item in data])
        if len(values) != len(told):
            raise ValueError(
                f"state.values: expected {len(told)}, one for each architecture that was told, "
                f"received {len(values)}"
            )
        seen = fields.read("seen", keys)

        def apply() -> None:
            self._told, self._values, self._seen = told, values, seen
            self._kernel = None

        return apply

    def _proposal(self) -> Architecture | None:
        scores = standardized(np.array(self._values))
        points = self._points(self._told)
        pending = [trial.architecture for trial in self.outstanding]
        process = GaussianProcess(
            self._fitted_kernel(), points, scores, self._points(pending) if pending else None
        )

        def bound(architectures: Sequence[Architecture]) -> NDArray[np.float64]:
            mean, deviation = process.predict(self._points(architectures))
            return mean + self.confidence * deviation

        order = np.argsort(-scores, kind="stable")[:_GOOD]
        good = [self._told[row] for row in order]
        return most_promising(self.space, bound, good, self._is_new, self._stream)

    def _fitted_kernel(self) -> Kernel:
        """The kernel of the evaluations up to the last tenth of them, but five at least."""
        count = len(self._values)
        count -= (count - self.initial) % max(5, count // 10)
        if self._kernel is None or self._kernel[0] != count:
            scores = standardized(np.array(self._values[:count]))
            self._kernel = count, fit(self._points(self._told[:count]), scores)
        return self._kernel[1]

    def _points(self, architectures: Sequence[Architecture]) -> Points:
        return Points(self.space, architectures, self._features)

    def _is_new(self, architecture: Architecture) -> bool:
        return self._key(architecture) not in self._seen

    def _draw(self) -> Architecture:
        """A random architecture, a new one unless those are hard to find."""
        for _ in range(_TRIES):
            architecture = self.space.draw(self._stream)
            if self._is_new(architecture):
                break
        return architecture
