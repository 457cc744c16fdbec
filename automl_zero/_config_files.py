"""Configurations in files: shipped ones by name, overrides, and whose fault a wrong value is.

What a configuration is made of is up to its own module: :mod:`automl_zero.config` for programs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from automl_zero._config_values import (
    KeyProblem,
    did_you_mean,
    parse_override,
    require_known_keys,
)

KeyPath = tuple[str, ...]
"""Names from the top: ``("population", "size")``."""

Config = TypeVar("Config")


def names_in(folder: Path) -> tuple[str, ...]:
    """Names of the configurations in a folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def read_config(
    name_or_path: str | Path,
    overrides: Iterable[str],
    folder: Path,
    from_data: Callable[[Mapping[str, Any]], Config],
    sets: Mapping[KeyPath, Sequence[KeyPath]] | None = None,
) -> Config:
    """A configuration of a TOML file.

    Args:
        name_or_path: One in ``folder`` by its name, or a TOML file.
        overrides: ``"section.key=value"`` each; they act before anything is checked.
        folder: Where shipped ones lie.
        from_data: Makes it of the file's tables.
        sets: Beginnings of an override's path that stand for several others.

    Raises:
        ValueError: If there is no such file, the text is not TOML, a key is unknown or a
            value wrong; names file or override, and key.
    """
    source, text = _read(name_or_path, folder)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source}: expected TOML: {error}") from None
    origin: dict[KeyPath, str] = {}
    for override in overrides:
        paths = _apply_override(data, override, sets or {})
        origin |= dict.fromkeys(paths, f"override {override!r}")
    try:
        return from_data(data)
    except KeyProblem as problem:
        blamed = [text for path, text in origin.items() if _related(path, problem.path)]
        raise ValueError(f"{blamed[-1] if blamed else source}: {problem}") from None


def section(
    kind: type, table: Any, path: KeyPath, nested: Mapping[type, Mapping[str, type]] | None = None
) -> Any:
    """A section's dataclass from its table.

    Args:
        kind: The dataclass.
        table: The table.
        path: Where it stands.
        nested: Fields of dataclasses that are dataclasses themselves.

    Raises:
        KeyProblem: If a key is unknown or a value wrong.
    """
    require_known_keys(path, table, [item.name for item in fields(kind)])
    values = dict(table)
    for name, inner in ((nested or {}).get(kind) or {}).items():
        if name in values:
            values[name] = section(inner, values[name], (*path, name), nested)
    return built(kind, values, path)


def built(kind: Any, values: Mapping[str, Any], path: KeyPath) -> Any:
    """``kind(**values)``, its complaint ``"key: ..."`` put below ``path``.

    Raises:
        KeyProblem: If it complains, or lacks a value.
    """
    try:
        return kind(**values)
    except KeyProblem:
        raise
    except ValueError as error:
        raise below(path, str(error)) from None


def below(path: KeyPath, message: str) -> KeyProblem:
    """The problem of a message ``"key: ..."`` about what stands at ``path``."""
    key, colon, rest = message.partition(": ")
    inner = tuple(key.split("."))
    if colon and all(part.isidentifier() for part in inner):
        return KeyProblem((*path, *inner), rest)
    return KeyProblem(path, message)


def _related(path: KeyPath, other: KeyPath) -> bool:
    """True if one path leads to or through the other."""
    depth = min(len(path), len(other))
    return depth > 0 and path[:depth] == other[:depth]


def _read(name_or_path: str | Path, folder: Path) -> tuple[str, str]:
    """Name for messages, and text."""
    names = names_in(folder)
    if str(name_or_path) in names:
        file = folder / f"{name_or_path}.toml"
        return f"config {str(name_or_path)!r}", file.read_text(encoding="utf-8")
    path = Path(name_or_path)
    try:
        return str(path), path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(
            f"config: expected a TOML file or one of {', '.join(names)}, received "
            f"{str(name_or_path)!r}{did_you_mean(str(name_or_path), names)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"config: expected a readable TOML file: {path}: {error}") from None


def _apply_override(
    data: dict[str, Any], override: str, sets: Mapping[KeyPath, Sequence[KeyPath]]
) -> list[KeyPath]:
    """Put the override's value into the nested tables; returns its keys' paths."""
    path, value = parse_override(override)
    paths = [path]
    for beginning, others in sets.items():
        if path[: len(beginning)] == beginning:
            paths = [(*other, *path[len(beginning) :]) for other in others]
    for full in paths:
        _put(data, full, value, override)
    return paths


def _put(data: dict[str, Any], path: KeyPath, value: Any, override: str) -> None:
    table = data
    for depth, part in enumerate(path[:-1]):
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ValueError(f"override {override!r}: {'.'.join(path[: depth + 1])} is no section")
        table = inner
    if isinstance(table.get(path[-1]), dict) and not isinstance(value, dict):
        keys = ", ".join(table[path[-1]])
        raise ValueError(f"override {override!r}: expected one of its keys ({keys}) to be set")
    table[path[-1]] = value
