"""Random search: what every other strategy has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields
from nas.strategies._strategy import Trial


class RandomSearch(AskTellStrategy):
    """Independent draws from the space, as the space draws; some may be equal.

    Args:
        space: Where to search.
        seed: Fixes everything random.

    Raises:
        ValueError: If the seed is none.

    >>> from nas.benchmarks import NasBench201
    >>> benchmark = NasBench201("cifar10")
    >>> search, best = RandomSearch(benchmark.space, seed=1), 0.0
    >>> for _ in range(100):
    ...     trial = search.ask()
    ...     accuracy = benchmark.validation(trial.architecture)
    ...     search.tell(trial, accuracy)
    ...     best = max(best, accuracy)
    >>> best
    83.924
    """

    def __init__(self, space: ChoiceSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed)

    def _propose(self) -> tuple[Architecture, int | None]:
        return self.space.draw(self._stream), None

    def _learn(self, trial: Trial, value: float) -> None:
        """A draw depends on no value."""

    def _own_state(self) -> dict[str, Any]:
        return {}

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        return lambda: None
