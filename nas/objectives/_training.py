"""Trains a network for some epochs, and tells its validation accuracy."""

from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass, field

import torch
from torch import nn

from automl_zero._config_values import integer, number
from automl_zero.streams import Stream, stream_key
from nas.networks import build_network
from nas.objectives._costs import evaluation_mode, one_thread
from nas.objectives._image_data import ImageData
from nas.spaces import Architecture, ChoiceSpace


def train_and_validate(
    network: nn.Module,
    data: ImageData,
    *,
    epochs: int = 5,
    batch: int = 64,
    learning_rate: float = 0.1,
    weight_decay: float = 5e-4,
    seed: int = 0,
) -> float:
    """Train a network, and tell which share of the validation images it classifies right.

    Stochastic gradient descent with Nesterov momentum 0.9 and cosine annealing, as NAS-Bench-201
    trains, in float32 on one thread: the same network, data and seed give the same bits. To
    search with two processes is quicker than with two threads, as networks are small.

    Args:
        network: It is trained in place.
        data: What to train on; images are standardized first.
        epochs: Passes over the training images.
        batch: Images per step; the last ones of an epoch, if fewer, are left out.
        learning_rate: At the start; it falls to 0 along half a cosine.
        weight_decay: Of all parameters.
        seed: Of the order of the images.

    Returns:
        Accuracy in 0..1. A network whose weights become infinite or NaN gets what it deserves:
        the share of class 0.

    Raises:
        ValueError: If a number is out of range.

    >>> data = ImageData.digits()
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> train_and_validate(network, data, epochs=2) > 0.8
    True
    """
    integer("epochs", epochs, 1)
    integer("batch", batch, 1)
    number("learning_rate", learning_rate, 0.0)
    number("weight_decay", weight_decay, 0.0)
    data = data.standardized()
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
    batch = min(batch, len(x))
    steps = len(x) // batch
    optimizer = torch.optim.SGD(
        network.parameters(),
        learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=weight_decay,
    )
    network.train()
    with one_thread():
        for epoch in range(epochs):
            order = Stream(stream_key(seed, "training", "order", epoch)).permutation(len(x))
            for step in range(steps):
                progress = (epoch + step / steps) / epochs
                optimizer.param_groups[0]["lr"] = learning_rate * _cosine(progress)
                chosen = torch.from_numpy(order[step * batch : (step + 1) * batch])
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x[chosen]), y[chosen]).backward()
                optimizer.step()
        return accuracy(network, data)


def _cosine(progress: float) -> float:
    return (1.0 + math.cos(math.pi * progress)) / 2.0


def accuracy(network: nn.Module, data: ImageData, batch: int = 512) -> float:
    """The share of the validation images that a network classifies right, in 0..1."""
    right = 0
    with evaluation_mode(network):
        for start in range(0, len(data.x_valid), batch):
            logits = network(torch.from_numpy(data.x_valid[start : start + batch]))
            labels = torch.from_numpy(data.y_valid[start : start + batch])
            right += int((logits.argmax(1) == labels).sum())
    return right / len(data.x_valid)


@dataclass(frozen=True)
class TrainingObjective:
    """Validation accuracy of an architecture after a short training: an objective of searches.

    It is called with a space, an architecture and a budget, and can be sent to other
    processes. The value is a pure function of these and of its settings. Spaces of cells are
    asked for the canonical architecture first, so that isomorphic cells get the same value.

    Args:
        data: What to train on; or the path of an ``.npz`` file for :meth:`ImageData.load`,
            which each process reads once, instead of being sent with every call.
        epochs: If a strategy does not set a budget.
        batch: As for :func:`train_and_validate`.
        learning_rate: As for :func:`train_and_validate`.
        weight_decay: As for :func:`train_and_validate`.
        seed: Of the first weights and the order of the images.
        skeleton: ``width``, ``depth`` and ``stem_stride`` of the networks, as for
            :func:`nas.networks.build_network`; channels and classes are the data's.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.spaces import NasBench201Space
    >>> skeleton = {"width": 4, "depth": 1}
    >>> objective = TrainingObjective(ImageData.digits(), epochs=1, skeleton=skeleton)
    >>> value = objective(NasBench201Space(), (3, 1, 3, 1, 1, 3))
    >>> value == objective(NasBench201Space(), (3, 1, 3, 1, 1, 3)) and 0.3 < value < 0.9
    True
    """

    data: ImageData | str | os.PathLike[str]
    epochs: int = 5
    batch: int = 64
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    seed: int = 0
    skeleton: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        integer("epochs", self.epochs, 1)
        integer("batch", self.batch, 1)
        number("learning_rate", self.learning_rate, 0.0)
        number("weight_decay", self.weight_decay, 0.0)
        for name in self.skeleton:
            if name not in ("width", "depth", "stem_stride"):
                raise ValueError(
                    f"skeleton: expected width, depth or stem_stride, received {name!r}"
                )

    def __call__(
        self, space: ChoiceSpace, architecture: Architecture, budget: int | None = None
    ) -> float:
        """The accuracy in 0..1 after ``budget`` epochs; None: after as many as are set."""
        data = self.data if isinstance(self.data, ImageData) else _loaded(os.fspath(self.data))
        canonical = getattr(space, "canonical", None)
        if canonical is not None:
            architecture = canonical(architecture)
        network = build_network(
            space,
            architecture,
            seed=self.seed,
            in_channels=data.shape[0],
            classes=data.classes,
            **self.skeleton,
        )
        return train_and_validate(
            network,
            data,
            epochs=self.epochs if budget is None else budget,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            seed=self.seed,
        )


@functools.lru_cache(4)
def _loaded(path: str) -> ImageData:
    return ImageData.load(path)
