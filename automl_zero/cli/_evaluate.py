"""``automl-zero evaluate``: the fitness of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from automl_zero._program_file import read_program
from automl_zero.annotate import annotate
from automl_zero.cli._custom_ops import OpsOption, run_ops_files
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

if TYPE_CHECKING:
    from automl_zero.tasks import Task

_MOST_ROWS = 20


def evaluate(
    program: ProgramArgument,
    task: KindOption = None,
    config: ConfigOption = None,
    tasks: SetOption = "final",
    overrides: OverridesOption = None,
    ops: OpsOption = None,
    seed: SeedOption = 0,
    show: Annotated[bool, typer.Option("--show", help="Print the program with comments.")] = False,
    with_ablation: Annotated[
        bool,
        typer.Option("--ablation", help="Print the program with what each line is worth."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train and validate a program on tasks and print its fitness on each."""
    run_ops_files(ops)
    parsed = read_program(program)
    chosen = choose_tasks(task, config, tasks, overrides, seed)
    made = chosen.tasks
    settings: dict[str, Any] = {
        "max_abs_error": chosen.max_abs_error, "precision": chosen.precision,
    }  # fmt: skip

    from automl_zero import evaluate as evaluate_programs
    from automl_zero.inspection import ablation

    fitness = evaluate_programs([parsed], made, **settings)[0]
    rows = ablation(parsed, made, **settings) if with_ablation else []
    if as_json:
        worth = [
            {
                "function": row.component,
                "position": row.position,
                "instruction": str(row.instruction),
                "live": row.is_live,
                "fitness": row.fitness,
                "difference": row.difference,
            }
            for row in rows
        ]
        print_json(
            {
                "mean": float(np.mean(fitness)),
                "median": float(np.median(fitness)),
                "objective": made[0].objective,
                "tasks": [
                    {"name": item.name, "fitness": float(value)}
                    for item, value in zip(made, fitness, strict=True)
                ],
                **({"ablation": worth} if with_ablation else {}),
            }
        )
        return
    if show or with_ablation:
        print_plain(annotate(parsed, rows) + "\n")
    _print_table(made, fitness)


def _print_table(made: list[Task], fitness: Any) -> None:
    word = "accuracy" if made[0].objective == "accuracy" else "fitness"
    table = Table("task", word, box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for item, value in list(zip(made, fitness, strict=True))[:_MOST_ROWS]:
        table.add_row(item.name, f"{value:.6f}")
    if len(made) > _MOST_ROWS:
        table.add_row(f"... {len(made) - _MOST_ROWS} more", "")
    out().print(table)
    print_plain(
        f"{word}: mean {np.mean(fitness):.6f} · median {np.median(fitness):.6f} · "
        f"lowest {np.min(fitness):.6f} · highest {np.max(fitness):.6f} · {len(made)} tasks"
    )
