"""``automl-zero evolve``: run an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_zero.cli._custom_ops import OpsOption, run_ops_files
from automl_zero.cli._output import err, require_writable
from automl_zero.cli._results import print_fitness, print_programs, write_result
from automl_zero.cli._search import (
    Place,
    QuietOption,
    RayOption,
    TensorBoardOption,
    WorkersOption,
    run_search,
    tell_how_to_resume,
)
from automl_zero.config import ExperimentConfig, load_config

INTERRUPTED = 130


def evolve(
    config: Annotated[
        str, typer.Argument(help="A shipped experiment (see 'configs') or a TOML file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for checkpoints, events and results."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the result: program text for .txt, else JSON."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed, instead of the configuration's.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Time limit of the whole run, in seconds.")
    ] = None,
    ops: OpsOption = None,
    workers: WorkersOption = None,
    ray: RayOption = None,
    tensorboard: TensorBoardOption = None,
    quiet: QuietOption = False,
) -> int:
    """Search for a program and print it, as found and simplified.

    Ctrl-C finishes the epochs that run and ends the search with the best program so far; a
    second one stops at once. With --run the search can go on later.
    """
    run_ops_files(ops)
    settings = list(overrides or [])
    if seed is not None:
        settings.append(f"seed={seed}")
    if seconds is not None:
        settings.append(f"stop.seconds={seconds!r}")
    experiment = load_config(config, settings)
    place = Place(workers=workers, ray=ray, run_dir=run, tensorboard=tensorboard)
    return search_and_print(experiment, f"evolve {config}", place, out, quiet)


def search_and_print(
    experiment: ExperimentConfig, title: str, place: Place, out: Path | None, quiet: bool
) -> int:
    """Search, print what was found and write it where it was asked for; the exit code."""
    if out is not None:
        require_writable(out)
    result = run_search(experiment, title, quiet=quiet, place=place)
    print_programs(result.program, experiment)
    print_fitness(result, experiment)
    if out is not None:
        write_result(out, result, experiment)
        if not quiet:
            err().print(f"written: {out}", markup=False, soft_wrap=True)
    if not result.is_interrupted:
        return 0
    tell_how_to_resume(place.run_dir)
    return INTERRUPTED
