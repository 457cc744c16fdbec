"""``automl-zero compare``: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from automl_zero.cli._output import RunFailure, err, out, require_writable

if TYPE_CHECKING:
    from automl_zero.report import Comparison


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR...", help="The folders of runs.")],
    page: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Also write an HTML page with curves."),
    ] = None,
) -> None:
    """Compare runs: what they found, how fast, and in which settings they differ."""
    from automl_zero.evolution.runs import Run
    from automl_zero.report import Comparison, write_comparison

    opened = [Run.open(run) for run in runs]
    if page is not None:
        require_writable(page)
    comparison = Comparison(opened)
    _print_numbers(comparison)
    _print_differences(comparison)
    for problem in comparison.problems:
        err().print(f"automl-zero: warning: {problem}", markup=False, soft_wrap=True)
    if page is not None:
        try:
            write_comparison(opened, page)
        except ImportError as error:
            raise RunFailure(str(error)) from None
        err().print(f"written: {page}", markup=False, soft_wrap=True)


def _print_numbers(comparison: Comparison) -> None:
    from automl_zero.report._comparison import COLUMNS, summary_cells

    table = Table(*COLUMNS, box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for summary in comparison.summaries:
        table.add_row(*map(Text, summary_cells(summary)))
    out().print(table)


def _print_differences(comparison: Comparison) -> None:
    if len(comparison.summaries) < 2:
        return
    if not comparison.differences:
        out().print("\nThe settings are the same.")
        return
    names = [escape(summary.name) for summary in comparison.summaries]
    table = Table(
        "setting", *names, box=None, pad_edge=False, title="\nSettings that differ",
        title_justify="left",
    )  # fmt: skip
    for row in comparison.differences:
        table.add_row(*map(Text, (row.key, *row.values)))
    out().print(table)
