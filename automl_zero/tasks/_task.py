"""One learning problem: the examples a program trains on and those it is judged by."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import _checks

Objective = Literal["rms_error", "accuracy"]

OBJECTIVES: Final[tuple[Objective, ...]] = ("rms_error", "accuracy")

MAX_FEATURES: Final = 1024

_MAX_EXAMPLES: Final = 2**31 - 1  # positions in an epoch order are int32


@dataclass(frozen=True, eq=False)
class Task:
    """The data of one learning problem, an immutable value.

    Arrays are copied (unless read-only already), checked and made read-only. Two tasks
    are equal when all their fields are, bit for bit.

    Args:
        train_x: Training features, shape ``[n, F]``, F from 1 to 1024; kept as float64.
        train_y: Training labels, shape ``[n]``; 0 or 1 when the objective is accuracy.
        valid_x: Validation features, shape ``[m, F]``.
        valid_y: Validation labels, shape ``[m]``.
        seed: Unsigned 64-bit key of the random ops of programs that run on this task, and
            of the default epoch order. 0 is as good as any: it only has to stay the same.
        epochs: Passes over the training examples, each followed by a validation. 1, as
            in all published experiments.
        objective: ``"rms_error"`` for regression, ``"accuracy"`` for two classes.
        name: What reports call the task.
        epoch_order: Shape ``[epochs, n]``: each row a permutation of the training
            examples. By default the first epoch takes them in their own order and each
            later one permutes the order before it once more. Set it to None when
            replacing ``epochs`` with :func:`dataclasses.replace`.

    Raises:
        ValueError: If shapes disagree, a value is not a finite number, a label of an
            accuracy task is not 0 or 1, or a count is out of its bounds.

    >>> task = Task([[1.0, 2.0], [0.5, 0.0]], [3.0, 0.5], [[2.0, 2.0]], [4.0])
    >>> task.features, task.train_count, task.valid_count
    (2, 2, 1)
    >>> Task([[1.0], [float("nan")]], [0.0, 1.0], [[1.0]], [1.0])
    Traceback (most recent call last):
    ValueError: train_x: expected finite numbers, received nan at [1, 0]
    """

    train_x: NDArray[np.float64]
    train_y: NDArray[np.float64]
    valid_x: NDArray[np.float64]
    valid_y: NDArray[np.float64]
    seed: int = 0
    epochs: int = 1
    objective: Objective = "rms_error"
    name: str = ""
    # None is accepted and replaced by the default order, so readers always find an array.
    epoch_order: NDArray[np.int32] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _checks.choice("objective", self.objective, OBJECTIVES)
        if not isinstance(self.name, str):
            raise ValueError(f"name: expected text, received {self.name!r}")
        train_x, train_y = _examples("train", self.train_x, self.train_y)
        valid_x, valid_y = _examples("valid", self.valid_x, self.valid_y)
        if valid_x.shape[1] != train_x.shape[1]:
            raise ValueError(
                f"valid_x: expected {train_x.shape[1]} features as in train_x, "
                f"received {valid_x.shape[1]}"
            )
        if self.objective == "accuracy":
            _require_binary("train_y", train_y)
            _require_binary("valid_y", valid_y)
        seed = _checks.seed("seed", self.seed)
        epochs = _checks.integer("epochs", self.epochs)
        order = self.epoch_order
        order = (
            _default_order(seed, epochs, len(train_x))
            if order is None
            else _given_order(order, epochs, len(train_x))
        )
        values = {
            "train_x": train_x,
            "train_y": train_y,
            "valid_x": valid_x,
            "valid_y": valid_y,
            "seed": seed,
            "epochs": epochs,
            "epoch_order": order,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @property
    def features(self) -> int:
        """Number of features F: the length of a program's vectors."""
        return int(self.train_x.shape[1])

    @property
    def train_count(self) -> int:
        """Number of training examples."""
        return len(self.train_x)

    @property
    def valid_count(self) -> int:
        """Number of validation examples."""
        return len(self.valid_x)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return all(map(_same, _values(self), _values(other)))

    def __hash__(self) -> int:
        return hash((self.seed, self.epochs, self.objective, self.name, self.train_x.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        # Goes through the constructor, because an array loses its read-only flag on the way.
        return Task, tuple(_values(self))

    def __repr__(self) -> str:
        return (
            f"Task({self.name!r}, {self.objective}, F={self.features}, "
            f"{self.train_count}+{self.valid_count} examples, "
            f"epochs={self.epochs}, seed={self.seed})"
        )


def numeric_array(name: str, value: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """``value`` as a read-only float64 array of finite numbers with ``ndim`` axes.

    Raises:
        ValueError: Naming the argument and, for a value that is not finite, its place.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name}: expected {ndim} axes of equal lengths, received a ragged list"
        ) from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected numbers, received {array.dtype} values")
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} axes, received shape {array.shape}")
    array = array.astype(np.float64, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(int(index) for index in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name}: expected finite numbers, received {array[place]} at {list(place)}"
        )
    return _checks.frozen(array)


def _examples(
    part: str, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    features = numeric_array(f"{part}_x", x, 2)
    labels = numeric_array(f"{part}_y", y, 1)
    count, width = features.shape
    if not 1 <= count <= _MAX_EXAMPLES:
        raise ValueError(f"{part}_x: expected at least one example, received {count}")
    if not 1 <= width <= MAX_FEATURES:
        raise ValueError(f"{part}_x: expected 1 to {MAX_FEATURES} features, received {width}")
    if len(labels) != count:
        raise ValueError(
            f"{part}_y: expected {count} labels as in {part}_x, received {len(labels)}"
        )
    return features, labels


def _require_binary(name: str, labels: NDArray[np.float64]) -> None:
    wrong = np.flatnonzero((labels != 0.0) & (labels != 1.0))
    if len(wrong):
        raise ValueError(
            f"{name}: expected labels 0 or 1 for accuracy, "
            f"received {labels[wrong[0]]} at [{wrong[0]}]"
        )


def _default_order(seed: int, epochs: int, count: int) -> NDArray[np.int32]:
    _checks.require_memory(f"epoch_order of {epochs} epochs × {count} examples", 4 * epochs * count)
    orders = np.empty((epochs, count), np.int32)
    orders[0] = np.arange(count)
    stream = Stream(stream_key(seed, "epoch_order"))
    for epoch in range(1, epochs):
        orders[epoch] = orders[epoch - 1][stream.permutation(count)]
    return _checks.frozen(orders)


def _given_order(order: ArrayLike, epochs: int, count: int) -> NDArray[np.int32]:
    array = np.asarray(order)
    if array.dtype.kind not in "iu" or array.shape != (epochs, count):
        raise ValueError(
            f"epoch_order: expected integers of shape {(epochs, count)} "
            f"(epochs, training examples), received {array.dtype} of shape {array.shape}"
        )
    for epoch, row in enumerate(array):
        if not np.array_equal(np.sort(row), np.arange(count)):
            raise ValueError(
                f"epoch_order: expected each epoch to be a permutation of 0..{count - 1}, "
                f"received something else in epoch {epoch}"
            )
    return _checks.frozen(array.astype(np.int32, copy=False))


def _values(task: Task) -> list[Any]:
    return [getattr(task, field.name) for field in fields(task)]


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, np.ndarray):
        # Bytes, not values: -0.0 and 0.0 divide differently.
        return bool(mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes())
    return bool(mine == theirs)
