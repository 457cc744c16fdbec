"""``automl-zero demo``: discover linear regression, then evolve a digits classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import typer
from rich.table import Table

from automl_zero._config_values import choice
from automl_zero._number_text import seconds_text
from automl_zero.cli._output import err, out, print_plain
from automl_zero.cli._results import print_fitness, print_programs
from automl_zero.cli._search import run_search
from automl_zero.config import ExperimentConfig, load_config
from automl_zero.report._baselines import baseline_fitness

if TYPE_CHECKING:
    from automl_zero.evolution import SearchResult

PARTS: Final = ("all", "linear", "digits")


def demo(
    part: Annotated[str, typer.Option(help="Which part: linear, digits or all.")] = "all",
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Time for the digits search, in seconds.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of both searches.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> int:
    """Discover linear regression in seconds, then evolve classifiers of handwritten digits.

    Ctrl-C ends the running search with the best program so far.
    """
    choice("--part", part, PARTS)
    interrupted = False
    if part in ("all", "linear"):
        interrupted = _linear(load_config("demo", [f"seed={seed}"]), quiet)
    if part in ("all", "digits") and not interrupted:
        config = load_config("digits", [f"seed={seed}", f"stop.seconds={seconds!r}"])
        interrupted = _digits(config, quiet)
    return 130 if interrupted else 0


def _linear(config: ExperimentConfig, quiet: bool) -> bool:
    console = out()
    console.rule("[bold]1. Discover linear regression from random programs", align="left")
    result = run_search(config, "linear regression", quiet=quiet)
    print_programs(result.program, config)
    print_fitness(result, config)
    if result.select_fitness > config.experiments.sufficient_fitness:
        print_plain(
            f"Discovered in {seconds_text(result.seconds)}: fitness {result.final_fitness:.5f} on "
            f"{len(result.final_task_fitness)} unseen tasks."
        )
    return result.is_interrupted


def _digits(config: ExperimentConfig, quiet: bool) -> bool:
    console = out()
    console.print()
    console.rule("[bold]2. Evolve classifiers of handwritten digits", align="left")
    result = run_search(config, "digits", quiet=quiet)
    print_programs(result.program, config)
    print_fitness(result, config)
    if not quiet:
        err().print("training scikit-learn's models on the same tasks")
    _print_comparison(result, config)
    return result.is_interrupted


def _print_comparison(result: SearchResult, config: ExperimentConfig) -> None:
    """Final accuracies of the program and of scikit-learn's models, side by side."""
    rows = {"evolved program": [float(value) for value in result.final_task_fitness]}
    baselines = baseline_fitness(result.final_tasks)
    rows |= baselines or {}
    spec = config.tasks.final
    table = Table("model", "accuracy", "± s.e.", "lowest", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values in rows.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        table.add_row(name, f"{np.mean(values):.3f}", f"{error:.3f}", f"{min(values):.3f}")
    console = out()
    console.print(
        f"\n[bold]Held-out digit pairs[/bold] ({len(result.final_tasks)} tasks of {spec.features} "
        f"features, {spec.train} training and {spec.valid} test images)"
    )
    console.print(table)
    if baselines is None:
        print_plain("For a comparison: pip install 'automl-zero[sklearn]'")
