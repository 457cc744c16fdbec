"""Bayesian optimization of architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import integer
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._acquisition import most_promising
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite, keys
from nas.strategies._gaussian_process import (
    GaussianProcess,
    Kernel,
    Points,
    expected_improvement,
    fit,
    standardized,
)
from nas.strategies._strategy import Trial

_GOOD: Final = 5  # of the best architectures, the neighbors are candidates
_TRIES: Final = 100


class BayesianOptimization(AskTellStrategy):
    """Evaluates what promises most under a Gaussian process of what is known.

    The first architectures are random. For each further one, a Gaussian process on the
    decisions and the space's :meth:`~nas.spaces.ChoiceSpace.features` predicts values, and the
    new architecture of the highest expected improvement (Jones, Schonlau & Welch 1998) that a
    beam search finds is next. Architectures that share a key with one asked for before are
    left out. Its kernel is fitted again after every fifth evaluation, and later after every
    tenth part more of them.

    A step costs milliseconds, and more with the square of the number of evaluations: it is for
    searches of some hundred evaluations that take seconds or longer. Outstanding trials count
    as evaluated with the value that is expected of them, so many may run at the same time.

    The process is computed in floating-point numbers by NumPy's linear algebra: a seed gives
    the same search on one machine, but another machine's last bits may decide a tie.

    Args:
        space: Where to search.
        initial: Random architectures to start with.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.benchmarks import NasBench201
    >>> benchmark = NasBench201("cifar10")
    >>> search, best = BayesianOptimization(benchmark.space, seed=1), 0.0
    >>> for _ in range(60):
    ...     trial = search.ask()
    ...     accuracy = benchmark.validation(trial.architecture)
    ...     search.tell(trial, accuracy)
    ...     best = max(best, accuracy)
    >>> best == benchmark.best("cifar10_val_12")[1]
    True
    """

    def __init__(self, space: ChoiceSpace, *, initial: int = 10, seed: int = 0) -> None:
        super().__init__(space, seed)
        self.initial = integer("initial", initial, 2)
        self._told: list[Architecture] = []
        self._values: list[float] = []
        self._seen: dict[str, None] = {}
        self._kernel = Kernel()
        self._next_fit = 0

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
            "kernel": list(astuple(self._kernel)),
            "next_fit": self._next_fit,
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
        kernel = fields.read("kernel", lambda data: Kernel(*map(finite, data)))
        next_fit = fields.read("next_fit", lambda value: integer("next_fit", value, 0))

        def apply() -> None:
            self._told, self._values, self._seen = told, values, seen
            self._kernel, self._next_fit = kernel, next_fit

        return apply

    def _proposal(self) -> Architecture | None:
        values = np.array(self._values)
        scores = standardized(values)
        points = Points(self.space, self._told)
        if len(values) >= self._next_fit:
            self._kernel = fit(self._kernel, points, scores)
            self._next_fit = len(values) + max(5, len(values) // 10)
        outstanding = [trial.architecture for trial in self.outstanding]
        pending = Points(self.space, outstanding) if outstanding else None
        process = GaussianProcess(self._kernel, points, scores, pending)
        best = float(process.mean(points).max())

        def improvement(architectures: Sequence[Architecture]) -> NDArray[np.float64]:
            candidates = Points(self.space, architectures)
            return expected_improvement(
                process.mean(candidates), process.deviation(candidates), best
            )

        order = np.argsort(-values, kind="stable")[:_GOOD]
        good = [self._told[row] for row in order]
        return most_promising(self.space, improvement, good, self._is_new, self._stream)

    def _is_new(self, architecture: Architecture) -> bool:
        return self.space.key(architecture) not in self._seen

    def _draw(self) -> Architecture:
        """A random architecture, a new one unless those are hard to find."""
        for _ in range(_TRIES):
            architecture = self.space.draw(self._stream)
            if self._is_new(architecture):
                break
        return architecture
