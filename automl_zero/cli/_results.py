"""What a search found: printed for people, written as data."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl_zero._number_text import count_text, seconds_text
from automl_zero._program_file import RESULT_FORMAT
from automl_zero.annotate import annotate
from automl_zero.cli._output import json_text, out, print_plain, write_whole
from automl_zero.config import ExperimentConfig
from automl_zero.liveness import supervised_harness

if TYPE_CHECKING:
    from automl_zero.evolution import SearchResult
    from automl_zero.program import Program

VERSION = 1


def print_programs(program: Program, config: ExperimentConfig) -> None:
    """The program as found and its simplified form, both with comments."""
    console = out()
    simplified = _simplified(program, config)
    console.print("\n[bold]Program as found[/bold]")
    print_plain(annotate(program))
    if str(simplified) != str(program):
        console.print("\n[bold]Simplified[/bold]")
        print_plain(annotate(simplified))


def print_fitness(result: SearchResult, config: ExperimentConfig) -> None:
    """One line each for how the program did and what the search cost."""
    tasks = result.final_task_fitness
    unit = "accuracy" if _objective(config) == "accuracy" else "fitness"
    print_plain(
        f"\n{unit}: search {result.fitness:.5f} · selection {result.select_fitness:.5f} · "
        f"final {result.final_fitness:.5f} (mean of {len(tasks)} unseen tasks, "
        f"lowest {float(np.min(tasks)):.5f}, highest {float(np.max(tasks)):.5f})"
    )
    individuals = getattr(result.statistics, "individuals", 0)
    rate = individuals / result.seconds if result.seconds > 0 else 0.0
    plural = "" if result.experiments == 1 else "s"
    print_plain(
        f"search: {result.experiments} experiment{plural}, {count_text(individuals)} individuals "
        f"in {seconds_text(result.seconds)} ({count_text(rate)}/s)"
    )


def result_data(result: SearchResult, config: ExperimentConfig) -> dict[str, Any]:
    """A result as plain data: everything needed to repeat and to use it."""
    return {
        "format": RESULT_FORMAT,
        "version": VERSION,
        "program": str(result.program),
        "simplified": str(_simplified(result.program, config)),
        "fitness": result.fitness,
        "select_fitness": result.select_fitness,
        "final_fitness": result.final_fitness,
        "final_task_fitness": [float(value) for value in result.final_task_fitness],
        "experiments": result.experiments,
        "seconds": result.seconds,
        "statistics": _plain(result.statistics),
        "config": config.to_data(),
    }


def write_result(path: Path, result: SearchResult, config: ExperimentConfig) -> None:
    """Write a result: as program text if the name ends in ``.txt``, else as JSON.

    Raises:
        RunFailure: If the file cannot be written.
    """
    if path.suffix == ".txt":
        text = f"{annotate(result.program)}\n"
    else:
        text = f"{json_text(result_data(result, config))}\n"
    write_whole(path, text)


def _objective(config: ExperimentConfig) -> str:
    return "accuracy" if config.tasks.final.kind == "projected_binary" else "rms_error"


def _simplified(program: Program, config: ExperimentConfig) -> Program:
    from automl_zero.inspection import simplify

    return simplify(program, supervised_harness(_objective(config)))


def _plain(value: Any) -> Any:
    """Statistics as JSON takes them: dataclasses, arrays and NumPy numbers resolved."""
    if hasattr(value, "to_data"):
        return _plain(value.to_data())
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value
