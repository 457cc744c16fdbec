"""Dataflow graphs drawn as SVG."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape, quoteattr

from automl_zero._config_values import choice
from automl_zero.program import Program
from automl_zero.report._dataflow import dataflow_graph
from automl_zero.report._layout import (
    Layout,
    Point,
    Sizes,
    dot_layout,
    has_dot,
    layered_layout,
)

if TYPE_CHECKING:
    import networkx

_ENGINES: Final = ("auto", "dot", "builtin")

# Widths of characters, in pixels: 13 px monospace and 11 px sans-serif.
_CODE_WIDTH: Final = 7.85
_NOTE_WIDTH: Final = 6.0
_LINE_HEIGHT: Final = 17.0
_NOTE_HEIGHT: Final = 14.0
_PADDING: Final = 9.0
_NOTE_COLUMNS: Final = 30
_NOTE_LINES: Final = 3
_MARGIN: Final = 16.0
_LEGEND_HEIGHT: Final = 34.0

# Fill, line. Colours from Okabe & Ito's palette, which colour-blind readers tell apart.
_COLOURS: Final = {
    "setup": ("#fdf3d7", "#c58a00"),
    "predict": ("#dceefb", "#0072b2"),
    "learn": ("#dff3ec", "#009e73"),
    "state": ("#f6e3ef", "#b0578d"),
    "input": ("#ffffff", "#444444"),
    "zero": ("#f3f3f3", "#999999"),
    "output": ("#0072b2", "#0072b2"),
}
_LEGEND: Final = (
    ("setup", "setup"), ("predict", "predict"), ("learn", "learn"),
    ("state", "kept from example to example"),
)  # fmt: skip


def dataflow_svg(program: Program, *, engine: str = "auto") -> str:
    """The live code of a supervised program as a picture of who computes what from what.

    Each box is an instruction, coloured by its component function, with its comment if its
    role is certain. Registers that one example leaves for the next are boxes with round ends;
    dashed arrows lead back to them.

    Args:
        program: A supervised program. Simplified ones make the clearest pictures.
        engine: Who places the boxes: ``"dot"`` of Graphviz, ``"builtin"``, or ``"auto"``: dot
            if it is installed.

    Returns:
        An SVG document, on its own or to put into HTML.

    Raises:
        ImportError: Without networkx.
        ValueError: If the engine is unknown, or the component functions are not setup,
            predict, learn.
        RuntimeError: If ``dot`` is asked for and missing, or fails.

    >>> from automl_zero.evolution import hand_built_program
    >>> svg = dataflow_svg(hand_built_program("linear"), engine="builtin")
    >>> svg.startswith("<svg "), svg.count("<rect ") > 8
    (True, True)
    """
    choice("engine", engine, _ENGINES)
    if engine == "dot" and not has_dot():
        raise RuntimeError("dot: expected Graphviz to be installed, found no 'dot' on the PATH")
    graph = dataflow_graph(program)
    notes = {node: _note_lines(data) for node, data in graph.nodes(data=True)}
    sizes = {node: _size(data, notes[node]) for node, data in graph.nodes(data=True)}
    use_dot = engine == "dot" or (engine == "auto" and has_dot())
    layout = (dot_layout if use_dot else layered_layout)(graph, sizes)
    return _document(graph, layout, sizes, notes)


def _note_lines(data: dict[str, Any]) -> list[str]:
    return textwrap.wrap(
        data["comment"], _NOTE_COLUMNS, max_lines=_NOTE_LINES, placeholder=" …"
    )


def _size(data: dict[str, Any], notes: list[str]) -> Point:
    widest = max([len(data["text"]) * _CODE_WIDTH, *(len(line) * _NOTE_WIDTH for line in notes)])
    height = _LINE_HEIGHT + len(notes) * _NOTE_HEIGHT
    return round(widest + 2 * _PADDING, 1), height + 2 * _PADDING - 4


def _document(
    graph: networkx.DiGraph, layout: Layout, sizes: Sizes, notes: dict[str, list[str]]
) -> str:
    legend, legend_width = _legend(graph)
    width = max(layout.width, legend_width) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN + _LEGEND_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="system-ui, sans-serif">',
        "<title>Dataflow of a program</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0.8 8 4 0 7.2z" fill="context-stroke"/>'
        "</marker></defs>",
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="white"/>',
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
        legend,
        f'<g transform="translate({max(0.0, legend_width - layout.width) / 2:.1f} '
        f'{_LEGEND_HEIGHT:.0f})">',
    ]
    for edge, path in layout.paths.items():
        parts.append(_edge(path, graph.edges[edge]))
    for node, data in graph.nodes(data=True):
        parts.append(_node(data, layout.centers[node], sizes[node], notes[node]))
    return "\n".join([*parts, "</g>", "</g>", "</svg>"])


def _legend(graph: networkx.DiGraph) -> tuple[str, float]:
    """What the colours that appear mean, and the width of that."""
    present = {data["component"] or data["kind"] for _, data in graph.nodes(data=True)}
    parts, x = [], 0.0
    for name, text in _LEGEND:
        if name in present:
            fill, line = _COLOURS[name]
            radius = 6 if name == "state" else 2
            parts.append(
                f'<rect x="{x:.1f}" y="1" width="18" height="12" rx="{radius}" fill="{fill}" '
                f'stroke="{line}"/><text x="{x + 24:.1f}" y="11" font-size="12" '
                f'fill="#333">{text}</text>'
            )
            x += 24 + len(text) * 6.8 + 18
    return "\n".join(parts), x


def _edge(path: list[Point], data: dict[str, Any]) -> str:
    (x, y), *rest = path
    curves = "".join(f" {px:.1f},{py:.1f}" for px, py in rest)
    if data["carried"]:
        style = f'stroke="{_COLOURS["state"][1]}" stroke-dasharray="5 4"'
    else:
        style = 'stroke="#777"'
    return (
        f'<path d="M{x:.1f},{y:.1f} C{curves}" fill="none" {style} stroke-width="1.2" '
        f'marker-end="url(#arrow)"><title>{data["register"]}</title></path>'
    )


def _node(data: dict[str, Any], center: Point, size: Point, notes: list[str]) -> str:
    name = data["component"] or data["kind"]
    fill, line = _COLOURS[name]
    width, height = size
    x, y = center[0] - width / 2, center[1] - height / 2
    radius = height / 2 if data["kind"] in ("state", "input", "output") else 3
    ink = "white" if name == "output" else "#111"
    text_y = y + _PADDING + 10
    parts = [
        f"<g><title>{escape(data['comment'] or data['text'])}</title>",
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{radius:.1f}" fill="{fill}" stroke="{line}"/>',
        f'<text x="{center[0]:.1f}" y="{text_y:.1f}" text-anchor="middle" font-size="13" '
        f"font-family={quoteattr('ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace')} "
        f'fill="{ink}">{escape(data["text"])}</text>',
    ]
    for number, note in enumerate(notes, start=1):
        parts.append(
            f'<text x="{center[0]:.1f}" y="{text_y + number * _NOTE_HEIGHT + 1:.1f}" '
            f'text-anchor="middle" font-size="11" fill="#555">{escape(note)}</text>'
        )
    return "".join([*parts, "</g>"])
