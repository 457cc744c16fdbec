"""Cells whose edges hold all operations, of which a forward pass runs some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from nas.networks._operations import FactorizedReduce, ReluConvBN, operation
from nas.oneshot._layout import NONE, Layout


@dataclass
class Choice:
    """What a forward pass runs; the cells of a supernet share it.

    Attributes:
        active: Operations of each edge that run, without ``none``; an edge that cannot change
            the output runs none.
        weights: What their outputs are multiplied with, ``[edges, operations]``; None: nothing.
    """

    active: list[tuple[int, ...]] = field(default_factory=list)
    weights: torch.Tensor | None = None


class MixedEdge(nn.Module):
    """All operations of one edge.

    With ``partial`` K > 1 they see the first of K parts of the channels, and the rest passes by
    (PC-DARTS, Xu et al., ICLR 2020, section 3.1); channels are shuffled afterwards, so that each
    part has its turn. The batch norms of the operations have no weights, as in DARTS: no
    operation can outweigh the mixture by scaling itself up. ``normalize_pools`` puts one behind
    pooling too, as DARTS does and NAS-Bench-201 does not.
    """

    def __init__(
        self,
        names: Sequence[str],
        channels: int,
        stride: int,
        partial: int,
        normalize_pools: bool,
    ) -> None:
        super().__init__()
        if channels % partial:
            raise ValueError(
                f"partial: expected a divisor of the {channels} channels, received {partial}"
            )
        self.partial = partial
        part = channels // partial
        self.operations = nn.ModuleList()
        for name in names:
            module = operation(name, part, part, stride, affine=False)
            if normalize_pools and "_pool_" in name:
                module = nn.Sequential(module, nn.BatchNorm2d(part, affine=False))
            self.operations.append(module)
        self.bypass = nn.MaxPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()

    def forward(
        self, x: torch.Tensor, active: Sequence[int], weights: torch.Tensor | None
    ) -> torch.Tensor:
        """The sum of the active operations; there must be one."""
        whole = x
        if self.partial > 1:
            x = whole[:, : whole.shape[1] // self.partial]
        terms = [self.operations[number](x) for number in active]
        if weights is not None:
            terms = [term * weights[number] for term, number in zip(terms, active, strict=True)]
        total = sum(terms[1:], terms[0])
        if self.partial == 1:
            return total
        joined = torch.cat([total, self.bypass(whole[:, x.shape[1] :])], 1)
        n, c, h, w = joined.shape
        return (
            joined.view(n, self.partial, c // self.partial, h, w)
            .transpose(1, 2)
            .reshape(n, c, h, w)
        )


class MixedCell(nn.Module):
    """What the cells of all spaces share: the edges of one group, and running them."""

    def __init__(
        self, layout: Layout, group: int, channels: int, choice: Choice, partial: int
    ) -> None:
        super().__init__()
        self._choice = choice
        self._numbers = layout.group_edges(group)
        self._ends = [layout.edges[number][1:] for number in self._numbers]
        self.edges = nn.ModuleList(
            MixedEdge(
                layout.operations, channels, self._stride(source), partial, len(layout.groups) > 1
            )
            for source, _ in self._ends
        )

    def _stride(self, source: int) -> int:
        return 1

    def _run(self, nodes: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        """All nodes that get something, from the cell's inputs on."""
        weights = self._choice.weights
        for number, (source, target), edge in zip(
            self._numbers, self._ends, self.edges, strict=True
        ):
            active = self._choice.active[number]
            if active and source in nodes:
                row = None if weights is None else weights[number]
                term = edge(nodes[source], active, row)
                nodes[target] = nodes[target] + term if target in nodes else term
        return nodes


class MixedNasBench201Cell(MixedCell):
    """One input, and the last node is the output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = self._run({0: x})
        return nodes[3] if 3 in nodes else x * 0.0


class MixedDartsCell(MixedCell):
    """Two inputs, made as wide as the nodes first; all nodes, side by side, are the output."""

    def __init__(
        self,
        layout: Layout,
        choice: Choice,
        partial: int,
        inputs: tuple[int, int],
        channels: int,
        reduction: bool,
        after_reduction: bool,
    ) -> None:
        self._reduction = reduction  # read by _stride while the edges are made
        super().__init__(layout, int(reduction), channels, choice, partial)
        if after_reduction:
            self.input_0: nn.Module = FactorizedReduce(inputs[0], channels, affine=False)
        else:
            self.input_0 = ReluConvBN(inputs[0], channels, 1, affine=False)
        self.input_1 = ReluConvBN(inputs[1], channels, 1, affine=False)
        self._nodes = range(2, 1 + max(target for _, target in self._ends))

    def _stride(self, source: int) -> int:
        return 2 if self._reduction and source < 2 else 1

    def forward(self, s0: torch.Tensor, s1: torch.Tensor) -> torch.Tensor:
        nodes = self._run({0: self.input_0(s0), 1: self.input_1(s1)})
        stride = self._stride(0)
        zero = nodes[1][:, :, ::stride, ::stride] * 0.0
        return torch.cat([nodes.get(node, zero) for node in self._nodes], 1)


def live(layout: Layout, active: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The operations that can change the output: ``none`` and edges that lead nowhere left out.

    Every node of a DARTS cell is output; of a NAS-Bench-201 cell only the last one.
    """
    rest = [tuple(number for number in numbers if number != NONE) for numbers in active]
    if len(layout.groups) > 1:
        return rest
    needed = {3}
    for number in sorted(range(len(rest)), key=lambda i: -layout.edges[i][2]):
        _, source, target = layout.edges[number]
        if rest[number] and target in needed:
            needed.add(source)
    return [
        numbers if edge[2] in needed else ()
        for numbers, edge in zip(rest, layout.edges, strict=True)
    ]
