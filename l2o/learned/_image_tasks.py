"""Distributions of small classifiers: logistic regression and MLPs on digits or other arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from automl_zero._config_values import choice, integer
from automl_zero.streams import Stream, stream_key
from l2o.learned._layout import Layout
from l2o.learned._problems import Problems

ACTIVATIONS: Final = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
_FINAL_EXAMPLES: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled examples for classification, split into training and test.

    Args:
        name: Of the data; stands in settings, so that trainings on other data are told apart.
        x_train: Inputs ``[n, features]``: float32, or uint8 that stands for value / 255.
        y_train: Classes ``[n]``, int64.
        x_test: As ``x_train``.
        y_test: As ``y_train``.
        classes: How many there are; 0 takes one more than the largest of ``y_train`` and
            ``y_test``.

    Raises:
        ValueError: If shapes or types are wrong.
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: int = 0

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if x.ndim != 2 or x.dtype not in (torch.float32, torch.uint8) or not len(x):
                raise ValueError(
                    f"x_{part}: expected float32 or uint8 [n, features], received {x.dtype} "
                    f"{list(x.shape)}"
                )
            if y.shape != x.shape[:1] or y.dtype != torch.int64 or int(y.min()) < 0:
                raise ValueError(
                    f"y_{part}: expected classes from 0 on, int64 [{len(x)}], received "
                    f"{y.dtype} {list(y.shape)}"
                )
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise ValueError(
                f"x_test: expected {self.x_train.shape[1]} features, received "
                f"{self.x_test.shape[1]}"
            )
        least = 1 + int(max(self.y_train.max(), self.y_test.max()))
        classes = integer("classes", self.classes, 0)
        if 0 < classes < least:
            raise ValueError(f"classes: expected {least} or more, received {classes}")
        object.__setattr__(self, "classes", classes or least)

    def of_classes(self, chosen: Sequence[int]) -> Examples:
        """The examples of some classes; how many classes there are stays."""
        wanted = torch.as_tensor(list(chosen))
        train, test = torch.isin(self.y_train, wanted), torch.isin(self.y_test, wanted)
        name = f"{self.name}-of-{'-'.join(map(str, chosen))}"
        return Examples(
            name, self.x_train[train], self.y_train[train], self.x_test[test], self.y_test[test],
            self.classes,
        )  # fmt: skip


def digits_examples(enlarge: int = 1, standardize: bool = False) -> Examples:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels; every fifth is a test example.

    Args:
        enlarge: Times that each pixel is repeated in both directions: networks of more inputs.
        standardize: Pixels of mean 0 and variance 1 rather than from 0 to 1.

    Raises:
        ImportError: Without scikit-learn.
        ValueError: If ``enlarge`` is below 1.

    >>> digits_examples(enlarge=3).x_test.shape
    torch.Size([359, 576])
    """
    integer("enlarge", enlarge, 1)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "the digits need scikit-learn: pip install 'automl-zero[sklearn]'"
        ) from None
    x, y = load_digits(return_X_y=True)
    images = torch.from_numpy(x / 16).float().view(-1, 8, 8)
    if standardize:
        images = (images - images.mean()) / images.std()
    images = images.repeat_interleave(enlarge, 1).repeat_interleave(enlarge, 2)
    inputs, labels = images.flatten(1), torch.from_numpy(y).long()
    test = torch.arange(len(y)) % 5 == 4
    name = f"digits{f'-enlarged-{enlarge}' if enlarge > 1 else ''}{'-standardized' * standardize}"
    return Examples(name, inputs[~test], labels[~test], inputs[test], labels[test])


def npz_examples(path: str | Path, pool: int = 1) -> Examples:
    """Images of an npz file with ``x_train``, ``y_train``, ``x_test`` and ``y_test``, as MNIST's.

    Args:
        path: The file; its images are uint8 ``[n, ...]``.
        pool: Take means over squares of so many pixels, for images ``[n, height, width]``:
            smaller problems of the same kind.

    Raises:
        ValueError: If it is damaged or an array is missing or of another kind; names both.
        OSError: If it cannot be read.
    """
    names = ("x_train", "y_train", "x_test", "y_test")
    integer("pool", pool, 1)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names if name in file}
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy have many ways to say it
        raise ValueError(f"{path}: expected an npz file: {error}") from None
    for name in names:
        if name not in arrays:
            raise ValueError(f"{path}: {name}: expected this array, received none")
        if name[0] == "x" and (arrays[name].dtype != np.uint8 or arrays[name].ndim < 2):
            raise ValueError(
                f"{path}: {name}: expected uint8 images, received {arrays[name].dtype} "
                f"{list(arrays[name].shape)}"
            )
        if name[0] == "y" and (arrays[name].dtype.kind not in "iu" or arrays[name].ndim != 1):
            raise ValueError(f"{path}: {name}: expected classes, received {arrays[name].dtype}")
    try:
        images = [_pooled(arrays[name], pool) for name in ("x_train", "x_test")]
        classes = [
            torch.from_numpy(arrays[name].astype(np.int64)) for name in ("y_train", "y_test")
        ]
        name = Path(path).stem if pool == 1 else f"{Path(path).stem}-pooled-{pool}"
        return Examples(name, images[0], classes[0], images[1], classes[1])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _pooled(images: NDArray[np.uint8], pool: int) -> Tensor:
    """Images as rows, uint8, of means over squares of ``pool`` by ``pool`` pixels."""
    if pool == 1:
        return torch.from_numpy(images.reshape(len(images), -1))
    if images.ndim != 3 or any(side % pool for side in images.shape[1:]):
        raise ValueError(
            f"pool: expected images whose sides are multiples of {pool}, received "
            f"{list(images.shape)}"
        )
    count, height, width = images.shape
    blocks = images.reshape(count, height // pool, pool, width // pool, pool)
    means = np.rint(blocks.mean((2, 4), dtype=np.float32)).astype(np.uint8)
    return torch.from_numpy(means.reshape(count, -1))


class Classifiers:
    """Training of a small network on minibatches, from random weights.

    Without hidden layers it is logistic regression. A problem's loss is the cross-entropy of the
    minibatch; in the end that of up to 10,000 training examples counts, the same for all.

    Args:
        examples: The data; None takes scikit-learn's digits.
        hidden: Units of each hidden layer; one of 20 as Andrychowicz et al. 2016.
        activation: ``"sigmoid"`` as there, ``"tanh"`` or ``"relu"``.
        batch_size: Examples of a minibatch; 128 as there.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> problems = Classifiers(hidden=[8], batch_size=16).sample(3, Stream(1))
        >>> problems.losses(problems.start, step=0).shape
        torch.Size([3])
    """

    def __init__(
        self,
        examples: Examples | None = None,
        hidden: Sequence[int] = (20,),
        activation: str = "sigmoid",
        batch_size: int = 128,
    ) -> None:
        self.examples = digits_examples() if examples is None else examples
        self.hidden = tuple(integer("hidden", units, 1) for units in hidden)
        self.activation = choice("activation", activation, ACTIVATIONS)
        self.batch_size = integer("batch_size", batch_size, 1)
        widths = (self.examples.x_train.shape[1], *self.hidden, self.examples.classes)
        shapes: list[tuple[int, ...]] = []
        for source, target in zip(widths, widths[1:], strict=False):
            shapes += [(target, source), (target,)]
        self.layout = Layout(shapes)

    def settings(self) -> dict[str, Any]:
        """The arguments; data by their name."""
        return {
            "kind": "classifiers",
            "examples": self.examples.name,
            "hidden": list(self.hidden),
            "activation": self.activation,
            "batch_size": self.batch_size,
        }

    def sample(self, count: int, stream: Stream) -> Problems:
        """``count`` problems: initial weights are uniform in ±1 / sqrt(inputs), biases 0."""
        parts = []
        for shape in self.layout.shapes:
            if len(shape) == 2:
                bound = 1 / math.sqrt(shape[1])
                uniform = stream.uniform((count, shape.numel()), -bound, bound)
                parts.append(torch.from_numpy(uniform).float())
            else:
                parts.append(torch.zeros(count, shape.numel()))
        key = int(stream.uint64(1)[0])
        examples, size = self.examples, self.batch_size

        def draw(step: int) -> Mapping[str, Tensor]:
            numbers = Stream(stream_key(key, step)).uniform(
                count * size, 0.0, len(examples.y_train)
            )
            rows = torch.from_numpy(numbers.astype(np.int64))
            x = examples.x_train[rows].view(count, size, -1)
            x = x.float() / 255 if x.dtype == torch.uint8 else x
            return {"x": x, "y": examples.y_train[rows].view(count, size)}

        x, y = examples.x_train[:_FINAL_EXAMPLES], examples.y_train[:_FINAL_EXAMPLES]
        final = {"x": x.float() / 255 if x.dtype == torch.uint8 else x, "y": y}
        start = torch.cat(parts, 1)
        return Problems(self.layout, start, self._loss, {}, draw, self._loss, final)

    def accuracy(self, parameters: Tensor) -> Tensor:
        """Share of test examples that each problem's network classifies correctly, ``[P]``."""
        x = self.examples.x_test
        x = x.float() / 255 if x.dtype == torch.uint8 else x
        results = [
            self._outputs([part[0] for part in self.layout.unflatten(row[None])], x).argmax(1)
            == self.examples.y_test
            for row in parameters
        ]
        return torch.stack(results).double().mean(1)

    def _outputs(self, tensors: Sequence[Tensor], x: Tensor) -> Tensor:
        for index in range(0, len(tensors), 2):
            if index:
                x = ACTIVATIONS[self.activation](x)
            x = functional.linear(x, tensors[index], tensors[index + 1])
        return x

    def _loss(self, tensors: Sequence[Tensor], data: Mapping[str, Tensor]) -> Tensor:
        return functional.cross_entropy(self._outputs(tensors, data["x"]), data["y"])


def logistic_regression(examples: Examples | None = None, batch_size: int = 128) -> Classifiers:
    """:class:`Classifiers` without hidden layers.

    >>> logistic_regression(batch_size=8).layout
    Layout([(10, 64), (10,)])
    """
    return Classifiers(examples, (), batch_size=batch_size)
