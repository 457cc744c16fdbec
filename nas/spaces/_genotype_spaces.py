"""The cell spaces of DARTS and NASNet: genotypes as sequences of choices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from automl_zero._config_values import integer
from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision
from nas.spaces._genotype import CellGenotype, Genotype, Node

DARTS_OPERATIONS: Final = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""What an edge of a DARTS cell can be; the eighth, ``none``, is of the supernet only."""

NASNET_OPERATIONS: Final = (
    "skip_connect",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
"""The 13 operations of Zoph et al. 2018, section 3."""

AMOEBANET_OPERATIONS: Final = (
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
    "conv_7x1_1x7",
)
"""The 8 operations of Real et al. 2019, section 3.1."""


class GenotypeSpace(ChoiceSpace):
    """What the spaces of normal and reduction cells share: genotypes, text form and key.

    A derived class has the decisions of one cell, and reads and writes one cell's choices.
    """

    def __init__(self, decisions: Sequence[Decision], operations: Sequence[str]) -> None:
        super().__init__(
            [
                Decision(f"{cell} {decision.name}", decision.options)
                for cell in ("normal", "reduce")
                for decision in decisions
            ]
        )
        self.operations = tuple(operations)

    def to_genotype(self, genome: Architecture) -> Genotype:
        """The two cells of an architecture."""
        half = len(genome) // 2
        return Genotype(self._decode(genome[:half]), self._decode(genome[half:]))

    def from_genotype(self, genotype: Genotype) -> Architecture:
        """The architecture of two cells.

        Raises:
            ValueError: If a cell is none of this space.
        """
        return (
            *self._checked("normal", genotype.normal),
            *self._checked("reduce", genotype.reduce),
        )

    def canonical(self, genome: Architecture) -> Architecture:
        """The one of all architectures with isomorphic cells that stands for them."""
        return self.from_genotype(self.to_genotype(genome).canonical())

    def key(self, genome: Architecture) -> str:
        """The text of the canonical architecture: isomorphic cells are one."""
        return str(self.to_genotype(genome).canonical())

    def to_text(self, genome: Architecture) -> str:
        """The genotype, in the form that DARTS prints."""
        return str(self.to_genotype(genome))

    def from_text(self, text: str) -> Architecture:
        """The architecture of a genotype's text.

        Raises:
            ValueError: If the text is none, or the cells are none of this space.
        """
        return self.from_genotype(Genotype.parse(text))

    def _checked(self, name: str, cell: CellGenotype) -> Iterator[int]:
        for _, operation, _ in cell.operations():
            if operation not in self.operations:
                raise ValueError(
                    f"{name}: expected operations of {', '.join(self.operations)}, "
                    f"received {operation!r}"
                )
        yield from self._encode(name, cell)

    def _decode(self, choices: Architecture) -> CellGenotype:
        raise NotImplementedError

    def _encode(self, name: str, cell: CellGenotype) -> Iterator[int]:
        raise NotImplementedError


class DartsSpace(GenotypeSpace):
    """Cells of DARTS: each node reads two different earlier ones; all nodes are the output.

    Liu, Simonyan & Yang, "DARTS: Differentiable architecture search" (ICLR 2019).

    Args:
        nodes: Of a cell, beside its two inputs.
        operations: What there is to choose from.

    Raises:
        ValueError: If ``nodes`` is no positive integer.

    >>> space = DartsSpace()
    >>> f"{space.size:.1e}"
    '1.1e+18'
    >>> second = space.from_text(DARTS_V2)
    >>> space.to_genotype(second).normal.nodes[0]
    (('sep_conv_3x3', 0), ('sep_conv_3x3', 1))
    """

    def __init__(self, nodes: int = 4, operations: Sequence[str] = DARTS_OPERATIONS) -> None:
        integer("nodes", nodes, 1)
        self.nodes = nodes
        self._pairs = [list(itertools.combinations(range(node + 2), 2)) for node in range(nodes)]
        decisions = []
        for node, pairs in enumerate(self._pairs, 2):
            inputs = tuple(f"{a},{b}" for a, b in pairs)
            decisions += [
                Decision(f"node {node} inputs", inputs),
                Decision(f"node {node} first", tuple(operations)),
                Decision(f"node {node} second", tuple(operations)),
            ]
        super().__init__(decisions, operations)

    def _decode(self, choices: Architecture) -> CellGenotype:
        nodes: list[Node] = []
        for node, pairs in enumerate(self._pairs):
            pair, first, second = choices[3 * node : 3 * node + 3]
            a, b = pairs[pair]
            nodes.append(((self.operations[first], a), (self.operations[second], b)))
        return CellGenotype(tuple(nodes), tuple(range(2, 2 + self.nodes)))

    def _encode(self, name: str, cell: CellGenotype) -> Iterator[int]:
        everything = tuple(range(2, 2 + self.nodes))
        if len(cell.nodes) != self.nodes or cell.concat != everything:
            raise ValueError(
                f"{name}: expected {self.nodes} nodes, all of them in {name}_concat, "
                f"received {len(cell.nodes)} and {list(cell.concat)}"
            )
        for pairs, node in zip(self._pairs, cell.nodes, strict=True):
            (first, a), (second, b) = sorted(node, key=lambda term: term[1])
            if a == b:
                raise ValueError(f"{name}: expected two different inputs, received {node}")
            yield from (
                pairs.index((a, b)),
                self.operations.index(first),
                self.operations.index(second),
            )


class NasNetSpace(GenotypeSpace):
    """Cells of NASNet and AmoebaNet: each node reads any two; nodes that none reads go out.

    Zoph et al., "Learning transferable architectures for scalable image recognition" (CVPR
    2018), with addition as the only way to combine, as in Real et al., "Regularized evolution
    for image classifier architecture search" (AAAI 2019).

    Args:
        nodes: Of a cell, beside its two inputs ("blocks" in the papers).
        operations: What there is to choose from: ``NASNET_OPERATIONS`` or
            ``AMOEBANET_OPERATIONS``, for instance.

    Raises:
        ValueError: If ``nodes`` is no positive integer.

    >>> space = NasNetSpace()
    >>> str(space.to_genotype(space.from_text(NASNET_A)).reduce.concat)
    '(4, 5, 6)'
    """

    def __init__(self, nodes: int = 5, operations: Sequence[str] = NASNET_OPERATIONS) -> None:
        integer("nodes", nodes, 1)
        self.nodes = nodes
        decisions = []
        for node in range(2, nodes + 2):
            sources = tuple(str(source) for source in range(node))
            for term in ("first", "second"):
                decisions.append(Decision(f"node {node} {term} input", sources))
                decisions.append(Decision(f"node {node} {term}", tuple(operations)))
        super().__init__(decisions, operations)

    def _decode(self, choices: Architecture) -> CellGenotype:
        terms = [
            (self.operations[operation], source)
            for source, operation in zip(choices[::2], choices[1::2], strict=True)
        ]
        nodes = tuple(zip(terms[::2], terms[1::2], strict=True))
        return CellGenotype(nodes, _unread(nodes))

    def _encode(self, name: str, cell: CellGenotype) -> Iterator[int]:
        unread = _unread(cell.nodes)
        if len(cell.nodes) != self.nodes or cell.concat != unread:
            raise ValueError(
                f"{name}: expected {self.nodes} nodes, and those that none reads, {list(unread)}, "
                f"in {name}_concat; received {len(cell.nodes)} and {list(cell.concat)}"
            )
        for node in cell.nodes:
            for operation, source in node:
                yield source
                yield self.operations.index(operation)


def _unread(nodes: Sequence[Node]) -> tuple[int, ...]:
    read = {source for node in nodes for _, source in node}
    return tuple(number for number in range(2, 2 + len(nodes)) if number not in read)


DARTS_V1: Final = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], reduce_concat=[2, 3, 4, 5])"
)
"""The cells that DARTS found with the first-order gradient; of :class:`DartsSpace`."""

DARTS_V2: Final = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
"""The cells that DARTS found with the second-order gradient; of :class:`DartsSpace`."""

NASNET_A: Final = (
    "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), "
    "('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), "
    "('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 1)], "
    "normal_concat=[2, 3, 4, 5, 6], reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), "
    "('max_pool_3x3', 1), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), "
    "('skip_connect', 3), ('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[4, 5, 6])"
)
"""NASNet-A; of :class:`NasNetSpace`."""

AMOEBANET_A: Final = (
    "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), "
    "('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), "
    "('sep_conv_7x7', 2), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
)
"""AmoebaNet-A; of :class:`NasNetSpace`, with either set of operations."""
