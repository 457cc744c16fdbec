"""Randomly wired networks (Xie et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class WiredNode(nn.Module):
    """Weighted sum of the inputs, ReLU, depthwise separable 3x3 convolution, batch norm.

    The weights go through a sigmoid, so that they are positive; a single input has none.
    """

    def __init__(self, inputs: int, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        if inputs > 1:
            self.weight = nn.Parameter(torch.zeros(inputs))
        self.conv = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        if len(inputs) == 1:
            return self.conv(inputs[0])
        weights = torch.sigmoid(self.weight)
        return self.conv(sum(w * x for w, x in zip(weights, inputs, strict=True)))


class WiredStage(nn.Module):
    """A graph of nodes; those that no edge leads to read the input with stride 2.

    The output is the mean of the nodes that no edge leads from.
    """

    def __init__(
        self, nodes: int, edges: Sequence[tuple[int, int]], in_channels: int, channels: int
    ) -> None:
        super().__init__()
        self.edges = tuple(edges)
        self.sources = [[a for a, b in edges if b == node] for node in range(nodes)]
        self.sinks = [node for node in range(nodes) if all(a != node for a, _ in edges)]
        self.nodes = nn.ModuleList(
            WiredNode(len(sources), channels, channels, 1)
            if sources
            else WiredNode(1, in_channels, channels, 2)
            for sources in self.sources
        )

    def extra_repr(self) -> str:
        return " ".join(f"{a}-{b}" for a, b in self.edges)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: list[torch.Tensor] = []
        for node, sources in zip(self.nodes, self.sources, strict=True):
            outputs.append(node([outputs[source] for source in sources] or [x]))
        return torch.stack([outputs[sink] for sink in self.sinks]).mean(0)


class WiredNetwork(nn.Module):
    """Stem, randomly wired stages of growing width, 1x1 convolution, classifier.

    The paper's small networks: a 3x3 convolution of half the width and a second 3x3 one, both
    with stride 2, then the stages, each with twice the channels of the one before.
    """

    def __init__(
        self,
        nodes: int,
        graphs: Sequence[Sequence[tuple[int, int]]],
        in_channels: int = 3,
        classes: int = 10,
        width: int = 78,
        stem_stride: int = 2,
        last: int = 1280,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width // 2, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        stages: list[nn.Module] = []
        channels = width
        for number, edges in enumerate(graphs):
            stages.append(WiredStage(nodes, edges, channels, width * 2**number))
            channels = width * 2**number
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(last, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stages(self.stem(x)))
