"""Regularized evolution: tournament, mutation, and the oldest dies.

Real, Aggarwal, Huang & Le, "Regularized evolution for image classifier architecture
search" (AAAI 2019), in the form of the AutoML-Zero search engine: individuals fill the
slots of a ring; each new one takes the place of the oldest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic

import numpy as np

from automl_zero._config_values import integer
from automl_zero.evolution._lineage import Birth, Improvement
from automl_zero.evolution._population_statistics import (
    PopulationStatistics,
    fitness_percentiles,
)
from automl_zero.evolution._search_space import Genome, Key, SearchSpace, evolution_stream
from automl_zero.kernels._engine import PopulationRing

MAX_POPULATION: Final = 10_000_000
"""Individuals of one population at most; far beyond what pays."""

_FORMAT: Final = "automl-zero evolution state"
_VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class Individual(Generic[Genome]):
    """A genome with its number, in order of creation.

    Attributes:
        number: 0 for the first individual of a search, or of its island.
        genome: What to evaluate.
        fitness: Its fitness. None if that is not known yet.
        generation: How many ancestors it has.
        island: Where it was created.
    """

    number: int
    genome: Genome
    fitness: float | None = None
    generation: int = 0
    island: int = 0

    @property
    def birth(self) -> Birth:
        """Island, number and generation."""
        return Birth(self.island, self.number, self.generation)


class RegularizedEvolution(Generic[Genome]):
    """Regularized evolution of any genome, by ask and tell.

    The first individuals are the initial genomes. After them, each is a mutated copy of
    the fittest of ``tournament_size`` individuals, drawn uniformly with replacement; the
    first drawn wins a tie. An individual that is told replaces the oldest.

    Several individuals may be asked for before the first is told, and they may be told in
    any order: the state depends on the order of the calls and on nothing else. Told one by
    one, programs evolve exactly as in the compiled
    :class:`~automl_zero.evolution.ProgramEvolution`.

    Args:
        space: Draws and mutates genomes.
        population_size: Individuals alive. 100 and the tournament of 10 are the choices of
            the AutoML-Zero paper for expensive evaluations.
        tournament_size: Draws for one parent; more makes selection harder.
        attempts: Mutations of a child at most: it is mutated again while an individual alive
            has its key. 1: duplicates are let be.
        seed: Fixes everything random.
        initial: Genomes to start from, taken in turn until the population is full. None:
            the space draws them.
        cache_size: Fitnesses remembered by key, the oldest forgotten first. For fitnesses
            that depend on the key alone; 0 remembers none.
        island: Number of the island that this is, for the births of its individuals.

    Raises:
        ValueError: If a size is out of range.

    >>> from automl_zero.evolution import BitStringSpace
    >>> evolution = RegularizedEvolution(BitStringSpace(8), population_size=10, seed=3)
    >>> for _ in range(200):
    ...     individual = evolution.ask()
    ...     evolution.tell(individual, individual.genome.count("1"))
    >>> evolution.best
    Individual(number=11, genome='11111111', fitness=8.0, generation=2, island=0)
    """

    def __init__(
        self,
        space: SearchSpace[Genome],
        *,
        population_size: int = 100,
        tournament_size: int = 10,
        attempts: int = 1,
        seed: int = 0,
        initial: Sequence[Genome] = (),
        cache_size: int = 0,
        island: int = 0,
    ) -> None:
        self.space = space
        self.population_size = integer("population_size", population_size, 1, MAX_POPULATION)
        self.tournament_size = integer("tournament_size", tournament_size, 1, 2**31 - 1)
        self.attempts = integer("attempts", attempts, 1, 1000)
        self.cache_size = integer("cache_size", cache_size, 0)
        self.island = integer("island", island, 0)
        self._initial = tuple(initial)
        self._stream = evolution_stream(integer("seed", seed, 0, 2**64 - 1))
        self._ring = PopulationRing(self.population_size)
        self._population: list[Individual[Genome]] = []
        self._alive: Counter[Key] = Counter()  # the population's keys, if attempts > 1
        self._outstanding: dict[int, Individual[Genome]] = {}
        self._parents: dict[int, Individual[Genome] | None] = {}  # of the outstanding ones
        self._improvements: list[Improvement[Genome]] = []
        self._cache: dict[Key, float] = {}
        self._best: Individual[Genome] | None = None
        self._asked = self._told = self._known = self._immigrants = 0
        self._instructions = self._live_instructions = 0
        self._sizes = getattr(space, "sizes", None)

    def ask(self) -> Individual[Genome]:
        """The next individual. If its ``fitness`` is known, evaluation can be left out."""
        parent = None
        if self._asked < self.population_size or not self._population:
            genome = self._initial_genome()
        else:
            parent = self._population[self._ring.tournament(self._stream, self.tournament_size)]
            genome = self._mutated(parent.genome)
        fitness = self._cache.get(self.space.key(genome)) if self.cache_size else None
        self._known += fitness is not None
        generation = 0 if parent is None else parent.generation + 1
        individual = Individual(self._asked, genome, fitness, generation, self.island)
        self._outstanding[self._asked] = individual
        self._parents[self._asked] = parent
        self._asked += 1
        return individual

    def tell(self, individual: Individual[Genome], fitness: float) -> None:
        """Put an individual that was asked for into the population.

        Args:
            individual: As :meth:`ask` gave it.
            fitness: Higher is better. Give failures the lowest fitness there is.

        Raises:
            ValueError: If the individual was not asked for or was told before, or the
                fitness is no finite number.
        """
        number = getattr(individual, "number", None)
        if number not in self._outstanding:
            raise ValueError(
                f"individual: expected one that was asked for and not told, received {individual!r}"
            )
        value = _finite(fitness)
        told = replace(self._outstanding.pop(number), fitness=value)
        parent = self._parents.pop(number)
        self._put(told)
        self._told += 1
        if self._sizes is not None:
            instructions, live = self._sizes(told.genome)
            self._instructions += instructions
            self._live_instructions += live
        if self._best is None or value > _finite(self._best.fitness):
            self._best = told
            self._improvements.append(_improvement(told, parent))
        if self.cache_size:
            self._remember(self.space.key(told.genome), value)

    def immigrate(self, genome: Genome, fitness: float, birth: Birth) -> None:
        """Put an individual of another island in the place of the oldest.

        Args:
            genome: The individual.
            fitness: Its fitness.
            birth: Where it was created.

        Raises:
            ValueError: If the fitness is no finite number.
        """
        value = _finite(fitness)
        immigrant = Individual(birth.number, genome, value, birth.generation, birth.island)
        self._put(immigrant)
        self._immigrants += 1
        if self._best is None or value > _finite(self._best.fitness):
            self._best = immigrant

    def take_improvements(self) -> list[Improvement[Genome]]:
        """The new best individuals that were created here since the last call."""
        taken, self._improvements = self._improvements, []
        return taken

    def run(self, fitness: Callable[[Genome], float], count: int) -> None:
        """Create ``count`` individuals one by one, evaluated here unless known.

        Raises:
            ValueError: As :meth:`tell`.
        """
        for _ in range(integer("count", count, 0)):
            individual = self.ask()
            known = individual.fitness
            self.tell(individual, fitness(individual.genome) if known is None else known)

    @property
    def best(self) -> Individual[Genome] | None:
        """The fittest individual ever told; the first on ties; None before any."""
        return self._best

    @property
    def population(self) -> tuple[Individual[Genome], ...]:
        """The individuals alive, by slot of the ring."""
        return tuple(self._population)

    @property
    def outstanding(self) -> tuple[Individual[Genome], ...]:
        """Individuals asked for and not told: what workers lost, or still work on."""
        return tuple(self._outstanding.values())

    @property
    def statistics(self) -> PopulationStatistics:
        """Counts, and the fitness of the population."""
        fitness = self._ring.fitnesses or [math.nan]
        return PopulationStatistics(
            individuals=self._told,
            immigrants=self._immigrants,
            outstanding=len(self._outstanding),
            known=self._known,
            instructions=self._instructions,
            live_instructions=self._live_instructions,
            best_fitness=-math.inf if self._best is None else _finite(self._best.fitness),
            mean_fitness=float(np.mean(fitness)),
            percentile_fitness=fitness_percentiles(fitness),
            unique_in_population=len({self.space.key(item.genome) for item in self._population}),
        )

    def state(self) -> dict[str, Any]:
        """Everything that goes on from here depends on, as plain JSON data."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "population_size": self.population_size,
            "stream": self._stream.state,
            "counts": [
                self._asked, self._told, self._known, self._immigrants,
                self._instructions, self._live_instructions,
            ],
            "next_slot": self._ring.next_slot,
            "population": [self._to_data(item) for item in self._population],
            "outstanding": [
                [self._to_data(item), self._parent_data(item)]
                for item in self._outstanding.values()
            ],
            "best": None if self._best is None else self._to_data(self._best),
            "cache": [[key, fitness] for key, fitness in self._cache.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of :meth:`state`, of an evolution made with the same arguments.

        Raises:
            ValueError: If the state is of another format or population size, or damaged;
                names the field. The evolution is then as it was before.
        """
        for name, expected in (
            ("format", _FORMAT),
            ("version", _VERSION),
            ("population_size", self.population_size),
        ):
            received = state.get(name) if isinstance(state, Mapping) else type(state).__name__
            if received != expected:
                raise ValueError(f"state.{name}: expected {expected!r}, received {received!r}")
        field = "stream"
        try:
            stream = integer(field, state[field], 0, 2**64 - 1)
            field = "counts"
            asked, told, known, immigrants, instructions, live = (
                integer("count", count, 0) for count in state[field]
            )
            field = "next_slot"
            next_slot = integer(field, state[field], 0, self.population_size - 1)
            field = "population"
            population = [self._from_data(item, told=True) for item in state[field]]
            _require_count(min(told + immigrants, self.population_size), population)
            field = "outstanding"
            outstanding = [self._from_data(item, told=False) for item, _ in state[field]]
            parents = [
                None if parent is None else self._from_data(parent, told=True)
                for _, parent in state[field]
            ]
            _require_count(asked - told, outstanding)
            field = "best"
            best = self._from_data(state[field], told=True) if population else None
            field = "cache"
            cache = {key: _finite(fitness) for key, fitness in state[field]}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"state.{field}: expected what state() gave: {error}") from None
        self._ring.restore([item.fitness for item in population], next_slot)
        self._stream.state = stream
        self._asked, self._told, self._known = asked, told, known
        self._immigrants = immigrants
        self._instructions, self._live_instructions = instructions, live
        self._population = population
        if self.attempts > 1:
            self._alive = Counter(self.space.key(item.genome) for item in population)
        self._outstanding = {item.number: item for item in outstanding}
        self._parents = dict(zip(self._outstanding, parents, strict=True))
        self._improvements = []
        self._best, self._cache = best, cache

    def _initial_genome(self) -> Genome:
        if self._initial:
            return self._initial[self._asked % len(self._initial)]
        return self.space.draw(self._stream)

    def _mutated(self, genome: Genome) -> Genome:
        genome = self.space.mutate(genome, self._stream)
        for _ in range(self.attempts - 1):
            if not self._alive[self.space.key(genome)]:
                break
            genome = self.space.mutate(genome, self._stream)
        return genome

    def _put(self, individual: Individual[Genome]) -> None:
        slot = self._ring.replace(_finite(individual.fitness))
        if self.attempts > 1:
            self._alive[self.space.key(individual.genome)] += 1
            for replaced in self._population[slot : slot + 1]:
                key = self.space.key(replaced.genome)
                self._alive[key] -= 1
                if not self._alive[key]:
                    del self._alive[key]
        self._population[slot : slot + 1] = [individual]

    def _remember(self, key: Key, fitness: float) -> None:
        self._cache.setdefault(key, fitness)
        if len(self._cache) > self.cache_size:
            del self._cache[next(iter(self._cache))]

    def _to_data(self, individual: Individual[Genome]) -> list[Any]:
        genome = self.space.to_data(individual.genome)
        return [*individual.birth, genome, individual.fitness]

    def _parent_data(self, individual: Individual[Genome]) -> list[Any] | None:
        parent = self._parents[individual.number]
        return None if parent is None else self._to_data(parent)

    def _from_data(self, data: Sequence[Any], told: bool) -> Individual[Genome]:
        *birth, genome, fitness = data
        known = _finite(fitness) if told or fitness is not None else None
        island, number, generation = Birth.from_data(birth)
        return Individual(number, self.space.from_data(genome), known, generation, island)


def _improvement(
    individual: Individual[Genome], parent: Individual[Genome] | None
) -> Improvement[Genome]:
    if parent is None:
        return Improvement(individual.genome, _finite(individual.fitness), individual.birth)
    return Improvement(
        individual.genome,
        _finite(individual.fitness),
        individual.birth,
        parent=parent.genome,
        parent_birth=parent.birth,
        parent_fitness=parent.fitness,
    )


def _finite(fitness: float | None) -> float:
    """``fitness`` as a float.

    Raises:
        ValueError: If it is no finite number.
    """
    try:
        value = math.nan if fitness is None else float(fitness)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"fitness: expected a finite number, received {fitness!r}")
    return value


def _require_count(expected: int, received: Sequence[Any]) -> None:
    if len(received) != expected:
        raise ValueError(f"{expected} individuals, received {len(received)}")
