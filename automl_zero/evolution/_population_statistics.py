"""Where a regularized evolution stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from automl_zero._config_values import integer, number

PERCENTILES: Final = (5, 25, 50, 75, 95)
"""Percentiles of the fitness that statistics give."""

_COUNTS: Final = (
    "individuals",
    "immigrants",
    "outstanding",
    "known",
    "fec_hits",
    "probe_failures",
    "instructions",
    "live_instructions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationStatistics:
    """Counts of a regularized evolution, and the fitness of its population.

    Attributes:
        individuals: Individuals told so far.
        immigrants: Individuals that came from other islands.
        outstanding: Individuals asked for and not told yet.
        known: Individuals whose fitness came from the cache, by their key.
        fec_hits: Individuals that behave on the probe as another one whose fitness is known.
        probe_failures: Individuals whose fitness the probe told, as of those that fail there.
        instructions: Of all individuals together, where the space tells sizes; else 0.
        live_instructions: Those of them that can have an effect.
        best_fitness: Best fitness ever; -inf before any.
        mean_fitness: Mean fitness of the population; NaN while it is empty, as the next.
        percentile_fitness: :data:`PERCENTILES` of the population's fitness.
        unique_in_population: Different keys in the population.
    """

    individuals: int = 0
    immigrants: int = 0
    outstanding: int = 0
    known: int = 0
    fec_hits: int = 0
    probe_failures: int = 0
    instructions: int = 0
    live_instructions: int = 0
    best_fitness: float = -math.inf
    mean_fitness: float = math.nan
    percentile_fitness: tuple[float, ...] = (math.nan,) * len(PERCENTILES)
    unique_in_population: int = 0

    @property
    def evaluations(self) -> int:
        """Individuals whose fitness had to be measured in full."""
        return self.individuals - self.known - self.fec_hits - self.probe_failures

    @property
    def fec_hit_rate(self) -> float:
        """Share of the individuals that behave on the probe as another one."""
        return self.fec_hits / max(self.individuals, 1)

    @property
    def evaluation_rate(self) -> float:
        """Share of the individuals that were evaluated in full."""
        return self.evaluations / max(self.individuals, 1)

    @property
    def redundant_share(self) -> float:
        """Share of the instructions of all individuals that had no effect; NaN if unknown."""
        if not self.instructions:
            return math.nan
        return 1 - self.live_instructions / self.instructions

    def to_data(self) -> dict[str, Any]:
        """Everything as plain data; what is not finite as None."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("best_fitness", "mean_fitness"):
            data[name] = data[name] if math.isfinite(data[name]) else None
        data["percentile_fitness"] = {
            str(percentile): value if math.isfinite(value) else None
            for percentile, value in zip(PERCENTILES, self.percentile_fitness, strict=True)
        }
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> PopulationStatistics:
        """The statistics of :meth:`to_data`.

        Raises:
            ValueError: If a field is missing or no number; names it.
        """

        def real(name: str, value: Any, missing: float) -> float:
            return missing if value is None else number(name, value, -math.inf)

        try:
            return cls(
                **{name: integer(name, data[name], 0) for name in _COUNTS},
                best_fitness=real("best_fitness", data["best_fitness"], -math.inf),
                mean_fitness=real("mean_fitness", data["mean_fitness"], math.nan),
                percentile_fitness=tuple(
                    real("percentile_fitness", data["percentile_fitness"][str(key)], math.nan)
                    for key in PERCENTILES
                ),
                unique_in_population=integer(
                    "unique_in_population", data["unique_in_population"], 0
                ),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"statistics: expected what to_data gave: {error}") from None

    @classmethod
    def merged(cls, islands: Sequence[PopulationStatistics]) -> PopulationStatistics:
        """Statistics of islands side by side; as :meth:`Statistics.merged`."""
        if not islands:
            return cls()
        return cls(
            **{name: sum(getattr(item, name) for item in islands) for name in _COUNTS},
            best_fitness=max(item.best_fitness for item in islands),
            mean_fitness=float(np.mean([item.mean_fitness for item in islands])),
            percentile_fitness=tuple(
                np.mean([item.percentile_fitness for item in islands], axis=0).tolist()
            ),
            unique_in_population=sum(item.unique_in_population for item in islands),
        )

    def __add__(self, other: PopulationStatistics) -> PopulationStatistics:
        """One evolution after the other: counts add up, the population is the second's."""
        if not isinstance(other, PopulationStatistics):
            return NotImplemented
        return PopulationStatistics(
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTS},
            best_fitness=max(self.best_fitness, other.best_fitness),
            mean_fitness=other.mean_fitness,
            percentile_fitness=other.percentile_fitness,
            unique_in_population=other.unique_in_population,
        )


def fitness_percentiles(fitness: Sequence[float]) -> tuple[float, ...]:
    """The percentiles, linearly interpolated; NaN if there is no fitness."""
    return tuple(float(value) for value in np.percentile(fitness or [math.nan], PERCENTILES))
