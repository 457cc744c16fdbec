"""Synthetic regression: linear, affine and two-layer-network targets.

Features are independent N(0, 1), the training examples drawn first; labels are exact,
without noise. Source: Real et al., "AutoML-Zero" (ICML 2020), section 4.1, and its
published search engine; the affine kind adds a bias, which that engine lacks.

Labels are summed in the engine's own fixed order, so a program that holds the true
weights reproduces them to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import _checks
from automl_zero.tasks._task import MAX_FEATURES, Objective, Task
from automl_zero.tasks._task_batch import TaskBatch

Labels = Literal["real", "binary"]
RegressionKind = Literal["linear", "affine", "two_layer_nn"]

LABELS: Final[tuple[Labels, ...]] = ("real", "binary")
REGRESSION_KINDS: Final[tuple[RegressionKind, ...]] = ("linear", "affine", "two_layer_nn")

# The published defaults; after the last one each task takes the previous seed + 1.
DEFAULT_DATA_SEEDS: Final = (11001, 11012, 11010, 11000, 11006, 11008, 11007, 11003)
DEFAULT_PARAM_SEEDS: Final = (1001, 1012, 1010, 1000, 1006, 1008, 1007, 1003)


def linear(
    features: int = 4,
    train: int = 100,
    valid: int = 100,
    data_seed: int = DEFAULT_DATA_SEEDS[0],
    param_seed: int = DEFAULT_PARAM_SEEDS[0],
    *,
    epochs: int = 1,
    labels: Labels = "real",
) -> Task:
    """A task with labels ``y = w·x``, ``w`` from N(0, 1).

    Args:
        features: Feature count F, 1 to 1024; 4 as in the published demo.
        train: Training examples.
        valid: Validation examples.
        data_seed: Seed of the features.
        param_seed: Seed of the weights. Each default is the first published one.
        epochs: Passes over the training examples.
        labels: ``"real"``, or ``"binary"`` for 1 where y > 0, else 0, and accuracy as
            the objective.

    Raises:
        ValueError: If a count or seed is out of bounds, or the data would not fit in memory.

    >>> task = linear(features=2, train=10, valid=5)
    >>> weights, *_ = np.linalg.lstsq(task.train_x, task.train_y)
    >>> bool(np.allclose(task.valid_x @ weights, task.valid_y))
    True
    """
    return _task("linear", features, train, valid, data_seed, param_seed, epochs, labels)


def affine(
    features: int = 4,
    train: int = 100,
    valid: int = 100,
    data_seed: int = DEFAULT_DATA_SEEDS[0],
    param_seed: int = DEFAULT_PARAM_SEEDS[0],
    *,
    epochs: int = 1,
    labels: Labels = "real",
) -> Task:
    """A task with labels ``y = w·x + b``: :func:`linear` with a bias from N(0, 1).

    Arguments and errors are those of :func:`linear`; the same seeds give the same
    features and weights.

    >>> bias = affine(data_seed=1).train_y - linear(data_seed=1).train_y
    >>> bool(np.ptp(bias) < 1e-12)
    True
    """
    return _task("affine", features, train, valid, data_seed, param_seed, epochs, labels)


def two_layer_nn(
    features: int = 4,
    train: int = 100,
    valid: int = 100,
    data_seed: int = DEFAULT_DATA_SEEDS[0],
    param_seed: int = DEFAULT_PARAM_SEEDS[0],
    *,
    epochs: int = 1,
    labels: Labels = "real",
) -> Task:
    """A task labelled by a bias-free network, ``y = w2·max(0, W1·x)``.

    ``W1`` (F×F) and ``w2`` are from N(0, 1), then hidden units 0 and 2 are switched off:
    their rows of ``W1`` and elements of ``w2`` are zero. So F - 2 units work, and F is at
    least 3. Other arguments and errors are those of :func:`linear`.

    >>> two_layer_nn(features=8).train_x.shape
    (100, 8)
    """
    return _task("two_layer_nn", features, train, valid, data_seed, param_seed, epochs, labels)


def regression_tasks(
    kind: RegressionKind,
    count: int,
    features: int = 4,
    train: int = 100,
    valid: int = 100,
    epochs: int = 1,
    data_seeds: Sequence[int] | None = None,
    param_seeds: Sequence[int] | None = None,
    seed: int | None = None,
    *,
    labels: Labels = "real",
) -> list[Task]:
    """``count`` tasks of one kind that differ in their seeds.

    Args:
        kind: ``"linear"``, ``"affine"`` or ``"two_layer_nn"``.
        count: Number of tasks.
        features: Feature count F; at least 3 for ``"two_layer_nn"``.
        train: Training examples per task.
        valid: Validation examples per task.
        epochs: Passes over the training examples.
        data_seeds: Seeds of the features, one per task; beyond the end of the list each
            task takes the previous seed + 1. None for the published list.
        param_seeds: Seeds of the weights, in the same way.
        seed: Draws all the seeds above at random instead; the first tasks are the same
            whatever ``count`` is.
        labels: ``"real"`` or ``"binary"``, as in :func:`linear`.

    Raises:
        ValueError: As :func:`linear`; also if ``seed`` is given together with a list of
            seeds, or a list is empty or longer than ``count``.

    >>> [task.name for task in regression_tasks("affine", 2)]
    ['affine 11001/1001', 'affine 11012/1012']
    """
    _checks.choice("kind", kind, REGRESSION_KINDS)
    _checks.integer("count", count)
    check_shape(kind, features, train, valid, epochs, labels)
    _checks.require_memory(
        f"{count} tasks", TaskBatch.estimate_bytes(count, features, train, valid, epochs)
    )
    if seed is None:
        data = listed_seeds("data_seeds", data_seeds, DEFAULT_DATA_SEEDS, count)
        params = listed_seeds("param_seeds", param_seeds, DEFAULT_PARAM_SEEDS, count)
    else:
        for name, seeds in (("data_seeds", data_seeds), ("param_seeds", param_seeds)):
            if seeds is not None:
                raise ValueError(f"{name}: expected none when seed is given, received {seeds!r}")
        _checks.seed("seed", seed)
        data = Stream(stream_key(seed, "data_seeds")).uint64(count).tolist()
        params = Stream(stream_key(seed, "param_seeds")).uint64(count).tolist()
    return [
        _task(kind, features, train, valid, data_seed, param_seed, epochs, labels)
        for data_seed, param_seed in zip(data, params, strict=True)
    ]


def _task(
    kind: RegressionKind,
    features: int,
    train: int,
    valid: int,
    data_seed: int,
    param_seed: int,
    epochs: int,
    labels: Labels,
) -> Task:
    check_shape(kind, features, train, valid, epochs, labels)
    _checks.require_memory("a task", TaskBatch.estimate_bytes(1, features, train, valid, epochs))
    _checks.seed("data_seed", data_seed)
    _checks.seed("param_seed", param_seed)
    x = Stream(stream_key(data_seed, "features")).normal((train + valid, features))
    y = _targets(kind, x, param_seed)
    objective: Objective = "rms_error"
    name = f"{kind} {data_seed}/{param_seed}"
    if labels == "binary":
        y = (y > 0).astype(np.float64)
        objective, name = "accuracy", f"binary {name}"
    return Task(
        train_x=x[:train],
        train_y=y[:train],
        valid_x=x[train:],
        valid_y=y[train:],
        seed=stream_key(data_seed, "random_ops", param_seed),
        epochs=epochs,
        objective=objective,
        name=name,
    )


def check_shape(kind: str, features: int, train: int, valid: int, epochs: int, labels: str) -> None:
    """Refuse sizes and label kinds that no task of this kind can have."""
    # Hidden units 0 and 2 are switched off, so unit 1 is the last that needs to exist.
    _checks.integer("features", features, 3 if kind == "two_layer_nn" else 1, MAX_FEATURES)
    _checks.integer("train", train)
    _checks.integer("valid", valid)
    _checks.integer("epochs", epochs)
    _checks.choice("labels", labels, LABELS)


def _targets(kind: RegressionKind, x: NDArray[np.float64], param_seed: int) -> NDArray[np.float64]:
    """Real labels of the features ``x`` ``[n, F]``."""
    features = x.shape[1]
    if kind == "two_layer_nn":
        hidden = Stream(stream_key(param_seed, "hidden_weights")).normal((features, features))
        output = Stream(stream_key(param_seed, "output_weights")).normal(features)
        hidden[[0, 2]] = 0.0
        output[[0, 2]] = 0.0
        units = np.stack([np.maximum(0.0, _dot(x, row)) for row in hidden], axis=1)
        return _dot(units, output)
    y = _dot(x, Stream(stream_key(param_seed, "weights")).normal(features))
    if kind == "affine":
        y = y + Stream(stream_key(param_seed, "bias")).normal()
    return y


def _dot(x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row of ``x`` times ``weights``, summed in the engine's order.

    Fewer than four terms add from left to right; more go to four running sums in turn.
    A BLAS product would round differently from machine to machine.
    """
    terms: list[NDArray[np.float64]] = list((x * weights).T)
    if len(terms) < 4:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total
    sums = terms[:4]
    for index, term in enumerate(terms[4:]):
        sums[index % 4] = sums[index % 4] + term
    return (sums[0] + sums[2]) + (sums[1] + sums[3])


def listed_seeds(
    name: str, seeds: Sequence[int] | None, default: Sequence[int], count: int
) -> list[int]:
    """``count`` seeds: the listed ones, then the previous + 1."""
    if seeds is None:
        listed = list(default[:count])
    else:
        if isinstance(seeds, str) or not isinstance(seeds, Sequence):
            raise ValueError(f"{name}: expected a list of seeds, received {seeds!r}")
        listed = [_checks.seed(f"{name}[{i}]", value) for i, value in enumerate(seeds)]
        if not 1 <= len(listed) <= count:
            raise ValueError(
                f"{name}: expected 1 to {count} seeds (the count of tasks), received {len(listed)}"
            )
    while len(listed) < count:
        listed.append((listed[-1] + 1) % 2**64)
    return listed
