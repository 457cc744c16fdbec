"""One epoch of an island of any genomes, evaluated by a Python function."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Generic

from automl_zero.evolution._behaviour_cache import BehaviourCache
from automl_zero.evolution._regularized_evolution import RegularizedEvolution
from automl_zero.evolution._search_space import Genome, SearchSpace
from automl_zero.evolution.islands import EpochResult, Migrant
from automl_zero.streams import stream_key

FEC_SIZE: Final = 10_000
"""Fitnesses by behaviour that an island remembers: a state of half a megabyte when full."""


class GenomeEpoch(Generic[Genome]):
    """Epochs of islands of any genomes: an
    :class:`~automl_zero.evolution.islands.EpochFunction`.

    Args:
        space: Draws and mutates genomes.
        fitness: Fitness of a genome, higher is better; a function of the genome alone. It
            is sent to the workers, lambdas and closures included.
        population_size: Individuals alive on an island.
        tournament_size: Draws for one parent.
        attempts: Mutations of a child at most: it is mutated again while an individual alive
            has its key. 1: duplicates are let be.
        seed: Fixes everything random.
        initial: Genomes to start from; none: random ones.
        cache_size: Fitnesses that an island remembers by key. They are part of its state.
        probe: A short look at a genome before its fitness is measured: a text that tells what
            it does there, or a number, which then is its fitness (see :class:`GenomeSearch`).
            A function of the genome alone, like ``fitness``.
        fec_size: Fitnesses that an island remembers by what the probe saw. They are part of
            its state.

    Raises:
        ValueError: If a size is out of range.

    >>> from automl_zero.evolution import BitStringSpace
    >>> epoch = GenomeEpoch(BitStringSpace(16), lambda bits: bits.count("1"), seed=1)
    >>> result = epoch(0, None, [], individuals=300, emigrants=1)
    >>> result.individuals, result.emigrants[0].fitness
    (300, 16.0)
    """

    def __init__(
        self,
        space: SearchSpace[Genome],
        fitness: Callable[[Genome], float],
        *,
        population_size: int = 100,
        tournament_size: int = 10,
        attempts: int = 1,
        seed: int = 0,
        initial: Sequence[Genome] = (),
        cache_size: int = 0,
        probe: Callable[[Genome], str | float] | None = None,
        fec_size: int = FEC_SIZE,
    ) -> None:
        self.space = space
        self.fitness = fitness
        self.probe = probe
        self.fec_size = fec_size
        self.seed = seed
        self._options: dict[str, Any] = {
            "population_size": population_size,
            "tournament_size": tournament_size,
            "attempts": attempts,
            "initial": tuple(initial),
            "cache_size": cache_size,
        }
        self._evolution(0)
        self._behaviour()

    def __call__(
        self,
        island: int,
        state: bytes | None,
        immigrants: Sequence[Migrant],
        *,
        individuals: int,
        emigrants: int = 0,
        deadline: float | None = None,
    ) -> EpochResult:
        """As :class:`~automl_zero.evolution.islands.EpochFunction`.

        Raises:
            RuntimeError: If the fitness function raises, or gives no finite number; names
                the genome.
        """
        evolution, behaviour = self._evolution(island), self._behaviour()
        evaluate = self.fitness if behaviour is None else behaviour
        if state is not None:
            self._restore(evolution, behaviour, json.loads(state))
        for migrant in immigrants:
            genome = self.space.from_data(migrant.genome)
            evolution.immigrate(genome, migrant.fitness, migrant.birth)
        for _ in range(individuals):
            evolution.run(lambda genome: _checked_fitness(evaluate, genome), 1)
            if deadline is not None and time.time() >= deadline:
                break
        statistics, data = evolution.statistics, evolution.state()
        if behaviour is not None:
            statistics = replace(
                statistics, fec_hits=behaviour.hits, probe_failures=behaviour.failures
            )
            data["behaviour"] = behaviour.state()
        return EpochResult(
            state=json.dumps(data).encode(),
            individuals=statistics.individuals,
            improvements=tuple(
                item.with_genomes(self.space.to_data) for item in evolution.take_improvements()
            ),
            emigrants=tuple(
                Migrant(self.space.to_data(item.genome), item.fitness or 0.0, item.birth)
                for item in self._fittest(evolution, emigrants)
            ),
            statistics=statistics,
        )

    def check_state(self, state: bytes) -> None:
        """Make sure that a state from a file is one of this function's.

        Raises:
            ValueError: If not; names the field.
        """
        try:
            data = json.loads(state)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected JSON: {error}") from None
        self._restore(self._evolution(0), self._behaviour(), data)

    def _evolution(self, island: int) -> RegularizedEvolution[Genome]:
        seed = self.seed if island == 0 else stream_key(self.seed, "island", island)
        return RegularizedEvolution(self.space, seed=seed, island=island, **self._options)

    def _behaviour(self) -> BehaviourCache[Genome] | None:
        if self.probe is None:
            return None
        return BehaviourCache(self.fitness, self.probe, self.fec_size)

    def _restore(
        self,
        evolution: RegularizedEvolution[Genome],
        behaviour: BehaviourCache[Genome] | None,
        data: Any,
    ) -> None:
        evolution.restore(data)
        if behaviour is not None:
            behaviour.restore(data.get("behaviour"))

    def _fittest(self, evolution: RegularizedEvolution[Genome], count: int) -> list[Any]:
        """The fittest individuals alive with different keys; ties by birth."""
        found: dict[Any, Any] = {}
        ranked = sorted(evolution.population, key=lambda item: (-(item.fitness or 0.0), item.birth))
        for item in ranked:
            if len(found) == count:
                break
            found.setdefault(self.space.key(item.genome), item)
        return list(found.values())


def _checked_fitness(fitness: Callable[[Genome], float], genome: Genome) -> float:
    try:
        value = float(fitness(genome))
    except Exception as error:
        raise RuntimeError(f"fitness: the function failed on {genome!r}: {error}") from error
    if not math.isfinite(value):
        raise RuntimeError(f"fitness: expected a finite number for {genome!r}, received {value}")
    return value
