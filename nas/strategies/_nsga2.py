"""Evolution for several objectives at once.

Deb, Pratap, Agarwal & Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II"
(IEEE Transactions on Evolutionary Computation 6(2), 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from automl_zero._config_values import integer, number
from nas.objectives import crowding_distance, nondominated_fronts
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite, keys
from nas.strategies._strategy import Trial

_TRIES: Final = 20
"""Mutations of a child that was asked for before; after them the repetition is accepted."""

Values = tuple[float, ...]
_Member = tuple[Architecture, Values]


class NSGA2(AskTellStrategy):
    """NSGA-II: non-dominated sorting, and crowding where a front does not fit.

    Parents win a binary tournament: the lower front, then more room around it. A child takes
    each decision from either of two parents (with probability ``crossover``, else all from
    one) and is mutated by the space. Children whose :meth:`key` was asked for before are
    mutated further. Once ``population_size`` children are told, the best of parents and
    children survive: whole fronts, and of the last one those with the largest crowding
    distance. All objectives are maximised; the number of the first value told holds for all.

    Args:
        space: Where to search.
        population_size: Survivors, and children of a generation. 20, because a search that
            trains has some hundreds of evaluations, not the paper's 25,000.
        crossover: Probability that a child has two parents; 0.9 in the paper.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.spaces import ChoiceSpace, Decision
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c")) for i in range(6)])
    >>> strategy = NSGA2(space, population_size=10, seed=1)
    >>> for _ in range(200):
    ...     trial = strategy.ask()
    ...     counts = trial.architecture.count(1), trial.architecture.count(2)
    ...     strategy.tell(trial, counts)
    >>> sorted(set(values for _, values in strategy.front()))
    [(0.0, 6.0), (1.0, 5.0), (2.0, 4.0), (3.0, 3.0), (4.0, 2.0), (5.0, 1.0), (6.0, 0.0)]
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        population_size: int = 20,
        crossover: float = 0.9,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed)
        self.population_size = integer("population_size", population_size, 2)
        self.crossover = number("crossover", crossover, 0, 1)
        self._population: list[_Member] = []
        self._children: list[_Member] = []
        self._seen: dict[str, None] = {}
        self._set_ranks()

    def front(self) -> list[tuple[Architecture, Values]]:
        """The architectures of the population and its children that no other dominates."""
        members = self._population + self._children
        if not members:
            return []
        return [members[row] for row in nondominated_fronts([v for _, v in members])[0]]

    def _checked(self, value: Any) -> Values:
        values = tuple(map(finite, value if isinstance(value, tuple) else (value,)))
        for _, others in (self._population or self._children)[:1]:
            if len(values) != len(others):
                raise ValueError(
                    f"value: expected {len(others)} objectives as before, received {value!r}"
                )
        if not values:
            raise ValueError(f"value: expected at least one objective, received {value!r}")
        return values

    def _propose(self) -> tuple[Architecture, int | None]:
        child = self._child() if self._population else self.space.draw(self._stream)
        for _ in range(_TRIES):
            if self.space.key(child) not in self._seen:
                break
            child = self.space.mutate(child, self._stream)
        self._seen[self.space.key(child)] = None
        return child, None

    def _child(self) -> Architecture:
        stream = self._stream
        child = self._parent()
        if stream.uniform() < self.crossover:
            other = self._parent()
            child = tuple(
                one if stream.below(2) else two for one, two in zip(child, other, strict=True)
            )
        return self.space.mutate(child, stream)

    def _parent(self) -> Architecture:
        one, two = (self._stream.below(len(self._population)) for _ in range(2))
        return self._population[max(one, two, key=lambda row: self._fitness[row])][0]

    def _learn(self, trial: Trial, value: Values) -> None:
        self._children.append((trial.architecture, value))
        if len(self._children) == self.population_size:
            members = self._population + self._children
            kept = survivors([values for _, values in members], self.population_size)
            self._population, self._children = [members[row] for row in kept], []
            self._set_ranks()

    def _set_ranks(self) -> None:
        """The order of tournaments: front, then crowding distance; higher is better."""
        self._fitness: list[tuple[int, float]] = [(0, 0.0)] * len(self._population)
        if not self._population:
            return
        values = np.array([values for _, values in self._population])
        for rank, front in enumerate(nondominated_fronts(values)):
            for row, distance in zip(front, crowding_distance(values[front]), strict=True):
                self._fitness[row] = (-rank, float(distance))

    def _own_state(self) -> dict[str, Any]:
        def data(members: list[_Member]) -> list[Any]:
            return [[self.space.to_data(item), list(values)] for item, values in members]

        return {
            "population": data(self._population),
            "children": data(self._children),
            "seen": list(self._seen),
        }

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        def members(items: Any) -> list[_Member]:
            return [(self.space.from_data(a), tuple(map(finite, values))) for a, values in items]

        population = fields.read("population", members)
        children = fields.read("children", members)
        if len({len(values) for _, values in population + children}) > 1:
            raise ValueError("state.children: expected as many objectives as in the population")
        seen = fields.read("seen", keys)

        def apply() -> None:
            self._population, self._children, self._seen = population, children, seen
            self._set_ranks()

        return apply


def survivors(values: Any, count: int) -> list[int]:
    """Rows that survive: front after front; of the one that does not fit, the least crowded.

    Args:
        values: Shape ``[rows, objectives]``, maximised.
        count: How many.

    >>> survivors([[0, 4], [1, 3], [2, 2], [4, 0], [0, 0]], 3)
    [0, 3, 2]
    """
    points = np.asarray(values, np.float64)
    kept: list[int] = []
    for front in nondominated_fronts(points):
        room = count - len(kept)
        if len(front) > room:
            order = np.argsort(-crowding_distance(points[front]), kind="stable")
            front = front[order[:room]]
        kept += front.tolist()
        if len(kept) == count:
            break
    return kept
