"""The cell space of NAS-Bench-201.

Dong & Yang, "NAS-Bench-201: Extending the scope of reproducible neural architecture search"
(ICLR 2020). A cell has four nodes, of which node 0 is its input and node 3 its output; each
node adds up what the edges from all earlier nodes bring, and each edge has one of five ops.
"""

from __future__ import annotations

import itertools
from typing import Final

from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision

NAS_BENCH_201_OPS: Final = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)
"""What an edge can be, under the official names and in the official order."""

NAS_BENCH_201_EDGES: Final = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and target of the edges, in the order of the text form."""

_NONE, _SKIP = 0, 1
_ZERO: Final = "#"
_PATHS: Final = ((3,), (0, 4), (1, 5), (0, 2, 5))  # edges, by their place in the order
_SEQUENCES: Final = {
    ops: number
    for number, ops in enumerate(
        itertools.chain.from_iterable(
            itertools.product(range(_SKIP + 1, len(NAS_BENCH_201_OPS)), repeat=length)
            for length in range(4)
        )
    )
}


class NasBench201Space(ChoiceSpace):
    """The 15,625 cells of NAS-Bench-201: one of five ops on each of six edges.

    The text form is the official one: the edges into nodes 1, 2 and 3, joined by ``+``, each
    with its op and its source.

    >>> space = NasBench201Space()
    >>> space.size
    15625
    >>> cell = space.from_text(
    ...     "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    ... )
    >>> cell
    (3, 0, 4, 1, 0, 2)
    >>> space.to_text(cell)
    '|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|'

    A skipped edge makes node 1 the input again, so the edges from both can change places:

    >>> space.key((1, 2, 3, 0, 4, 3)) == space.key((1, 3, 2, 4, 0, 3))
    True
    """

    def __init__(self) -> None:
        super().__init__(
            [Decision(f"edge {i}-{j}", NAS_BENCH_201_OPS) for i, j in NAS_BENCH_201_EDGES]
        )

    def key(self, genome: Architecture) -> str:
        """The function from input to output, written out: isomorphic cells share it.

        The rule is the benchmark's own, by which there are 6,466 different cells: a skip
        connection is what its source is, and ``none``, or any op on what is zero, is zero. A
        zero stays written in a sum, so some cells that compute the same have two keys.
        """
        nodes = ["0"]
        edges = iter(genome)
        for target in (1, 2, 3):
            terms = []
            for source in range(target):
                op, term = next(edges), nodes[source]
                if op == _NONE or term == _ZERO:
                    terms.append(_ZERO)
                elif op == _SKIP:
                    terms.append(term)
                else:
                    terms.append(f"({term})@{NAS_BENCH_201_OPS[op]}")
            nodes.append("+".join(sorted(terms)))
        return nodes[3]

    def features(self, genome: Architecture) -> tuple[float, ...]:
        """How many paths from input to output go through each sequence of ops: 40 numbers.

        The path encoding of White, Neiswanger & Savani, "BANANAS" (AAAI 2021), with skips left
        out of the sequences, as they change nothing, and paths through ``none`` left out.
        """
        counts = [0.0] * len(_SEQUENCES)
        for path in _PATHS:
            ops = [genome[edge] for edge in path]
            if _NONE not in ops:
                counts[_SEQUENCES[tuple(op for op in ops if op != _SKIP)]] += 1.0
        return tuple(counts)

    def to_text(self, genome: Architecture) -> str:
        """The official text form; :meth:`from_text` reads it."""
        edges = [
            f"{NAS_BENCH_201_OPS[op]}~{source}"
            for op, (source, _) in zip(genome, NAS_BENCH_201_EDGES, strict=True)
        ]
        return "+".join(f"|{'|'.join(edges[i:j])}|" for i, j in ((0, 1), (1, 3), (3, 6)))

    def from_text(self, text: str) -> Architecture:
        """The cell of an official text form.

        Raises:
            ValueError: If the text is none; names the edge.
        """
        words = text.replace("+", "").split("|") if isinstance(text, str) else []
        words = [word for word in words if word]
        if len(words) != len(self.decisions):
            raise ValueError(f"architecture: expected a text of six edges, received {text!r}")
        genome = []
        for word, decision, (source, _) in zip(
            words, self.decisions, NAS_BENCH_201_EDGES, strict=True
        ):
            op, _, number = word.partition("~")
            if op not in NAS_BENCH_201_OPS or number != str(source):
                raise ValueError(
                    f"architecture: {decision.name}: expected OP~{source} with one of "
                    f"{', '.join(NAS_BENCH_201_OPS)}, received {word!r}"
                )
            genome.append(NAS_BENCH_201_OPS.index(op))
        cell = tuple(genome)
        if self.to_text(cell) != text.strip():
            raise ValueError(
                f"architecture: expected {self.to_text(cell)!r}, as the ops tell, received {text!r}"
            )
        return cell
