"""``automl-zero export``: a program as source code to use elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from automl_zero._config_values import choice
from automl_zero._program_file import ProgramFile, read_program_file
from automl_zero.cli._output import err, require_writable, write_whole

_WRITERS = {
    "python": "to_numpy_source",
    "numba": "to_numba_source",
    "torch": "to_torch_source",
    "c": "to_c_source",
}
"""Names in automl_zero.export, by the word for them."""

_READABLE = {"names": "to_names", "latex": "to_latex", "svg": "dataflow_svg"}
"""Names in automl_zero.report: for people, not for machines."""

_FORMATS = (*_WRITERS, *_READABLE)
"""What ``--to`` takes."""


def export(
    program: Annotated[
        str, typer.Argument(help="A file with program text, JSON or a result; - for stdin.")
    ],
    to: Annotated[str, typer.Option(help=f"What to write: {', '.join(_FORMATS)}.")] = "python",
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
    """Write a program as source code that runs without automl-zero, or for people to read.

    names: with names instead of registers; latex: for a paper; svg: its dataflow graph.
    """
    choice("--to", to, _FORMATS)
    if keep_dead_code and to == "torch":
        raise ValueError("--keep-dead-code: expected none with --to torch, received it")
    if out is not None:
        require_writable(out)
    found = read_program_file(program)

    if to in _READABLE:
        _write(out, _readable(to, found, objective, keep_dead_code))
        return

    from automl_zero import export as room

    options: dict[str, Any] = {} if to == "torch" else {"simplify": not keep_dead_code}
    source = getattr(room, _WRITERS[to])(
        found.program,
        objective=objective or found.objective or "rms_error",
        fitness=found.fitness,
        origin=found.origin,
        **options,
    )
    _write(out, source)


def _readable(to: str, found: ProgramFile, objective: str | None, keep_dead_code: bool) -> str:
    from automl_zero import report
    from automl_zero.inspection import simplify
    from automl_zero.liveness import supervised_harness

    program = found.program
    if not keep_dead_code:
        program = simplify(program, supervised_harness(objective or found.objective or "accuracy"))
    return f"{getattr(report, _READABLE[to])(program)}\n"


def _write(out: Path | None, text: str) -> None:
    if out is None:
        print(text, end="")
        return
    write_whole(out, text)
    err().print(f"written: {out}", markup=False, soft_wrap=True)
