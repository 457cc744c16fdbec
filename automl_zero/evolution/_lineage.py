"""Where individuals come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple

from automl_zero._config_values import integer
from automl_zero.evolution._search_space import Genome


class Birth(NamedTuple):
    """Where and when an individual was created; names it for good.

    Attributes:
        island: Number of the island.
        number: In order of creation there; 0 is the first.
        generation: How many ancestors it has; 0 for an initial individual.
    """

    island: int
    number: int
    generation: int

    @classmethod
    def from_data(cls, data: Any) -> Birth:
        """The birth in a list of three numbers.

        Raises:
            ValueError: If ``data`` is none.
        """
        if not isinstance(data, list | tuple) or len(data) != 3:
            raise ValueError(f"birth: expected island, number, generation, received {data!r}")
        return cls(*(integer("birth", value, 0, 2**62) for value in data))


@dataclass(frozen=True, slots=True)
class Improvement(Generic[Genome]):
    """A new best individual of an island, and what it came from.

    Attributes:
        genome: The individual.
        fitness: Its fitness, evaluated in full.
        birth: Where it was created.
        parent: The genome that was mutated; None for an initial individual, as the next two.
        parent_birth: Where the parent was created.
        parent_fitness: Its fitness when it was chosen.
        mutation: The type of mutation, where the search space tells it.
    """

    genome: Genome
    fitness: float
    birth: Birth
    parent: Genome | None = None
    parent_birth: Birth | None = None
    parent_fitness: float | None = None
    mutation: str | None = None

    def with_genomes(self, convert: Callable[[Genome], Any]) -> Improvement[Any]:
        """The same with ``convert`` applied to both genomes."""
        parent = None if self.parent is None else convert(self.parent)
        return replace(self, genome=convert(self.genome), parent=parent)
