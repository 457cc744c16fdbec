"""matplotlib for reports: colours that work on white and on black, and SVG for a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito's colours, told apart with any colour vision (https://jfly.uni-koeln.de/color),
without the yellow, which is faint on white."""

INK: Final = "#24292f"
FAINT: Final = "#9aa4af"
_GRID: Final = "#d5dae0"

_VARIABLES: Final = {
    **{colour: f"var(--series-{number})" for number, colour in enumerate(PALETTE)},
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    _GRID: "var(--line)",
}
"""What stands in the SVG for a colour: the page's style sheet has two sets of them."""

_WIDTH, _HEIGHT = 6.6, 3.1  # inches: 475 points wide, shown a fifth larger
_SVG: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"

_SETTINGS: Final = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.labelcolor": INK,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.color": _GRID,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text that can be read, searched and styled; a tenth of the size
    "text.color": INK,
    "text.parse_math": False,  # a "$" in somebody's name is no formula
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


def require_matplotlib() -> Any:
    """The module.

    Raises:
        ImportError: If it is not installed; says what to install.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            "figures need matplotlib, the extra 'report': pip install 'automl-zero[report]'"
        ) from error
    return matplotlib


def new_axes() -> Axes:
    """Axes of a new figure of pyplot, which notebooks show.

    Raises:
        ImportError: Without matplotlib.
    """
    require_matplotlib()
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(_WIDTH, _HEIGHT), layout="constrained")[1]


def inline_svg(name: str, title: str, draw: Callable[[Axes], object]) -> str:
    """A figure as an ``<svg>`` element to stand in an HTML page.

    Args:
        name: Different for each figure of a page: begins its element ids.
        title: What it shows, for those who cannot see it.
        draw: Draws on the axes that it gets.

    Raises:
        ImportError: Without matplotlib.
    """
    matplotlib = require_matplotlib()
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        draw(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return _for_page(stream.getvalue(), name, title)


def _for_page(text: str, name: str, title: str) -> str:
    """matplotlib's SVG without what a page must not have twice, or at all."""
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
                parent.remove(child)  # a style element would hold for the whole page
    referenced = set(re.findall(r"#([\w-]+)", text))
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)  # HTML needs no namespaces
        for key, value in list(element.attrib.items()):
            if key == "id":
                del element.attrib[key]
                if value in referenced:
                    element.set("id", f"{name}-{value}")
            elif key == _LINK:
                del element.attrib[key]
                element.set("href", f"#{name}-{value[1:]}")
            elif key in ("d", "transform", "points", "x", "y", "width", "height"):
                element.set(key, re.sub(r"-?\d+\.\d{2,}", _rounded, value))
            else:
                value = value.replace("url(#", f"url(#{name}-")
                value = re.sub(r"font-family: [^;]*; ", "", value)
                element.set(key, re.sub(r"#[0-9a-f]{6}", _variable, value))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    return ElementTree.tostring(root, encoding="unicode")


def _rounded(match: re.Match[str]) -> str:
    """To a tenth of a point, a seventh of a pixel."""
    text = f"{float(match[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _variable(match: re.Match[str]) -> str:
    return _VARIABLES.get(match[0], match[0])
