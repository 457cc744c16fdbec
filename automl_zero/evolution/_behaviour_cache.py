"""Fitness by what a genome does at first: the functional equivalence cache of any genome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

from automl_zero._config_values import integer, number
from automl_zero.evolution._search_space import Genome


class BehaviourCache(Generic[Genome]):
    """A fitness function that evaluates only what behaves in a new way.

    Genomes of one fingerprint share the fitness of the first of them. That is an approximation
    where they differ later. It can never make a new best one: the shared fitness is not above
    that of the genome that it was measured for.

    Real et al., "AutoML-Zero" (ICML 2020), call this functional equivalence checking.

    Args:
        fitness: Fitness of a genome, measured in full.
        probe: A short look at a genome: a text that tells what it does there, or a number, which
            then is its fitness, as of a genome that fails already.
        size: Fitnesses remembered, the oldest forgotten first.

    >>> cached = BehaviourCache(float, probe=lambda text: text[:3], size=10)
    >>> cached("1.25"), cached("1.29"), cached.hits
    (1.25, 1.25, 1)
    """

    def __init__(
        self,
        fitness: Callable[[Genome], float],
        probe: Callable[[Genome], str | float],
        size: int,
    ) -> None:
        self._fitness = fitness
        self._probe = probe
        self._size = integer("fec_size", size, 1)
        self._known: dict[str, float] = {}
        self.hits = 0
        self.failures = 0

    def __call__(self, genome: Genome) -> float:
        """The fitness of ``genome``, or of one that behaves like it."""
        seen = self._probe(genome)
        if not isinstance(seen, str):
            self.failures += 1
            return seen
        if seen in self._known:
            self.hits += 1
            return self._known[seen]
        value = self._fitness(genome)
        self._known[seen] = value
        if len(self._known) > self._size:
            del self._known[next(iter(self._known))]
        return value

    def state(self) -> dict[str, Any]:
        """What is remembered, as plain JSON data."""
        return {
            "counts": [self.hits, self.failures],
            "known": [[seen, fitness] for seen, fitness in self._known.items()],
        }

    def restore(self, state: Any) -> None:
        """Go on from a state of :meth:`state`.

        Raises:
            ValueError: If it is none.
        """
        try:
            hits, failures = (integer("count", count, 0) for count in state["counts"])
            known = {
                str(seen): number("fitness", fitness, -1e308, 1e308)
                for seen, fitness in state["known"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"state.behaviour: expected what state() gave: {error}") from None
        self.hits, self.failures, self._known = hits, failures, known
