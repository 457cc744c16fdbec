"""What the search loop must know of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from automl_zero._config_values import integer, number
from automl_zero.config import IslandsConfig
from automl_zero.evolution._lineage import Birth, Improvement
from automl_zero.evolution.islands import EpochFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When experiments and runs end; None: no limit.

    Attributes:
        individuals: Of one experiment, all islands together.
        train_steps: Of one experiment.
        fitness: Search fitness at which an experiment ends.
        stagnation: Individuals of one experiment without a new best one.
        seconds: Of the run.
        experiments: Of the run.
        sufficient_fitness: The run ends when a candidate's selection fitness is above.
    """

    individuals: int | None = None
    train_steps: int | None = None
    fitness: float | None = None
    stagnation: int | None = None
    seconds: float | None = None
    experiments: int | None = None
    sufficient_fitness: float | None = None


class SearchPlan(Protocol):
    """A search, to the loop that runs it. Genomes are plain data here."""

    kind: str
    """What is searched, for the run directory."""
    seed: int
    islands: IslandsConfig
    limits: Limits
    epoch_individuals: int
    statistics_type: Any
    """``Statistics`` or ``PopulationStatistics``."""
    select_margin: float
    """A candidate so far below the best one's search fitness is not judged."""
    finalists: int
    """How many of the best candidates are kept beside the best one, itself included."""

    def config_data(self) -> dict[str, Any]:
        """Everything that decides the result, as plain data."""

    def config_text(self) -> str | None:
        """The same as TOML for people, if there is such a form."""

    def epoch_function(self, seed: int) -> EpochFunction:
        """The epochs of the experiment with this seed."""

    def judge(self, seed: int) -> Callable[[Improvement[Any]], float]:
        """Selection fitness of an island's new best, in the experiment with this seed."""

    def genome_text(self, genome: Any) -> str:
        """A genome for people."""

    def check_genome(self, genome: Any) -> None:
        """Make sure that a genome from a file is one; ValueError if not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The best individual of a run, chosen by selection fitness.

    Attributes:
        genome: As plain data.
        fitness: On the search tasks.
        select_fitness: On the selection tasks.
        birth: Where it was created.
        experiment: In which experiment.
    """

    genome: Any
    fitness: float
    select_fitness: float
    birth: Birth
    experiment: int

    def to_data(self) -> dict[str, Any]:
        """The candidate as plain data."""
        return {
            "genome": self.genome,
            "fitness": self.fitness,
            "select_fitness": self.select_fitness,
            "birth": list(self.birth),
            "experiment": self.experiment,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Candidate:
        """The candidate of :meth:`to_data`.

        Raises:
            ValueError: If a field is missing or wrong; names it.
        """
        try:
            return cls(
                genome=data["genome"],
                fitness=number("fitness", data["fitness"], -1e308, 1e308),
                select_fitness=number("select_fitness", data["select_fitness"], -1e308, 1e308),
                birth=Birth.from_data(data["birth"]),
                experiment=integer("experiment", data["experiment"], 1),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"best: expected what to_data gave: {error}") from None
