"""Where a regularized evolution stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

PERCENTILES: Final = (5, 25, 50, 75, 95)
"""Percentiles of the fitness that statistics give."""


@dataclass(frozen=True, slots=True)
class PopulationStatistics:
    """Counts of a regularized evolution, and the fitness of its population.

    Attributes:
        individuals: Individuals told so far.
        outstanding: Individuals asked for and not told yet.
        known: Individuals whose fitness came from the cache.
        unique: Different keys in the population.
        best: Best fitness of the population; NaN while it is empty, as the next two.
        mean: Mean fitness.
        percentiles: :data:`PERCENTILES` of the fitness.
    """

    individuals: int
    outstanding: int
    known: int
    unique: int
    best: float
    mean: float
    percentiles: tuple[float, ...]


def fitness_percentiles(fitness: Sequence[float]) -> tuple[float, ...]:
    """The percentiles, linearly interpolated; NaN if there is no fitness."""
    return tuple(float(value) for value in np.percentile(fitness or [math.nan], PERCENTILES))
