"""What program evolutions counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np

from automl_zero._config_values import integer, number
from automl_zero.config import MUTATION_TYPES
from automl_zero.evolution._population_statistics import PERCENTILES, fitness_percentiles

OUTCOMES: Final = (*MUTATION_TYPES, "unmutated")
COUNTS: Final = (
    "individuals",
    "immigrants",
    "unchanged",
    "canonical_hits",
    "fec_hits",
    "probe_failures",
    "over_budget",
    "non_learners",
    "hurdle_stops",
    "evaluations",
    "verifications",
    "train_steps",
    "cache_clears",
)
LATER_COUNTS: Final = ("non_learners",)
"""Those that earlier versions did not write: 0 where they are missing."""

OUTCOME_COUNTS: Final = ("children", "neutral", "better", "worse")


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationOutcome:
    """What became of the children of one mutation type.

    Attributes:
        children: How many there were.
        neutral: Same canonical form as the parent.
        better: Another form, fitter than the parent.
        worse: Another form, less fit. The rest is another form of equal fitness.
    """

    children: int = 0
    neutral: int = 0
    better: int = 0
    worse: int = 0

    def __add__(self, other: MutationOutcome) -> MutationOutcome:
        return MutationOutcome(
            children=self.children + other.children,
            neutral=self.neutral + other.neutral,
            better=self.better + other.better,
            worse=self.worse + other.worse,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Counts of one or several program evolutions, and the fitness of the last population.

    The sum of two is that of one evolution after the other: counts add up,
    ``best_fitness`` is the better one, and the population described is the second one's.

    Attributes:
        individuals: Programs created, the initial population included.
        immigrants: Programs that came from other islands.
        unchanged: Children whose live code is their parent's, found without analysis.
        canonical_hits: Programs whose canonical form was in the cache.
        fec_hits: Programs with the errors of another one on the probe.
        probe_failures: Programs that failed on every task within the probe.
        over_budget: Programs above the train budget.
        non_learners: Programs not run because they cannot learn.
        hurdle_stops: Programs run on the first tasks alone.
        evaluations: Programs run in full.
        verifications: Of those, apparent best ones: their fitness had been an approximation.
        train_steps: Training examples run, those of the probe included.
        cache_clears: How often the caches were full and emptied.
        mutations: Outcomes by mutation type, and of ``"unmutated"`` copies.
        best_fitness: Of all programs evaluated in full; 0 if there is none.
        mean_fitness: Of the population.
        percentile_fitness: :data:`PERCENTILES` of the population.
        unique_in_population: Different canonical forms in the population.

    >>> Statistics(individuals=100, unchanged=60, canonical_hits=5).canonical_hit_rate
    0.65
    """

    individuals: int = 0
    immigrants: int = 0
    unchanged: int = 0
    canonical_hits: int = 0
    fec_hits: int = 0
    probe_failures: int = 0
    over_budget: int = 0
    non_learners: int = 0
    hurdle_stops: int = 0
    evaluations: int = 0
    verifications: int = 0
    train_steps: int = 0
    cache_clears: int = 0
    mutations: Mapping[str, MutationOutcome] = field(
        default_factory=lambda: {name: MutationOutcome() for name in OUTCOMES}
    )
    best_fitness: float = 0.0
    mean_fitness: float = 0.0
    percentile_fitness: tuple[float, ...] = (0.0,) * len(PERCENTILES)
    unique_in_population: int = 0

    @classmethod
    def from_counters(
        cls, counters: Mapping[str, Any], fitnesses: Sequence[float], unique: int, best: float
    ) -> Statistics:
        """Statistics of the compiled loop's counters and its population."""
        return cls(
            **{name: counters[name] for name in COUNTS},
            mutations={
                name: MutationOutcome(**outcome)
                for name, outcome in zip(OUTCOMES, counters["outcome"], strict=True)
            },
            best_fitness=best,
            mean_fitness=float(np.mean(fitnesses)) if fitnesses else 0.0,
            percentile_fitness=fitness_percentiles(fitnesses or [0.0]),
            unique_in_population=unique,
        )

    @property
    def canonical_hit_rate(self) -> float:
        """Share of the individuals whose fitness their live code told."""
        return self._share(self.unchanged + self.canonical_hits)

    @property
    def fec_hit_rate(self) -> float:
        """Share of the individuals whose fitness the probe told."""
        return self._share(self.fec_hits)

    @property
    def evaluation_rate(self) -> float:
        """Share of the individuals run in full."""
        return self._share(self.evaluations)

    def to_data(self) -> dict[str, Any]:
        """Everything as plain data, hit rates included."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        data["mutations"] = {
            name: {item.name: getattr(outcome, item.name) for item in fields(outcome)}
            for name, outcome in self.mutations.items()
        }
        data["percentile_fitness"] = {
            str(percentile): value
            for percentile, value in zip(PERCENTILES, self.percentile_fitness, strict=True)
        }
        for name in ("canonical_hit_rate", "fec_hit_rate", "evaluation_rate"):
            data[name] = getattr(self, name)
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Statistics:
        """The statistics of :meth:`to_data`.

        Raises:
            ValueError: If a field is missing or no number; names it.
        """
        try:
            values: dict[str, Any] = {
                name: integer(name, data.get(name, 0) if name in LATER_COUNTS else data[name], 0)
                for name in COUNTS
            }
            values["unique_in_population"] = integer("unique", data["unique_in_population"], 0)
            for name in ("best_fitness", "mean_fitness"):
                values[name] = number(name, data[name], -math.inf)
            values["percentile_fitness"] = tuple(
                number("percentile_fitness", data["percentile_fitness"][str(key)], -math.inf)
                for key in PERCENTILES
            )
            values["mutations"] = {
                name: MutationOutcome(
                    **{key: integer(key, data["mutations"][name][key], 0) for key in OUTCOME_COUNTS}
                )
                for name in OUTCOMES
            }
        except (KeyError, TypeError) as error:
            raise ValueError(f"statistics: expected what to_data gave: {error}") from None
        return cls(**values)

    @classmethod
    def merged(cls, islands: Sequence[Statistics]) -> Statistics:
        """Statistics of islands side by side.

        Counts add up, those of different canonical forms too; the best fitness is that of
        the best island, mean and percentiles are means over the islands.
        """
        if not islands:
            return cls()
        return cls(
            **{name: sum(getattr(item, name) for item in islands) for name in COUNTS},
            mutations={
                name: MutationOutcome(
                    **{
                        count: sum(getattr(item.mutations[name], count) for item in islands)
                        for count in OUTCOME_COUNTS
                    }
                )
                for name in OUTCOMES
            },
            best_fitness=max(item.best_fitness for item in islands),
            mean_fitness=float(np.mean([item.mean_fitness for item in islands])),
            percentile_fitness=tuple(
                np.mean([item.percentile_fitness for item in islands], axis=0).tolist()
            ),
            unique_in_population=sum(item.unique_in_population for item in islands),
        )

    def __add__(self, other: Statistics) -> Statistics:
        if not isinstance(other, Statistics):
            return NotImplemented
        return Statistics(
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS},
            mutations={name: self.mutations[name] + other.mutations[name] for name in OUTCOMES},
            best_fitness=max(self.best_fitness, other.best_fitness),
            mean_fitness=other.mean_fitness,
            percentile_fitness=other.percentile_fitness,
            unique_in_population=other.unique_in_population,
        )

    def _share(self, count: int) -> float:
        return count / self.individuals if self.individuals else 0.0
