"""Local search: climb to an architecture that no neighbor beats, and start anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automl_zero._config_values import integer
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite, keys
from nas.strategies._strategy import Trial

_TRIES = 100
"""Draws of a new start; after them an old one is accepted."""


class LocalSearch(AskTellStrategy):
    """Hill climbing from random starts.

    White, Nolen & Savani, "Exploring the loss landscape in neural architecture search" (UAI
    2021), in the variant that moves to the first neighbor that is better, not to the best of
    all of them: it needs fewer evaluations. Neighbors differ in one decision and are asked for
    in random order; one whose key was asked for before is left out.

    With several trials outstanding, a climb goes on when a neighbor of a place that it has
    left turns out to beat where it is; when all neighbors are asked for, a new one starts.

    Args:
        space: Where to search.
        seed: Fixes everything random.

    Raises:
        ValueError: If the seed is none.

    >>> from nas.benchmarks import NasBench201
    >>> benchmark = NasBench201("cifar10")
    >>> search, best = LocalSearch(benchmark.space, seed=1), 0.0
    >>> for _ in range(100):
    ...     trial = search.ask()
    ...     accuracy = benchmark.validation(trial.architecture)
    ...     search.tell(trial, accuracy)
    ...     best = max(best, accuracy)
    >>> best
    84.892
    """

    def __init__(self, space: ChoiceSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed)
        self._seen: dict[str, None] = {}
        self._queue: list[Architecture] = []  # neighbors to ask for, the next one last
        self._height: float | None = None  # value of where the climb is; None before it has one
        # What outstanding trials have to beat: the value of the place they are neighbors of.
        self._bars: dict[int, float | None] = {}

    def _propose(self) -> tuple[Architecture, int | None]:
        while self._queue:
            architecture = self._queue.pop()
            if self._is_new(architecture):
                break
        else:
            self._height = None
            architecture = self._start()
        self._bars[self._asked] = self._height
        return architecture, None

    def _learn(self, trial: Trial, value: float) -> None:
        bars = (self._bars.pop(trial.number), self._height)
        if all(bar is None or value > bar for bar in bars):
            self._height = value
            neighbors = self.space.neighbors(trial.architecture)
            self._queue = []
            while neighbors:
                self._queue.append(neighbors.pop(self._stream.below(len(neighbors))))

    def _own_state(self) -> dict[str, Any]:
        return {
            "bars": [[number, bar] for number, bar in self._bars.items()],
            "height": self._height,
            "queue": [self.space.to_data(item) for item in self._queue],
            "seen": list(self._seen),
        }

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        def read_bars(data: Any) -> dict[int, float | None]:
            bars = {integer("number", number, 0): _height(bar) for number, bar in data}
            if set(bars) != numbers:
                raise ValueError("one for each outstanding trial")
            return bars

        numbers = fields.read("outstanding", lambda items: {item[0] for item in items})
        bars = fields.read("bars", read_bars)
        height = fields.read("height", _height)
        queue = fields.read("queue", lambda data: [self.space.from_data(item) for item in data])
        seen = fields.read("seen", keys)

        def apply() -> None:
            self._bars, self._height, self._queue, self._seen = bars, height, queue, seen

        return apply

    def _is_new(self, architecture: Architecture) -> bool:
        """True for the first architecture of its key."""
        count = len(self._seen)
        self._seen.setdefault(self.space.key(architecture))
        return len(self._seen) > count

    def _start(self) -> Architecture:
        """A random architecture, a new one unless those are hard to find."""
        for _ in range(_TRIES):
            architecture = self.space.draw(self._stream)
            if self._is_new(architecture):
                break
        return architecture


def _height(value: Any) -> float | None:
    return None if value is None else finite(value)
