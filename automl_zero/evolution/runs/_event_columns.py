"""The columns of the event log, and the details of one kind of event as columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from automl_zero.evolution.runs._json import json_text, parse_json

EVENT_SCHEMA: Final = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("experiment", pa.int32()),
        pa.field("epoch", pa.int64()),
        pa.field("island", pa.int32()),
        pa.field("individuals", pa.int64()),
        pa.field("fitness", pa.float64()),
        pa.field("seconds", pa.float64()),
        pa.field("details", pa.string(), nullable=False),
    ]
)
"""What is known of every event. ``details`` is a JSON object; null where nothing applies."""

_MAX_DETAILS: Final = 1000  # columns; guards against a log that invents one per row
_NON_FINITE: Final = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def expand(table: pa.Table, kind: str) -> pa.Table:
    """The events of one kind, with their details as typed columns.

    A detail that some of the events lack is null there. Numbers that JSON holds as
    ``"nan"``, ``"inf"`` or ``"-inf"`` are numbers again where the rest of the column is.
    Values of types that do not go together stay as JSON text.

    Args:
        table: As :func:`read_events` gives it.
        kind: Which events.

    Returns:
        The columns of ``table`` without ``details``, then one column per detail.

    Raises:
        ValueError: If the details of an event are no JSON object, are too many, or have the
            name of a column; names the event.

    Example:
        >>> event = dict.fromkeys(EVENT_SCHEMA.names, None)
        >>> rows = [
        ...     {**event, "kind": "migration", "details": '{"source": 3, "share": "nan"}'},
        ...     {**event, "kind": "migration", "details": '{"source": 4, "share": 0.5}'},
        ... ]
        >>> table = expand(pa.Table.from_pylist(rows, EVENT_SCHEMA), "migration")
        >>> table.column_names[-2:], table["source"].to_pylist(), table["share"].to_pylist()
        (['source', 'share'], [3, 4], [nan, 0.5])
    """
    rows = table.filter(pc.equal(table["kind"], kind))
    plain = rows.drop_columns(["details"])
    details = [
        _details(f"events: details of {kind!r} event {number}", text)
        for number, text in enumerate(rows["details"].to_pylist())
    ]
    names = dict.fromkeys(name for item in details for name in item)  # ordered and unique
    if len(names) > _MAX_DETAILS:
        raise ValueError(
            f"events: expected at most {_MAX_DETAILS} different details of {kind!r} events, "
            f"received {len(names)}"
        )
    for name in names:
        if name in plain.column_names:
            raise ValueError(f"events: details of {kind!r} events: {name!r} names a column")
        try:
            plain = plain.append_column(name, _column([item.get(name) for item in details]))
        except UnicodeEncodeError:
            raise ValueError(f"events: details of {kind!r} events: {name!r} is no text") from None
    return plain


def _details(name: str, text: str) -> Mapping[str, Any]:
    data = parse_json(name, text)
    if not isinstance(data, dict):
        raise ValueError(f"{name}: expected a JSON object, received {text[:100]!r}")
    return data


def _column(values: list[Any]) -> pa.Array:
    candidates = [values]
    if any(isinstance(value, float | int) for value in values):
        candidates.append([_NON_FINITE.get(v, v) if isinstance(v, str) else v for v in values])
    for candidate in candidates:
        try:
            return pa.array(candidate)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
    return pa.array(
        [None if value is None else json_text("details", value) for value in values], pa.string()
    )
