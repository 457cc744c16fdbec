"""The option ``--ops``: Python files that declare ops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OpsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--ops",
        metavar="FILE",
        help="Run this Python file, which declares ops of your own; may be repeated.",
    ),
]


def run_ops_files(paths: list[Path] | None) -> None:
    """Run the files. Code runs because the command line names it, never a configuration."""
    if paths:
        from automl_zero.custom_ops import run_ops_file

        for path in paths:
            run_ops_file(path)
