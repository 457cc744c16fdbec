"""``automl-zero evolve``: run an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_zero.cli._output import err, require_writable
from automl_zero.cli._results import print_fitness, print_programs, write_result
from automl_zero.cli._search import run_search
from automl_zero.config import load_config


def evolve(
    config: Annotated[
        str, typer.Argument(help="A shipped experiment (see 'configs') or a TOML file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
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
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> int:
    """Search for a program and print it, as found and simplified.

    Ctrl-C ends the search with the best program so far.
    """
    settings = list(overrides or [])
    if seed is not None:
        settings.append(f"seed={seed}")
    if seconds is not None:
        settings.append(f"stop.seconds={seconds!r}")
    experiment = load_config(config, settings)
    if out is not None:
        require_writable(out)
    run = run_search(experiment, f"evolve {config}", quiet=quiet)
    print_programs(run.result.program, experiment)
    print_fitness(run.result, experiment)
    if out is not None:
        write_result(out, run.result, experiment)
        if not quiet:
            err().print(f"written: {out}", markup=False, soft_wrap=True)
    return 130 if run.is_interrupted else 0
