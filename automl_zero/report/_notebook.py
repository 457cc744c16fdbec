"""What a notebook shows of a run."""

from __future__ import annotations

import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

from automl_zero._number_text import count_text, seconds_text
from automl_zero.report._figures import plot_fitness
from automl_zero.report._matplotlib import PALETTE, inline_svg
from automl_zero.report._run_data import RunData

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run

# The text's own colour, whatever the notebook's theme; on any ground readable greys.
_COLOURS: Final = "".join(
    ["--ink: currentColor; --faint: #8b949e; --line: #8b949e55; "]
    + [f"--series-{number}: {colour}; " for number, colour in enumerate(PALETTE)]
)


def summary_html(run: Run) -> str:
    """A few numbers of a run and, with matplotlib, its fitness, as a piece of HTML.

    Whatever the run directory holds is escaped.
    """
    data = RunData(run)
    rows = {"run": run.name, "kind": run.kind, "status": data.status}
    if data.best is not None:
        rows["search fitness"] = f"{data.best.fitness:.5f}"
        if data.is_program_search:
            rows["selection fitness"] = f"{data.best.select_fitness:.5f}"
    values = data.final_fitness
    if len(values):
        rows["final fitness"] = f"{values.mean():.5f}, mean of {len(values)} tasks"
    rows["individuals"] = count_text(data.epochs.total())
    rows["experiments"] = str(len(data.epochs.experiments))
    rows["time"] = seconds_text(data.seconds)
    if data.problems:
        rows["cannot be read"] = "; ".join(data.problems)
    cells = "".join(
        f"<tr><th style='text-align: left'>{name}</th>"
        f"<td style='text-align: left'>{escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"<table>{cells}</table>{_figure(data)}"


def _figure(data: RunData) -> str:
    if not len(data.epochs):
        return ""
    try:
        # All outputs of a notebook share one page, and their ids must differ.
        key = hashlib.sha256(f"{data.run.path} {len(data.epochs)}".encode("utf-8", "replace"))
        name = f"run-{key.hexdigest()[:8]}"
        svg = inline_svg(name, "Fitness over individuals", lambda ax: plot_fitness(data, ax))
    except ImportError:
        return ""
    return f"<div style='max-width: 40rem; {_COLOURS}'>{svg}</div>"
