"""``automl-zero export``: a program as source code to use elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from automl_zero._config_values import choice
from automl_zero._program_file import read_program_file
from automl_zero.cli._output import err, require_writable, write_whole

_WRITERS = {
    "python": "to_numpy_source",
    "numba": "to_numba_source",
    "torch": "to_torch_source",
    "c": "to_c_source",
}
"""Names in automl_zero.export, by the word for them."""


def export(
    program: Annotated[
        str, typer.Argument(help="A file with program text, JSON or a result; - for stdin.")
    ],
    to: Annotated[str, typer.Option(help=f"What to write: {', '.join(_WRITERS)}.")] = "python",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; standard output if left out."),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="rms_error or accuracy, instead of what a result says."),
    ] = None,
    keep_dead_code: Annotated[
        bool, typer.Option("--keep-dead-code", help="Export every instruction, not the live ones.")
    ] = False,
) -> None:
    """Write a program as source code that runs without automl-zero."""
    choice("--to", to, _WRITERS)
    if keep_dead_code and to == "torch":
        raise ValueError("--keep-dead-code: expected none with --to torch, received it")
    if out is not None:
        require_writable(out)
    found = read_program_file(program)

    from automl_zero import export as room

    options: dict[str, Any] = {} if to == "torch" else {"simplify": not keep_dead_code}
    source = getattr(room, _WRITERS[to])(
        found.program,
        objective=objective or found.objective or "rms_error",
        fitness=found.fitness,
        origin=found.origin,
        **options,
    )
    if out is None:
        print(source, end="")
        return
    write_whole(out, source)
    err().print(f"written: {out}", markup=False, soft_wrap=True)
