"""``automl-zero report``: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_zero.cli._output import RunFailure, err, require_writable


def report(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")
    ] = Path("report.html"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say what was written.")] = False,
) -> None:
    """Write a report of a run as one HTML page that works offline.

    It shows the course of the search, how the best program came to be, what its lines are
    worth, and how it compares to other models. Runs that go on or were interrupted are shown
    as far as they are.
    """
    from automl_zero.evolution.runs import Run
    from automl_zero.report import write_report

    opened = Run.open(run)
    require_writable(out)
    try:
        write_report(opened, out)
    except ImportError as error:
        raise RunFailure(str(error)) from None
    if not quiet:
        err().print(f"written: {out}", markup=False, soft_wrap=True)
