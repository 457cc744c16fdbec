"""Regularized evolution: the core's, as a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_zero import evolution
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._strategy import Trial


class RegularizedEvolution:
    """Regularized evolution (aging evolution) of architectures.

    Real, Aggarwal, Huang & Le, "Regularized evolution for image classifier architecture
    search" (AAAI 2019). It is :class:`automl_zero.evolution.RegularizedEvolution`, which
    evolves the programs of this project, on a space of architectures.

    Args:
        space: What to search.
        population_size: Architectures alive. The NAS-Bench-201 paper has 10 for searches of
            about 100 evaluations; the original has 100 for 20,000.
        tournament_size: Draws for one parent; 3 in the NAS-Bench-201 code, 25 in the original.
        seed: Fixes everything random.

    Raises:
        ValueError: If a size is out of range.

    >>> from nas.benchmarks import NasBench201
    >>> benchmark = NasBench201("cifar10")
    >>> search, best = RegularizedEvolution(benchmark.space, seed=1), 0.0
    >>> for _ in range(100):
    ...     trial = search.ask()
    ...     accuracy = benchmark.validation(trial.architecture)
    ...     search.tell(trial, accuracy)
    ...     best = max(best, accuracy)
    >>> best
    84.24
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        population_size: int = 10,
        tournament_size: int = 3,
        seed: int = 0,
    ) -> None:
        self.space = space
        self._core: evolution.RegularizedEvolution[Architecture] = evolution.RegularizedEvolution(
            space, population_size=population_size, tournament_size=tournament_size, seed=seed
        )

    def ask(self) -> Trial:
        """A random architecture for the first population, then a child."""
        individual = self._core.ask()
        return Trial(individual.number, individual.genome)

    def tell(self, trial: Trial, value: float) -> None:
        """Put an architecture in the place of the oldest.

        Raises:
            ValueError: If the trial is not outstanding, or the value not finite.
        """
        self._core.tell(evolution.Individual(trial.number, trial.architecture), value)

    def state(self) -> dict[str, Any]:
        """Where it stands, as plain JSON data."""
        return self._core.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state`.

        Raises:
            ValueError: If it is none; names the field.
        """
        self._core.restore(state)
