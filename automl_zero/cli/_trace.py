"""``automl-zero trace``: a program step by step on one training example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from rich.text import Text

from automl_zero._config_values import choice
from automl_zero._program_file import read_program
from automl_zero.annotate import line_comments
from automl_zero.cli._output import out, print_json, print_plain
from automl_zero.cli._task_options import (
    ConfigOption,
    KindOption,
    OverridesOption,
    ProgramArgument,
    SeedOption,
    SetOption,
    choose_tasks,
)
from automl_zero.liveness import supervised_harness

if TYPE_CHECKING:
    from automl_zero.inspection import RegisterStep

_FUNCTIONS: Final = ("all", "setup", "predict", "learn")
_MOST_ELEMENTS: Final = 4  # of a vector, or of a matrix's first row, that are shown
_WIDEST: Final = 64
_NOTES: Final = {"features": "features", "no label": "0", "label": "label", "sigmoid": "sigmoid"}


def trace(
    program: ProgramArgument,
    task: KindOption = None,
    config: ConfigOption = None,
    tasks: SetOption = "final",
    overrides: OverridesOption = None,
    seed: SeedOption = 0,
    example: Annotated[
        int, typer.Option(min=0, help="Number of the training example, from 0.")
    ] = 0,
    function: Annotated[
        str, typer.Option(help="Show one function only: setup, predict or learn.")
    ] = "all",
    simplified: Annotated[
        bool, typer.Option("--simplified", help="Simplify the program first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each instruction writes on one training example, the ones before it done.

    It runs the first of the tasks that evaluate would run with the same options. Setup shows
    with example 0.
    """
    from automl_zero.inspection import simplify, trace_registers

    choice("--function", function, _FUNCTIONS)
    chosen = choose_tasks(task, config, tasks, overrides, seed)
    first = chosen.tasks[0]
    shown = read_program(program)
    if simplified:
        shown = simplify(shown, supervised_harness(first.objective))
    number = 0 if function == "setup" else example
    steps = list(trace_registers(shown, first, number, max_abs_error=chosen.max_abs_error))
    kept = [step for step in steps if function in ("all", step.component)]
    if as_json:
        print_json([_data(step) for step in kept])
        return
    print_plain(f"{first.name}, training example {number} of {len(first.train_y)}")
    _print_steps(kept, line_comments(shown))
    if function in ("all", "predict"):
        _print_error(steps, float(first.train_y[first.epoch_order[0][number]]))


def _print_steps(steps: list[RegisterStep], comments: dict[str, tuple[str, ...]]) -> None:
    """One line per register written; columns align over all functions."""
    rows = [_cells(step, comments) for step in steps]
    # A few long rows shall not push all comments off the screen.
    widths = [
        max((len(row[column]) for row in rows if len(row[column]) <= _WIDEST), default=0)
        for column in (0, 1)
    ]
    console, current = out(), ""
    for step, (line, content, comment) in zip(steps, rows, strict=True):
        if step.component != current:
            current = step.component
            console.print(Text(f"{current.capitalize()}:", style="bold"))
        style = "italic" if step.instruction is None else ""
        text = Text.assemble(
            (f"  {line.ljust(widths[0])}  ", style),
            (content.ljust(widths[1]) if comment else content, "" if step.is_change else "dim"),
            (f"  # {comment}" if comment else "", "green"),
        )
        console.print(text, soft_wrap=True)


def _cells(step: RegisterStep, comments: dict[str, tuple[str, ...]]) -> tuple[str, str, str]:
    """What is written, its content, and the comment.

    The content before shows where the instruction builds on it.
    """
    content = _content(step.after)
    if step.instruction is None:
        return f"{step.register[0]}{step.register[1]} = {_NOTES[step.note]}", content, ""
    reads = step.register in step.instruction.inputs or step.instruction.op.keeps_output
    if not step.is_change:
        content += "  (unchanged)"
    elif reads:
        before = _content(step.before).split(":")[0]  # of a matrix, size and norm suffice
        content = f"{before} → {content}"
    return str(step.instruction), content, comments[step.component][step.position]


def _print_error(steps: list[RegisterStep], label: float) -> None:
    """How far off the prediction is, and whether the training goes on."""
    written = [step for step in steps if step.component == "predict" and step.register == ("s", 1)]
    learns = any(step.component == "learn" for step in steps)
    if written:
        prediction = float(written[-1].after)
        print_plain(
            f"label {label:.6g}, prediction {prediction:.6g}, error {label - prediction:.6g}"
            + ("" if learns else ": the training ends here")
        )


def _content(value: Any) -> str:
    """A register's content, shortened."""
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{float(array):.6g}"
    if array.ndim == 2:
        size = f"{len(array)}×{len(array)}"
        if np.array_equal(array, np.full_like(array, array[0, 0]), equal_nan=True):
            return f"{size} of {array[0, 0]:.4g}"
        with np.errstate(all="ignore"):
            norm = float(np.sqrt(np.sum(array * array)))
        return f"{size}, norm {norm:.4g}: {_content(array[0])} …"
    numbers = " ".join(f"{x:.4g}" for x in array[:_MOST_ELEMENTS])
    rest = len(array) - _MOST_ELEMENTS
    return f"[{numbers} … {rest} more]" if rest > 0 else f"[{numbers}]"


def _data(step: RegisterStep) -> dict[str, Any]:
    return {
        "function": step.component,
        "position": step.position,
        "instruction": str(step.instruction) if step.instruction is not None else None,
        "harness": step.note or None,
        "register": f"{step.register[0]}{step.register[1]}",
        "before": np.asarray(step.before).tolist(),
        "after": np.asarray(step.after).tolist(),
    }
