"""The numbers of a problem: what a description, seeds and a count of steps come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_zero.reference import ordered_sum
from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import load_data
from l2o.rules.optimizees._descriptions import (
    MAX_COORDINATES,
    Classifier,
    Optimizee,
    Quadratic,
    Rastrigin,
    Rosenbrock,
)

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ProblemArrays:
    """All that rules find alike on one problem; C seeds count the problem's seeds.

    Attributes:
        kind: ``"quadratic"``, ``"rosenbrock"``, ``"rastrigin"`` or ``"classifier"``.
        shapes: Of each tensor of parameters.
        start: ``[coordinates, seeds]``, the tensors one after the other.
        draw_seeds: ``[tensors, seeds]``: what keys a rule's random numbers.
        matrix: ``[n, n]`` of a quadratic.
        optimum: ``[n, seeds]`` of a quadratic or Rastrigin's function; of Rosenbrock's, what
            it is shifted by.
        widths: Inputs, hidden units and classes of a classifier.
        activation: ``"relu"`` or ``"tanh"``.
        train_x: ``[examples, inputs]``; ``train_y`` their classes; ``test_x`` and ``test_y``
            the held-out ones.
        order: ``[steps, batch]``: training examples of each step.
    """

    kind: str
    shapes: tuple[tuple[int, ...], ...]
    start: Float64Array
    draw_seeds: NDArray[np.uint64]
    matrix: Float64Array | None = None
    optimum: Float64Array | None = None
    widths: tuple[int, ...] = ()
    activation: str = "relu"
    train_x: Float64Array = field(default_factory=lambda: np.zeros((0, 0)))
    train_y: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    test_x: Float64Array = field(default_factory=lambda: np.zeros((0, 0)))
    test_y: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    order: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Coordinates of each tensor."""
        return tuple(math.prod(shape) for shape in self.shapes)


def problem_arrays(optimizee: Optimizee, seeds: Sequence[int], steps: int) -> ProblemArrays:
    """The numbers of a problem.

    Raises:
        ValueError: If the data set has too few examples, or there are too many parameters.
    """
    if isinstance(optimizee, Classifier):
        return _classifier(optimizee, seeds, steps)
    assert isinstance(optimizee, Quadratic | Rosenbrock | Rastrigin)
    shapes = ((optimizee.size,),)
    draw_seeds = _draw_seeds(seeds, 1)
    streams = [Stream(stream_key(seed, optimizee.kind, "start")) for seed in seeds]
    optimum = _columns([stream.normal(optimizee.size) for stream in streams])
    if isinstance(optimizee, Quadratic):
        start = _columns([stream.normal(optimizee.size) for stream in streams])
        matrix = rotated_matrix(optimizee.size, optimizee.condition, optimizee.seed)
        return ProblemArrays("quadratic", shapes, start, draw_seeds, matrix, optimum)
    if isinstance(optimizee, Rosenbrock):
        usual = np.where(np.arange(optimizee.size) % 2 == 0, -1.2, 1.0)
        noise = _columns([0.1 * stream.normal(optimizee.size) for stream in streams])
        start = usual[:, None] + noise + optimum
        return ProblemArrays("rosenbrock", shapes, start, draw_seeds, optimum=optimum)
    start = _columns([stream.uniform(optimizee.size, -5.12, 5.12) for stream in streams])
    return ProblemArrays("rastrigin", shapes, start, draw_seeds, optimum=optimum)


@lru_cache(maxsize=16)
def rotated_matrix(size: int, condition: float, seed: int) -> Float64Array:
    """A symmetric matrix ``[size, size]`` of a condition, with eigenvectors drawn uniformly.

    By elementary arithmetic in a fixed order, so that a seed gives the same bits with every
    linear algebra library.
    """
    stream = Stream(stream_key(seed, "quadratic", "rotation"))
    rows = stream.normal((size, size))
    matrix = np.zeros((size, size))
    for k in range(size):  # modified Gram-Schmidt
        unit = rows[k] / np.sqrt(ordered_sum(rows[k] * rows[k]))
        rest = rows[k + 1 :]
        if len(rest):
            rest -= ordered_sum(rest * unit, axis=1)[:, None] * unit
        eigenvalue = math.pow(condition, -k / (size - 1)) if size > 1 else 1.0
        matrix += eigenvalue * (unit[:, None] * unit)
    matrix.setflags(write=False)
    return matrix


def _classifier(optimizee: Classifier, seeds: Sequence[int], steps: int) -> ProblemArrays:
    train_x, train_y, test_x, test_y, classes = _split(
        optimizee.data, optimizee.train, optimizee.held_out, optimizee.seed
    )
    if optimizee.batch > len(train_x):
        raise ValueError(
            f"batch: expected at most {len(train_x)}, the training examples of "
            f"{optimizee.data}, received {optimizee.batch}"
        )
    widths = (train_x.shape[1], *optimizee.hidden, classes)
    shapes: list[tuple[int, ...]] = []
    for inputs, units in zip(widths, widths[1:], strict=False):
        shapes += [(inputs, units), (units,)]
    count = sum(math.prod(shape) for shape in shapes)
    if count > MAX_COORDINATES:
        raise ValueError(
            f"hidden: expected layers of at most {MAX_COORDINATES} parameters, received {count}"
        )
    starts = []
    for seed in seeds:
        stream = Stream(stream_key(seed, "classifier", "start"))
        parts = []
        for inputs, units in zip(widths, widths[1:], strict=False):
            bound = 1 / math.sqrt(inputs)
            parts.append(stream.uniform((inputs + 1) * units, -bound, bound))
        starts.append(np.concatenate(parts))
    return ProblemArrays(
        "classifier",
        tuple(shapes),
        _columns(starts),
        _draw_seeds(seeds, len(shapes)),
        widths=widths,
        activation=optimizee.activation,
        train_x=train_x,
        train_y=train_y,
        test_x=test_x,
        test_y=test_y,
        order=_minibatches(optimizee.seed, len(train_x), steps, optimizee.batch),
    )


@lru_cache(maxsize=8)
def _split(data: str, train: int | None, held_out: int, seed: int) -> tuple[Any, ...]:
    """Training and held-out examples, and the number of classes."""
    source = load_data(data)
    usable = np.flatnonzero(~source.is_test)
    needed = held_out + (1 if train is None else train)
    if needed > len(usable):
        raise ValueError(
            f"held_out: expected at most {len(usable)} training and held-out examples together, "
            f"as {data} has, received {needed}"
        )
    order = usable[Stream(stream_key(seed, "classifier", "split")).permutation(len(usable))]
    last = len(order) if train is None else held_out + train
    test, chosen = order[:held_out], order[held_out:last]
    x = source.x[chosen].astype(np.float64)
    mean = float(np.add.accumulate(x.ravel())[-1]) / x.size
    variance = float(np.add.accumulate(np.square(x - mean).ravel())[-1]) / x.size
    scale = math.sqrt(variance) or 1.0
    found = (
        (x - mean) / scale,
        source.y[chosen].astype(np.int32),
        (source.x[test].astype(np.float64) - mean) / scale,
        source.y[test].astype(np.int32),
    )
    for array in found:
        array.setflags(write=False)
    return (*found, len(source.class_names))


def _minibatches(seed: int, examples: int, steps: int, batch: int) -> NDArray[np.int32]:
    """One random order of the examples after another, cut into batches."""
    epochs = -(-steps * batch // examples)
    stream = Stream(stream_key(seed, "classifier", "order"))
    drawn = np.concatenate([stream.permutation(examples) for _ in range(epochs)])
    return drawn[: steps * batch].reshape(steps, batch).astype(np.int32)


def _columns(starts: list[Float64Array]) -> Float64Array:
    return np.ascontiguousarray(np.stack(starts, axis=1))


def _draw_seeds(seeds: Sequence[int], tensors: int) -> NDArray[np.uint64]:
    keys = [[stream_key(seed, "tensor", tensor) for seed in seeds] for tensor in range(tensors)]
    return np.array(keys, dtype=np.uint64)
