"""What a running search tells about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_zero.evolution._lineage import Improvement


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a running search stands.

    Attributes:
        experiment: Number of the experiment that runs, from 1.
        individuals: Individuals created in all experiments.
        individuals_per_second: Lately.
        best_fitness: Best search fitness of this experiment; -inf before any.
        islands: Best fitness of each island; None before its first epoch.
        statistics: Counts of all experiments, the population is that of this one:
            :class:`~automl_zero.evolution.Statistics` or
            :class:`~automl_zero.evolution.PopulationStatistics`.
        seconds: Time that the run has taken, earlier sessions included.
        seconds_left: Until a limit ends the run, at the present speed; None if there is no
            such limit.
    """

    experiment: int
    individuals: int
    individuals_per_second: float
    best_fitness: float
    islands: Sequence[float | None]
    statistics: Any
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """An epoch that a search has taken in; what callbacks get.

    The same epochs in the same order on any number of workers.

    Attributes:
        experiment: Number of the experiment, from 1.
        island: Number of the island, from 0.
        epoch: Number of its epoch, from 1.
        individuals: Individuals created in all experiments.
        statistics: Of the island.
        improvements: New best individuals of the island, genomes as plain data.
        best_fitness: Best search fitness of the experiment.
        seconds: Time that the run has taken.
    """

    experiment: int
    island: int
    epoch: int
    individuals: int
    statistics: Any
    improvements: Sequence[Improvement[Any]]
    best_fitness: float
    seconds: float
