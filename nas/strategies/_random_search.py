"""Random search: what every other strategy has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_zero._config_values import integer
from automl_zero.evolution import evolution_stream
from nas.spaces import ChoiceSpace
from nas.strategies._strategy import Trial
from nas.strategies._trial_book import TrialBook, fields_of, state_of, stream_state


class RandomSearch:
    """Independent draws from the space, as the space draws; some may be equal.

    Args:
        space: What to search.
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
    82.972
    """

    def __init__(self, space: ChoiceSpace, *, seed: int = 0) -> None:
        self.space = space
        self._stream = evolution_stream(integer("seed", seed, 0, 2**64 - 1))
        self._book = TrialBook(space)

    def ask(self) -> Trial:
        """A random architecture."""
        return self._book.open(self.space.draw(self._stream))

    def tell(self, trial: Trial, value: float) -> None:
        """Take note that a trial is done; its value changes nothing.

        Raises:
            ValueError: If the trial is not outstanding, or the value not finite.
        """
        self._book.close(trial, value)

    def state(self) -> dict[str, Any]:
        """Where it stands, as plain JSON data."""
        return state_of("random search", stream=self._stream.state, trials=self._book.state())

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state`.

        Raises:
            ValueError: If it is none; names the field.
        """
        fields = fields_of("random search", state, stream=stream_state, trials=self._book.read)
        self._stream.state, self._book = fields["stream"], fields["trials"]
