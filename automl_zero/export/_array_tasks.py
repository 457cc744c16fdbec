"""Tasks for a search out of a user's arrays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import Task

TRAIN, VALID = 160, 100
"""Most examples of a task: as in the digits experiment, few enough for thousands of programs a
second and enough to tell good ones from lucky ones."""

_TRAIN_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class ArrayTasks:
    """Tasks that share their examples; stands where a configuration has a TaskSpec.

    Each task draws training and validation examples, and permutes the features. Every second
    task is the one before with its labels swapped (classes) or negated (numbers). So a program
    can't hold the answer in its constants: it has to learn.

    Of classes, each task tells a pair apart, with as many examples of one as of the other; the
    pairs take turns.

    Args:
        x: Features ``[n, F]``, scaled.
        y: Numbers ``[n]``, scaled, or class indices.
        train_rows: Rows to draw training examples from.
        valid_rows: Rows to draw validation examples from. If they are the same rows, each
            task splits them.
        classes: How many classes; 0 for numbers.
        count: How many tasks.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    train_rows: NDArray[np.int64]
    valid_rows: NDArray[np.int64]
    classes: int
    count: int

    kind: ClassVar[str] = "arrays"
    epochs: ClassVar[int] = 1

    @property
    def features(self) -> int:
        """F."""
        return int(self.x.shape[1])

    @property
    def train(self) -> int:
        """Training examples of a task."""
        share = _TRAIN_SHARE if self._splits else 1.0
        return max(2, min(TRAIN, 2 * int(share * len(self.train_rows) / 2)))

    @property
    def valid(self) -> int:
        """Validation examples of a task."""
        share = 1.0 - _TRAIN_SHARE if self._splits else 1.0
        return max(2, min(VALID, 2 * int(share * len(self.valid_rows) / 2)))

    def make(self, seed: int) -> list[Task]:
        """The tasks of a seed."""
        tasks: list[Task] = []
        for index in range(self.count):
            pair = index // 2
            key = stream_key(seed, "task", pair)
            tasks.append(self._task(key, pair, is_swapped=index % 2 == 1))
        return tasks

    @property
    def _splits(self) -> bool:
        return self.train_rows is self.valid_rows

    def _task(self, key: int, pair: int, is_swapped: bool) -> Task:
        order = Stream(stream_key(key, "features")).permutation(self.features)
        if self.classes:
            pairs = list(itertools.combinations(range(self.classes), 2))
            negative, positive = pairs[pair % len(pairs)]
            groups = [self.y == positive, self.y == negative]
            labels = groups[0].astype(np.float64)
        else:
            labels, groups = self.y, [np.ones(len(self.y), bool)]
        train, valid = [], []
        for group, is_member in enumerate(groups):
            first = self.train_rows[is_member[self.train_rows]]
            second = self.valid_rows[is_member[self.valid_rows]]
            stream = Stream(stream_key(key, "rows", group))
            first = first[stream.permutation(len(first))]
            if self._splits:
                cut = int(np.ceil(_TRAIN_SHARE * len(first)))
                first, second = first[:cut], first[cut:]
            else:
                second = second[stream.permutation(len(second))]
            # A class with a single example is validated on it too.
            train.append(_repeated(first, second, self.train // len(groups)))
            valid.append(_repeated(second, first, self.valid // len(groups)))
        mixed = Stream(stream_key(key, "order"))
        rows = np.concatenate(train)[mixed.permutation(self.train)]
        tests = np.concatenate(valid)
        if is_swapped:
            labels = 1.0 - labels if self.classes else -labels
        return Task(
            self.x[rows][:, order],
            labels[rows],
            self.x[tests][:, order],
            labels[tests],
            seed=stream_key(key, "random_ops"),
            objective="accuracy" if self.classes else "rms_error",
        )


def _repeated(
    rows: NDArray[np.int64], instead: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """The first ``count`` rows, again from the start where there are fewer."""
    chosen: NDArray[np.int64] = np.resize(rows if len(rows) else instead, count)
    return chosen
