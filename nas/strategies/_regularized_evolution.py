"""Regularized evolution: the core's, as a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automl_zero import evolution
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields
from nas.strategies._strategy import Trial


class RegularizedEvolution(AskTellStrategy):
    """Regularized evolution (aging evolution) of architectures.

    Real, Aggarwal, Huang & Le, "Regularized evolution for image classifier architecture
    search" (AAAI 2019). It is :class:`automl_zero.evolution.RegularizedEvolution`, which
    evolves the programs of this project, on a space of architectures.

    Args:
        space: Where to search.
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
        super().__init__(space, seed)
        self.population_size, self.tournament_size = population_size, tournament_size
        self._core = self._new_core()

    def _new_core(self) -> evolution.RegularizedEvolution[Architecture]:
        return evolution.RegularizedEvolution(
            self.space,
            population_size=self.population_size,
            tournament_size=self.tournament_size,
            seed=self.seed,
        )

    def _propose(self) -> tuple[Architecture, int | None]:
        return self._core.ask().genome, None

    def _learn(self, trial: Trial, value: float) -> None:
        self._core.tell(evolution.Individual(trial.number, trial.architecture), value)

    def _own_state(self) -> dict[str, Any]:
        return {"evolution": self._core.state()}

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        core = self._new_core()
        fields.read("evolution", core.restore)

        def apply() -> None:
            self._core = core

        return apply
