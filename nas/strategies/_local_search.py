"""Local search: climb to an architecture that no neighbor beats, and start anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_zero._config_values import integer
from automl_zero.evolution import evolution_stream
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._strategy import Trial
from nas.strategies._trial_book import TrialBook, fields_of, finite, state_of, stream_state


class LocalSearch:
    """Hill climbing from random starts.

    White, Nolen & Savani, "Exploring the loss landscape in neural architecture search" (UAI
    2021), in the variant that moves to the first neighbor that is better, not to the best of
    all of them: it needs fewer evaluations. Neighbors differ in one decision and are asked for
    in random order; one whose key was asked for before is left out.

    With several trials outstanding, a climb goes on when a neighbor of a place that it has
    left turns out to beat where it is; when all neighbors are asked for, a new one starts.

    Args:
        space: What to search.
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
        self.space = space
        self._stream = evolution_stream(integer("seed", seed, 0, 2**64 - 1))
        self._book = TrialBook(space)
        self._seen: dict[str, None] = {}
        self._queue: list[Architecture] = []  # neighbors to ask for, the next one last
        self._height: float | None = None  # value of where the climb is; None before it has one
        # What outstanding trials have to beat: the value of the place they are neighbors of.
        self._bars: dict[int, float | None] = {}

    def ask(self) -> Trial:
        """The next neighbor, or a random architecture where a new climb starts."""
        while self._queue:
            architecture = self._queue.pop()
            if self._is_new(architecture):
                break
        else:
            self._height = None
            architecture = self._start()
        trial = self._book.open(architecture)
        self._bars[trial.number] = self._height
        return trial

    def tell(self, trial: Trial, value: float) -> None:
        """Move to the architecture if it is better.

        Raises:
            ValueError: If the trial is not outstanding, or the value not finite.
        """
        result = self._book.close(trial, value)
        bars = (self._bars.pop(trial.number), self._height)
        if all(bar is None or result > bar for bar in bars):
            self._height = result
            neighbors = self.space.neighbors(trial.architecture)
            self._queue = []
            while neighbors:
                self._queue.append(neighbors.pop(self._stream.below(len(neighbors))))

    def state(self) -> dict[str, Any]:
        """Where it stands, as plain JSON data."""
        return state_of(
            "local search",
            stream=self._stream.state,
            trials=self._book.state(),
            bars=[[number, bar] for number, bar in self._bars.items()],
            height=self._height,
            queue=[self.space.to_data(item) for item in self._queue],
            seen=list(self._seen),
        )

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state`.

        Raises:
            ValueError: If it is none; names the field.
        """
        fields = fields_of(
            "local search",
            state,
            stream=stream_state,
            trials=self._book.read,
            bars=lambda data: {integer("trial", n, 0): _height(bar) for n, bar in data},
            height=_height,
            queue=lambda data: [self.space.from_data(item) for item in data],
            seen=lambda data: dict.fromkeys(map(str, data)),
        )
        if fields["bars"].keys() != fields["trials"].outstanding.keys():
            raise ValueError("state.bars: expected one for each outstanding trial")
        self._stream.state, self._book = fields["stream"], fields["trials"]
        self._bars, self._height = fields["bars"], fields["height"]
        self._queue, self._seen = fields["queue"], fields["seen"]

    def _is_new(self, architecture: Architecture) -> bool:
        """True for the first architecture of its key."""
        count = len(self._seen)
        self._seen.setdefault(self.space.key(architecture))
        return len(self._seen) > count

    def _start(self) -> Architecture:
        """A random architecture, a new one unless those are hard to find."""
        for _ in range(100):
            architecture = self.space.draw(self._stream)
            if self._is_new(architecture):
                break
        return architecture


def _height(value: Any) -> float | None:
    return None if value is None else finite(value)
