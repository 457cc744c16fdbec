"""JSON of a run: non-finite numbers as strings, and nothing a stranger wrote does harm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from automl_zero.evolution.runs._files import read_file, write_atomically

MAX_JSON_BYTES: Final = 16_000_000
"""Longest JSON file. A configuration has kilobytes; parsed, this takes up to 0.5 GB."""

_MAX_DEPTH: Final = 100
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})


def json_text(name: str, data: Any, indent: int | None = None) -> str:
    """Plain data as JSON; non-finite numbers become ``"nan"``, ``"inf"`` and ``"-inf"``.

    Raises:
        ValueError: If ``data`` is not plain; starts with ``name``.
    """
    try:
        try:
            text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError):
            text = json.dumps(_finite(data), indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name}: expected plain data: {error}") from None
    _require_shallow(name, data)
    if text.isascii():
        return text
    # A lone surrogate (a file name that is no UTF-8) is written as JSON's own \udcxx.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return str(float(data))
    return data


def parse_json(name: str, raw: bytes | str) -> Any:
    """What JSON text says.

    Raises:
        ValueError: If it is no JSON or nested too deeply; starts with ``name``.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: expected JSON: {error}") from None
    _require_shallow(name, data)
    return data


def _require_shallow(name: str, data: Any) -> None:
    """Deeper data than this cannot be copied, compared or printed on Python's stack."""
    level = [data]
    for _ in range(_MAX_DEPTH):
        # Types first: to ask whether something is a Mapping is slow, and most are numbers.
        level = [
            value
            for item in level
            if type(item) not in _LEAVES and isinstance(item, Mapping | list | tuple)
            for value in (item.values() if isinstance(item, Mapping) else item)
        ]
        if not level:
            return
    raise ValueError(f"{name}: expected data nested at most {_MAX_DEPTH} deep, received deeper")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"expected non-finite numbers as strings, received {word}")


def plain(name: str, data: Any) -> Any:
    """``data`` as it comes back from a file: tuples are lists, keys and NaN are strings.

    Raises:
        ValueError: If ``data`` is not plain; starts with ``name``.
    """
    return parse_json(name, json_text(name, data))


def plain_mapping(name: str, data: Any) -> dict[str, Any]:
    """:func:`plain` of a mapping.

    Raises:
        ValueError: If ``data`` is no mapping or not plain; starts with ``name``.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{name}: expected a mapping, received {data!r}")
    result: dict[str, Any] = plain(name, data)
    return result


def write_json(path: Path, data: Mapping[str, Any], *, durable: bool) -> None:
    """Write a file of JSON for people and programs, atomically.

    Raises:
        ValueError: If ``data`` is not plain or would make a file too long to be read.
        RunWriteError: If it cannot be written.
    """
    raw = (json_text(path.name, data, indent=2) + "\n").encode("utf-8")
    if len(raw) > MAX_JSON_BYTES:
        raise ValueError(
            f"{path.name}: expected at most {MAX_JSON_BYTES} bytes of JSON, received {len(raw)}"
        )
    write_atomically(path, raw, durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: If it cannot be read or holds something else; names the file.
    """
    data = parse_json(str(path), read_file(path, MAX_JSON_BYTES))
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object, received {type(data).__name__}")
    return data
