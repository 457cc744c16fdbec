"""Few-shot tasks: what a learner adapts to, and what it is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import torch

from automl_zero.streams import Stream


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One task: examples to adapt to (support) and examples to be judged by (query).

    Args:
        support_x: Inputs ``[n, ...]``.
        support_y: Targets ``[n]`` (class numbers) or ``[n, ...]``.
        query_x: Inputs ``[m, ...]``.
        query_y: Targets ``[m]`` or ``[m, ...]``.

    Raises:
        ValueError: If inputs and targets differ in number, or a set is empty.

    Example:
        >>> x, y = torch.zeros(5, 2), torch.zeros(5)
        >>> Task(x, y, x[:3], y[:3])
        Task(5 to adapt to, 3 to be judged by)
    """

    support_x: torch.Tensor
    support_y: torch.Tensor
    query_x: torch.Tensor
    query_y: torch.Tensor

    def __post_init__(self) -> None:
        _check(self, 1)

    def __repr__(self) -> str:
        return f"Task({len(self.support_y)} to adapt to, {len(self.query_y)} to be judged by)"


@dataclass(frozen=True, slots=True, eq=False)
class TaskBatch:
    """Tasks of equal shape, stacked: every tensor has one more axis in front, the tasks.

    Args:
        support_x: Inputs ``[tasks, n, ...]``.
        support_y: Targets ``[tasks, n]`` or ``[tasks, n, ...]``.
        query_x: Inputs ``[tasks, m, ...]``.
        query_y: Targets ``[tasks, m]`` or ``[tasks, m, ...]``.

    Raises:
        ValueError: If numbers of tasks or examples disagree, or a set is empty.

    Example:
        >>> x, y = torch.zeros(4, 5, 2), torch.zeros(4, 5)
        >>> batch = TaskBatch(x, y, x, y)
        >>> len(batch), batch[0]
        (4, Task(5 to adapt to, 5 to be judged by))
    """

    support_x: torch.Tensor
    support_y: torch.Tensor
    query_x: torch.Tensor
    query_y: torch.Tensor

    def __post_init__(self) -> None:
        _check(self, 2)

    def __len__(self) -> int:
        return len(self.support_x)

    def __getitem__(self, index: int) -> Task:
        return Task(*(getattr(self, field.name)[index] for field in fields(self)))

    def __iter__(self) -> Iterator[Task]:
        return (self[index] for index in range(len(self)))

    @classmethod
    def of(cls, task: Task) -> TaskBatch:
        """The batch that holds one task."""
        return cls(*(getattr(task, field.name).unsqueeze(0) for field in fields(task)))

    def __repr__(self) -> str:
        return f"TaskBatch({len(self)} x {self[0]})"


class TaskSource(Protocol):
    """Anything that draws batches of tasks, all randomness from the stream it is given."""

    def sample(self, count: int, stream: Stream) -> TaskBatch:
        """``count`` tasks; the same stream, the same tasks."""


def _check(tasks: Task | TaskBatch, axes: int) -> None:
    shapes = {}
    for field in fields(tasks):
        value = getattr(tasks, field.name)
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{field.name}: expected a tensor, received {type(value).__name__}")
        if value.ndim < axes or 0 in value.shape[:axes]:
            expected = "[examples, ...]" if axes == 1 else "[tasks, examples, ...]"
            raise ValueError(
                f"{field.name}: expected shape {expected}, none of them 0, "
                f"received {list(value.shape)}"
            )
        shapes[field.name] = tuple(value.shape[:axes])
    for part in ("support", "query"):
        if shapes[f"{part}_x"] != shapes[f"{part}_y"]:
            raise ValueError(
                f"{part}_y: expected as many as in {part}_x, {list(shapes[f'{part}_x'])}, "
                f"received {list(shapes[f'{part}_y'])}"
            )
    if axes == 2 and shapes["support_x"][0] != shapes["query_x"][0]:
        raise ValueError(
            f"query_x: expected {shapes['support_x'][0]} tasks as in support_x, "
            f"received {shapes['query_x'][0]}"
        )
