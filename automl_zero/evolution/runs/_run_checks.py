"""What a folder and its run.json must be like, and how two configurations differ."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from automl_zero._config_values import integer
from automl_zero.evolution.runs._files import is_partial
from automl_zero.evolution.runs._lock import LOCK_NAME
from automl_zero.evolution.runs._sessions import timestamp

FORMAT: Final = "automl-zero run"
VERSION: Final = 1
RUN_FILE: Final = "run.json"
_FIELDS: Final = {"kind": str, "created": str, "config": dict, "versions": dict, "machine": dict}


def require_run(name: str, data: Mapping[str, Any]) -> None:
    """Make sure that ``data`` is what ``Run.create`` writes.

    Raises:
        ValueError: If it is not; starts with ``name`` and names the field.
    """
    if data.get("format") != FORMAT:
        raise ValueError(f"{name}: format: expected {FORMAT!r}, received {data.get('format')!r}")
    version = integer(f"{name}: version", data.get("version"), 1)
    if version != VERSION:
        raise ValueError(
            f"{name}: version: expected {VERSION}, received {version} "
            "(made by a newer version of automl-zero)"
        )
    for field, expected in _FIELDS.items():
        if not isinstance(data.get(field), expected):
            kind = "a text" if expected is str else "an object"
            raise ValueError(f"{name}: {field}: expected {kind}, received {data.get(field)!r}")
    timestamp(f"{name}: created", data["created"])
    if data.get("seed") is not None:
        integer(f"{name}: seed", data["seed"], 0, 2**64 - 1)


def require_empty(path: Path) -> None:
    """Make sure that a run can be made in ``path``: it is new or an empty folder.

    Raises:
        ValueError: If it is not; says what to do about a run that is there.
    """
    if not os.path.lexists(path):
        return
    try:
        names = [name for name in os.listdir(path) if name != LOCK_NAME and not is_partial(name)]
    except OSError as error:
        raise ValueError(f"run: expected a new folder, received {path}: {error.strerror}") from None
    if RUN_FILE in names:
        raise ValueError(
            f"run: expected a new folder, received {path}, which holds a run: "
            "resume that one, or choose another folder"
        )
    if names:
        raise ValueError(f"run: expected a new or empty folder, received {path} with {names[0]!r}")


def config_differences(path: str, stored: Any, given: Any) -> Iterator[str]:
    """A phrase for each key with another value: dotted path, stored and given value."""
    if isinstance(stored, dict) and isinstance(given, dict):
        for key in dict.fromkeys([*stored, *given]):
            where = f"{path}.{key}" if path else key
            if key not in given:
                yield f"{where}: expected {stored[key]!r}, received none"
            elif key not in stored:
                yield f"{where}: expected none, received {given[key]!r}"
            else:
                yield from config_differences(where, stored[key], given[key])
    # True == 1 in Python, but not in a configuration.
    elif stored != given or isinstance(stored, bool) != isinstance(given, bool):
        yield f"{path}: expected {stored!r}, received {given!r}"
