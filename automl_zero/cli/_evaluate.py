"""``automl-zero evaluate``: the fitness of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from automl_zero._config_values import choice, parse_override
from automl_zero._program_file import read_program
from automl_zero.annotate import annotate
from automl_zero.cli._custom_ops import OpsOption, run_ops_files
from automl_zero.cli._output import out, print_json, print_plain
from automl_zero.config import load_config
from automl_zero.streams import stream_key

if TYPE_CHECKING:
    from automl_zero.tasks import Task

_MOST_ROWS = 20
_SETS = ("search", "select", "final")


def evaluate(
    program: Annotated[
        str, typer.Argument(help="A file with program text, JSON or a result; - for stdin.")
    ],
    task: Annotated[
        str | None, typer.Option(help="Kind of tasks: linear, affine, two_layer_nn, ...")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="Take the tasks of this experiment instead.")
    ] = None,
    tasks: Annotated[
        str, typer.Option(help="Which tasks of the experiment: search, select or final.")
    ] = "final",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="With --task a key of the tasks (train=1000), with --config a setting.",
        ),
    ] = None,
    ops: OpsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed that draws the tasks.")] = 0,
    show: Annotated[bool, typer.Option("--show", help="Print the program with comments.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train and validate a program on tasks and print its fitness on each."""
    if (task is None) == (config is None):
        raise ValueError("--task, --config: expected one of them, received both or none")
    choice("--tasks", tasks, _SETS)
    run_ops_files(ops)
    parsed = read_program(program)
    settings: dict[str, Any] = {}
    if config is not None:
        experiment = load_config(config, overrides or ())
        spec = getattr(experiment.tasks, tasks)
        settings["max_abs_error"] = experiment.evaluation.max_abs_error
        settings["precision"] = experiment.evaluation.precision
    else:
        spec = _task_spec(task, overrides or ())
    made = spec.make(stream_key(seed, "evaluate"))

    from automl_zero import evaluate as evaluate_programs

    fitness = evaluate_programs([parsed], made, **settings)[0]
    if as_json:
        print_json(
            {
                "mean": float(np.mean(fitness)),
                "median": float(np.median(fitness)),
                "objective": made[0].objective,
                "tasks": [
                    {"name": item.name, "fitness": float(value)}
                    for item, value in zip(made, fitness, strict=True)
                ],
            }
        )
        return
    if show:
        print_plain(annotate(parsed) + "\n")
    _print_table(made, fitness)


def _task_spec(kind: str | None, overrides: list[str] | tuple[str, ...]) -> Any:
    from automl_zero.tasks import TaskSpec

    data: dict[str, Any] = {"kind": kind}
    for override in overrides:
        path, value = parse_override(override)
        data[".".join(path)] = value
    try:
        return TaskSpec.from_data(data)
    except ValueError as error:
        raise ValueError(f"--task {kind}: {error}") from None


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
