"""The networks of the few-shot literature."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from automl_zero._config_values import integer
from automl_zero.streams import stream_key


def conv4(
    classes: int,
    *,
    channels: int = 1,
    width: int = 64,
    image_size: int | None = None,
    pooling: bool = False,
    seed: int = 0,
) -> nn.Sequential:
    """The four-layer network of few-shot learning (Vinyals et al. 2016, Finn et al. 2017).

    Four blocks of 3x3 convolution, batch norm over the task's own examples and ReLU; then a
    linear layer, ``"head"``.

    Args:
        classes: Classes of a task, outputs of the network.
        channels: Of the images.
        width: Filters of each layer; 64 as published.
        image_size: Height and width of the images, for a head that sees every position of the
            last block; None takes the mean over them, for images of any size.
        pooling: Max-pool each block by 2, as for miniImageNet. Otherwise convolutions have
            stride 2, as in Finn et al. for Omniglot: a quarter of the work.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If a number is not positive, or the images are too small for the pooling.

    Example:
        >>> conv4(5, width=8)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 5])
    """
    for name, value in (("classes", classes), ("channels", channels), ("width", width)):
        integer(name, value, 1)
    positions = 1
    if image_size is not None:
        side = integer("image_size", image_size, 16 if pooling else 1)
        for _ in range(4):
            side = side // 2 if pooling else (side + 1) // 2
        positions = side * side
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(seed, "conv4"))
        body: list[nn.Module] = []
        for source in (channels, width, width, width):
            body += [
                nn.Conv2d(source, width, 3, stride=1 if pooling else 2, padding=1),
                nn.BatchNorm2d(width, track_running_stats=False),
                nn.ReLU(),
                *([nn.MaxPool2d(2)] if pooling else []),
            ]
        parts = {
            "body": nn.Sequential(*body),
            "features": nn.Sequential(
                *([nn.AdaptiveAvgPool2d(1)] if image_size is None else []), nn.Flatten()
            ),
            "head": nn.Linear(width * positions, classes),
        }
    return nn.Sequential(OrderedDict(parts))


def sinusoid_net(width: int = 40, *, seed: int = 0) -> nn.Sequential:
    """Two hidden layers of ``width`` ReLUs, one input, one output: Finn et al. 2017, 5.1.

    Args:
        width: Units of a hidden layer; 40 as published.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If ``width`` is not positive.

    Example:
        >>> sinusoid_net()(torch.zeros(10, 1)).shape
        torch.Size([10, 1])
    """
    integer("width", width, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(seed, "sinusoid_net"))
        parts = {
            "body": nn.Sequential(
                nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
            ),
            "head": nn.Linear(width, 1),
        }
    return nn.Sequential(OrderedDict(parts))
