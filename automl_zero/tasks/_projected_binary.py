"""Binary classification out of any data set: a pair of classes, projected to F features.

Source: Real et al., "AutoML-Zero" (ICML 2020), section 4.2: the pixels of two classes of
images, projected by a random Gaussian matrix and standardised. Nine pairs of classes are
kept for the final tasks and never searched on.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import _checks
from automl_zero.tasks._dataset import DataSet
from automl_zero.tasks._sources import load_data
from automl_zero.tasks._task import MAX_FEATURES, Task
from automl_zero.tasks._task_batch import TaskBatch

Pairs = Literal["search", "held_out"] | Sequence[tuple[str | int, str | int]]

PAIR_CHOICES: Final = ("search", "held_out")

ROW_CHOICES: Final = ("train", "test")

HELD_OUT_PAIRS: Final = ((0, 5), (0, 9), (1, 8), (2, 9), (3, 5), (3, 6), (3, 8), (4, 6), (8, 9))
"""Labels of the pairs that the original experiments kept for their final tasks."""

# Projection weights are multiples of 2**-16 and below 2**4, so 20 bits hold one.
_WEIGHT_PLACES: Final = 16
_WEIGHT_BITS: Final = 20
_DOUBLE_BITS: Final = 53

_BLOCK_ROWS: Final = 2048  # bounds the float64 copy of the raw features


def projected_binary_tasks(
    data: DataSet | str | os.PathLike[str] = "digits",
    count: int = 10,
    features: int | None = 16,
    train: int = 100,
    valid: int = 100,
    seed: int = 0,
    pairs: Pairs = "search",
    held_out_pairs: Sequence[tuple[str | int, str | int]] = HELD_OUT_PAIRS,
    *,
    epochs: int = 1,
    projection: bool = True,
    swapped_twins: bool = False,
    valid_from: Literal["train", "test"] = "train",
) -> list[Task]:
    """``count`` tasks of telling two classes apart, objective accuracy.

    Each task draws a pair, then examples of both classes in equal numbers (one more of
    the positive class where a count is odd), each example at most once; projects them by
    its own N(0, 1) matrix; and standardises with mean and standard deviation of its
    training examples. A feature that is constant in training is 0 everywhere. The label
    is 1 for the first class of the pair, 0 for the second.

    Args:
        data: A data set, or what :func:`load_data` takes.
        count: Number of tasks. The first ones are the same whatever ``count`` is.
        features: Feature count F after the projection, 1 to 1024; 16 as in the original
            experiments. None keeps the raw features, without projection.
        train: Training examples per task, at least 2.
        valid: Validation examples per task, at least 2.
        seed: Key of pairs, examples, projections and random ops.
        pairs: ``"search"`` for the pairs not held out, ``"held_out"`` for those held
            out, both in random order, every pair once before any comes again; or a list
            of pairs of labels, taken in turn as listed.
        held_out_pairs: Pairs of labels kept from ``"search"``; their order inside a pair
            does not matter.
        epochs: Passes over the training examples.
        projection: False keeps the raw features; ``features`` is then None or their count.
        swapped_twins: Every second task is the one before with its labels swapped: the same
            examples, projection and random draws. A program that does not learn from
            labels scores 0.5 on the two together whatever it predicts, so evolution
            can't gain by fitting random weights to the search tasks.
        valid_from: ``"train"`` takes all examples from those not marked as test
            examples; ``"test"`` trains on the same but validates on test examples only.

    Raises:
        ValueError: If an argument is out of its bounds, a class or pair does not exist,
            two classes have fewer examples than asked for, or the tasks would not fit
            in memory.

    >>> tasks = projected_binary_tasks("digits", count=3, features=8, seed=1)
    >>> tasks[0].train_x.shape, float(tasks[0].train_y.mean())
    ((100, 8), 0.5)
    """
    if not isinstance(data, DataSet):
        data = load_data(data)
    _checks.integer("count", count)
    _checks.integer("train", train, 2)
    _checks.integer("valid", valid, 2)
    _checks.integer("epochs", epochs)
    _checks.seed("seed", seed)
    _checks.choice("valid_from", valid_from, ROW_CHOICES)
    if valid_from == "test" and not data.is_test.any():
        raise ValueError(
            f"valid_from: expected 'train', as {data.name} has no test examples (set some apart "
            "with test_fraction or DataSet.with_test_rows), received 'test'"
        )
    width = _feature_count(data, features, projection)
    candidates = _candidate_pairs(data, pairs, held_out_pairs)
    _checks.require_memory(
        f"{count} tasks", TaskBatch.estimate_bytes(count, width, train, valid, epochs)
    )
    project = projection and features is not None
    grid = _grid(data.x) if project else 0.0
    if not isinstance(swapped_twins, bool):
        raise ValueError(f"swapped_twins: expected true or false, received {swapped_twins!r}")
    distinct = (count + 1) // 2 if swapped_twins else count
    chosen = _take_in_turn(candidates, distinct, None if _is_listed(pairs) else seed)
    names, tasks = data.class_names, []
    for index, (positive, negative) in enumerate(chosen):
        key = stream_key(seed, "task", index)
        train_rows, valid_rows = _split(data, positive, negative, train, valid, key, valid_from)
        weights = None
        if project:
            normal = Stream(stream_key(key, "projection")).normal((data.width, width))
            weights = np.round(normal * 2.0**_WEIGHT_PLACES) * 2.0**-_WEIGHT_PLACES
        train_x, valid_x = _standardised(
            data.name,
            _values(data.x, train_rows, weights, grid),
            _values(data.x, valid_rows, weights, grid),
        )
        tasks.append(
            Task(
                train_x=train_x,
                train_y=(data.y[train_rows] == positive).astype(np.float64),
                valid_x=valid_x,
                valid_y=(data.y[valid_rows] == positive).astype(np.float64),
                seed=stream_key(key, "random_ops"),
                epochs=epochs,
                objective="accuracy",
                name=f"{Path(data.name).name} {names[positive]}/{names[negative]}",
            )
        )
        if swapped_twins and len(tasks) < count:
            tasks.append(_with_labels_swapped(tasks[-1], names[negative], names[positive]))
    return tasks


def _with_labels_swapped(task: Task, positive: str, negative: str) -> Task:
    return replace(
        task,
        train_y=1.0 - task.train_y,
        valid_y=1.0 - task.valid_y,
        name=f"{task.name.rpartition(' ')[0]} {positive}/{negative}",
    )


def _feature_count(data: DataSet, features: int | None, projection: bool) -> int:
    if not isinstance(projection, bool):
        raise ValueError(f"projection: expected true or false, received {projection!r}")
    if features is not None:
        _checks.integer("features", features, 1, MAX_FEATURES)
        if projection:
            return features
        if features != data.width:
            raise ValueError(
                f"features: expected {data.width}, all of {data.name} (as projection is false), "
                f"received {features}"
            )
    if data.width > MAX_FEATURES:
        raise ValueError(
            f"features: expected a count from 1 to {MAX_FEATURES} to project to, "
            f"as {data.name} has {data.width} raw features, received none"
        )
    return data.width


# --- pairs of classes -----------------------------------------------------------------


def _is_listed(pairs: Any) -> bool:
    return not isinstance(pairs, str)


def _candidate_pairs(data: DataSet, pairs: Any, held_out_pairs: Any) -> NDArray[np.int64]:
    """The pairs to draw from, ``[P, 2]`` class indices (positive, negative)."""
    if _is_listed(pairs):
        listed = _pair_indices("pairs", data, pairs)
        if not listed:
            raise ValueError("pairs: expected at least one pair of labels, received none")
        return np.array(listed)
    _checks.choice("pairs", pairs, PAIR_CHOICES)
    # The default names digits: those a data set lacks have nothing to hold out.
    lenient = isinstance(held_out_pairs, tuple) and held_out_pairs == HELD_OUT_PAIRS
    held_out = _pair_indices("held_out_pairs", data, held_out_pairs, lenient=lenient)
    if pairs == "held_out":
        if not held_out:
            raise ValueError(
                f"pairs: expected held-out pairs among the classes of {data.name}, received none: "
                "list some in held_out_pairs (for two classes: list the pair itself in pairs, "
                "and validate on test examples)"
            )
        return np.array(list(dict.fromkeys(held_out)))
    first, second = np.triu_indices(len(data.class_names), 1)
    kept = np.ones(len(first), bool)
    for one, other in held_out:
        kept &= ~((first == min(one, other)) & (second == max(one, other)))
    if not kept.any():
        raise ValueError(
            f"pairs: expected a pair of classes of {data.name} to search on, received none: "
            "held_out_pairs holds them all out"
        )
    return np.stack([first[kept], second[kept]], axis=1)


def _pair_indices(
    name: str, data: DataSet, pairs: Any, *, lenient: bool = False
) -> list[tuple[int, int]]:
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        raise ValueError(f"{name}: expected a list of pairs of labels, received {pairs!r}")
    indices = []
    for position, pair in enumerate(pairs):
        place = f"{name}[{position}]"
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"{place}: expected a pair of labels, received {pair!r}")
        if lenient and not all(str(label) in data.class_names for label in pair):
            continue
        try:
            one, other = (data.class_index(label) for label in pair)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if one == other:
            raise ValueError(f"{place}: expected two different labels, received {pair!r}")
        indices.append((one, other))
    return indices


def _take_in_turn(
    candidates: NDArray[np.int64], count: int, seed: int | None
) -> list[tuple[int, int]]:
    """``count`` pairs, each once before any comes again: shuffled by ``seed``, if there is one."""
    rounds = -(-count // len(candidates))
    stream = None if seed is None else Stream(stream_key(seed, "pairs"))
    order = [
        np.arange(len(candidates)) if stream is None else stream.permutation(len(candidates))
        for _ in range(rounds)
    ]
    taken = candidates[np.concatenate(order)[:count]]
    return [(int(positive), int(negative)) for positive, negative in taken]


# --- examples -------------------------------------------------------------------------


def _split(
    data: DataSet,
    positive: int,
    negative: int,
    train: int,
    valid: int,
    key: int,
    valid_from: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Disjoint rows for training and validation, both classes shuffled together."""
    train_parts, valid_parts = [], []
    for is_positive, index in ((1, positive), (0, negative)):
        train_size, valid_size = (train + is_positive) // 2, (valid + is_positive) // 2
        own = _shuffled(data.rows_of(index), key, "rows", is_positive)
        if valid_from == "test":
            other = _shuffled(data.rows_of(index, test=True), key, "test_rows", is_positive)
            shortages = [("training", train_size, own), ("test", valid_size, other)]
        else:
            other = own[train_size:]
            shortages = [("training and validation", train_size + valid_size, own)]
        for use, size, pool in shortages:
            if size > len(pool):
                names = data.class_names
                raise ValueError(
                    f"{data.name}: pair {names[positive]}/{names[negative]}: expected {size} {use} "
                    f"examples of class {names[index]}, received {len(pool)}"
                )
        train_parts.append(own[:train_size])
        valid_parts.append(other[:valid_size])
    return (
        _shuffled(np.concatenate(train_parts), key, "train_order"),
        _shuffled(np.concatenate(valid_parts), key, "valid_order"),
    )


def _shuffled(rows: NDArray[np.int64], key: int, *path: int | str) -> NDArray[np.int64]:
    return rows[Stream(stream_key(key, *path)).permutation(len(rows))]


# --- features -------------------------------------------------------------------------


def _grid(x: NDArray[Any]) -> float:
    """The step to which raw values are rounded so that every projection sum is exact.

    A sum of D products of a value and a weight is exact in float64, in whatever order a
    BLAS on whatever machine adds it, if value, weight and D together take 53 bits. 8-bit
    pixels never need rounding; other values keep 53 - 20 - log2(D) bits of the largest,
    which is 23 for a thousand columns, about float32.
    """
    largest = max(abs(float(x.min())), abs(float(x.max())))
    bits = _DOUBLE_BITS - _WEIGHT_BITS - (x.shape[1] - 1).bit_length()
    return math.ldexp(1.0, max(math.frexp(largest)[1] - bits, -1000))


def _values(
    x: NDArray[Any],
    rows: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
    grid: float,
) -> NDArray[np.float64]:
    """Features of the rows, ``[len(rows), F]``, before standardisation."""
    if weights is None:
        return x[rows].astype(np.float64)
    out = np.empty((len(rows), weights.shape[1]))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = x[rows[start : start + _BLOCK_ROWS]].astype(np.float64)
        if x.dtype != np.uint8:
            block = np.round(block / grid) * grid
        with np.errstate(over="ignore", invalid="ignore"):  # found by _standardised
            out[start : start + _BLOCK_ROWS] = block @ weights
    return out


def _standardised(
    name: str, train_x: NDArray[np.float64], valid_x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both parts minus the training mean, over the training (population) deviation."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = train_x.mean(axis=0)
        deviation = np.sqrt(np.square(train_x - mean).mean(axis=0))
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise ValueError(f"{name}: expected features small enough to square, received larger ones")
    varies = (train_x.max(axis=0) > train_x.min(axis=0)) & (deviation > 0)
    deviation = np.where(varies, deviation, 1.0)
    with np.errstate(over="ignore"):  # a task refuses what is infinite
        parts = [np.where(varies, (part - mean) / deviation, 0.0) for part in (train_x, valid_x)]
    return parts[0], parts[1]
