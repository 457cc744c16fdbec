"""Figures of a search, drawn by matplotlib: for notebooks as they are, for reports as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from automl_zero.report._matplotlib import FAINT, PALETTE, new_axes
from nas.report._run_trials import LoggedTrial, front_trials, full_trials, read_trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from automl_zero.evolution.runs import Run


def plot_trials(run: Run | list[LoggedTrial], ax: Axes | None = None) -> Axes:
    """The (first) value of every trial, by budget, and the best so far at the largest one.

    Few bad trials do not squeeze the picture: below the lowest tenth of the values it ends.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
        ValueError: If the run's log is damaged.
    """
    ax = new_axes() if ax is None else ax
    trials = _trials(run)
    budgets = sorted({trial.budget or 0 for trial in trials})
    # The most expensive last, in front of the others; the palette's first colour is the line's.
    for place, budget in enumerate(budgets):
        found = [trial for trial in trials if (trial.budget or 0) == budget]
        several = len(budgets) > 1
        ax.plot(
            [trial.number + 1 for trial in found],
            [trial.values[0] for trial in found],
            "o",
            markersize=3,
            alpha=0.7,
            color=PALETTE[1 + place % (len(PALETTE) - 1)] if several else FAINT,
            label=f"budget {budget}" if several else "trials",
        )
    full = full_trials(trials)
    if full:
        best = np.maximum.accumulate([trial.values[0] for trial in full])
        x = [trial.number + 1 for trial in full]
        last = max(trial.number for trial in trials) + 1
        ax.step(
            [*x, last], [*best, best[-1]], where="post", color=PALETTE[0], linewidth=1.8,
            label="best so far",
        )  # fmt: skip
        _leave_out_the_lowest(ax, np.array([trial.values[0] for trial in trials]))
    ax.set_xlabel("trials")
    ax.set_ylabel("value")
    return _decorated(ax)


def plot_front(run: Run | list[LoggedTrial], ax: Axes | None = None) -> Axes:
    """Two objectives against each other, and the trials that no other dominates.

    Of more than two objectives the first two; the front is that of all.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes; empty if there is one objective only.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
        ValueError: If the run's log is damaged.
    """
    ax = new_axes() if ax is None else ax
    trials = _trials(run)
    front = front_trials(trials)
    if front:
        pairs = np.array([trial.values[:2] for trial in full_trials(trials)])
        ax.plot(pairs[:, 1], pairs[:, 0], "o", markersize=3, alpha=0.7, color=FAINT, label="trials")
        edge = np.array(sorted((trial.values[1], trial.values[0]) for trial in front))
        style = "o-" if len(front[0].values) == 2 else "o"
        ax.plot(*edge.T, style, color=PALETTE[0], markersize=4, linewidth=1.2, label="front",
                drawstyle="steps-pre")  # fmt: skip
    ax.set_xlabel("second objective")
    ax.set_ylabel("first objective")
    return _decorated(ax)


def _trials(run: Run | list[LoggedTrial]) -> list[LoggedTrial]:
    return run if isinstance(run, list) else read_trials(run)


def _leave_out_the_lowest(ax: Axes, values: np.ndarray) -> None:
    low, high = float(np.quantile(values, 0.1)), float(values.max())
    if low < high:
        margin = 0.05 * (high - low)
        ax.set_ylim(low - margin, high + margin)


def _decorated(ax: Axes) -> Axes:
    ax.grid(True, linewidth=0.5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="best", fontsize=9)
    return ax
