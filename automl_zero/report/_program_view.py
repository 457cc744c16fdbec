"""The best program of a run, line by line, with what each line is worth."""

from __future__ import annotations

from typing import Final, NamedTuple

from automl_zero.annotate import NO_EFFECT, line_comments
from automl_zero.evolution._task_sets import task_set
from automl_zero.inspection import ablation
from automl_zero.program import Program
from automl_zero.report._run_data import RunData
from automl_zero.streams import stream_key
from automl_zero.tasks import Task, TaskSpec

MOST_NUMBERS: Final = 20_000_000
"""Of all examples of a set of tasks: 160 MB. A report makes no larger ones."""

MOST_WORK: Final = 5e10
"""Elements that an ablation computes: some ten seconds. The digits experiment takes 1e8."""


class Line(NamedTuple):
    """A line of a program.

    Attributes:
        code: Its text, indented as in the program's.
        comment: Its role, empty if uncertain.
        is_live: Whether it can reach the prediction.
        effect: Change of the mean fitness without it; None if it was not measured.
    """

    code: str
    comment: str
    is_live: bool
    effect: float | None


def program_lines(
    program: Program, effects: dict[tuple[str, int], float] | None = None
) -> list[Line]:
    """The lines of a program's text, with comments.

    Args:
        program: Any program.
        effects: What :func:`measured_effects` found.
    """
    comments = line_comments(program)
    lines = []
    for name, body in program.items():
        lines.append(Line(f"def {name.capitalize()}():", "", True, None))
        for position, (item, comment) in enumerate(zip(body, comments[name], strict=True)):
            effect = (effects or {}).get((name, position))
            lines.append(Line(f"  {item}", comment, comment != NO_EFFECT, effect))
    return lines


def measured_effects(
    data: RunData, program: Program, most_work: float = MOST_WORK
) -> dict[tuple[str, int], float]:
    """Change of the mean fitness, on the search tasks, without each instruction of a program.

    Args:
        data: The run that found it; the tasks are those of the best program's experiment.
        program: The program, simplified or not.
        most_work: Elements to compute at most.

    Returns:
        By component function and position.

    Raises:
        ValueError: If the tasks cannot be made, or it would take too long; says why.
    """
    config, best = data.config, data.best
    if config is None or best is None:
        raise ValueError("the configuration of the run cannot be read")
    spec = config.tasks.search
    steps = spec.count * (spec.train * spec.epochs + spec.valid)
    features = spec.features or 1
    size = features * (features if program.required_memory().matrices else 1)
    if float(len(program)) ** 2 * steps * size > most_work:
        raise ValueError("it would take long: measure it with automl_zero.inspection.ablation")
    seed = stream_key(config.seed, "experiment", best.experiment)
    rows = ablation(
        program,
        made_tasks(spec, stream_key(seed, "search")),
        max_abs_error=config.evaluation.max_abs_error,
        precision=config.evaluation.precision,
    )
    return {(row.component, row.position): row.difference for row in rows}


def made_tasks(spec: TaskSpec, seed: int) -> list[Task]:
    """The tasks of a specification, unless they would not fit.

    Raises:
        ValueError: If they cannot be made, as when their data are missing; says why.
    """
    numbers = spec.count * (spec.train + spec.valid) * ((spec.features or 1) + spec.epochs)
    if numbers > MOST_NUMBERS:
        raise ValueError(f"expected tasks of at most {MOST_NUMBERS} numbers, received {numbers}")
    try:
        return task_set(spec, seed)
    except OSError as error:
        raise ValueError(str(error)) from None
