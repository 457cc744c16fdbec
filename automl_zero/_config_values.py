"""Checks and TOML text of configuration values. Public through :mod:`automl_zero.config`."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Final

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class KeyProblem(ValueError):
    """A wrong value, with the path of its key; the loader adds where it came from.

    Args:
        path: Names from the top: ``("population", "size")``.
        message: What was expected and received.
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(f"{'.'.join(path)}: {message}" if path else message)
        self.path = path
        self.message = message


def integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """``value`` if it is an int in the range; a bool is none.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}: expected an integer, received {value!r}")
    if value < minimum or (maximum is not None and value > maximum):
        expected = f">= {minimum}" if maximum is None else f"in {minimum}..{maximum}"
        raise ValueError(f"{name}: expected an integer {expected}, received {value}")
    return value


def number(name: str, value: Any, minimum: float, maximum: float = math.inf) -> float:
    """``value`` as a float if it is a number in the closed range; NaN never is.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: expected a number, received {value!r}")
    if not minimum <= value <= maximum:
        expected = f">= {minimum:g}" if maximum == math.inf else f"in {minimum:g}..{maximum:g}"
        raise ValueError(f"{name}: expected a number {expected}, received {value}")
    return float(value)


def boolean(name: str, value: Any) -> bool:
    """``value`` if it is a bool.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected true or false, received {value!r}")
    return value


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """``value`` if it is one of ``options``.

    Raises:
        ValueError: If it is not; names the nearest option.
    """
    options = tuple(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(
            f"{name}: expected one of {', '.join(options)}, received {value!r}"
            f"{did_you_mean(value, options)}"
        )
    return value


def did_you_mean(word: Any, options: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the option nearest to ``word``; empty if none is near."""
    if not isinstance(word, str):
        return ""
    near = difflib.get_close_matches(word.lower(), {o.lower(): o for o in options}, 1, 0.5)
    found = {option.lower(): option for option in options}
    return f" (did you mean {found[near[0]]!r}?)" if near else ""


def require_known_keys(path: tuple[str, ...], table: Any, known: Iterable[str]) -> None:
    """Make sure that ``table`` is a table with no other keys than ``known``.

    Raises:
        KeyProblem: If it is not; names the key and the nearest right name.
    """
    known = tuple(known)
    if not isinstance(table, Mapping):
        raise KeyProblem(path, f"expected a table, received {table!r}")
    for key in table:
        if key not in known:
            raise KeyProblem(
                (*path, key),
                f"unknown key{did_you_mean(key, known)}; expected {', '.join(known)}",
            )


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """Path and value of ``"section.key=value"``; a value that is no TOML is plain text.

    Raises:
        ValueError: If there is no ``=`` or an empty key.
    """
    key, equals, value_text = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ValueError(f"override: expected section.key=value, received {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value_text.strip()}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    # More than one key means that the text broke out of its value: then it is plain text.
    return path, parsed["value"] if set(parsed) == {"value"} else value_text.strip()


def toml_text(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Nested plain data as TOML: plain values first, then tables. None values are left out."""
    plain = [(key, value) for key, value in data.items() if not isinstance(value, Mapping)]
    tables = [(key, value) for key, value in data.items() if isinstance(value, Mapping)]
    blocks = []
    lines = [
        f"{_toml_key(key)} = {_toml_value(value)}" for key, value in plain if value is not None
    ]
    if lines:
        head = [f"[{'.'.join(map(_toml_key, path))}]"] if path else []
        blocks.append("\n".join([*head, *lines, ""]))
    blocks += [toml_text(value, (*path, key)) for key, value in tables]
    return "\n".join(block for block in blocks if block)


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        items = [_toml_value(item) for item in value]
        one_line = f"[{', '.join(items)}]"
        if len(one_line) <= 90:
            return one_line
        return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    if isinstance(value, Mapping):
        pairs = [
            f"{_toml_key(key)} = {_toml_value(item)}"
            for key, item in value.items()
            if item is not None
        ]
        return f"{{{', '.join(pairs)}}}"
    return repr(value)  # int and float, whose nan and inf read the same in TOML
