"""The network around a cell of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from nas.networks._operations import ReluConvBN, operation
from nas.spaces._live_edges import LiveEdge


class NasBench201Cell(nn.Module):
    """Four nodes; each adds up its edges. Edges that reach nothing are left out."""

    def __init__(self, edges: Sequence[LiveEdge], channels: int) -> None:
        super().__init__()
        self.edges = tuple(edges)
        for source, target, name in edges:
            self.add_module(f"edge_{source}_{target}", operation(name, channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.edges:
            return x * 0.0
        nodes = {0: x}
        for source, target, _ in self.edges:
            term = getattr(self, f"edge_{source}_{target}")(nodes[source])
            nodes[target] = nodes[target] + term if target in nodes else term
        return nodes[3]


class ResidualReduction(nn.Module):
    """A residual block of two 3x3 convolutions that halves the image."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ReluConvBN(in_channels, out_channels, 3, stride=2),
            ReluConvBN(out_channels, out_channels, 3),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convs(x) + self.shortcut(x)


class NasBench201Network(nn.Module):
    """Stem, three stages of cells with residual reductions between them, classifier.

    ``make_cell`` makes a cell of a number of channels; each stage has ``depth`` of them and
    twice the channels of the one before. Figure 1 of the paper; there width 16 and depth 5.
    """

    def __init__(
        self,
        make_cell: Callable[[int], nn.Module],
        in_channels: int = 3,
        classes: int = 10,
        width: int = 16,
        depth: int = 5,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        cells: list[nn.Module] = []
        for stage in range(3):
            channels = width * 2**stage
            if stage > 0:
                cells.append(ResidualReduction(channels // 2, channels))
            cells += [make_cell(channels) for _ in range(depth)]
        self.cells = nn.Sequential(*cells)
        self.head = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(self.stem(x)))
