"""``automl-zero runs``: a table of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from automl_zero._number_text import count_text, seconds_text
from automl_zero.cli._output import err, out


def runs(
    folder: Annotated[
        Path, typer.Argument(help="The folder whose subfolders are runs.")
    ] = Path("runs"),
) -> None:
    """List the runs in a folder: how far they are and what they found."""
    from automl_zero.evolution.runs import list_runs

    found, problems = list_runs(folder)
    for problem in problems:
        err().print(f"automl-zero: warning: {problem}", markup=False, soft_wrap=True)
    if not found:
        out().print(f"no runs in {folder}", markup=False)
        return
    table = Table(
        "run", "status", "created", "time", "individuals", "experiment", "search", "selection",
        "final", box=None, pad_edge=False,
    )  # fmt: skip
    for column in table.columns[3:]:
        column.justify = "right"
    for run in found:
        table.add_row(*_cells(run))
    out().print(table)


def _cells(run: Any) -> list[str]:
    """Name, status, and whatever else can be read of a run."""
    try:
        result, best = run.result or {}, run.best or {}
        seconds, events = run.seconds, run.events("epoch")
        trials = run.events("trial")["individuals"].to_pylist()  # of searches without islands
    except ValueError as error:
        return [run.name, f"damaged: {error}"]
    experiment = max(events["experiment"].to_pylist(), default=0)
    return [
        run.name,
        run.status,
        run.created[:16].replace("T", " "),
        seconds_text(seconds),
        count_text(individuals_of(events) or max(trials, default=0)),
        str(experiment or "-"),
        *(
            f"{value:.4f}" if isinstance(value, float) else "-"
            for value in (
                best.get("fitness"), best.get("select_fitness"), result.get("final_fitness")
            )
        ),
    ]  # fmt: skip


def individuals_of(epochs: Any) -> int:
    """Individuals of all islands and experiments in a table of epoch events."""
    latest: dict[tuple[int, int], int] = {}
    columns = (epochs[name].to_pylist() for name in ("experiment", "island", "individuals"))
    for experiment, island, individuals in zip(*columns, strict=True):
        latest[experiment, island] = individuals
    return sum(latest.values())
