"""A Gaussian process over architectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import number
from nas.spaces import Architecture, ChoiceSpace

Floats = NDArray[np.float64]

_JITTER: Final = 1e-8


@dataclass(frozen=True, slots=True)
class Kernel:
    """How alike two architectures are: 1 for equal ones, and less the more they differ.

    ``(1 - share) exp(-h / decisions) + share exp(-d² / features²)`` with ``h`` decisions that
    differ and ``d`` the distance of the features. The first term is a product over decisions.

    Args:
        decisions: Decisions over which the first term falls to 1/e.
        features: Distance of features at which the second does.
        share: How much features count; 0 for spaces without.
        noise: Variance of what an evaluation adds by chance, where that of values is 1.

    Raises:
        ValueError: If a number is out of its range.
    """

    decisions: float = 4.0
    features: float = 1.5
    share: float = 0.5
    noise: float = 0.03

    def __post_init__(self) -> None:
        number("decisions", self.decisions, _JITTER)
        number("features", self.features, _JITTER)
        number("share", self.share, 0.0, 1.0)
        number("noise", self.noise, _JITTER)

    def __call__(self, one: Points, other: Points) -> Floats:
        """The matrix of all pairs, shape ``[len(one), len(other)]``."""
        differ = one.decisions - one.choices @ other.choices.T
        result: Floats = (1 - self.share) * np.exp(differ / -self.decisions)
        if self.share:
            squares = (one.features**2).sum(1)[:, None] + (other.features**2).sum(1)
            squares -= 2 * one.features @ other.features.T
            result += self.share * np.exp(np.maximum(squares, 0.0) / -(self.features**2))
        return result


class Points:
    """Architectures as numbers.

    Args:
        space: What they are of.
        architectures: The architectures.

    Attributes:
        decisions: How many decisions an architecture makes.
        choices: One for each option that is chosen, zero elsewhere, shape ``[n, options]``.
        features: The space's features, shape ``[n, k]``.
    """

    def __init__(self, space: ChoiceSpace, architectures: Sequence[Architecture]) -> None:
        self.decisions = len(space.decisions)
        counts = [len(decision.options) for decision in space.decisions]
        starts = np.cumsum([0, *counts[:-1]])
        self.choices = np.zeros((len(architectures), sum(counts)))
        rows = np.array(architectures, np.intp).reshape(-1, self.decisions)
        np.put_along_axis(self.choices, rows + starts, 1.0, axis=1)
        self.features = np.array([space.features(item) for item in architectures], np.float64)

    def joined(self, other: Points) -> Points:
        """These and others."""
        return self._with(
            np.concatenate([self.choices, other.choices]),
            np.concatenate([self.features, other.features]),
        )

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Points:
        """Some of them."""
        return self._with(self.choices[rows], self.features[rows])

    def _with(self, choices: Floats, features: Floats) -> Points:
        points = object.__new__(Points)
        points.decisions, points.choices, points.features = self.decisions, choices, features
        return points


# Values that fit() tries. Lengths of features are in units of their root mean square distance.
_GRID: Final = {
    "decisions": (1.0, 2.0, 4.0, 8.0, 16.0),
    "features": (0.35, 0.5, 0.75, 1.25, 2.0),
    "share": (0.1, 0.25, 0.5, 0.75, 0.9),
    "noise": (0.003, 0.01, 0.03, 0.1, 0.3),
}


class GaussianProcess:
    """What evaluated architectures tell about others.

    Rasmussen & Williams, "Gaussian processes for machine learning" (2006), algorithm 2.1. The
    values' mean is taken to be zero; their variance is the one of the highest likelihood.

    Args:
        kernel: How alike architectures are.
        points: The evaluated architectures.
        values: Their values, shape ``[n]``.
        pending: Architectures whose values are to come: they make the process more certain
            near them and change no mean (Ginsbourger, Le Riche & Carraro 2010, the "kriging
            believer").
    """

    def __init__(
        self, kernel: Kernel, points: Points, values: Floats, pending: Points | None = None
    ) -> None:
        self._kernel = kernel
        self._told = points
        self._all = points if pending is None else points.joined(pending)
        factor = _cholesky(kernel, points)
        residual = np.linalg.solve(factor, values)
        self._scale = max(float(residual @ residual) / len(values), _JITTER)
        self._weights = np.linalg.solve(factor.T, residual)
        self._factor = factor if pending is None else _cholesky(kernel, self._all)

    def mean(self, points: Points) -> Floats:
        """Expected values, shape ``[n]``."""
        result: Floats = self._kernel(points, self._told) @ self._weights
        return result

    def deviation(self, points: Points) -> Floats:
        """Standard deviations of the values without noise, shape ``[n]``."""
        explained = np.linalg.solve(self._factor, self._kernel(self._all, points))
        variance = np.maximum(1.0 - (explained**2).sum(0), _JITTER)
        result: Floats = np.sqrt(self._scale * variance)
        return result


def fit(kernel: Kernel, points: Points, values: Floats) -> Kernel:
    """The kernel with each parameter in turn set to its most likely value of a grid.

    A grid, because it gives the same kernel wherever it runs, and neighbours on it differ by
    less than a hundred values can tell apart.
    """
    scale = math.sqrt(2.0 * float(points.features.var(axis=0).sum()))
    grid = dict(_GRID, features=tuple(scale * length for length in _GRID["features"]))
    if not scale:
        kernel = replace(kernel, share=0.0)
        del grid["features"], grid["share"]
    best = _log_likelihood(kernel, points, values)
    for name, options in grid.items():
        for option in options:
            other = replace(kernel, **{name: option})
            likelihood = _log_likelihood(other, points, values)
            if likelihood > best:
                best, kernel = likelihood, other
    return kernel


def standardized(values: Floats) -> Floats:
    """The values with mean 0 and variance 1, and bad ones brought nearer.

    What lies further below the median than the upper quartile lies above it is brought nearer
    by a logarithm: a training that failed tells little about the differences between good
    ones, and would stretch the process as far as it lies away.
    """
    middle = float(np.median(values))
    unit = float(np.quantile(values, 0.75)) - middle
    scores = (values - middle) / (unit or float(values.std()) or 1.0)
    scores = np.where(scores < -1.0, -1.0 - np.log(np.maximum(-scores, 1.0)), scores)
    result: Floats = (scores - scores.mean()) / (scores.std() or 1.0)
    return result


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """How much a normal value exceeds ``best`` on average, shape ``[n]``."""
    z = (mean - best) / deviation
    below = 0.5 * np.array([math.erfc(item) for item in z / -math.sqrt(2.0)])
    result: Floats = deviation * (z * below + np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi))
    return result


def _cholesky(kernel: Kernel, points: Points) -> Floats:
    matrix = kernel(points, points)
    matrix[np.diag_indices_from(matrix)] += kernel.noise
    factor: Floats = np.linalg.cholesky(matrix)
    return factor


def _log_likelihood(kernel: Kernel, points: Points, values: Floats) -> float:
    """Of the values under the scale that makes them most likely, up to a constant."""
    factor = _cholesky(kernel, points)
    residual = np.linalg.solve(factor, values)
    spread = 0.5 * len(values) * math.log(max(float(residual @ residual), _JITTER))
    return -spread - float(np.log(np.diag(factor)).sum())
