"""The options by which commands choose tasks, and the tasks that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from automl_zero._config_values import choice, parse_override
from automl_zero.config import load_config
from automl_zero.streams import stream_key

if TYPE_CHECKING:
    from automl_zero.evaluation import Precision
    from automl_zero.tasks import Task, TaskSpec

_SETS: Final = ("search", "select", "final")

ProgramArgument = Annotated[
    str, typer.Argument(help="A file with program text, JSON or a result; - for stdin.")
]
KindOption = Annotated[
    str | None, typer.Option(help="Kind of tasks: linear, affine, two_layer_nn, ...")
]
ConfigOption = Annotated[
    str | None, typer.Option(help="Take the tasks of this experiment instead.")
]
SetOption = Annotated[
    str, typer.Option(help="Which tasks of the experiment: search, select or final.")
]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="With --task a key of the tasks (train=1000), with --config a setting.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed that draws the tasks.")]


@dataclass(frozen=True, slots=True)
class ChosenTasks:
    """Tasks, and how the experiment that they come from evaluates programs on them."""

    tasks: list[Task]
    max_abs_error: float = 100.0
    precision: Precision = "float64"


def choose_tasks(
    task: str | None,
    config: str | None,
    tasks: str,
    overrides: Sequence[str] | None,
    seed: int,
) -> ChosenTasks:
    """The tasks of a kind or of an experiment.

    Raises:
        ValueError: If both or none are given, or an option is wrong.
    """
    if (task is None) == (config is None):
        raise ValueError("--task, --config: expected one of them, received both or none")
    choice("--tasks", tasks, _SETS)
    key = stream_key(seed, "evaluate")
    if config is None:
        return ChosenTasks(_task_spec(task, overrides or ()).make(key))
    experiment = load_config(config, overrides or ())
    made = getattr(experiment.tasks, tasks).make(key)
    evaluation = experiment.evaluation
    return ChosenTasks(made, evaluation.max_abs_error, evaluation.precision)


def _task_spec(kind: str | None, overrides: Sequence[str]) -> TaskSpec:
    from automl_zero.tasks import TaskSpec

    data: dict[str, Any] = {"kind": kind}
    for override in overrides:
        path, value = parse_override(override)
        data[".".join(path)] = value
    try:
        return TaskSpec.from_data(data)
    except ValueError as error:
        raise ValueError(f"--task {kind}: {error}") from None
