"""Messages of Arrow's IPC format: written, and read from files that nobody vouches for.

A digest shows that a file is undamaged, not that its maker meant well. Arrow's reader
checks the structure of what it gets, and ``validate(full=True)`` what the buffers hold
(https://arrow.apache.org/docs/format/Security.html). One thing is left: a buffer of some
kilobytes can claim to be terabytes once decompressed, and Arrow allocates what it claims.
So the claims are added up here first, from the message's metadata. They are a flatbuffer
(https://flatbuffers.dev/internals/; tables in Message.fbs of the Arrow format).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
from pyarrow import ipc

MAX_BYTES: Final = 1 << 32
"""Longest file and largest table, decompressed: 30 million events."""

# Fields of the tables Message and RecordBatch, and the header type of a record batch.
_HEADER_TYPE, _HEADER = 1, 2
_BUFFERS, _COMPRESSION = 2, 3
_RECORD_BATCH: Final = 3


def messages_of(batch: pa.RecordBatch, compression: str | None = None) -> tuple[Any, Any]:
    """The messages that a stream of this batch consists of: schema and batch."""
    sink = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression=compression)
    with ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    source = pa.BufferReader(sink.getvalue())
    return ipc.read_message(source), ipc.read_message(source)


def read_schema(name: str, message: Any, expected: pa.Schema) -> dict[str, str]:
    """The key-value metadata of a schema message.

    Raises:
        ValueError: If its columns are not those of ``expected``; starts with ``name``.
    """
    if message.type != "schema":  # read_schema takes any message for one, and crashes
        raise ValueError(f"{name}: schema: expected one, received a {message.type}")
    with arrow_errors(f"{name}: schema"):
        schema = ipc.read_schema(message)
    return require_columns(name, schema, expected)


def require_columns(name: str, schema: pa.Schema, expected: pa.Schema) -> dict[str, str]:
    """The key-value metadata of a schema.

    Raises:
        ValueError: If its columns are not those of ``expected``; starts with ``name``.
    """
    with arrow_errors(f"{name}: schema"):  # names may be no text
        if not schema.equals(expected):
            received = ", ".join(f"{field.name} {field.type}" for field in schema)
            columns = ", ".join(f"{field.name} {field.type}" for field in expected)
            raise ValueError(f"expected {columns}, received {received[:1000]}")
    return {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
    }


def require_format(name: str, pairs: dict[str, str], kind: str, version: int) -> None:
    """Make sure that a file says what it is, in a version that can be read.

    Raises:
        ValueError: If it does not; starts with ``name``.
    """
    if pairs.get("format") != kind:
        raise ValueError(f"{name}: format: expected {kind!r}, received {pairs.get('format')!r}")
    if pairs.get("version") != str(version):
        raise ValueError(
            f"{name}: version: expected {version}, received {pairs.get('version')!r} "
            "(of another version of automl-zero)"
        )


def claimed_bytes(name: str, message: Any, limit: int) -> int:
    """Bytes that the buffers of a record batch say they take, once decompressed.

    Raises:
        ValueError: If the message is no record batch, or it is more than ``limit``; starts
            with ``name``.
    """
    with arrow_errors(name):
        size = _claimed_bytes(message)
        if size > limit:
            raise ValueError(f"expected at most {limit} bytes, received {size}")
    return size


@contextlib.contextmanager
def arrow_errors(name: str) -> Iterator[None]:
    """Turn whatever Arrow raises on bytes that it does not like into a ValueError.

    Raises:
        ValueError: Starts with ``name``, and leaves out Arrow's further lines.
    """
    try:
        yield
    except Exception as error:  # also KeyError, struct.error and MemoryError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{name}: {reason}") from None


def _claimed_bytes(message: Any) -> int:
    metadata = message.metadata.to_pybytes()
    body = memoryview(message.body or b"")
    table = _follow(metadata, 0)
    kind = _field(metadata, table, _HEADER_TYPE)
    header = _field(metadata, table, _HEADER)
    received = 0 if kind is None else struct.unpack_from("<B", metadata, kind)[0]
    if received != _RECORD_BATCH or header is None:
        raise ValueError(f"expected a record batch, received a {message.type}")
    batch = _follow(metadata, header)
    if _field(metadata, batch, _COMPRESSION) is None:
        return len(body)
    buffers = _field(metadata, batch, _BUFFERS)
    total = 0
    if buffers is not None:
        vector = _follow(metadata, buffers)
        (count,) = struct.unpack_from("<I", metadata, vector)
        for start, length in struct.iter_unpack(
            "<qq", metadata[vector + 4 : vector + 4 + 16 * count]
        ):
            if length:  # a compressed buffer starts with its true length; -1: not compressed
                (claimed,) = struct.unpack_from("<q", body, max(start, 0))
                total += length if claimed < 0 else claimed
    return total


def _follow(metadata: bytes, position: int) -> int:
    """Where the offset at ``position`` leads."""
    return position + int(struct.unpack_from("<I", metadata, position)[0])


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Where a field of a table lies; None if the table leaves it out."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    if vtable < 0:
        raise ValueError("expected a table in the metadata, received none")
    if 4 + 2 * number + 2 > struct.unpack_from("<H", metadata, vtable)[0]:
        return None
    (offset,) = struct.unpack_from("<H", metadata, vtable + 4 + 2 * number)
    return table + offset if offset else None
