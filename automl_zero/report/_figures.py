"""Figures of a run, drawn by matplotlib: for notebooks as they are, for reports as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from automl_zero._config_values import choice
from automl_zero._number_text import count_text
from automl_zero.report._curves import (
    Curve,
    Over,
    best_of_experiments,
    best_of_islands,
    best_of_run,
    cache_hits,
    diversity,
    envelope,
    population_band,
    rates,
    redundancy,
    spread,
)
from automl_zero.report._matplotlib import FAINT, PALETTE, new_axes
from automl_zero.report._run_data import RunData

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from automl_zero.evolution.runs import Run

MOST_LINES: Final = 40
"""Thin lines of one figure. More experiments are drawn as some of them and an envelope."""

_FEW: Final = len(PALETTE)
"""Curves that get a colour and a name each."""

_FEWEST_FOR_ENVELOPE: Final = 12
_LEAST_RANGE: Final = 0.01
"""Shortest axis of fitness: below, rounding would be drawn as if it meant something."""


def plot_fitness(run: Run | RunData, ax: Axes | None = None, *, over: Over = "individuals") -> Axes:
    """Best search fitness of every experiment of a run; of a single one, of its islands too.

    The experiment that brought the best program is drawn in blue. Of more than 12
    experiments the median and the middle 80 % are drawn as well.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.
        over: ``"individuals"`` of the experiment, or ``"seconds"`` of the run.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
        ValueError: If ``over`` is something else.
    """
    choice("over", over, ("individuals", "seconds"))
    data, ax = _data(run), _axes(ax)
    curves = best_of_experiments(data, over)
    if len(curves) == 1 and over == "individuals" and data.experiment is not None:
        islands = best_of_islands(data, data.experiment)
        if len(islands) > 1:
            _draw_islands(ax, islands, data)
            ax.set_xlabel("individuals created on each island")
            return _finish(ax, "best search fitness", islands)
    best = [curve for curve in curves if curve.number == data.experiment]
    if over == "individuals" and len(curves) > _FEWEST_FOR_ENVELOPE:
        band = envelope(curves)
        ax.fill_between(
            band.x, band.low, band.high, color=PALETTE[1], alpha=0.18, linewidth=0,
            label="middle 80 % of the experiments",
        )  # fmt: skip
        ax.plot(band.x, band.median, color=PALETTE[1], linewidth=1.4, label="median")
    for number, curve in enumerate(spread([c for c in curves if c not in best], MOST_LINES)):
        label = _others(len(curves) - len(best), "experiment") if number == 0 else None
        _step(ax, curve, color=FAINT, linewidth=0.6, alpha=0.8, label=label)
    for curve in best:
        _step(ax, curve, color=PALETTE[0], linewidth=1.8, label=f"experiment {curve.number}")
    ax.set_xlabel("time of the run (s)" if over == "seconds" else "individuals of an experiment")
    return _finish(ax, "best search fitness", curves)


def plot_islands(run: Run | RunData, ax: Axes | None = None) -> Axes:
    """Best search fitness of each island, in the experiment that brought the best program.

    The band is where the middle half of the populations is, as a mean over the islands.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
    """
    data, ax = _data(run), _axes(ax)
    curves = [] if data.experiment is None else best_of_islands(data, data.experiment)
    if data.experiment is not None:
        band = population_band(data, data.experiment)
        if band is not None:
            ax.fill_between(
                *band, color=FAINT, alpha=0.3, linewidth=0, label="middle half of the populations"
            )
    _draw_islands(ax, curves, data)
    ax.set_xlabel("individuals created on each island")
    return _finish(ax, "best search fitness", curves)


def plot_rates(run: Run | RunData, ax: Axes | None = None) -> Axes:
    """How often a fitness was known without running the whole program, over time.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
    """
    data, ax = _data(run), _axes(ax)
    found = rates(data)
    if found is not None:
        for (name, shares), colour in zip(found.shares.items(), PALETTE, strict=False):
            ax.stairs(
                100 * shares, found.edges, color=colour, linewidth=1.5, label=name, baseline=None
            )
    ax.set_ylim(0, 100)
    ax.set_xlabel("time of the run (s)")
    ax.set_ylabel("share of the individuals (%)")
    return _decorated(ax)


def plot_redundancy(run: Run | RunData, ax: Axes | None = None) -> Axes:
    """Shares of cache hits and of instructions without effect, over the individuals of the run.

    Both are of the new individuals of a stretch of the search. Hits are individuals that are the
    same as an earlier one, or behave the same on the probe. Instructions are counted by searches
    whose space tells sizes, such as that for update rules.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
    """
    data, ax = _data(run), _axes(ax)
    curves = {
        "fitness known from a cache": cache_hits(data),
        "instructions without effect": redundancy(data),
    }
    for (name, found), colour in zip(curves.items(), PALETTE, strict=False):
        if found is not None:
            edges, shares = found
            ax.stairs(100 * shares, edges, color=colour, linewidth=1.5, label=name, baseline=None)
    ax.set_ylim(0, 100)
    ax.set_xlabel("individuals of the run")
    ax.set_ylabel("share (%)")
    return _decorated(ax)


def plot_throughput(run: Run | RunData, ax: Axes | None = None) -> Axes:
    """Individuals per second, over time.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
    """
    data, ax = _data(run), _axes(ax)
    found = rates(data)
    if found is not None:
        ax.stairs(
            found.per_second, found.edges, color=PALETTE[0], linewidth=1.5, baseline=None,
        )  # fmt: skip
        ax.set_ylim(0, 1.08 * max(float(found.per_second.max()), 1.0))
    ax.set_xlabel("time of the run (s)")
    ax.set_ylabel("individuals per second")
    return _decorated(ax)


def plot_diversity(run: Run | RunData, ax: Axes | None = None) -> Axes:
    """Different canonical forms in the populations, over the individuals of an island.

    The islands of the experiment that brought the best program have a colour each, if they
    are few; those of others are grey.

    Args:
        run: The run.
        ax: Where to draw; None makes new axes.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
    """
    data, ax = _data(run), _axes(ax)
    found = diversity(data)
    others = [curve for number in found if number != data.experiment for curve in found[number]]
    for number, curve in enumerate(spread(others, MOST_LINES) if others else []):
        label = "other experiments" if number == 0 else None
        ax.plot(curve.x, curve.y, color=FAINT, linewidth=0.6, alpha=0.8, label=label)
    islands = found.get(data.experiment or 0, [])
    for curve, style in zip(islands, _styles(islands, data), strict=True):
        ax.plot(curve.x, curve.y, **style)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("individuals created on each island")
    ax.set_ylabel("different forms in a population")
    return _decorated(ax)


def plot_final(
    run: Run | RunData,
    ax: Axes | None = None,
    *,
    baselines: Mapping[str, Sequence[float]] | None = None,
) -> Axes:
    """Fitness on each final task, sorted by that of the evolved program.

    Args:
        run: The run; finished, or the figure is empty.
        ax: Where to draw; None makes new axes.
        baselines: Fitness of other models on the same tasks, by name. A report trains them
            for this; here they take the time that you want to give.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
        ValueError: If a baseline has another number of tasks.
    """
    data, ax = _data(run), _axes(ax)
    fitness = data.final_fitness
    order = np.argsort(fitness, kind="stable")
    x = np.arange(1, len(order) + 1)
    shown = [fitness]
    for (name, values), colour, marker in zip(
        (baselines or {}).items(), PALETTE[1:], "sD^v<", strict=False
    ):
        if len(values) != len(fitness):
            raise ValueError(
                f"baselines: expected {len(fitness)} values for {name!r}, received {len(values)}"
            )
        shown.append(np.asarray(values, np.float64))
        ax.plot(
            x, shown[-1][order], marker, color=colour, markersize=3, alpha=0.75, label=name,
            linestyle="none",
        )  # fmt: skip
    ax.plot(
        x, fitness[order], "o", color=PALETTE[0], markersize=3.5, label="evolved program",
        linestyle="none",
    )  # fmt: skip
    accuracy = data.config is not None and data.config.tasks.final.kind == "projected_binary"
    ax.set_xlabel("final task, from the lowest to the highest of the evolved program")
    ax.set_ylabel("accuracy" if accuracy else "final fitness")
    _set_range(ax, np.concatenate(shown))
    return _decorated(ax)


def plot_comparison(
    runs: Sequence[Run | RunData],
    ax: Axes | None = None,
    *,
    over: Over = "individuals",
    names: Sequence[str] | None = None,
) -> Axes:
    """Best search fitness so far of several runs.

    Args:
        runs: The runs.
        ax: Where to draw; None makes new axes.
        over: ``"individuals"`` of all experiments, or ``"seconds"``.
        names: What to call the runs; None takes the names of their folders.

    Returns:
        The axes.

    Raises:
        ImportError: Without matplotlib, the extra ``report``.
        ValueError: If ``over`` is something else, or there are more or less names than runs.
    """
    choice("over", over, ("individuals", "seconds"))
    if names is not None and len(names) != len(runs):
        raise ValueError(f"names: expected {len(runs)}, received {len(names)}")
    found, ax, curves = [_data(run) for run in runs], _axes(ax), []
    for number, data in enumerate(found):
        curve = best_of_run(data, over)
        if curve is not None:
            curves.append(curve)
            name = data.run.name if names is None else names[number]
            # A second round through the colours is dashed, a third one dotted.
            style = ("-", "--", ":", "-.")[number // _FEW % 4]
            _step(
                ax, curve, color=PALETTE[number % _FEW], linestyle=style, linewidth=1.5,
                label=name if not name.startswith("_") else f" {name}",
            )  # fmt: skip
    ax.set_xlabel("time of the run (s)" if over == "seconds" else "individuals of the run")
    return _finish(ax, "best search fitness", curves)


def _draw_islands(ax: Axes, curves: Sequence[Curve], data: RunData) -> None:
    for curve, style in zip(curves, _styles(curves, data), strict=True):
        _step(ax, curve, **style)


def _styles(curves: Sequence[Curve], data: RunData) -> list[dict[str, Any]]:
    """A colour for each island if they are few; of many, one for that of the best individual."""
    if len(curves) <= _FEW:
        return [
            {"color": PALETTE[number], "linewidth": 1.4, "label": f"island {curve.number}"}
            for number, curve in enumerate(curves)
        ]
    island = None if data.best is None else data.best.birth.island
    best = next((number for number, curve in enumerate(curves) if curve.number == island), 0)
    other = 1 if best == 0 else 0
    styles = []
    for number, curve in enumerate(curves):
        label = f"island {curve.number}" if number == best else None
        if number == other:
            label = _others(len(curves) - 1, "island")
        is_best = number == best
        styles.append(
            {
                "color": PALETTE[0] if is_best else FAINT,
                "linewidth": 1.8 if is_best else 0.7,
                "zorder": 3 if is_best else 2,
                "label": label,
            }
        )
    return styles


def _others(count: int, what: str) -> str:
    return f"{count} other {what}{'' if count == 1 else 's'}"


def _step(ax: Axes, curve: Curve, **style: Any) -> None:
    ax.plot(curve.x, curve.y, drawstyle="steps-post", **style)


def _finish(ax: Axes, label: str, curves: Sequence[Curve]) -> Axes:
    ax.set_ylabel(label)
    ax.set_xlim(left=0)
    if curves:
        # Random first programs can be far below anything of interest.
        _set_range(ax, np.concatenate([curve.y for curve in curves]))
    return _decorated(ax)


def _set_range(ax: Axes, values: Any) -> None:
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    space = max(0.04 * (high - low), _LEAST_RANGE * max(abs(high), 1e-12) / 2)
    ax.set_ylim(low - space, high + space)


def _decorated(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, axis="y", linewidth=0.5, alpha=0.6)
    ax.set_axisbelow(True)
    if ax.get_xlabel().endswith("(s)"):
        ax.set_xlim(left=0)
    else:
        ax.xaxis.set_major_formatter(_count)
    if ax.get_ylabel() == "individuals per second":
        ax.yaxis.set_major_formatter(_count)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="best")
    elif not ax.has_data():
        ax.text(0.5, 0.5, "nothing in the log yet", transform=ax.transAxes, ha="center")
    return ax


def _count(value: float, position: float) -> str:
    return count_text(value) if value >= 1 else f"{value:g}"


def _data(run: Run | RunData) -> RunData:
    return run if isinstance(run, RunData) else RunData(run)


def _axes(ax: Axes | None) -> Axes:
    return new_axes() if ax is None else ax
