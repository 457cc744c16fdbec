"""Programs in files: text, JSON, or the result of a search."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from automl_zero.program import Program

RESULT_FORMAT = "automl-zero result"
"""``format`` of the JSON that ``automl-zero evolve --out`` writes."""

_MAX_BYTES = 10_000_000  # far above the longest program; guards against a wrong file


def read_program(path: str | Path) -> Program:
    """The supervised program in a file.

    Args:
        path: A file with program text, the JSON form of a program, or the JSON result of a
            search; ``-`` reads standard input.

    Raises:
        ValueError: If there is no such file or it holds none of these; names the file.
    """
    name = "standard input" if str(path) == "-" else str(path)
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


def _program_from_text(text: str) -> Program:
    if not text.lstrip().startswith("{"):
        return Program.parse(text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {error}") from None
    if data.get("format") == RESULT_FORMAT:
        if not isinstance(data.get("program"), str):
            raise ValueError("program: expected program text in this result, received none")
        return Program.parse(data["program"])
    return Program.from_data(data)
