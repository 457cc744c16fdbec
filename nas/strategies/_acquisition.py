"""The architecture of a space that a model thinks most of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.evolution import RandomStream
from nas.spaces import Architecture, ChoiceSpace

Score = Callable[[Sequence[Architecture]], NDArray[np.float64]]
"""Numbers of architectures, higher is better, shape ``[n]``."""

_DRAWS: Final = 100
_BEAM: Final = 10


def most_promising(
    space: ChoiceSpace,
    score: Score,
    good: Sequence[Architecture],
    is_new: Callable[[Architecture], bool],
    stream: RandomStream,
) -> Architecture | None:
    """The new architecture with the highest score that a beam search finds.

    It scores the neighbors of good architectures and a hundred random ones, and then the
    neighbors of the ten best that it has scored, until it knows all of those.

    Args:
        space: What to search.
        score: What is to be high.
        good: Architectures whose neighbors are promising.
        is_new: Whether an architecture may be chosen.
        stream: Draws the random ones.

    Returns:
        None if no new architecture turned up.
    """
    scores: dict[Architecture, float] = {}

    def add(architectures: Iterable[Architecture]) -> None:
        fresh = [
            item for item in dict.fromkeys(architectures) if item not in scores and is_new(item)
        ]
        if fresh:
            scores.update(zip(fresh, map(float, score(fresh)), strict=True))

    add(item for place in good for item in space.neighbors(place))
    add(space.draw(stream) for _ in range(_DRAWS))
    known: set[Architecture] = set()  # their neighbors have scores
    while True:
        beam = sorted(scores, key=scores.__getitem__, reverse=True)[:_BEAM]
        places = [item for item in beam if item not in known]
        if not places:
            return beam[0] if beam else None
        known.update(places)
        add(item for place in places for item in space.neighbors(place))
