"""Few-shot classification: tasks of a few classes, drawn from a split of many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from automl_zero._config_values import boolean, choice, integer
from automl_zero.streams import Stream, stream_key
from l2o.maml._tasks import TaskBatch

SPLITS: Final = ("train", "validation", "test")
_OMNIGLOT_SIZES: Final = (1100, 100, 423)


@dataclass(frozen=True, slots=True, eq=False)
class ClassSplit:
    """Which classes are for meta-training, for choosing between learners, and for testing.

    Args:
        train: Class numbers.
        validation: Class numbers.
        test: Class numbers.

    Raises:
        ValueError: If a class is in two parts or no part has any.

    Example:
        >>> split = ClassSplit.random(10, (6, 2, 2), seed=1)
        >>> sorted([*split.train, *split.validation, *split.test]) == list(range(10))
        True
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        classes = [*self.train, *self.validation, *self.test]
        for each in classes:
            integer("split", each, 0)
        if not classes or len(set(classes)) != len(classes):
            raise ValueError("split: expected parts that share no class, received others")

    @classmethod
    def random(cls, classes: int, sizes: tuple[int, int, int], seed: int = 0) -> ClassSplit:
        """A random split that the seed fixes.

        Args:
            classes: How many there are.
            sizes: Of the three parts.
            seed: Any integer.

        Raises:
            ValueError: If the sizes do not add up to ``classes``.
        """
        if len(sizes) != 3 or sum(sizes) != classes or min(sizes) < 0:
            raise ValueError(f"sizes: expected three that add up to {classes}, received {sizes}")
        order = Stream(stream_key(seed, "class split")).permutation(classes).tolist()
        first, second = sizes[0], sizes[0] + sizes[1]
        parts = (order[:first], order[first:second], order[second:])
        return cls(*(tuple(sorted(part)) for part in parts))


class ClassTasks:
    """N-way K-shot tasks from one part of a class-indexed array.

    A task has ``ways`` different classes, numbered 0 to ways - 1 in random order, and
    different examples in support and query. Examples alternate between the classes: 0, 1, ...,
    ways - 1, 0, 1, ....

    Args:
        images: ``[class, example, ...]``, images ``[..., height, width]`` last; of any type.
            uint8 is scaled to [0, 1] when drawn; a missing axis of channels is added to
            ``[class, example, height, width]``.
        classes: Numbers of the classes to draw from; None takes all.
        ways: Classes of a task.
        shots: Support examples of a class.
        queries: Query examples of a class; None takes as many as ``shots``.
        rotations: Take each class turned by 90, 180 and 270 degrees as classes of their own
            (Santoro et al. 2016): four times the classes. Images must be square.

    Raises:
        ValueError: If an argument is wrong or there are too few classes or examples.

    Example:
        >>> images = np.zeros((30, 20, 8, 8), np.uint8)
        >>> tasks = ClassTasks(images, range(20), ways=5, shots=1, queries=3)
        >>> batch = tasks.sample(2, Stream(1))
        >>> batch.support_x.shape, batch.query_y[0, :7].tolist()
        (torch.Size([2, 5, 1, 8, 8]), [0, 1, 2, 3, 4, 0, 1])
    """

    def __init__(
        self,
        images: ArrayLike,
        classes: ArrayLike | range | None = None,
        *,
        ways: int = 5,
        shots: int = 1,
        queries: int | None = None,
        rotations: bool = False,
    ) -> None:
        self.images: NDArray = np.asarray(images)
        if self.images.ndim < 3 or not np.issubdtype(self.images.dtype, np.number):
            raise ValueError(
                "images: expected numbers [class, example, ...], "
                f"received {self.images.dtype} {self.images.shape}"
            )
        total, examples = self.images.shape[:2]
        chosen = np.arange(total) if classes is None else np.asarray(classes)
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError(f"classes: expected a list of class numbers, received {classes!r}")
        if ((chosen < 0) | (chosen >= total)).any():
            raise ValueError(f"classes: expected numbers in 0..{total - 1}, received others")
        self.classes = chosen
        self.rotations = boolean("rotations", rotations)
        if rotations and (self.images.ndim < 4 or len(set(self.images.shape[-2:])) != 1):
            raise ValueError(
                f"images: expected square images to rotate, received {self.images.shape}"
            )
        self.ways = integer("ways", ways, 1)
        self.shots = integer("shots", shots, 1)
        self.queries = shots if queries is None else integer("queries", queries, 1)
        if self.ways > self.class_count:
            raise ValueError(f"ways: expected at most {self.class_count} classes, received {ways}")
        if self.shots + self.queries > examples:
            raise ValueError(
                f"shots: expected at most {examples} shots and queries together, "
                f"received {self.shots + self.queries}"
            )

    @property
    def class_count(self) -> int:
        """Classes to draw from, turned ones counted."""
        return len(self.classes) * (4 if self.rotations else 1)

    def sample(self, count: int, stream: Stream) -> TaskBatch:
        """``count`` tasks; the same stream, the same tasks."""
        integer("count", count, 1)
        drawn = _distinct(stream, count, self.ways, self.class_count).reshape(-1)
        each = self.shots + self.queries
        examples = _distinct(stream, count * self.ways, each, self.images.shape[1])
        turns, classes = np.divmod(drawn, len(self.classes))
        x = self.images[self.classes[classes][:, None], examples]
        for turn in range(1, 4 if self.rotations else 1):
            turned = turns == turn
            x[turned] = np.rot90(x[turned], turn, axes=(-2, -1))
        # [tasks, ways, each, ...] -> [tasks, each, ways, ...]: neighbours differ in class.
        x = np.swapaxes(x.reshape(count, self.ways, each, *self.images.shape[2:]), 1, 2)
        inputs = torch.from_numpy(np.ascontiguousarray(x))
        inputs = inputs.float() / 255 if self.images.dtype == np.uint8 else inputs.float()
        if self.images.ndim == 4:
            inputs = inputs.unsqueeze(3)
        inputs = inputs.flatten(1, 2)
        targets = torch.arange(self.ways).repeat(count, each)
        split = self.shots * self.ways
        return TaskBatch(
            inputs[:, :split], targets[:, :split], inputs[:, split:], targets[:, split:]
        )


def load_omniglot(path: str | Path, split: str = "random") -> tuple[NDArray[np.uint8], ClassSplit]:
    """Omniglot (Lake et al. 2015) from an npz file.

    Args:
        path: An npz file with ``x`` ``[class, 20, 28, 28]`` uint8 and ``split``, 0 for the
            characters of the background set and 1 for those of the evaluation set, one for
            each class or each drawing.
        split: ``"random"`` mixes the alphabets, as few-shot papers do since Vinyals et al.
            2016: 1,200 characters to train (100 of them for validation) and 423 to test, the
            same ones in every call. ``"alphabets"`` tests on the evaluation set, whose
            alphabets are not trained on: harder.

    Returns:
        Images ``[class, 20, 28, 28]`` and the split.

    Raises:
        ValueError: If the file is no such one; names file and field.
    """
    choice("split", split, ("random", "alphabets"))
    fields = _npz_fields(Path(path), ("x", "split"))
    images, parts = fields["x"], fields["split"]
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f"{path}: x: expected uint8 [class, example, height, width], "
            f"received {images.dtype} {images.shape}"
        )
    if parts.size not in (len(images), images.shape[0] * images.shape[1]):
        raise ValueError(f"{path}: split: expected one for each class, received {parts.shape}")
    parts = parts.reshape(len(images), -1)
    if not np.isin(parts, (0, 1)).all() or (parts != parts[:, :1]).any():
        raise ValueError(f"{path}: split: expected 0 or 1, the same for a class, received others")
    if split == "random":
        if len(images) != sum(_OMNIGLOT_SIZES):
            raise ValueError(f"{path}: x: expected 1623 classes, received {len(images)}")
        return images, ClassSplit.random(len(images), _OMNIGLOT_SIZES)
    background, test = np.flatnonzero(parts[:, 0] == 0), np.flatnonzero(parts[:, 0] == 1)
    held = max(len(background) // 10, 1)
    order = Stream(stream_key(0, "omniglot validation")).permutation(len(background))
    return images, ClassSplit(
        tuple(sorted(background[order[held:]].tolist())),
        tuple(sorted(background[order[:held]].tolist())),
        tuple(test.tolist()),
    )


def _npz_fields(path: Path, names: tuple[str, ...]) -> Mapping[str, NDArray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise ValueError(f"{path}: {missing[0]}: expected this field, received none")
            return {name: file[name] for name in names}
    except OSError as error:
        raise ValueError(f"{path}: expected a readable npz file: {error}") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: expected an npz file of arrays: {error}") from None
    except Exception as error:  # zipfile and zlib have errors of their own
        raise ValueError(f"{path}: expected an npz file, received a damaged one: {error}") from None


def _distinct(stream: Stream, rows: int, count: int, bound: int) -> NDArray[np.int64]:
    """``[rows, count]`` integers below ``bound``, uniform, different within a row.

    The k-th of a row is a rank among the numbers that are left; it becomes a number by
    stepping over those that are taken, in rising order.
    """
    numbers = stream.uniform((rows, count))
    result = np.empty((rows, count), np.int64)
    for k in range(count):
        value = np.minimum((numbers[:, k] * (bound - k)).astype(np.int64), bound - k - 1)
        for taken in np.sort(result[:, :k], 1).T:
            value += value >= taken
        result[:, k] = value
    return result
