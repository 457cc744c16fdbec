"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from automl_zero._number_text import count_text, seconds_text
from automl_zero.report._epochs import numbers
from automl_zero.report._figures import plot_comparison
from automl_zero.report._matplotlib import inline_svg
from automl_zero.report._page import markup, rendered, write_page
from automl_zero.report._run_data import RunData

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run

MOST_DIFFERENCES: Final = 200
_LONGEST_VALUE: Final = 120
_ABSENT: Final = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run in numbers; None for what it does not have (yet).

    Attributes:
        name: Name of its folder; with the folder before it, where two have the same name.
        status: ``"finished"``, ``"running"``, ``"interrupted"`` or ``"new"``.
        search_fitness: Of the best individual, on the search tasks of its experiment.
        select_fitness: The same on the selection tasks.
        final_fitness: The same on the final tasks; of a finished run.
        individuals: Of all experiments.
        seconds: Time of all sessions.
        experiments: How many were begun.
        known: Share of the individuals whose fitness the canonical form, or the key, told.
        fec: Share whose fitness the errors on the first examples told.
    """

    name: str
    status: str
    search_fitness: float | None
    select_fitness: float | None
    final_fitness: float | None
    individuals: int
    seconds: float
    experiments: int
    known: float | None
    fec: float | None

    @property
    def individuals_per_second(self) -> float | None:
        """Speed, over all sessions."""
        return self.individuals / self.seconds if self.seconds > 0 else None


class Difference(NamedTuple):
    """A setting that is not the same in all runs.

    Attributes:
        key: Dotted, such as ``population.size``.
        values: As text, one for each run; a dash where a run does not have the key.
    """

    key: str
    values: list[str]


class Comparison:
    """Runs side by side.

    Args:
        runs: At least one.

    Attributes:
        runs: What was read of each.
        summaries: Their numbers, in order.
        differences: Settings in which they differ.

    Raises:
        ValueError: If there is no run.

    >>> import tempfile
    >>> from automl_zero.evolution.runs import Run
    >>> folder = Path(tempfile.mkdtemp())
    >>> small = Run.create(folder / "small", kind="toy", config={"size": 3, "deep": {"x": 1}})
    >>> large = Run.create(folder / "large", kind="toy", config={"size": 9, "deep": {"x": 1}})
    >>> Comparison([small, large]).differences
    [Difference(key='size', values=['3', '9'])]
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise ValueError("runs: expected at least one, received none")
        self.runs = [RunData(run) for run in runs]
        names = _names(runs)
        self.summaries = [_summary(*pair) for pair in zip(names, self.runs, strict=True)]
        self.differences = _differences([_settings(data) for data in self.runs])

    @property
    def problems(self) -> list[str]:
        """What could not be read."""
        return [problem for data in self.runs for problem in data.problems]


def write_comparison(runs: Sequence[Run], path: str | Path) -> Path:
    """Write a comparison of runs as one HTML page, which needs nothing beside it.

    As safe to open as :func:`write_report`'s.

    Args:
        runs: At least one.
        path: The file; replaced if it is there.

    Returns:
        The path.

    Raises:
        ImportError: Without matplotlib or Jinja, the extra ``report``.
        RunWriteError: If the file cannot be written.
        ValueError: If there is no run.
    """
    return write_page(path, comparison_html(Comparison(runs)))


def comparison_html(comparison: Comparison) -> str:
    """The page of :func:`write_comparison`."""
    names = [summary.name for summary in comparison.summaries]
    figures = [
        (title, markup(inline_svg(over, title, _drawing(comparison.runs, names, over))))
        for over, title in (
            ("individuals", "Fitness over individuals"), ("seconds", "Fitness over time"),
        )
    ]  # fmt: skip
    return rendered(
        "comparison.html",
        comparison=comparison,
        names=names,
        columns=COLUMNS,
        rows=[summary_cells(summary) for summary in comparison.summaries],
        figures=figures,
    )


COLUMNS: Final = (
    "run", "status", "final", "selection", "search", "individuals", "time", "individuals/s",
    "experiments", "known", "FEC",
)  # fmt: skip


def summary_cells(summary: RunSummary) -> list[str]:
    """A text for each of :data:`COLUMNS`."""

    def fitness(value: float | None) -> str:
        return _ABSENT if value is None else f"{value:.5f}"

    def share(value: float | None) -> str:
        return _ABSENT if value is None else f"{value:.1%}"

    rate = summary.individuals_per_second
    return [
        summary.name,
        summary.status,
        fitness(summary.final_fitness),
        fitness(summary.select_fitness),
        fitness(summary.search_fitness),
        count_text(summary.individuals),
        seconds_text(summary.seconds),
        _ABSENT if rate is None else count_text(rate),
        str(summary.experiments),
        share(summary.known),
        share(summary.fec),
    ]


def _drawing(runs: list[RunData], names: list[str], over: Any) -> Any:
    return lambda ax: plot_comparison(runs, ax, over=over, names=names)


def _summary(name: str, data: RunData) -> RunSummary:
    epochs, best = data.epochs, data.best
    total = epochs.total()
    final = data.final_fitness
    return RunSummary(
        name=name,
        status=data.status,
        search_fitness=None if best is None else best.fitness,
        select_fitness=best.select_fitness if best and data.is_program_search else None,
        final_fitness=float(np.mean(final)) if len(final) else None,
        individuals=int(total),
        seconds=data.seconds,
        experiments=len(epochs.experiments),
        known=_share(data, total, "unchanged", "canonical_hits", "known"),
        fec=_share(data, total, "fec_hits"),
    )


def _share(data: RunData, total: float, *names: str) -> float | None:
    table = data.table("epoch")
    known = [name for name in names if np.isfinite(numbers(table, name)).any()]
    counts = [data.epochs.created(name) for name in known]
    return float(sum(np.nansum(count) for count in counts)) / total if counts and total else None


def _names(runs: Sequence[Run]) -> list[str]:
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else str(run.path)
        for name, run in zip(names, runs, strict=True)
    ]


def _settings(data: RunData) -> dict[str, str]:
    """All settings by dotted key; of programs as in their TOML, with the time limit."""
    settings = data.run.config
    if data.is_program_search and isinstance(settings.get("config"), dict):
        settings = {**settings["config"], "inputs": settings.get("inputs")}
        if data.config is not None and isinstance(settings.get("stop"), dict):
            settings["stop"] = {**settings["stop"], "seconds": data.config.stop.seconds}
    found: dict[str, str] = {"kind": data.run.kind}
    _flatten(settings, "", found)
    return found


def _flatten(value: Any, path: str, found: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(item, f"{path}.{key}" if path else key, found)
    else:
        found[path] = str(value)


def _differences(settings: Sequence[dict[str, str]]) -> list[Difference]:
    keys = dict.fromkeys(key for item in settings for key in item)
    rows = [Difference(key, [item.get(key, _ABSENT) for item in settings]) for key in keys]
    return [
        Difference(row.key, [_shortened(value) for value in row.values])
        for row in rows
        if len(set(row.values)) > 1
    ][:MOST_DIFFERENCES]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
