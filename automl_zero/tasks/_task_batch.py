"""Several tasks of one shape, stacked for running in lockstep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_zero.tasks import _checks
from automl_zero.tasks._task import Objective, Task


@dataclass(frozen=True, eq=False, init=False, repr=False)
class TaskBatch:
    """T tasks of the same shape as stacked read-only arrays.

    Args:
        tasks: At least one task; all with the same features, example counts, epochs and
            objective. Their data are copied once.
        memory_limit_bytes: Bytes the stacked arrays may take; None (default) allows what
            the machine has available.

    Attributes:
        train_x: ``[T, n, F]`` float64.
        train_y: ``[T, n]`` float64.
        valid_x: ``[T, m, F]`` float64.
        valid_y: ``[T, m]`` float64.
        seeds: ``[T]`` uint64, keys of the random ops.
        epoch_order: ``[T, epochs, n]`` int32.
        epochs: Epochs of every task.
        objective: Objective of every task.
        names: Names of the tasks.

    Raises:
        ValueError: If there is no task, tasks differ in shape or objective, or the
            arrays would not fit in memory (found before anything is allocated).

    >>> from automl_zero.tasks import linear
    >>> batch = TaskBatch([linear(data_seed=seed) for seed in (1, 2, 3)])
    >>> len(batch), batch.train_x.shape, batch.features
    (3, (3, 100, 4), 4)
    >>> batch[1] == linear(data_seed=2)
    True
    """

    train_x: NDArray[np.float64]
    train_y: NDArray[np.float64]
    valid_x: NDArray[np.float64]
    valid_y: NDArray[np.float64]
    seeds: NDArray[np.uint64]
    epoch_order: NDArray[np.int32]
    epochs: int
    objective: Objective
    names: tuple[str, ...]

    def __init__(self, tasks: Iterable[Task], *, memory_limit_bytes: int | None = None) -> None:
        listed = _require_alike(tasks)
        first = listed[0]
        needed = self.estimate_bytes(
            len(listed), first.features, first.train_count, first.valid_count, first.epochs
        )
        _checks.require_memory(f"a batch of {len(listed)} tasks", needed, memory_limit_bytes)
        values: dict[str, Any] = {
            name: np.stack([getattr(task, name) for task in listed])
            for name in ("train_x", "train_y", "valid_x", "valid_y", "epoch_order")
        }
        values["seeds"] = np.array([task.seed for task in listed], dtype=np.uint64)
        for array in values.values():
            array.setflags(write=False)
        values["epochs"] = first.epochs
        values["objective"] = first.objective
        values["names"] = tuple(task.name for task in listed)
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @staticmethod
    def estimate_bytes(count: int, features: int, train: int, valid: int, epochs: int = 1) -> int:
        """Bytes of the arrays of a batch of ``count`` tasks of this shape.

        >>> TaskBatch.estimate_bytes(10, features=4, train=100, valid=100)
        84080
        """
        return count * (8 * (train + valid) * (features + 1) + 4 * epochs * train + 8)

    @property
    def features(self) -> int:
        """Number of features F."""
        return int(self.train_x.shape[2])

    @property
    def train_count(self) -> int:
        """Training examples per task."""
        return int(self.train_x.shape[1])

    @property
    def valid_count(self) -> int:
        """Validation examples per task."""
        return int(self.valid_x.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes the stacked arrays take."""
        return self.estimate_bytes(
            len(self), self.features, self.train_count, self.valid_count, self.epochs
        )

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> Task:
        """Task ``index`` again, sharing the memory of the batch."""
        return Task(
            train_x=self.train_x[index],
            train_y=self.train_y[index],
            valid_x=self.valid_x[index],
            valid_y=self.valid_y[index],
            seed=int(self.seeds[index]),
            epochs=self.epochs,
            objective=self.objective,
            name=self.names[index],
            epoch_order=self.epoch_order[index],
        )

    def __iter__(self) -> Iterator[Task]:
        return (self[index] for index in range(len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return TaskBatch, (tuple(self),)

    def __repr__(self) -> str:
        return (
            f"TaskBatch({len(self)} tasks, {self.objective}, F={self.features}, "
            f"{self.train_count}+{self.valid_count} examples, epochs={self.epochs})"
        )


def _require_alike(tasks: Iterable[Task]) -> list[Task]:
    """The tasks as a list, or an error that names the first one unlike task 0."""
    listed = list(tasks)
    if not listed:
        raise ValueError("tasks: expected at least one task, received none")
    for index, task in enumerate(listed):
        if not isinstance(task, Task):
            raise ValueError(f"tasks[{index}]: expected a Task, received {type(task).__name__}")
        for name in ("features", "train_count", "valid_count", "epochs", "objective"):
            wanted, received = getattr(listed[0], name), getattr(task, name)
            if received != wanted:
                raise ValueError(
                    f"tasks[{index}].{name}: expected {wanted!r} as in tasks[0], "
                    f"received {received!r}"
                )
    return listed
