"""Programs as plain data and JSON. Public through :class:`automl_zero.program.Program`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from automl_zero._instruction import (
    CONSTANT_FIELDS,
    REGISTER_FIELDS,
    Instruction,
    constant_text,
    find_op,
    used_registers,
)

FORMAT: Final = "automl-zero program"
VERSION: Final = 1

_NONFINITE: Final = ("nan", "inf", "-inf")


def program_to_data(functions: Iterable[tuple[str, Iterable[Instruction]]]) -> dict[str, Any]:
    """Plain dicts and lists for named instruction lists."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "components": {name: [_to_data(item) for item in body] for name, body in functions},
    }


def program_to_json(functions: Iterable[tuple[str, Iterable[Instruction]]]) -> str:
    """:func:`program_to_data` as one line of JSON."""
    return json.dumps(program_to_data(functions), allow_nan=False)


def program_from_data(data: Mapping[str, Any]) -> dict[str, list[Instruction]]:
    """The named instruction lists in ``data``.

    Raises:
        ValueError: If ``data`` is not what :func:`program_to_data` makes; names where.
    """
    _require_keys("program", data, ("format", "version", "components"))
    if data["format"] != FORMAT:
        raise ValueError(f"format: expected {FORMAT!r}, received {data['format']!r}")
    if data["version"] != VERSION:
        raise ValueError(f"version: expected {VERSION}, received {data['version']!r}")
    components = data["components"]
    if not isinstance(components, Mapping):
        raise ValueError(f"components: expected a mapping, received {components!r}")
    functions = {}
    for name, body in components.items():
        if not isinstance(body, list | tuple):
            raise ValueError(f"components.{name}: expected a list, received {body!r}")
        functions[name] = [
            _from_data(f"components.{name}[{position}]", item) for position, item in enumerate(body)
        ]
    return functions


def program_from_json(text: str) -> dict[str, list[Instruction]]:
    """The named instruction lists in JSON text.

    Raises:
        ValueError: If ``text`` is not JSON, or as :func:`program_from_data` does.
    """

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"expected non-finite numbers as strings, received {word}")

    try:
        data = json.loads(text, parse_constant=refuse)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"text: expected the JSON form of a program: {error}") from None
    return program_from_data(data)


def _to_data(instruction: Instruction) -> dict[str, Any]:
    op = instruction.op
    data: dict[str, Any] = {"op": op.name}
    for field in used_registers(op):
        data[field] = getattr(instruction, field)
    for field in op.constant_fields:
        text = constant_text(field, getattr(instruction, field))
        data[field] = text if text in _NONFINITE else float(text)
    return data


def _from_data(where: str, data: Any) -> Instruction:
    allowed = ("op", *REGISTER_FIELDS, *CONSTANT_FIELDS)
    _require_keys(where, data, ("op",), allowed)
    fields = dict(data)
    for field in CONSTANT_FIELDS:
        value = fields.get(field, 0)
        if value in _NONFINITE:
            fields[field] = float(value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            expected = "a number, 'nan', 'inf' or '-inf'"
            raise ValueError(f"{where}.{field}: expected {expected}, received {value!r}")
    try:
        op = find_op(fields.pop("op"))
        return Instruction(op, **fields)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None


def _require_keys(
    where: str, data: Any, required: tuple[str, ...], allowed: tuple[str, ...] = ()
) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: expected a mapping, received {data!r}")
    for key in required:
        if key not in data:
            raise ValueError(f"{where}: expected the key {key!r}, received {list(data)}")
    for key in data:
        if key not in (allowed or required):
            expected = ", ".join(allowed or required)
            raise ValueError(f"{where}: expected the keys {expected}, received {key!r}")
