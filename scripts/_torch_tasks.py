"""Five learning tasks of PyTorch, small enough for a processor, for optimizers to be tried on."""

from __future__ import annotations

import math
import pydoc_data.topics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from automl_zero.streams import stream_key
from l2o.optim import EvolvedOptimizer

HELD_OUT: Final = 2000
"""Examples for the loss that settings are chosen by, and as many others for the final one."""

CONTEXT: Final = 16
"""Characters that the character model sees."""

Data = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """What is learned, and how long.

    Attributes:
        name: What it is called.
        load: Inputs and classes, from the folder of the data.
        model: A fresh network.
        steps: Updates.
        batch: Examples of one.
    """

    name: str
    load: Callable[[Path], Data]
    model: Callable[[], nn.Module]
    steps: int
    batch: int


@lru_cache(maxsize=2)
def task_data(name: str, folder: Path) -> tuple[Data, Data, Data]:
    """Training, validation and test examples of a task."""
    x, y = TASKS[name].load(folder)
    order = torch.randperm(len(x), generator=generator("split", name))
    valid, test, train = order.split([HELD_OUT, HELD_OUT, len(x) - 2 * HELD_OUT])
    return (x[train], y[train]), (x[valid], y[valid]), (x[test], y[test])


def generator(*path: str | int) -> torch.Generator:
    """A generator that draws the same numbers for the same path."""
    return torch.Generator().manual_seed(stream_key(0, *path) >> 1)


def train(
    name: str,
    folder: Path,
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    seed: int,
    steps: int | None = None,
) -> dict[str, float]:
    """Train a network; the learning rate falls linearly to nothing.

    Args:
        name: Of the task.
        folder: Of the data.
        make: Makes the optimizer.
        seed: Of the start and the batches; the same for every optimizer.
        steps: Updates; None takes the task's.

    Returns:
        Loss on validation and test examples, and accuracy on the latter; infinite losses if
        training diverged.
    """
    torch.set_num_threads(1)
    task = TASKS[name]
    steps = task.steps if steps is None else steps
    examples, valid, test = task_data(name, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(seed, "start") >> 1)
        model = task.model()
    optimizer = make(list(model.parameters()))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for batch in batches(len(examples[0]), task.batch, steps, seed):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(examples[0][batch]), examples[1][batch])
        if not math.isfinite(loss.item()):
            return {"valid": math.inf, "test": math.inf, "accuracy": 0.0}
        loss.backward()
        if isinstance(optimizer, EvolvedOptimizer):
            optimizer.step(loss=loss.detach())  # some rules read it
        else:
            optimizer.step()
        schedule.step()
    results = [evaluated(model, data) for data in (valid, test)]
    return {"valid": results[0][0], "test": results[1][0], "accuracy": results[1][1]}


def batches(count: int, batch: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Random batches, one pass over the examples after another."""
    draws, order = generator("batches", seed), torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(count, generator=draws)
        yield order[:batch]
        order = order[batch:]


@torch.no_grad()
def evaluated(model: nn.Module, data: Data) -> tuple[float, float]:
    """Mean loss, infinite if it is not finite, and accuracy."""
    model.eval()
    scores = torch.cat([model(part) for part in data[0].split(500)])
    loss = functional.cross_entropy(scores, data[1]).item()
    accuracy = (scores.argmax(1) == data[1]).double().mean().item()
    return loss if math.isfinite(loss) else math.inf, accuracy


def _images(file: str) -> Callable[[Path], Data]:
    def load(folder: Path) -> Data:
        with np.load(folder / file, allow_pickle=False) as arrays:
            x = torch.from_numpy(arrays["x_train"]).float().div_(255)
            y = torch.from_numpy(arrays["y_train"].astype(np.int64))
        x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()
        return (x - x.mean()) / x.std(), y

    return load


def _characters(folder: Path) -> Data:
    """Contexts and next characters of Python's own help texts, which come with Python."""
    topics: dict[str, Any] = pydoc_data.topics.topics
    text = "".join(topics[name] for name in sorted(topics))[:200_000]
    codes = torch.tensor([min(ord(letter), 127) for letter in text])
    windows = codes.unfold(0, CONTEXT + 1, 1)
    return windows[:, :CONTEXT].contiguous(), windows[:, CONTEXT].contiguous()


def _mlp(*widths: int) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return make


def _cnn(channels: int, size: int, width: int) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        side = (size // 2 - 2) // 2
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * width * side * side, 10),
        )  # fmt: skip

    return make


def _character_model() -> nn.Module:
    return nn.Sequential(
        nn.Embedding(128, 16), nn.Flatten(), nn.Linear(16 * CONTEXT, 128), nn.Tanh(),
        nn.Linear(128, 128),
    )  # fmt: skip


_FASHION, _MNIST, _CIFAR = (
    _images(file) for file in ("fashion_mnist.npz", "mnist.npz", "cifar10_20k.npz")
)

TASKS: Final = {
    task.name: task
    for task in (
        Task("fashion_mlp", _FASHION, _mlp(784, 64, 10), 600, 64),
        Task("fashion_cnn", _FASHION, _cnn(1, 28, 8), 400, 32),
        Task("mnist_mlp", _MNIST, _mlp(784, 64, 64, 10), 600, 64),
        Task("cifar_cnn", _CIFAR, _cnn(3, 32, 8), 400, 32),
        Task("characters", _characters, _character_model, 800, 64),
    )
}
"""The tasks by name; no search of this project has seen any of them."""
