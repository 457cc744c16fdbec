"""A search for genomes of any kind, as the search loop sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Generic

from automl_zero.config import IslandsConfig
from automl_zero.evolution._genome_epoch import GenomeEpoch
from automl_zero.evolution._lineage import Improvement
from automl_zero.evolution._population_statistics import PopulationStatistics
from automl_zero.evolution._run_directory import describe
from automl_zero.evolution._search_plan import Limits
from automl_zero.evolution._search_space import Genome, SearchSpace


class GenomePlan(Generic[Genome]):
    """A :class:`~automl_zero.evolution._search_plan.SearchPlan` of any genomes.

    Args:
        space: Draws and mutates genomes.
        fitness: Fitness of a genome.
        options: Of :class:`~automl_zero.evolution.GenomeEpoch`.
        seed: Fixes everything random.
        islands: Their number and how they exchange individuals.
        limits: When experiments and the run end.
        judge: Selection fitness of a genome; None: the fitness itself.
        select_margin: A candidate so far below the best one's fitness is not judged.
        finalists: How many of the best candidates are kept.
        kind: What is searched, for the run directory.
        config: Settings for the run directory: all that decides the result. None: those of
            the arguments here.
        config_text: The same for people.

    Raises:
        ValueError: If an option is out of range.
    """

    statistics_type = PopulationStatistics

    def __init__(
        self,
        space: SearchSpace[Genome],
        fitness: Callable[[Genome], float],
        options: Mapping[str, Any],
        *,
        seed: int,
        islands: IslandsConfig,
        limits: Limits,
        judge: Callable[[Genome], float] | None = None,
        select_margin: float = 0.0,
        finalists: int = 1,
        kind: str = "genome search",
        config: Mapping[str, Any] | None = None,
        config_text: str | None = None,
    ) -> None:
        self.space = space
        self.seed = seed
        self.islands = islands
        self.limits = limits
        self.select_margin = select_margin
        self.finalists = finalists
        self.kind = kind
        self._fitness = fitness
        self._judge = judge
        self._options = dict(options)
        self._config = config
        self._config_text = config_text
        self.epoch_function(seed)  # complains of wrong options
        self.epoch_individuals = islands.epoch or 10 * options["population_size"]

    def config_data(self) -> dict[str, Any]:
        """Space, settings and limits; functions by name."""
        if self._config is not None:
            return dict(self._config)
        limits = asdict(self.limits)
        del limits["seconds"]
        options = dict(self._options)
        options["initial"] = [self.space.to_data(item) for item in options["initial"]]
        options["probe"] = _name(options["probe"])
        return {
            "space": describe(self.space),
            "fitness": _name(self._fitness),
            "judge": _name(self._judge),
            "select_margin": self.select_margin,
            "finalists": self.finalists,
            "seed": self.seed,
            "islands": asdict(self.islands),
            "limits": limits,
            **options,
        }

    def config_text(self) -> str | None:
        """The settings as TOML; None if there is no such form."""
        return self._config_text

    def epoch_function(self, seed: int) -> GenomeEpoch[Genome]:
        """The epochs of the experiment with this seed."""
        return GenomeEpoch(self.space, self._fitness, seed=seed, **self._options)

    def judge(self, seed: int) -> Callable[[Improvement[Any]], float]:
        """The judge's fitness, or else that of the search."""
        judge = self._judge
        if judge is None:
            return lambda improvement: improvement.fitness
        return lambda improvement: float(judge(self.space.from_data(improvement.genome)))

    def genome_text(self, genome: Any) -> str:
        """Text as it is, other plain data as JSON."""
        return genome if isinstance(genome, str) else json.dumps(genome)

    def check_genome(self, genome: Any) -> None:
        """Make sure that it is a genome of this space."""
        self.space.from_data(genome)


def _name(function: object) -> str | None:
    if function is None:
        return None
    return str(getattr(function, "__qualname__", type(function).__qualname__))
