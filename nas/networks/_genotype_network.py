"""The network around normal and reduction cells of DARTS, NASNet and AmoebaNet."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from nas.networks._operations import FactorizedReduce, ReluConvBN, operation
from nas.spaces import CellGenotype


class GenotypeCell(nn.Module):
    """A cell: the outputs of the two cells before it become as wide as its nodes, and as small.

    ``inputs`` are the channels of the two; in a reduction cell, what reads them halves the
    image. ``after_reduction`` tells that the first comes from before a reduction. An input that
    no node reads is left out.
    """

    def __init__(
        self,
        cell: CellGenotype,
        inputs: tuple[int, int],
        channels: int,
        reduction: bool,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        self.cell = cell
        read = {source for _, _, source in cell.operations()}
        if 0 in read and after_reduction:
            self.input_0: nn.Module = FactorizedReduce(inputs[0], channels)
        elif 0 in read:
            self.input_0 = ReluConvBN(inputs[0], channels, 1)
        if 1 in read:
            self.input_1 = ReluConvBN(inputs[1], channels, 1)
        for number, (_, name, source) in enumerate(cell.operations()):
            stride = 2 if reduction and source < 2 else 1
            self.add_module(_term(number), operation(name, channels, channels, stride))

    def forward(self, s0: torch.Tensor, s1: torch.Tensor) -> torch.Tensor:
        nodes = [
            getattr(self, f"input_{number}")(s) if hasattr(self, f"input_{number}") else s
            for number, s in enumerate((s0, s1))
        ]
        for number, (first, second) in enumerate(self.cell.nodes):
            a = getattr(self, _term(2 * number))(nodes[first[1]])
            b = getattr(self, _term(2 * number + 1))(nodes[second[1]])
            nodes.append(a + b)
        return torch.cat([nodes[node] for node in self.cell.concat], 1)


def _term(number: int) -> str:
    """Attribute of an operation: ``node_2_a`` and ``node_2_b`` belong to the first node."""
    return f"node_{2 + number // 2}_{'ab'[number % 2]}"


class GenotypeNetwork(nn.Module):
    """Stem, normal cells with two reduction cells among them, classifier.

    ``make_cell(inputs, channels, reduction, after_reduction)`` makes a cell, ``outputs`` says
    how many nodes make up the output of a normal and of a reduction cell. The cells at a third
    and two thirds of the depth reduce. The CIFAR network of DARTS, without its auxiliary head;
    there width 36 and depth 20.
    """

    def __init__(
        self,
        make_cell: Callable[[tuple[int, int], int, bool, bool], nn.Module],
        outputs: tuple[int, int],
        in_channels: int = 3,
        classes: int = 10,
        width: int = 36,
        depth: int = 20,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 3 * width, 3, padding=1, bias=False), nn.BatchNorm2d(3 * width)
        )
        inputs, channels, after_reduction = (3 * width, 3 * width), width, False
        self.cells = nn.ModuleList()
        for number in range(depth):
            reduction = number in (depth // 3, 2 * depth // 3)
            if reduction:
                channels *= 2
            self.cells.append(make_cell(inputs, channels, reduction, after_reduction))
            inputs = inputs[1], outputs[reduction] * channels
            after_reduction = reduction
        self.classifier = nn.Linear(inputs[1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1)
        return self.classifier(s1.mean((2, 3)))
