"""Sinusoid regression: the small example of few-shot learning."""

from __future__ import annotations

import math

import numpy as np
import torch

from automl_zero._config_values import integer
from automl_zero.streams import Stream
from l2o.maml._tasks import TaskBatch


class SinusoidTasks:
    """Sine waves: ``y = a sin(x - p)``, a in [0.1, 5], p in [0, pi], x in [-5, 5].

    Finn et al. 2017, section 5.1. Every task is a new wave, so there is nothing to split.

    Args:
        shots: Support points of a task.
        queries: Query points; None takes as many as ``shots``.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> tasks = SinusoidTasks(shots=10, queries=50).sample(3, Stream(7))
        >>> tasks.support_x.shape, tasks.query_y.shape
        (torch.Size([3, 10, 1]), torch.Size([3, 50, 1]))
    """

    def __init__(self, shots: int = 10, queries: int | None = None) -> None:
        self.shots = integer("shots", shots, 1)
        self.queries = shots if queries is None else integer("queries", queries, 1)

    def sample(self, count: int, stream: Stream) -> TaskBatch:
        """``count`` tasks, float32; the same stream, the same tasks."""
        integer("count", count, 1)
        amplitude = stream.uniform((count, 1, 1), 0.1, 5.0)
        phase = stream.uniform((count, 1, 1), 0.0, math.pi)
        x = stream.uniform((count, self.shots + self.queries, 1), -5.0, 5.0)
        y = amplitude * np.sin(x - phase)
        inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()
        split = self.shots
        return TaskBatch(
            inputs[:, :split], targets[:, :split], inputs[:, split:], targets[:, split:]
        )
