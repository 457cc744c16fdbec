"""Randomly wired networks: a random graph in each stage."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from automl_zero._config_values import integer
from automl_zero.streams import stream_key
from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision

if TYPE_CHECKING:
    import networkx

RANDOM_GRAPHS: Final = (
    "er_0.2", "er_0.4", "er_0.6", "ba_1", "ba_3", "ba_5", "ba_7",
    "ws_2_0.75", "ws_4_0.25", "ws_4_0.5", "ws_4_0.75", "ws_4_1", "ws_6_0.75",
)  # fmt: skip
"""Generators of the paper's figure 3: Erdős-Rényi (p), Barabási-Albert (m), Watts-Strogatz
(k, p)."""

Edges = tuple[tuple[int, int], ...]

_TRIES: Final = 1000


class RandWireSpace(ChoiceSpace):
    """Randomly wired networks: the generator of the graphs, and a seed for each stage.

    Xie et al., "Exploring randomly wired neural networks for image recognition" (ICCV 2019).
    An edge leads from the lower to the higher number; nodes that none leads to read the
    stage's input, and the mean of those that none leads from is its output. It needs networkx.

    Args:
        nodes: Of each graph; 32 in the paper.
        stages: How many graphs; 3 in the paper's small networks.
        generators: What to choose from: ``er_P``, ``ba_M`` or ``ws_K_P``.
        seeds: How many seeds there are for each graph.

    Raises:
        ValueError: If an argument is out of range, or a generator unknown.

    >>> space = RandWireSpace(nodes=8, stages=2)
    >>> cell = space.from_text("generator=ws_4_0.75 stage1=3 stage2=14")
    >>> [len(edges) for edges in space.graphs(cell)]
    [16, 16]
    """

    def __init__(
        self,
        nodes: int = 32,
        stages: int = 3,
        generators: Sequence[str] = RANDOM_GRAPHS,
        seeds: int = 1000,
    ) -> None:
        integer("nodes", nodes, 2)
        integer("stages", stages, 1)
        integer("seeds", seeds, 1)
        for name in generators:
            _parameters(name, nodes)
        self.nodes = nodes
        numbers = tuple(map(str, range(seeds)))
        super().__init__(
            [
                Decision("generator", tuple(generators)),
                *(Decision(f"stage{stage}", numbers) for stage in range(1, stages + 1)),
            ]
        )

    def graphs(self, genome: Architecture) -> tuple[Edges, ...]:
        """The edges of each stage's graph, sorted; every edge leads to a higher number."""
        generator = self.decisions[0].options[genome[0]]
        return tuple(_edges(generator, self.nodes, seed) for seed in genome[1:])

    def key(self, genome: Architecture) -> str:
        """A digest of the graphs: seeds that give the same graphs are one."""
        return hashlib.blake2b(repr(self.graphs(genome)).encode(), digest_size=16).hexdigest()


@functools.lru_cache(4096)
def _edges(generator: str, nodes: int, seed: int) -> Edges:
    """The edges of a connected random graph, from a stream of its own."""
    try:
        import networkx
    except ModuleNotFoundError:
        advice = "pip install 'automl-zero[report]'"
        raise ImportError(f"RandWireSpace needs networkx: {advice}") from None
    name, parameters = _parameters(generator, nodes)
    numbers = random.Random(stream_key(seed, "rand_wire", generator, nodes))
    for _ in range(_TRIES):
        if name == "er":
            graph = networkx.gnp_random_graph(nodes, parameters[0], seed=numbers)
        elif name == "ba":
            graph = networkx.barabasi_albert_graph(nodes, int(parameters[0]), seed=numbers)
        else:
            k, p = parameters
            graph = networkx.watts_strogatz_graph(nodes, int(k), p, seed=numbers)
        if networkx.is_connected(graph):
            return _upward(graph)
    raise ValueError(
        f"generators: expected {generator} to give a connected graph of {nodes} nodes, "
        f"received none in {_TRIES} tries"
    )


def _upward(graph: networkx.Graph) -> Edges:
    return tuple(sorted((min(edge), max(edge)) for edge in graph.edges))


def _parameters(generator: str, nodes: int) -> tuple[str, tuple[float, ...]]:
    """Name and parameters of a generator, checked."""
    name, *words = generator.split("_") if isinstance(generator, str) else [""]
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        values = ()
    whole = bool(values) and values[0].is_integer() and 1 <= values[0] < nodes
    if (
        (name == "er" and len(values) == 1 and 0 < values[0] <= 1)
        or (name == "ba" and len(values) == 1 and whole)
        or (name == "ws" and len(values) == 2 and whole and values[0] >= 2 and 0 <= values[1] <= 1)
    ):
        return name, values
    raise ValueError(
        f"generators: expected er_P, ba_M or ws_K_P with P in 0..1 and M, K below {nodes} nodes, "
        f"received {generator!r}"
    )
