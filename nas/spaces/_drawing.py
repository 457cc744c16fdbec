"""Pictures of architectures: who reads what in a cell, and by which operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from automl_zero._config_values import choice
from automl_zero.report._layout import Layout, Point, dot_layout, has_dot, layered_layout
from nas.spaces._block_plan import Block, BlockPlan
from nas.spaces._block_spaces import BlockSpace
from nas.spaces._choice_space import Architecture, ChoiceSpace
from nas.spaces._genotype import CellGenotype
from nas.spaces._genotype_spaces import GenotypeSpace
from nas.spaces._live_edges import live_edges
from nas.spaces._macro_plan import macro_plan
from nas.spaces._nas_bench_201 import NAS_BENCH_201_EDGES, NasBench201Space
from nas.spaces._nas_bench_macro import NasBenchMacroSpace
from nas.spaces._rand_wire import Edges, RandWireSpace

if TYPE_CHECKING:
    import networkx

_ENGINES: Final = ("auto", "dot", "builtin")
_CHARACTER: Final = 7.2  # of 13 px text, in pixels; capitals and digits are wide
_MARGIN: Final = 16.0
_TITLE: Final = 30.0
_GAP: Final = 48.0

# Fill, line, text. Colours from Okabe & Ito's palette, which colour-blind readers tell apart.
_COLOURS: Final = {
    "conv": ("#dceefb", "#0072b2", "#111"),
    "sep": ("#dff3ec", "#009e73", "#111"),
    "pool": ("#fdf3d7", "#c58a00", "#111"),
    "skip": ("#f3f3f3", "#999999", "#111"),
    "sum": ("#ffffff", "#444444", "#111"),
    "end": ("#444444", "#444444", "#fff"),
    "dead": ("#ffffff", "#bbbbbb", "#999"),
}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One graph of a picture. Its nodes have a text and a kind, its edges may be dead."""

    title: str
    graph: networkx.DiGraph


def draw_cell(space: ChoiceSpace, architecture: Architecture, *, engine: str = "auto") -> str:
    """A picture of an architecture: its cells, its stages of blocks, or its graphs.

    Boxes are operations, circles add up what leads to them, and dark boxes are inputs and
    outputs. Edges of a NAS-Bench-201 cell that cannot change its output are pale and dashed.

    Args:
        space: A cell, block or RandWire space.
        architecture: One of its architectures.
        engine: Who places the boxes: ``"dot"`` of Graphviz, ``"builtin"``, or ``"auto"``: dot
            if it is installed.

    Returns:
        An SVG document, on its own or to put into HTML.

    Raises:
        ImportError: Without networkx.
        ValueError: If the engine is unknown, there is no picture for the space, or the
            architecture is none of its own.
        RuntimeError: If ``dot`` is asked for and missing, or fails.

    >>> svg = draw_cell(NasBench201Space(), (3, 0, 4, 1, 0, 2), engine="builtin")
    >>> svg.startswith("<svg "), "avg pool 3×3" in svg
    (True, True)
    """
    choice("engine", engine, _ENGINES)
    if engine == "dot" and not has_dot():
        raise RuntimeError("dot: expected Graphviz to be installed, found no 'dot' on the PATH")
    architecture = space.from_data(architecture)
    if isinstance(space, NasBench201Space):
        panels = [_Panel("", _nas_bench_201_graph(space, architecture))]
    elif isinstance(space, GenotypeSpace):
        genotype = space.to_genotype(architecture)
        panels = [
            _Panel("normal cell", _genotype_graph(genotype.normal)),
            _Panel("reduction cell", _genotype_graph(genotype.reduce)),
        ]
    elif isinstance(space, BlockSpace):
        panels = [_Panel("", _block_graph(space.plan(architecture), 2))]
    elif isinstance(space, NasBenchMacroSpace):
        panels = [_Panel("", _block_graph(macro_plan(architecture), 1))]
    elif isinstance(space, RandWireSpace):
        panels = [
            _Panel(f"stage {number}", _wired_graph(edges))
            for number, edges in enumerate(space.graphs(architecture), 1)
        ]
    else:
        raise ValueError(
            f"space: expected a cell, block or RandWire space, received {type(space).__name__}"
        )
    use_dot = engine == "dot" or (engine == "auto" and has_dot())
    return _document(space.to_text(architecture), panels, use_dot)


# Graphs ----------------------------------------------------------------------------


def _graph() -> networkx.DiGraph:
    try:
        import networkx
    except ModuleNotFoundError:
        advice = "pip install 'automl-zero[report]'"
        raise ImportError(f"draw_cell needs networkx: {advice}") from None
    return networkx.DiGraph()


def _connect(graph: networkx.DiGraph, *nodes: str, dead: bool = False) -> None:
    for source, target in zip(nodes, nodes[1:], strict=False):
        graph.add_edge(source, target, carried=False, dead=dead)


def _nas_bench_201_graph(space: NasBench201Space, architecture: Architecture) -> networkx.DiGraph:
    graph = _graph()
    names = [d.options[o] for d, o in zip(space.decisions, architecture, strict=True)]
    live = set(live_edges(names, NAS_BENCH_201_EDGES))
    alive = {0, 3} | {node for a, b, _ in live for node in (a, b)}
    for node in range(4):
        kind = "end" if node in (0, 3) else "sum" if node in alive else "dead"
        graph.add_node(f"n{node}", text=("input", "1", "2", "output")[node], kind=kind)
    for (a, b), name in zip(NAS_BENCH_201_EDGES, names, strict=True):
        if name == "none":
            continue
        dead = (a, b, name) not in live
        text, kind = _operation(name)
        graph.add_node(f"{a}-{b}", text=text, kind="dead" if dead else kind)
        _connect(graph, f"n{a}", f"{a}-{b}", f"n{b}", dead=dead)
    for node in (1, 2):
        if graph.degree(f"n{node}") == 0:
            graph.remove_node(f"n{node}")
    return graph


def _genotype_graph(cell: CellGenotype) -> networkx.DiGraph:
    graph = _graph()
    read = {source for _, _, source in cell.operations()}
    for source, text in enumerate(("cell k-2", "cell k-1")):
        if source in read:
            graph.add_node(f"n{source}", text=text, kind="end")
    for node in range(2, 2 + len(cell.nodes)):
        graph.add_node(f"n{node}", text="+", kind="sum")
    graph.add_node("out", text="concatenate", kind="end")
    for number, (target, name, source) in enumerate(cell.operations()):
        text, kind = _operation(name)
        graph.add_node(f"op{number}", text=text, kind=kind)
        _connect(graph, f"n{source}", f"op{number}", f"n{target}")
    for node in cell.concat:
        _connect(graph, f"n{node}", "out")
    return graph


def _block_graph(plan: BlockPlan, stem_stride: int) -> networkx.DiGraph:
    graph = _graph()
    stride = " / 2" if stem_stride == 2 else ""
    graph.add_node("stem", text=f"conv 3×3{stride}, {plan.stem} channels", kind="conv")
    before = "stem"
    for number, (text, group) in enumerate(groupby(plan.blocks, _block_text)):
        blocks = list(group)
        times = f"{len(blocks)} × " if len(blocks) > 1 else ""
        kind = {"conv": "conv", "identity": "skip"}.get(blocks[0].kind, "sep")
        graph.add_node(f"b{number}", text=times + text, kind=kind)
        _connect(graph, before, f"b{number}")
        before = f"b{number}"
    head = f"conv 1×1, {plan.last} channels"
    graph.add_node("last", text=head, kind="conv")
    tail = f"mean, linear {plan.hidden}, classes" if plan.hidden else "mean, classes"
    graph.add_node("head", text=tail, kind="end")
    _connect(graph, before, "last", "head")
    return graph


def _block_text(block: Block) -> str:
    sizes = " + ".join(f"{kernel}×{kernel}" for kernel in block.kernels)
    stride = " / 2" if block.stride == 2 else ""
    squeeze = ", SE" if block.squeeze else ""
    if block.kind in ("conv", "identity"):
        name = "conv"
    elif block.hidden == block.inputs:
        name = "sep conv"
    else:
        name = f"MBConv{block.hidden / block.inputs:.2g}"
    skip = ", skip" if block.residual else ""
    return f"{name} {sizes}{stride}{squeeze}, {block.width} channels{skip}"


def _wired_graph(edges: Edges) -> networkx.DiGraph:
    graph = _graph()
    targets, sources = {b for _, b in edges}, {a for a, _ in edges}
    graph.add_node("in", text="input", kind="end")
    for node in sorted(targets | sources):
        graph.add_node(f"n{node}", text="", kind="sep")
    graph.add_node("out", text="mean", kind="end")
    for node in sorted(sources - targets):
        _connect(graph, "in", f"n{node}")
    for a, b in edges:
        _connect(graph, f"n{a}", f"n{b}")
    for node in sorted(targets - sources):
        _connect(graph, f"n{node}", "out")
    return graph


def _operation(name: str) -> tuple[str, str]:
    """An operation's text and kind."""
    if name == "skip_connect":
        return "skip", "skip"
    words = [word.replace("x", "×") if word[0].isdigit() else word for word in name.split("_")]
    kind = "sep" if words[0] in ("sep", "dil") else "pool" if "pool" in words else "conv"
    if words[0] == "nor":
        del words[0]
    if len(words) == 3 and words[0] == "conv":  # of a 1xk, then a kx1 convolution
        words = ["conv", f"{words[2]},", words[1]]
    return " ".join(words), kind


# Pictures --------------------------------------------------------------------------


def _document(title: str, panels: Sequence[_Panel], use_dot: bool) -> str:
    drawn, x, tallest = [], _MARGIN, 0.0
    heading = _TITLE if any(panel.title for panel in panels) else 0.0
    for panel in panels:
        sizes = {node: _size(data) for node, data in panel.graph.nodes(data=True)}
        if use_dot:
            layout = dot_layout(panel.graph, sizes)
        else:
            layout = layered_layout(panel.graph, sizes, ends_downward=True)
        width = max(layout.width, len(panel.title) * _CHARACTER)
        drawn.append(
            f'<g transform="translate({x + (width - layout.width) / 2:.1f} '
            f'{_MARGIN + heading:.1f})">\n{_drawn(panel.graph, layout, sizes)}\n</g>'
        )
        if panel.title:
            drawn.append(
                f'<text x="{x + width / 2:.1f}" y="{_MARGIN + 12:.1f}" text-anchor="middle" '
                f'font-size="14" font-weight="600" fill="#333">{escape(panel.title)}</text>'
            )
        x += width + _GAP
        tallest = max(tallest, layout.height)
    width, height = x - _GAP + _MARGIN, tallest + heading + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="system-ui, sans-serif">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="cell-arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="6" '
            'markerHeight="6" orient="auto"><path d="M0 0.8 8 4 0 7.2z" fill="context-stroke"/>'
            "</marker></defs>",
            f'<rect width="{width:.1f}" height="{height:.1f}" fill="white"/>',
            *drawn,
            "</svg>",
        ]
    )


def _size(data: dict[str, Any]) -> Point:
    if data["kind"] == "sum" or not data["text"] or data["text"] in ("1", "2"):
        return (24.0, 24.0) if data["text"] else (14.0, 14.0)
    return round(len(data["text"]) * _CHARACTER + 18.0, 1), 26.0


def _drawn(graph: networkx.DiGraph, layout: Layout, sizes: dict[str, Point]) -> str:
    parts = [_edge(path, graph.edges[edge]["dead"]) for edge, path in layout.paths.items()]
    for node, data in graph.nodes(data=True):
        parts.append(_node(data, layout.centers[node], sizes[node]))
    return "\n".join(parts)


def _edge(path: list[Point], dead: bool) -> str:
    (x, y), *rest = path
    curves = "".join(f" {px:.1f},{py:.1f}" for px, py in rest)
    style = 'stroke="#ccc" stroke-dasharray="4 3"' if dead else 'stroke="#777"'
    return (
        f'<path d="M{x:.1f},{y:.1f} C{curves}" fill="none" {style} stroke-width="1.2" '
        f'marker-end="url(#cell-arrow)"/>'
    )


def _node(data: dict[str, Any], center: Point, size: Point) -> str:
    fill, line, ink = _COLOURS[data["kind"]]
    (x, y), (width, height) = center, size
    radius = height / 2 if width == height else 4
    dash = ' stroke-dasharray="4 3"' if data["kind"] == "dead" else ""
    box = (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{radius:.1f}" fill="{fill}" stroke="{line}"{dash}/>'
    )
    text = (
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" font-size="13" '
        f'fill="{ink}">{escape(data["text"])}</text>'
    )
    return box + text if data["text"] else box
