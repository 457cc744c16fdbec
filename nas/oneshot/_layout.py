"""What a supernet has to know of a space: its edges, and which of them an architecture uses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.spaces import (
    NAS_BENCH_201_EDGES,
    NAS_BENCH_201_OPS,
    Architecture,
    CellGenotype,
    ChoiceSpace,
    DartsSpace,
    Genotype,
    NasBench201Space,
)

Path = tuple[int, ...]
"""One operation's number for each edge of a supernet."""

NONE: Final = 0
"""Number of the operation ``none``: all layouts have it first."""


class Layout:
    """The edges of a supernet's cells and the operations on each.

    Attributes:
        space: Whose cells.
        operations: Names; the first is ``none``.
        groups: Names of the kinds of cells. Cells of a kind share their choices, not their
            weights.
        edges: Group, source and target of each edge. A matrix of one weight per operation on
            each edge, as differentiable methods have it, has the shape
            ``[len(edges), len(operations)]``.
    """

    space: ChoiceSpace
    operations: tuple[str, ...]
    groups: tuple[str, ...]
    edges: tuple[tuple[int, int, int], ...]

    def path(self, architecture: Architecture) -> Path:
        """The operation of each edge; ``none`` where the architecture has no edge."""
        raise NotImplementedError

    def architecture(self, weights: ArrayLike) -> Architecture:
        """The architecture that a matrix of weights favours, by the rule of the papers.

        Args:
            weights: Shape ``[len(edges), len(operations)]``.

        Raises:
            ValueError: If the shape is another, or a number not finite.
        """
        matrix = np.asarray(weights, np.float64)
        shape = (len(self.edges), len(self.operations))
        if matrix.shape != shape or not np.isfinite(matrix).all():
            raise ValueError(
                f"weights: expected finite numbers of shape {shape}, received an array of shape "
                f"{matrix.shape}"
            )
        return self._favoured(matrix)

    def group_edges(self, group: int) -> list[int]:
        """Numbers of the edges of one kind of cells."""
        return [number for number, edge in enumerate(self.edges) if edge[0] == group]

    def skip_share(self, architecture: Architecture) -> float:
        """Share of skip connections among an architecture's edges, ``none`` not counted.

        A differentiable search that collapses ends with 1: the skip connection needs no
        training and helps the other operations to train, so its weight grows fastest.
        """
        skip = self.operations.index("skip_connect")
        used = [operation for operation in self.path(architecture) if operation != NONE]
        return used.count(skip) / len(used) if used else 0.0

    def _favoured(self, weights: NDArray[np.float64]) -> Architecture:
        raise NotImplementedError


class NasBench201Layout(Layout):
    """Six edges with five operations each; an edge takes the operation with the most weight."""

    def __init__(self, space: NasBench201Space) -> None:
        self.space = space
        self.operations = NAS_BENCH_201_OPS
        self.groups = ("cell",)
        self.edges = tuple((0, source, target) for source, target in NAS_BENCH_201_EDGES)

    def path(self, architecture: Architecture) -> Path:
        return self.space.from_data(architecture)

    def _favoured(self, weights: NDArray[np.float64]) -> Architecture:
        return tuple(int(option) for option in weights.argmax(1))


class DartsLayout(Layout):
    """All earlier nodes lead to each node, in normal and reduction cells.

    Each node keeps the two edges whose strongest operation, ``none`` not counted, has most
    weight (Liu et al. 2019, section 2.4).
    """

    def __init__(self, space: DartsSpace) -> None:
        self.space = space
        self._darts = space
        self.operations = ("none", *space.operations)
        self.groups = ("normal", "reduce")
        self.edges = tuple(
            (group, source, target)
            for group in (0, 1)
            for target in range(2, space.nodes + 2)
            for source in range(target)
        )
        self._number = {edge: number for number, edge in enumerate(self.edges)}

    def path(self, architecture: Architecture) -> Path:
        path = [NONE] * len(self.edges)
        genotype = self._darts.to_genotype(self.space.from_data(architecture))
        for group, cell in enumerate((genotype.normal, genotype.reduce)):
            for node, name, source in cell.operations():
                path[self._number[group, source, node]] = self.operations.index(name)
        return tuple(path)

    def _favoured(self, weights: NDArray[np.float64]) -> Architecture:
        cells = []
        for group in (0, 1):
            nodes = []
            for target in range(2, self._darts.nodes + 2):
                terms = []
                for source in range(target):
                    row = weights[self._number[group, source, target], 1:]
                    terms.append((-row.max(), source, self.operations[1 + int(row.argmax())]))
                (_, a, first), (_, b, second) = sorted(sorted(terms)[:2], key=lambda t: t[1])
                nodes.append(((first, a), (second, b)))
            cells.append(CellGenotype(tuple(nodes), tuple(range(2, self._darts.nodes + 2))))
        return self._darts.from_genotype(Genotype(*cells))


def layout_of(space: ChoiceSpace) -> Layout:
    """The layout of a space's supernet.

    Raises:
        ValueError: If there is none.

    >>> layout = layout_of(DartsSpace())
    >>> len(layout.edges), len(layout.operations)
    (28, 8)
    >>> layout_of(NasBench201Space()).path((3, 0, 4, 1, 0, 2))
    (3, 0, 4, 1, 0, 2)
    """
    if isinstance(space, NasBench201Space):
        return NasBench201Layout(space)
    if isinstance(space, DartsSpace):
        return DartsLayout(space)
    raise ValueError(
        f"space: expected a NasBench201Space or DartsSpace, received {type(space).__name__}"
    )
