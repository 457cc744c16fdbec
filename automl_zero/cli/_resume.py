"""``automl-zero resume``: go on with a run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from automl_zero.cli._custom_ops import OpsOption, run_ops_files
from automl_zero.cli._evolve import search_and_print
from automl_zero.cli._search import (
    Place,
    QuietOption,
    RayOption,
    TensorBoardOption,
    WorkersOption,
)
from automl_zero.config import ExperimentConfig, load_config


def resume(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the run.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Write the result: program text for .txt, else JSON."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="Time limit of the whole run, instead of the run's own."),
    ] = None,
    ops: OpsOption = None,
    workers: WorkersOption = None,
    ray: RayOption = None,
    tensorboard: TensorBoardOption = None,
    quiet: QuietOption = False,
) -> int:
    """Go on with a run from its last checkpoint, as if it had never been interrupted.

    A finished run prints its result again; one that a time limit ended goes on with a longer
    one. The number of workers may be another. Ops of your own are declared again, with --ops.
    """
    run_ops_files(ops)
    other = _other_kind(run)
    if other is not None:
        place = Place(workers=workers, ray=ray, run_dir=run, resume=True, tensorboard=tensorboard)
        return int(other(run, place, seconds, out, quiet))
    experiment = run_config(run, [f"stop.seconds={seconds!r}"] if seconds is not None else [])
    place = Place(workers=workers, ray=ray, run_dir=run, resume=True, tensorboard=tensorboard)
    return search_and_print(experiment, f"resume {run}", place, out, quiet)


def _other_kind(run: Path) -> Callable[..., int] | None:
    """What goes on with a run that is no search for programs, if a package here knows it."""
    from automl_zero.evolution.runs import Run

    name = Run.open(run).kind.replace(" ", "-")
    found = metadata.entry_points(group="automl_zero.resume", name=name)
    for entry in found:
        resume_kind: Callable[..., int] = entry.load()
        return resume_kind
    return None


def run_config(run: Path, overrides: list[str]) -> ExperimentConfig:
    """The configuration of a run of programs.

    Raises:
        ValueError: If the folder is no such run or its configuration damaged.
    """
    from automl_zero.evolution.runs import Run

    opened = Run.open(run)
    if opened.kind != "program search":
        raise ValueError(
            f"run: expected a program search in {run}, received {opened.kind!r}: resume it with "
            "the command, or from the Python code, that began it"
        )
    return load_config(run / "config.toml", overrides)
