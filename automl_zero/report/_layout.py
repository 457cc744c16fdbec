"""Where the nodes and edges of a drawn graph go: by Graphviz, or in layers by own means."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import networkx

Point = tuple[float, float]
Edge = tuple[str, str]
Sizes = dict[str, Point]
"""Width and height of each node, in pixels."""

LAYER_GAP: Final = 44.0
NODE_GAP: Final = 28.0
_DUMMY_WIDTH: Final = 12.0  # room that a passing edge takes among the nodes of a layer
_SWEEPS: Final = 12
_POINTS_PER_INCH: Final = 72.0
_DOT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions in pixels, y downwards.

    Attributes:
        width: Of everything.
        height: Of everything.
        centers: Of each node.
        paths: Of each edge: points of a chain of cubic Bézier curves, 3 n + 1 of them.
    """

    width: float
    height: float
    centers: dict[str, Point]
    paths: dict[Edge, list[Point]]


def has_dot() -> bool:
    """Whether Graphviz' ``dot`` is installed."""
    return shutil.which("dot") is not None


def dot_layout(graph: networkx.DiGraph, sizes: Sizes) -> Layout:
    """The layout that Graphviz' ``dot`` finds.

    Raises:
        RuntimeError: If ``dot`` fails; with what it says.
    """
    number = {node: f"n{index}" for index, node in enumerate(graph)}
    lines = ["digraph {", "ranksep=0.5; nodesep=0.3; splines=true", "node [shape=box, label=\"\"]"]
    for node, name in number.items():
        width, height = (size / _POINTS_PER_INCH for size in sizes[node])
        lines.append(f"{name} [width={width:.4f}, height={height:.4f}, fixedsize=true]")
    for index, (source, target) in enumerate(graph.edges):
        # A carried edge leads up; laid from its target down, it makes no cycle.
        is_carried = graph.edges[source, target]["carried"]
        upper, lower = (target, source) if is_carried else (source, target)
        lines.append(f"{number[upper]} -> {number[lower]} [id={index}, arrowhead=none]")
    lines.append("}")
    done = subprocess.run(
        ["dot", "-Tjson"], input="\n".join(lines), capture_output=True, text=True,
        timeout=_DOT_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"dot: {done.stderr.strip()}")
    return _read_dot(json.loads(done.stdout), graph)


def _read_dot(data: dict[str, Any], graph: networkx.DiGraph) -> Layout:
    _, _, width, height = (float(x) for x in data["bb"].split(","))
    nodes, edges = list(graph), list(graph.edges)

    def point(text: str) -> Point:
        x, y = text.split(",")
        return float(x), height - float(y)

    centers = {nodes[int(item["name"][1:])]: point(item["pos"]) for item in data["objects"]}
    paths = {}
    for item in data.get("edges", ()):
        edge = edges[int(item["id"])]
        points = [point(text) for text in item["pos"].split()]
        paths[edge] = points[::-1] if graph.edges[edge]["carried"] else points
    return Layout(width, height, centers, paths)


def layered_layout(graph: networkx.DiGraph, sizes: Sizes, *, ends_downward: bool = False) -> Layout:
    """A layout in layers, for machines without Graphviz.

    Nodes go below everything that they read (Sugiyama, Tagawa & Toda, "Methods for visual
    understanding of hierarchical system structures", 1981): an edge over several layers passes
    through a place of its own in each; layers are sorted by the mean position of neighbours.

    Args:
        graph: Its edges have the attribute ``carried``: whether they lead up.
        sizes: Of its nodes.
        ends_downward: Whether nodes stand below what they read rather than above what reads
            them. That spreads many nodes that one node reads.
    """
    layers, chains = _layers(graph)
    _sort(layers, chains)
    widths = {node: size[0] for node, size in sizes.items()}
    centers_x = _horizontal(layers, chains, widths, _SWEEPS + ends_downward)
    centers: dict[str, Point] = {}
    y = 0.0
    for layer in layers:
        tallest = max((sizes[node][1] for node in layer if node in sizes), default=0.0)
        for node in layer:
            centers[node] = centers_x[node], y + tallest / 2
        y += tallest + LAYER_GAP
    paths = {}
    for edge, chain in chains.items():
        upper, lower = chain[0], chain[-1]
        # Beside the middle, where a carried edge does not run into the others.
        aside = 0.25 if graph.edges[edge]["carried"] else 0.0
        stops = [centers[node] for node in chain]
        stops[0] = stops[0][0] + aside * widths[upper], stops[0][1] + sizes[upper][1] / 2
        stops[-1] = stops[-1][0] + aside * widths[lower], stops[-1][1] - sizes[lower][1] / 2
        curve = _curve(stops)
        paths[edge] = curve[::-1] if aside else curve
    # Edges may pass outside of all nodes.
    right = [center[0] + widths.get(node, _DUMMY_WIDTH) / 2 for node, center in centers.items()]
    real = {node: centers[node] for node in sizes}
    return Layout(max(right), y - LAYER_GAP, real, paths)


def _layers(graph: networkx.DiGraph) -> tuple[list[list[str]], dict[Edge, list[str]]]:
    """Layers of nodes and passing edges; and the nodes that each edge passes, from above."""
    import networkx

    carried = [edge for edge in graph.edges if graph.edges[edge]["carried"]]
    downward = networkx.DiGraph(graph)
    downward.remove_edges_from(carried)
    downward.add_edges_from((target, source) for source, target in carried)
    depth: dict[str, int] = {}
    for node in networkx.topological_sort(downward):
        depth[node] = max((depth[source] + 1 for source in downward.predecessors(node)), default=0)
    # Sources stand right above the first node that reads them.
    for node in graph:
        if downward.in_degree(node) == 0 and downward.out_degree(node) > 0:
            depth[node] = min(depth[target] for target in downward.successors(node)) - 1
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for node in graph:
        layers[depth[node]].append(node)
    chains = {}
    for edge in graph.edges:
        source, target = edge[::-1] if graph.edges[edge]["carried"] else edge
        chain = [source]
        for level in range(depth[source] + 1, depth[target]):
            chain.append(f"\0{edge[0]}\0{edge[1]}\0{level}")
            layers[level].append(chain[-1])
        chains[edge] = [*chain, target]
    return layers, chains


def _sort(layers: list[list[str]], chains: dict[Edge, list[str]]) -> None:
    """Order each layer by the mean place of its nodes' neighbours, sweeping down and up."""
    neighbours = _neighbours(layers, chains)
    for sweep in range(_SWEEPS):
        place = {node: index / len(layer) for layer in layers for index, node in enumerate(layer)}
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            means = {}
            for node in layer:
                beside = [place[other] for other in neighbours[node][sweep % 2]]
                means[node] = sum(beside) / len(beside) if beside else place[node]
            layer.sort(key=means.__getitem__)
            for index, node in enumerate(layer):
                place[node] = (index + 0.5) / len(layer)


def _neighbours(
    layers: list[list[str]], chains: dict[Edge, list[str]]
) -> dict[str, tuple[list[str], list[str]]]:
    """The nodes above and below each node that it has an edge with."""
    found: dict[str, tuple[list[str], list[str]]] = {
        node: ([], []) for layer in layers for node in layer
    }
    for chain in chains.values():
        for upper, lower in zip(chain, chain[1:], strict=False):
            found[lower][0].append(upper)
            found[upper][1].append(lower)
    return found


def _horizontal(
    layers: list[list[str]],
    chains: dict[Edge, list[str]],
    widths: dict[str, float],
    sweeps: int,
) -> dict[str, float]:
    """Centers: near the mean of the neighbours, in order and without overlap."""
    neighbours = _neighbours(layers, chains)
    x: dict[str, float] = {}
    for layer in layers:
        left = 0.0
        for node in layer:
            width = widths.get(node, _DUMMY_WIDTH)
            x[node] = left + width / 2
            left += width + NODE_GAP
    for sweep in range(sweeps):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = {}
            for node in layer:
                beside = [x[other] for other in neighbours[node][sweep % 2]]
                beside = beside or [x[other] for side in neighbours[node] for other in side]
                wanted[node] = sum(beside) / len(beside) if beside else x[node]
            _place(layer, wanted, widths, x)
    least = min(x[node] - widths.get(node, _DUMMY_WIDTH) / 2 for node in x)
    return {node: center - least for node, center in x.items()}


def _place(
    layer: list[str], wanted: dict[str, float], widths: dict[str, float], x: dict[str, float]
) -> None:
    """Put a layer's nodes where they want to be, as far as their order leaves room.

    Nodes that would overlap are joined to a block, which goes to the mean of their wishes.
    """
    blocks: list[tuple[float, list[tuple[str, float]]]] = []  # left-most wish, (node, offset)
    for node in layer:
        members = [(node, 0.0)]
        start = wanted[node]
        while blocks:
            before_start, before = blocks[-1]
            last, offset = before[-1]
            gap = (
                widths.get(last, _DUMMY_WIDTH) + widths.get(members[0][0], _DUMMY_WIDTH)
            ) / 2 + NODE_GAP
            if before_start + offset + gap <= start:
                break
            blocks.pop()
            joined = before + [(name, offset + gap + shift) for name, shift in members]
            members = joined
            start = sum(wanted[name] - shift for name, shift in members) / len(members)
        blocks.append((start, members))
    for start, members in blocks:
        for node, offset in members:
            x[node] = start + offset


def _curve(stops: list[Point]) -> list[Point]:
    """A smooth curve through points, vertical at each of them."""
    points = [stops[0]]
    for (x0, y0), (x1, y1) in zip(stops, stops[1:], strict=False):
        middle = (y0 + y1) / 2
        points += [(x0, middle), (x1, middle), (x1, y1)]
    return points
