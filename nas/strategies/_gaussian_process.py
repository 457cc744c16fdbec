"""A Gaussian process over architectures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nas.spaces import Architecture, ChoiceSpace

Floats = NDArray[np.float64]

_JITTER: Final = 1e-8


class Points:
    """Architectures as numbers.

    Args:
        space: What they are of.
        architectures: The architectures.
        features: The space's, or a quicker function that gives the same.

    Attributes:
        decisions: How many decisions an architecture makes.
        choices: One for each option that is chosen, zero elsewhere, shape ``[n, options]``.
        features: The space's features, shape ``[n, k]``.
    """

    def __init__(
        self,
        space: ChoiceSpace,
        architectures: Sequence[Architecture],
        features: Callable[[Architecture], tuple[float, ...]] | None = None,
    ) -> None:
        self.decisions = len(space.decisions)
        counts = [len(decision.options) for decision in space.decisions]
        starts = np.cumsum([0, *counts[:-1]])
        self.choices = np.zeros((len(architectures), sum(counts)))
        rows = np.array(architectures, np.intp).reshape(-1, self.decisions)
        np.put_along_axis(self.choices, rows + starts, 1.0, axis=1)
        self.features = np.array(list(map(features or space.features, architectures)), np.float64)

    def distances(self, others: Points) -> tuple[Floats, Floats]:
        """Decisions that differ, and squared distances of the features, ``[n, len(others)]``."""
        differ = self.decisions - self.choices @ others.choices.T
        squares = (self.features**2).sum(1)[:, None] + (others.features**2).sum(1)
        squares -= 2 * self.features @ others.features.T
        return differ, np.maximum(squares, 0.0)

    def spread(self) -> float:
        """Root mean square distance of the features of two architectures."""
        return math.sqrt(2.0 * float(self.features.var(axis=0).sum()))


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
    """

    decisions: float
    features: float
    share: float
    noise: float

    def __call__(self, distances: tuple[Floats, Floats]) -> Floats:
        """What :meth:`Points.distances` are as likenesses."""
        differ, squares = distances
        result: Floats = (1 - self.share) * np.exp(differ / -self.decisions)
        if self.share:
            result += self.share * np.exp(squares / -(self.features**2))
        return result

    def factor(self, distances: tuple[Floats, Floats]) -> Floats:
        """The Cholesky factor of the covariance of noisy values."""
        matrix = self(distances)
        matrix[np.diag_indices_from(matrix)] += self.noise
        return np.asarray(np.linalg.cholesky(matrix), np.float64)


_STEPS: Final = (-2, -1, 0, 1, 2)
_SHARES: Final = (0.05, 0.1, 0.25, 0.5, 0.75)


def fit(points: Points, values: Floats) -> Kernel:
    """The most probable kernel of a grid, by coordinates.

    Lengths start where the architectures lie apart. A parameter that is k steps off its middle
    costs k² in the logarithm of the probability: fitted to the likelihood alone, kernels of
    some ten evaluations are so sure of themselves that the search stays where it is.
    """
    distances, spread = points.distances(points), points.spread()

    def kernel(steps: Sequence[int]) -> Kernel:
        return Kernel(
            decisions=points.decisions * 1.6 ** steps[0],
            noise=0.05 * 3.0 ** steps[1],
            features=(spread or 1.0) * 1.5 ** steps[2],
            share=_SHARES[2 + steps[3]] if spread else 0.0,
        )

    def score(steps: Sequence[int]) -> float:
        factor = kernel(steps).factor(distances)
        residual = np.linalg.solve(factor, values)
        scale = max(float(residual @ residual), _JITTER)
        likelihood = -0.5 * len(values) * math.log(scale) - float(np.log(np.diag(factor)).sum())
        return likelihood - sum(step**2 for step in steps)

    steps = [0, 0, 0, 0]
    for _ in range(2):
        for position in range(4 if spread else 2):
            options = [[*steps[:position], step, *steps[position + 1 :]] for step in _STEPS]
            steps = max(options, key=score)
    return kernel(steps)


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
        self._kernel, self._points, self._pending = kernel, points, pending
        covariance = points.distances(points)
        factor = kernel.factor(covariance)
        residual = np.linalg.solve(factor, values)
        self._scale = max(float(residual @ residual) / len(values), _JITTER)
        self._weights = np.linalg.solve(factor.T, residual)
        self._inverse = np.linalg.inv(factor)
        self.means: Floats = kernel(covariance) @ self._weights
        if pending is not None:
            across, among = pending.distances(points), pending.distances(pending)
            whole = [
                np.block([[one, other.T], [other, last]])
                for one, other, last in zip(covariance, across, among, strict=True)
            ]
            self._inverse = np.linalg.inv(kernel.factor((whole[0], whole[1])))

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """Expected values, and their standard deviations without noise, each ``[n]``."""
        alike = self._kernel(self._points.distances(points))
        mean: Floats = self._weights @ alike
        if self._pending is not None:
            alike = np.concatenate([alike, self._kernel(self._pending.distances(points))])
        variance = np.maximum(1.0 - ((self._inverse @ alike) ** 2).sum(0), _JITTER)
        deviation: Floats = np.sqrt(self._scale * variance)
        return mean, deviation


def standardized(values: Floats) -> Floats:
    """The values with mean 0 and variance 1, and bad ones brought nearer.

    What lies further below the median than the upper quartile lies above it is brought nearer
    by a logarithm: a training that failed tells little about the differences between good
    ones, and would stretch the process as far as it lies away.
    """
    middle = float(np.median(values))
    # Quartiles next to each other among values far apart are no unit to measure in: 0, 1e-306
    # and -78 would overflow.
    unit = max(float(np.quantile(values, 0.75)) - middle, 1e-6 * float(values.std()))
    scores = (values - middle) / (unit or 1.0)
    scores = np.where(scores < -1.0, -1.0 - np.log(np.maximum(-scores, 1.0)), scores)
    result: Floats = (scores - scores.mean()) / (scores.std() or 1.0)
    return result
