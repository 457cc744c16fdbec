"""Training of NAS-Bench-201 cells on scikit-learn's digits, several seeds side by side.

A network has three stages of 4, 8 and 16 channels with one cell each, on images of 8x8, 4x4 and
2x2 pixels. Between stages it averages 2x2 pixels and has a 1x1 convolution. The residual blocks
that NAS-Bench-201 has there would do most of the cell's work on images this small, and two seeds
would hardly agree on the order of cells; `make_digits_table.py --check N` prints how well they do.

The networks are too small for a processor: most of a step is the cost of calling operations.
So the seeds of one architecture are the groups of grouped convolutions of one network, each with
its own weights, order of examples and loss. Three seeds take little more time than one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from automl_zero.streams import Stream, stream_key
from nas.spaces import NAS_BENCH_201_EDGES, NAS_BENCH_201_OPS, Architecture

PARTS = (800, 500, 497)
"""Training, validation and test images."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the table's networks are built and trained.

    Four epochs: with more, most cells have nearly all digits right, and 500 images cannot tell
    them apart.
    """

    channels: int = 4
    cells_per_stage: int = 1
    epochs: int = 4
    batch: int = 100
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4


def live_edges(cell: Architecture) -> list[tuple[int, str]]:
    """Edges on a way from the cell's input to its output, with their operations."""
    names = [NAS_BENCH_201_OPS[op] for op in cell]
    forward, backward = {0}, {3}
    for edge, (source, target) in enumerate(NAS_BENCH_201_EDGES):
        if names[edge] != "none" and source in forward:
            forward.add(target)
    for edge, (source, target) in reversed(list(enumerate(NAS_BENCH_201_EDGES))):
        if names[edge] != "none" and target in backward:
            backward.add(source)
    return [
        (edge, names[edge])
        for edge, (source, target) in enumerate(NAS_BENCH_201_EDGES)
        if names[edge] != "none" and source in forward and target in backward
    ]


@cache
def digits() -> tuple[Tensor, Tensor]:
    """All images, ``[1797, 1, 8, 8]``, standardised, in the table's order, and their labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = Stream(stream_key(0, "digits table", "parts")).permutation(len(data.target))
    images = (data.images / 16.0)[order].astype(np.float32)
    images = (images - images[: PARTS[0]].mean()) / images[: PARTS[0]].std()
    return torch.from_numpy(images[:, None]), torch.from_numpy(data.target[order])


class SideBySide(torch.nn.Module):
    """One architecture's network once per seed: inputs ``[B, S, 8, 8]``, logits ``[B, S, 10]``."""

    def __init__(self, cell: Architecture, seeds: Sequence[int], settings: Settings) -> None:
        super().__init__()
        self._seeds = len(seeds)
        self._generators = [
            torch.Generator().manual_seed(stream_key(seed, "digits table", "weights") >> 1)
            for seed in seeds
        ]
        width = settings.channels
        self.stem = torch.nn.Sequential(*self._convolution(1, width, 3))
        self.stages = torch.nn.ModuleList()
        self.reductions = torch.nn.ModuleList()
        self._cell = live_edges(cell)
        for stage in range(3):
            if stage:
                self.reductions.append(self._reduction(width, 2 * width))
                width *= 2
            cells = [self._edges(width) for _ in range(settings.cells_per_stage)]
            self.stages.append(torch.nn.ModuleList(cells))
        self.last = torch.nn.BatchNorm2d(len(seeds) * width)
        bound = 1 / math.sqrt(width)
        self.weight = torch.nn.Parameter(self._uniform((10, width), bound).view(-1, 10, width))
        self.bias = torch.nn.Parameter(self._uniform((10,), bound).view(-1, 10))

    def _uniform(self, shape: tuple[int, ...], bound: float) -> Tensor:
        """Each seed's numbers from its own generator, one seed after the other."""
        draws = [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in self._generators]
        return torch.cat(draws)

    def _convolution(
        self, inputs: int, outputs: int, size: int, stride: int = 1
    ) -> list[torch.nn.Module]:
        seeds = self._seeds
        layer = torch.nn.Conv2d(
            seeds * inputs, seeds * outputs, size, stride, size // 2, groups=seeds, bias=False
        )
        # PyTorch's default for convolutions, which NAS-Bench-201 uses too.
        bound = 1 / math.sqrt(inputs * size * size)
        layer.weight.data = self._uniform((outputs, inputs, size, size), bound)
        return [layer, torch.nn.BatchNorm2d(seeds * outputs)]

    def _edges(self, width: int) -> torch.nn.ModuleDict:
        kernels = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
        return torch.nn.ModuleDict(
            {
                str(edge): torch.nn.Sequential(*self._convolution(width, width, kernels[name]))
                for edge, name in self._cell
                if name in kernels
            }
        )

    def _reduction(self, inputs: int, outputs: int) -> torch.nn.Sequential:
        return torch.nn.Sequential(torch.nn.AvgPool2d(2), *self._convolution(inputs, outputs, 1))

    def _run_cell(self, edges: torch.nn.ModuleDict, x: Tensor) -> Tensor:
        nodes: list[Tensor | None] = [x, None, None, None]
        rectified: dict[int, Tensor] = {}
        for edge, name in self._cell:
            source, target = NAS_BENCH_201_EDGES[edge]
            value = nodes[source]
            if str(edge) in edges:
                if source not in rectified:
                    rectified[source] = F.relu(value)
                value = edges[str(edge)](rectified[source])
            elif name == "avg_pool_3x3":
                value = F.avg_pool2d(value, 3, 1, 1, count_include_pad=False)
            total = nodes[target]
            nodes[target] = value if total is None else total + value
        return torch.zeros_like(x) if nodes[3] is None else nodes[3]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage, cells in enumerate(self.stages):
            if stage:
                x = self.reductions[stage - 1](x)
            for edges in cells:
                x = self._run_cell(edges, x)
        x = F.relu(self.last(x)).mean((2, 3)).view(len(x), self._seeds, -1)
        return torch.einsum("bsw,skw->bsk", x, self.weight) + self.bias


def train(cell: Architecture, seeds: Sequence[int], settings: Settings) -> list[dict[str, float]]:
    """Accuracies in percent of one architecture, one dict per seed.

    The learning rate falls to zero along a cosine; the momentum is Nesterov's.
    """
    images, labels = digits()
    train_count, validation_count, _ = PARTS
    network = SideBySide(cell, seeds, settings).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    orders = [Stream(stream_key(seed, "digits table", "order")) for seed in seeds]
    steps = settings.epochs * (train_count // settings.batch)
    step = 0
    for _ in range(settings.epochs):
        order = torch.from_numpy(np.stack([s.permutation(train_count) for s in orders], axis=1))
        for part in order.split(settings.batch):
            rate = 0.5 * settings.learning_rate * (1 + math.cos(math.pi * step / steps))
            optimizer.param_groups[0]["lr"] = rate
            batch = images[part, 0].contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(batch).flatten(0, 1), labels[part].flatten())
            # A mean over the seeds would divide each seed's gradient by their number.
            (loss * len(seeds)).backward()
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    network.eval()
    with torch.no_grad():
        held_out = images[train_count:].expand(-1, len(seeds), -1, -1)
        answers = network(held_out.contiguous(memory_format=torch.channels_last)).argmax(2)
    right = (answers == labels[train_count:, None]).double()
    validation = right[:validation_count].mean(0) * 100
    test = right[validation_count:].mean(0) * 100
    return [
        {"seed": seed, "validation": round(v, 4), "test": round(t, 4)}
        for seed, v, t in zip(seeds, validation.tolist(), test.tolist(), strict=True)
    ]
