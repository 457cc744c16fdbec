"""Event logs as bytes: the stream of a run that works, the Parquet file of a finished one."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc, parquet

from automl_zero.evolution.runs import _arrow_messages as messages
from automl_zero.evolution.runs._event_columns import EVENT_SCHEMA
from automl_zero.evolution.runs._event_frames import frame_name, frames
from automl_zero.evolution.runs._seal import PARQUET_MAGIC, require_seal, seal

_FORMAT: Final = "automl-zero events"
_VERSION: Final = 1
LOG_SCHEMA: Final = EVENT_SCHEMA.with_metadata({"format": _FORMAT, "version": str(_VERSION)})
_TEXT: Final = ("kind", "details")
_PARQUET_SCHEMA: Final = pa.schema(
    [
        pa.field(field.name, pa.dictionary(pa.int32(), pa.string()), nullable=False)
        if field.name in _TEXT
        else field
        for field in LOG_SCHEMA
    ],
    LOG_SCHEMA.metadata,
)
_ROW_BYTES: Final = 48  # a row without its text: six numbers, two offsets of text


def require_log(name: str, raw: bytes, found: list[tuple[int, int]]) -> None:
    """Make sure that the first message says that this is an event log.

    Raises:
        ValueError: If it does not; starts with ``name``.
    """
    if not found:
        raise ValueError(f"{name}: schema: expected a whole one, received {len(raw)} bytes")
    pairs = messages.read_schema(name, _message(name, raw, *found[0]), LOG_SCHEMA)
    messages.require_format(name, pairs, _FORMAT, _VERSION)


def read_log(name: str, raw: bytes) -> pa.Table:
    """The complete batches of a stream as a table; see :func:`read_events`."""
    found = frames(name, raw)
    require_log(name, raw, found)
    # Not ipc.read_record_batch, and no threads: 0.1 ms a batch instead of 0.25.
    source, options = pa.py_buffer(raw), ipc.IpcReadOptions(use_threads=False)
    with messages.arrow_errors(name):
        stream = ipc.open_stream(source.slice(0, found[-1][1]), options=options)
    batches = []
    left = messages.MAX_BYTES
    for number, (start, end) in enumerate(found[1:], 1):
        where = f"{name}: {frame_name(number)}"
        left -= messages.claimed_bytes(where, _message(where, raw, start, end), left)
        with messages.arrow_errors(where):
            batches.append(stream.read_next_batch())
            batches[-1].validate(full=True)
    return _checked(name, pa.Table.from_batches(batches, LOG_SCHEMA))


def _message(name: str, raw: bytes, start: int, end: int) -> Any:
    with messages.arrow_errors(name):
        return ipc.read_message(pa.py_buffer(raw).slice(start, end - start))


def write_parquet(table: pa.Table) -> bytes:
    """The table as a sealed Parquet file."""
    sink = pa.BufferOutputStream()
    # The details of hardly two events are the same, so a dictionary of them only costs time.
    parquet.write_table(
        table.cast(LOG_SCHEMA), sink, compression="zstd", use_dictionary=["kind"]
    )
    return seal(sink.getvalue().to_pybytes(), PARQUET_MAGIC)


def read_parquet(name: str, raw: bytes) -> pa.Table:
    """The table in a sealed Parquet file; see :func:`read_events`."""
    require_seal(name, raw, PARQUET_MAGIC)
    with messages.arrow_errors(name):
        # Texts as dictionaries: a page of some kilobytes may say that a text of megabytes
        # stands in a million rows. What the rows take is known before it is taken.
        file = parquet.ParquetFile(pa.BufferReader(raw), read_dictionary=list(_TEXT))
    pairs = messages.require_columns(name, file.schema_arrow, _PARQUET_SCHEMA)
    messages.require_format(name, pairs, _FORMAT, _VERSION)
    with messages.arrow_errors(name):
        groups = [_PARQUET_SCHEMA.empty_table()]
        left = messages.MAX_BYTES
        for number in range(file.num_row_groups):
            left -= abs(file.metadata.row_group(number).num_rows) * _ROW_BYTES
            if left >= 0:
                group = file.read_row_group(number, use_threads=False)
                group.validate(full=True)
                left -= sum(_text_bytes(group[column]) for column in _TEXT)
            if left < 0:
                raise ValueError(f"expected at most {messages.MAX_BYTES} bytes, received more")
            groups.append(group)
        table = pa.concat_tables(groups).cast(LOG_SCHEMA)
        table.validate(full=True)
    return _checked(name, table)


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of a column of texts once each row has its own."""
    total = 0
    for chunk in column.chunks:
        lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
        total += pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0
    return total


def _checked(name: str, table: pa.Table) -> pa.Table:
    for column in _TEXT:
        if table[column].null_count:
            raise ValueError(f"{name}: {column}: expected a text in every row, received none")
    return table.replace_schema_metadata(None).combine_chunks()
