"""Files whose digests are right and whose contents mean harm: an error, and no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from automl_zero.evolution.runs import EVENT_SCHEMA, Checkpoint
from automl_zero.evolution.runs import _arrow_messages as messages
from automl_zero.evolution.runs._checkpoint import _SCHEMA, _from_bytes, _to_bytes
from automl_zero.evolution.runs._event_files import LOG_SCHEMA, read_log, read_parquet
from automl_zero.evolution.runs._event_frames import END_OF_STREAM, frame
from automl_zero.evolution.runs._seal import ARROW_MAGIC, PARQUET_MAGIC, seal

ROWS = 20
COLUMNS: dict[str, list[Any]] = {
    "kind": ["epoch"] * ROWS, "experiment": [1] * ROWS, "epoch": list(range(ROWS)),
    "island": [None] * ROWS, "individuals": [5] * ROWS, "fitness": [0.5] * ROWS,
    "seconds": [0.25] * ROWS, "details": [f'{{"a": {i}}}' for i in range(ROWS)],
}  # fmt: skip
TABLE = pa.table(COLUMNS, LOG_SCHEMA)
BATCH = TABLE.to_batches()[0]


def message(metadata: bytes, body: bytes) -> Any:
    return SimpleNamespace(metadata=pa.py_buffer(metadata), body=pa.py_buffer(body))


def parts_of(batch: pa.RecordBatch, compression: str | None) -> list[bytes]:
    """Metadata of the schema, metadata and body of the batch."""
    schema, data = messages.messages_of(batch, compression)
    return [buffer.to_pybytes() for buffer in (schema.metadata, data.metadata, data.body)]


def log_of(schema: bytes, metadata: bytes, body: bytes) -> bytes:
    raw = frame(message(schema, b""), 0)
    return raw + frame(message(metadata, body), len(raw))


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, **options)
    return seal(sink.getvalue().to_pybytes(), PARQUET_MAGIC)


def checkpoint_of(stream: bytes) -> bytes:
    footer = b"\0" * 8
    raw = b"ARROW1\0\0" + stream + footer + len(footer).to_bytes(4, "little") + ARROW_MAGIC
    return seal(raw, ARROW_MAGIC)


def stream_of(batch: pa.RecordBatch, compression: str | None = None) -> bytearray:
    sink = pa.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression=compression)
    with ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytearray(sink.getvalue().to_pybytes())


PLAIN_LOG = parts_of(BATCH, None)
ZSTD_LOG = parts_of(BATCH, "zstd")
_SEALED = _to_bytes(5, {"a": b"123" * 5, "b": b"", "island 2": b"x" * 100})
_FOOTER = int.from_bytes(_SEALED[-10:-6], "little") + 10
CHECKPOINT = (_SEALED[8 : -_FOOTER - 24], _SEALED[-_FOOTER:])
_SEALED = parquet_of(TABLE, compression="none", use_dictionary=["kind"])
_FOOTER = int.from_bytes(_SEALED[-8:-4], "little") + 8
PARQUET = (_SEALED[: -_FOOTER - 24], _SEALED[-_FOOTER:])

NUMBERS = [0, 1, 255, 1 << 40, *(n for b in (15, 31, 32, 63, 64) for n in (1 << b, (1 << b) - 1))]


@st.composite
def changed(draw: st.DrawFn, raw: bytes) -> bytes:
    """A few bytes and numbers of ``raw`` exchanged."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        width = draw(st.sampled_from([1, 1, 2, 4, 8]))
        place = draw(st.integers(0, len(data) // width - 1)) * width
        value = draw(st.sampled_from(NUMBERS) | st.integers(0, 1 << 64)) % (1 << 8 * width)
        data[place : place + width] = value.to_bytes(width, "little")
    return bytes(data)


def table_or_error(read: Any, raw: bytes) -> None:
    try:
        table = read("file", raw)
    except ValueError as error:
        assert str(error).startswith("file: ")
    else:
        assert table.schema.equals(EVENT_SCHEMA)
        table.to_pylist()


@settings(deadline=None, max_examples=400)
@given(st.sampled_from([PLAIN_LOG, ZSTD_LOG]), st.integers(0, 2), st.data())
def test_a_forged_log_is_a_table_or_an_error(
    parts: list[bytes], which: int, data: st.DataObject
) -> None:
    parts = list(parts)
    parts[which] = data.draw(changed(parts[which]))
    table_or_error(read_log, log_of(*parts))


@settings(deadline=None, max_examples=400)
@given(changed(CHECKPOINT[0]))
def test_a_forged_checkpoint_is_one_or_an_error(stream: bytes) -> None:
    raw = seal(b"ARROW1\0\0" + stream + CHECKPOINT[1], ARROW_MAGIC)
    try:
        assert isinstance(_from_bytes("file", raw), Checkpoint)
    except ValueError as error:
        assert str(error).startswith("file: ")


@settings(deadline=None, max_examples=200)
@given(st.booleans(), st.data())
def test_a_forged_parquet_file_is_a_table_or_an_error(footer: bool, data: st.DataObject) -> None:
    pages, end = PARQUET
    if footer:
        end = data.draw(changed(end[:-8])) + end[-8:]
    else:
        pages = data.draw(changed(pages))
    table_or_error(read_parquet, seal(pages + end, PARQUET_MAGIC))


@pytest.mark.parametrize("claim", [1 << 33, 1 << 50, (1 << 63) - 1])
def test_a_buffer_that_claims_terabytes_is_refused_before_anything_is_allocated(
    claim: int,
) -> None:
    schema, metadata, body = ZSTD_LOG
    forged = claim.to_bytes(8, "little") + body[8:]
    with pytest.raises(ValueError, match=r"^file: batch 1: expected at most 4294967296 bytes"):
        read_log("file", log_of(schema, metadata, forged))


def test_batches_may_not_take_too_much_together(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = frame(message(ZSTD_LOG[0], b""), 0)
    for _ in range(3):
        raw += frame(message(*ZSTD_LOG[1:]), len(raw))
    assert read_log("file", raw).num_rows == 3 * ROWS
    monkeypatch.setattr(messages, "MAX_BYTES", 2 * BATCH.nbytes + 100)
    with pytest.raises(ValueError, match="^file: batch 3: expected at most"):
        read_log("file", raw)


def test_a_checkpoint_that_claims_more_than_its_file_is_refused() -> None:
    batch = pa.record_batch(
        [pa.array(["a"]), pa.array([b"\0" * 100_000], pa.large_binary()),
         pa.array([b"0" * 16], pa.binary(16))],
        schema=_SCHEMA.with_metadata({"format": "automl-zero checkpoint", "version": "1"}),
    )  # fmt: skip
    with pytest.raises(ValueError, match="^file: expected at most .* bytes, received 100"):
        _from_bytes("file", checkpoint_of(bytes(stream_of(batch, "zstd"))))


def test_messages_of_the_wrong_kind_are_refused() -> None:
    stream = bytes(stream_of(pa.record_batch({"a": pa.array(["x", "y"]).dictionary_encode()})))
    with pytest.raises(ValueError, match="^file: schema: expected name string"):
        _from_bytes("file", checkpoint_of(stream))
    source = pa.BufferReader(stream)
    found = [ipc.read_message(source) for _ in range(3)]
    assert [item.type for item in found] == ["schema", "dictionary", "record batch"]
    schema = frame(message(ZSTD_LOG[0], b""), 0)
    for wrong in found[:2]:
        with pytest.raises(ValueError, match="^file: batch 1: expected a record batch, received"):
            read_log("file", schema + frame(wrong, len(schema)))
    for wrong in found[1:]:
        with pytest.raises(ValueError, match="^file: schema: expected one, received a"):
            read_log("file", frame(wrong, 0))
    with pytest.raises(ValueError, match="^file: "):
        _from_bytes("file", checkpoint_of(END_OF_STREAM))


def test_metadata_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(ValueError, match="^message: expected less metadata, received 5000 bytes"):
        frame(message(b"x" * 5_000, b""), 0)


@pytest.mark.parametrize("read", [read_log, read_parquet])
@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "format: expected 'automl-zero events', received None"),
        ({"format": "automl-zero events", "version": "2"}, "version: expected 1, received '2'"),
    ],
)
def test_other_formats_and_newer_versions_are_named(
    read: Any, metadata: dict[str, str], reason: str
) -> None:
    table = TABLE.replace_schema_metadata(metadata)
    if read is read_log:
        raw = log_of(*parts_of(table.to_batches()[0], "zstd"))
    else:
        raw = parquet_of(table)
    with pytest.raises(ValueError, match=f"^file: {reason}"):
        read("file", raw)


def test_missing_kinds_and_foreign_columns_are_named() -> None:
    for table in (TABLE.drop_columns(["epoch"]), TABLE.append_column("more", TABLE["epoch"])):
        with pytest.raises(ValueError, match="^file: schema: expected kind"):
            read_parquet("file", parquet_of(table))
        with pytest.raises(ValueError, match="^file: schema: expected kind"):
            read_log("file", log_of(*parts_of(table.to_batches()[0], None)))
    batch = pa.record_batch(
        [pa.array([None], field.type) for field in LOG_SCHEMA],
        schema=pa.schema([f.with_nullable(True) for f in LOG_SCHEMA], LOG_SCHEMA.metadata),
    )
    _, metadata, body = parts_of(batch, None)
    with pytest.raises(ValueError, match="^file: kind: expected a text in every row"):
        read_log("file", log_of(PLAIN_LOG[0], metadata, body))


def test_a_text_that_stands_in_a_million_rows_is_refused() -> None:
    """One page of a dictionary: 200 kB of file, 100 GB of table."""
    count = 100_000
    text = pa.DictionaryArray.from_arrays(
        pa.array([0] * count, pa.int32()), pa.array(['{"a": "' + "x" * 1_000_000 + '"}'])
    )
    columns = {f.name: pa.array([None] * count, f.type) for f in LOG_SCHEMA}
    columns |= {"kind": pa.array(["epoch"] * count), "details": text}
    schema = pa.schema(
        [pa.field("details", text.type, False) if f.name == "details" else f for f in LOG_SCHEMA],
        LOG_SCHEMA.metadata,
    )
    raw = parquet_of(pa.table(columns, schema), compression="zstd", use_dictionary=True)
    assert len(raw) < 300_000
    with pytest.raises(ValueError, match="^file: expected at most 4294967296 bytes"):
        read_parquet("file", raw)
