"""Curves of a run, with few enough points for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from automl_zero.report._epochs import Floats, numbers
from automl_zero.report._run_data import RunData

Over = Literal["individuals", "seconds"]

MOST_POINTS: Final = 150
"""Of one curve. A figure is 500 points wide: more would not be seen, and 50 experiments of
8 islands would make a page of several megabytes."""

_MOST_BINS: Final = 80


class Curve(NamedTuple):
    """A line of a figure.

    Attributes:
        number: Of the experiment or island that it is about.
        x: Individuals or seconds.
        y: What is shown.
    """

    number: int
    x: Floats
    y: Floats


def best_of_experiments(data: RunData, over: Over) -> list[Curve]:
    """Best search fitness so far of each experiment, over its own individuals or run time."""
    epochs = data.epochs
    created = epochs.created()
    curves = []
    for experiment in epochs.experiments:
        rows = np.flatnonzero(epochs.experiment == experiment)
        x = np.cumsum(created[rows]) if over == "individuals" else epochs.seconds[rows]
        curves.append(_best(experiment, x, epochs.fitness[rows]))
    islands = np.unique(epochs.island)
    if over == "individuals" and len(islands) == 1:  # then the improvements tell it exactly
        exact = _improvements(data)
        curves = [_best(number, *_joined(number, x, y, exact)) for number, x, y in curves]
    return [curve for curve in curves if len(curve.x)]


def best_of_run(data: RunData, over: Over) -> Curve | None:
    """Best search fitness so far of a whole run; None before there is one."""
    epochs = data.epochs
    x = np.cumsum(epochs.created()) if over == "individuals" else epochs.seconds
    curve = _best(0, x, epochs.fitness)
    return curve if len(curve.x) else None


def best_of_islands(data: RunData, experiment: int) -> list[Curve]:
    """Best search fitness so far of each island, over its individuals."""
    epochs, curves = data.epochs, []
    exact = _improvements(data, experiment)
    for number, island, rows in epochs.islands():
        if number == experiment:
            x, y = epochs.individuals[rows], epochs.fitness[rows]
            curves.append(_best(island, *_joined(island, x, y, exact)))
    return [curve for curve in curves if len(curve.x)]


def diversity(data: RunData) -> dict[int, list[Curve]]:
    """Different canonical forms in the population: curves of islands by experiment."""
    epochs = data.epochs
    unique = epochs.column("unique_in_population")
    found: dict[int, list[Curve]] = {}
    for experiment, island, rows in epochs.islands():
        x, y = epochs.individuals[rows], unique[rows]
        shown = np.flatnonzero(np.isfinite(y))
        shown = shown[_even(len(shown))]
        if len(shown):
            found.setdefault(experiment, []).append(Curve(island, x[shown], y[shown]))
    return found


def population_band(data: RunData, experiment: int) -> tuple[Floats, Floats, Floats] | None:
    """Individuals of an island, and quartiles of its population: means over the islands."""
    epochs = data.epochs
    low, high = epochs.percentile("25"), epochs.percentile("75")
    if not len(low):
        return None
    rounds: dict[float, list[int]] = {}
    for number, _, rows in epochs.islands():
        if number == experiment:
            for row in rows:
                if np.isfinite(low[row]) and np.isfinite(high[row]):
                    rounds.setdefault(float(epochs.individuals[row]), []).append(int(row))
    if len(rounds) < 2:
        return None
    x = np.array(sorted(rounds))
    x = x[_even(len(x))]
    low, high = (np.array([np.mean(v[rounds[value]]) for value in x]) for v in (low, high))
    return x, low, high


class Rates(NamedTuple):
    """Shares and speeds over the time of a run, in bins.

    Attributes:
        edges: Seconds, shape ``[bins + 1]``.
        per_second: Individuals per second, shape ``[bins]``.
        shares: Shares of the individuals by name, shape ``[bins]`` each; NaN in empty bins.
    """

    edges: Floats
    per_second: Floats
    shares: dict[str, Floats]


def rates(data: RunData) -> Rates | None:
    """Throughput and hit rates of a run; None before there are two epochs."""
    epochs = data.epochs
    known = np.isfinite(epochs.seconds)
    if known.sum() < 2 or epochs.seconds[known].max() <= 0:
        return None
    # A bin holds three epochs of each island, so that it does not show who came first.
    islands = max(len(np.unique(epochs.island)), 1)
    count = int(np.clip(known.sum() // (3 * islands), 1, _MOST_BINS))
    edges = np.linspace(0.0, epochs.seconds[known].max(), count + 1)

    def sums(values: Floats) -> Floats:
        weights = np.nan_to_num(values[known])
        return np.histogram(epochs.seconds[known], edges, weights=weights)[0]

    individuals = sums(epochs.created())
    shares = {}
    for name, columns in _SHARES.items():
        counts = [epochs.created(column) for column in columns]
        if any((np.nan_to_num(values) != 0).any() for values in counts):
            total = np.sum([sums(values) for values in counts], axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                shares[name] = np.where(individuals > 0, total / individuals, np.nan)
    return Rates(edges, individuals / np.diff(edges), shares)


_SHARES: Final = {
    "known by their live code": ("unchanged", "canonical_hits"),
    "known by their first errors (FEC)": ("fec_hits",),
    "known by their key": ("known",),
    "known by the probe (failures)": ("probe_failures",),
    "run in full": ("evaluations",),
}
"""Shares by the counts that make them; which counts there are depends on the search."""


def redundancy(data: RunData) -> tuple[Floats, Floats] | None:
    """Share of instructions without effect in the individuals of each stretch of the search.

    Returns:
        Edges of the stretches in individuals of the run, shape ``[bins + 1]``, and the shares,
        shape ``[bins]``, NaN where nothing was counted; None if nothing was.
    """
    instructions, live = (
        np.nan_to_num(data.epochs.created(name)) for name in ("instructions", "live_instructions")
    )
    found = _over_individuals(data, live, instructions) if instructions.any() else None
    return None if found is None else (found[0], 1 - found[1])


def cache_hits(data: RunData) -> tuple[Floats, Floats] | None:
    """Share of the individuals of each stretch of the search whose fitness a cache told.

    Hits are those of individuals that are the same as an earlier one (by key or live code), and
    of those that behave the same on the probe.

    Returns:
        As :func:`redundancy`; None if there are no epochs.
    """
    epochs = data.epochs
    hits = sum(np.nan_to_num(epochs.created(name)) for name in _HITS)
    return _over_individuals(data, np.asarray(hits), epochs.created())


_HITS: Final = ("unchanged", "canonical_hits", "fec_hits", "known")
"""Counts of cache hits; which there are depends on the search."""


def _over_individuals(data: RunData, part: Floats, whole: Floats) -> tuple[Floats, Floats] | None:
    """Shares that epochs' parts are of their wholes, in stretches of three epochs and more."""
    created = data.epochs.created()
    end = np.cumsum(created)
    if not len(end) or end[-1] <= 0:
        return None
    count = int(np.clip(len(end) // 3, 1, _MOST_BINS))
    edges = np.linspace(0.0, end[-1], count + 1)
    middle = end - created / 2
    parts, wholes = (np.histogram(middle, edges, weights=it)[0] for it in (part, whole))
    with np.errstate(invalid="ignore", divide="ignore"):
        return edges, np.where(wholes > 0, parts / wholes, np.nan)


class Envelope(NamedTuple):
    """Where many curves lie: median and the middle 80 %."""

    x: Floats
    low: Floats
    median: Floats
    high: Floats


def envelope(curves: Sequence[Curve]) -> Envelope:
    """Of best-so-far curves; one that ended keeps its last value."""
    end = max(curve.x[-1] for curve in curves)
    start = max(min(curve.x[0] for curve in curves), end / 1000)
    x = np.linspace(start, end, MOST_POINTS)
    rows = np.full((len(curves), len(x)), np.nan)
    for row, curve in zip(rows, curves, strict=True):
        position = np.searchsorted(curve.x, x, side="right") - 1
        row[position >= 0] = curve.y[position[position >= 0]]
    begun = np.isfinite(rows).any(axis=0)
    low, median, high = np.nanpercentile(rows[:, begun], (10, 50, 90), axis=0)
    return Envelope(x[begun], low, median, high)


def _improvements(data: RunData, experiment: int | None = None) -> dict[int, tuple[Floats, Floats]]:
    """Individuals and fitness of improvements by experiment; of one experiment, by island."""
    table = data.table("improvement")
    keys = numbers(table, "experiment" if experiment is None else "island")
    x, y = numbers(table, "individuals"), numbers(table, "fitness")
    kept = np.isfinite(keys) & np.isfinite(x) & np.isfinite(y)
    if experiment is not None:
        kept &= numbers(table, "experiment") == experiment
    keys, x, y = keys[kept], x[kept], y[kept]
    return {int(key): (x[keys == key], y[keys == key]) for key in np.unique(keys)}


def _joined(
    number: int, x: Floats, y: Floats, exact: dict[int, tuple[Floats, Floats]]
) -> tuple[Floats, Floats]:
    more_x, more_y = exact.get(number, (np.empty(0), np.empty(0)))
    return np.concatenate((x, more_x)), np.concatenate((y, more_y))


def _best(number: int, x: Floats, y: Floats) -> Curve:
    """A curve of the best so far, of points in any order."""
    kept = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[kept], kind="stable")
    x, y = x[kept][order], np.maximum.accumulate(y[kept][order])
    steps = np.flatnonzero(np.diff(y, prepend=-np.inf) > 0)
    steps = steps[_even(len(steps))]
    if len(x) and steps[-1] != len(x) - 1:
        steps = np.append(steps, len(x) - 1)
    return Curve(number, x[steps], y[steps])


def _even(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """At most :data:`MOST_POINTS` positions of ``count``, the first and the last included."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST_POINTS)).astype(np.int64))


def spread(curves: Iterable[Curve], most: int) -> list[Curve]:
    """At most so many curves, evenly from the lowest to the highest at their ends."""
    ranked = sorted(curves, key=lambda curve: float(curve.y[-1]))
    places = np.unique(np.linspace(0, len(ranked) - 1, min(len(ranked), most)).astype(int))
    return [ranked[place] for place in places]
