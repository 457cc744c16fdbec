"""Which tensors are skipped at which step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import integer, number
from automl_zero.streams import Stream, stream_key


@dataclass(frozen=True, slots=True)
class SkipSchedule:
    """Stochastic structural sparsity: at each step each tensor is skipped with a probability.

    The steps are cut into as many equal parts as there are probabilities. At least one tensor is
    updated at each step. What is drawn depends on seed and step alone.

    Args:
        probabilities: Of each part; the paper's progressive schedule is 10, 30 and 50 %.
        steps: Of the training; later ones are as its last part.
        seed: Of the draws.

    Raises:
        ValueError: If a value is out of its range.

    >>> schedule = SkipSchedule((0.0, 0.5), steps=10, seed=1)
    >>> schedule.active(0, 4).tolist(), int(schedule.active(7, 4).sum()) >= 1
    ([True, True, True, True], True)
    """

    probabilities: tuple[float, ...] = (0.1, 0.3, 0.5)
    steps: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.probabilities, list | tuple) or not self.probabilities:
            raise ValueError(
                f"probabilities: expected a list of numbers, received {self.probabilities!r}"
            )
        values = tuple(number("probabilities", value, 0.0, 1.0) for value in self.probabilities)
        object.__setattr__(self, "probabilities", values)
        integer("steps", self.steps, 1)
        integer("seed", self.seed, 0)

    def probability(self, step: int) -> float:
        """Of a tensor to be skipped at a step, counted from 0."""
        part = step * len(self.probabilities) // self.steps
        return self.probabilities[min(part, len(self.probabilities) - 1)]

    def active(self, step: int, tensors: int) -> NDArray[np.bool_]:
        """Which of so many tensors are updated at a step, ``[tensors]``."""
        stream = Stream(stream_key(self.seed, "skip", step))
        active = stream.uniform(tensors) >= self.probability(step)
        if not active.any():
            active[stream.below(tensors)] = True
        return np.asarray(active)
