"""Programs in files: text, JSON, or the result of a search."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_zero.program import Program

RESULT_FORMAT = "automl-zero result"
"""``format`` of the JSON that ``automl-zero evolve --out`` writes."""

_MAX_BYTES = 10_000_000  # far above the longest program; guards against a wrong file


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """A program out of a file, and what the file tells about it.

    Attributes:
        program: The program.
        objective: Objective of the tasks that it was found on; None if the file does not tell.
        fitness: Its fitness on the final tasks of its search, likewise.
        origin: How it was found, in a line; empty likewise.
    """

    program: Program
    objective: str | None = None
    fitness: float | None = None
    origin: str = ""


def read_program(path: str | Path) -> Program:
    """The supervised program in a file; see :func:`read_program_file`."""
    return read_program_file(path).program


def read_program_file(path: str | Path) -> ProgramFile:
    """The supervised program in a file, and what the file tells about it.

    Args:
        path: A file with program text, the JSON form of a program, or the JSON result of a
            search; the folder of a run, for its best program; ``-`` reads standard input.

    Raises:
        ValueError: If there is no such file or it holds none of these; names the file.
    """
    name = "standard input" if str(path) == "-" else str(path)
    if Path(path).is_dir():
        return _program_of_run(Path(path))
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(_MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"program: expected a readable file: {name}: {reason}") from None
    if len(raw) > _MAX_BYTES:
        raise ValueError(f"program: expected at most {_MAX_BYTES} bytes, received more: {name}")
    try:
        return _program_from_text(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _program_of_run(folder: Path) -> ProgramFile:
    from automl_zero.evolution.runs import Run

    run = Run.open(folder)
    best, result = run.best, run.result or {}
    if run.kind != "program search" or best is None:
        raise ValueError(f"program: expected a run that has found a program, received {folder}")
    try:
        program = Program.parse(best["genome"])
        return _from_result(program, {**result, "config": run.config["config"]})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: {error}") from None


def _program_from_text(text: str) -> ProgramFile:
    if not text.lstrip().startswith("{"):
        return ProgramFile(Program.parse(text))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {error}") from None
    if data.get("format") == RESULT_FORMAT:
        if not isinstance(data.get("program"), str):
            raise ValueError("program: expected program text in this result, received none")
        return _from_result(Program.parse(data["program"]), data)
    return ProgramFile(Program.from_data(data))


def _from_result(program: Program, data: Mapping[str, Any]) -> ProgramFile:
    """What a result tells; parts that are missing or of another type are left out."""
    fitness = data.get("final_fitness")
    config = _nested(data, "config")
    objective = None
    final = _nested(_nested(config, "tasks"), "final")
    if isinstance(final.get("kind"), str):
        has_classes = final["kind"] == "projected_binary" or final.get("labels") == "binary"
        objective = "accuracy" if has_classes else "rms_error"
    origin = "a search of automl-zero"
    if isinstance(config.get("description"), str) and config["description"]:
        origin += f": {config['description']}"
    if isinstance(config.get("seed"), int):
        origin += f"; seed {config['seed']}"
    if isinstance(data.get("experiments"), int):
        origin += f", {data['experiments']} experiments"
    return ProgramFile(
        program, objective, float(fitness) if isinstance(fitness, int | float) else None, origin
    )


def _nested(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}
