"""Where the commands print: results to standard output, progress to standard error."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

_PLAIN_WIDTH = 160  # without a terminal nothing needs to be folded


class RunFailure(RuntimeError):
    """Something outside the user's input went wrong; ends with exit code 1."""


def out() -> Console:
    """Console on standard output. Made anew, because tests exchange the stream."""
    return _console(stderr=False)


def err() -> Console:
    """Console on standard error."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, emoji=False, width=_PLAIN_WIDTH)
    return console


def print_plain(text: str) -> None:
    """Print text as it is: no markup, no folding."""
    out().print(text, markup=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """Print data as JSON on standard output; non-finite numbers as strings."""
    print(json_text(data))


def json_text(data: Any) -> str:
    """Plain data as indented JSON; non-finite numbers become strings."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return str(data)
    return data


def require_writable(path: Path) -> None:
    """Make sure that ``path`` can be written, before a long run ends in vain.

    Raises:
        ValueError: If it cannot; says why.
    """
    folder = path.parent
    if path.is_dir():
        raise ValueError(f"--out: expected a file to write, received the folder {path}")
    if not folder.is_dir():
        raise ValueError(f"--out: expected an existing folder, received {folder}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"--out: expected a writable folder: {folder}: {error.strerror}") from None


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all.

    Raises:
        RunFailure: If it cannot be written.
    """
    from automl_zero.evolution.runs import RunWriteError, write_atomically

    try:
        write_atomically(path, text, durable=False)
    except RunWriteError as error:
        raise RunFailure(f"--out: {error}") from None
