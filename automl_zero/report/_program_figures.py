"""Figures of programs, as plain matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from automl_zero.report._matplotlib import FAINT, PALETTE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from automl_zero.inspection import Ablation


def plot_ablation(rows: Iterable[Ablation], ax: Axes | None = None) -> Axes:
    """What each live instruction is worth: how the mean fitness changes without it.

    Args:
        rows: What :func:`automl_zero.inspection.ablation` found.
        ax: Where to draw; None: a new figure.

    Returns:
        The axes: a bar per live instruction, in the order of the program.

    Raises:
        ImportError: Without matplotlib.

    >>> from automl_zero.evolution import hand_built_program
    >>> from automl_zero.inspection import ablation
    >>> from automl_zero.tasks import linear
    >>> ax = plot_ablation(ablation(hand_built_program("linear"), linear()))
    >>> len(ax.patches)
    6
    """
    axes = new_axes() if ax is None else ax
    live = [row for row in rows if row.is_live]
    places = range(len(live))
    colours = [PALETTE[0] if row.difference < 0 else PALETTE[1] for row in live]
    axes.barh(places, [row.difference for row in live], color=colours)
    axes.set_yticks(places, [f"{row.component}: {row.instruction}" for row in live])
    axes.invert_yaxis()
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_xlabel("change of the mean fitness without it")
    axes.spines[["top", "right"]].set_visible(False)
    return axes
