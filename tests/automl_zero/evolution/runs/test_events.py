"""The event log: rows in and out, kills, resumption, full disks, Parquet, details as columns."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from automl_zero.evolution.runs import (
    EVENT_SCHEMA,
    EventLog,
    RunWriteError,
    compact,
    expand,
    read_events,
)
from automl_zero.evolution.runs._event_files import LOG_SCHEMA, read_log, write_parquet
from automl_zero.evolution.runs._event_frames import frames

NOTHING: dict[str, Any] = dict.fromkeys(
    ["experiment", "epoch", "island", "individuals", "fitness", "seconds"]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.arrow"


def add(log: EventLog, *epochs: int) -> int:
    for epoch in epochs:
        log.append("epoch", **(NOTHING | {"epoch": epoch}))
    return log.flush(durable=False)


def epochs(path: Path) -> list[int]:
    result: list[int] = read_events(path)["epoch"].to_pylist()
    return result


def full(*_: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_rows_come_back_as_they_were(path: Path) -> None:
    with EventLog.create(path) as log:
        log.append(
            "epoch", experiment=1, epoch=2**40, island=3, individuals=4, fitness=0.5, seconds=6.0,
            hits=7, names=("a", "ä"), rate=float("nan"), low=float("-inf"), odd="\udc80",
        )  # fmt: skip
        log.append("end", **NOTHING)
    table = read_events(path)
    assert table.schema.equals(EVENT_SCHEMA)
    first, last = table.to_pylist()
    assert json.loads(first.pop("details")) == {
        "hits": 7, "names": ["a", "ä"], "rate": "nan", "low": "-inf", "odd": "\udc80",
    }  # fmt: skip
    assert first == {
        "kind": "epoch", "experiment": 1, "epoch": 2**40, "island": 3, "individuals": 4,
        "fitness": 0.5, "seconds": 6.0,
    }  # fmt: skip
    assert last == {"kind": "end", "details": "{}", **NOTHING}


int32 = st.none() | st.integers(-(2**31), 2**31 - 1)
int64 = st.none() | st.integers(-(2**63), 2**63 - 1)
reals = st.none() | st.floats()
rows = st.fixed_dictionaries(
    {"kind": st.sampled_from(["epoch", "new best", "ä"])},
    optional={
        "experiment": int32, "epoch": int64, "island": int32, "individuals": int64,
        "fitness": reals, "seconds": reals, "note": st.text(), "values": st.lists(st.integers()),
    },
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(rows, max_size=4), max_size=4), st.booleans())
def test_any_rows_survive_flushes_resumes_and_compaction(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[dict[str, Any]]], resume: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "events.arrow"
    log = EventLog.create(path)
    expected = []
    for batch in batches:
        for row in batch:
            log.append(**(NOTHING | row))
            details = {key: row[key] for key in row if key in ("note", "values")}
            typed = [row.get(name) for name in EVENT_SCHEMA.names[1:-1]]
            expected.append(repr([row["kind"], *typed, details]))
        offset = log.flush(durable=False)
        if resume:
            add(log, 999)
            log.close()
            log = EventLog.resume(path, offset)
    log.close()
    for file in (path, path.with_suffix(".parquet")):
        if file != path:
            compact(path, file)
        received = [
            repr([*list(row.values())[:-1], json.loads(row["details"])])
            for row in read_events(file).to_pylist()
        ]
        assert received == expected
    assert not path.exists()


def test_the_file_is_a_plain_stream_at_any_time(path: Path) -> None:
    log = EventLog.create(path)
    assert ipc.open_stream(path.read_bytes()).read_all().num_rows == 0
    add(log, 1, 2)
    add(log, 3)
    assert ipc.open_stream(path.read_bytes()).read_all()["epoch"].to_pylist() == [1, 2, 3]
    log.close()
    table = ipc.open_stream(path.read_bytes()).read_all()
    assert table["epoch"].to_pylist() == [1, 2, 3]
    assert table.schema.equals(LOG_SCHEMA, check_metadata=True)


def test_rows_are_there_once_flushed(path: Path) -> None:
    log = EventLog.create(path)
    log.append("epoch", **NOTHING)
    assert read_events(path).num_rows == 0
    offset = log.flush()
    assert read_events(path).num_rows == 1
    assert log.flush() == offset == path.stat().st_size


def test_the_same_events_are_the_same_bytes_however_often_interrupted(tmp_path: Path) -> None:
    straight = EventLog.create(tmp_path / "a.arrow")
    add(straight, 1)
    add(straight, 2)
    straight.close()
    log = EventLog.create(tmp_path / "b.arrow")
    offset = add(log, 1)
    add(log, 7, 8)
    log.close()
    log = EventLog.resume(tmp_path / "b.arrow", offset)
    add(log, 2)
    log.close()
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()


def test_a_resumed_log_goes_on_where_a_checkpoint_was(path: Path) -> None:
    log = EventLog.create(path)
    start = log.flush()
    middle = add(log, 1, 2)
    end = add(log, 3)
    with EventLog.resume(path, end) as log:
        add(log, 4)
    with EventLog.resume(path, middle) as log:
        add(log, 5)
    assert epochs(path) == [1, 2, 5]
    EventLog.resume(path, start).close()
    assert epochs(path) == []


def test_a_log_can_only_be_resumed_where_a_batch_ends(path: Path) -> None:
    log = EventLog.create(path)
    ends = {log.flush(), add(log, 1), add(log, 2)}
    log.close()
    raw = path.read_bytes()
    for offset in range(-2, len(raw) + 3):
        if offset not in ends:
            with pytest.raises(ValueError, match=r"events\.arrow: (expected|schema: expected)"):
                EventLog.resume(path, offset)
    for strange in (None, 1.0, True, "1"):
        with pytest.raises(ValueError, match="expected an offset in the file"):
            EventLog.resume(path, strange)  # type: ignore[arg-type]
    assert path.read_bytes() == raw
    with pytest.raises(ValueError, match=r"gone\.arrow: expected a readable file"):
        EventLog.resume(path.with_name("gone.arrow"), 1)


def test_a_damaged_log_is_not_resumed_and_not_cut(path: Path) -> None:
    log = EventLog.create(path)
    middle, end = add(log, 1), add(log, 2)
    raw = bytearray(path.read_bytes())
    raw[middle - 1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"events\.arrow: batch 1: digest: expected"):
        EventLog.resume(path, end)
    assert path.read_bytes() == raw


def test_damage_behind_the_checkpoint_does_not_matter(path: Path) -> None:
    log = EventLog.create(path)
    offset = add(log, 1)
    add(log, 2)
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 3000)  # as after a power cut
    with EventLog.resume(path, offset) as log:
        add(log, 3)
    assert epochs(path) == [1, 3]


def three_batches(path: Path, close: bool) -> tuple[bytes, list[int]]:
    log = EventLog.create(path)
    ends = [log.flush(), add(log, 1), add(log, 2, 3), add(log, 4)]
    if close:
        log.close()
    return path.read_bytes(), ends


def test_cut_anywhere_the_complete_batches_are_read(path: Path) -> None:
    raw, ends = three_batches(path, close=True)
    per_batch = [[], [1], [2, 3], [4]]
    for length in range(len(raw)):
        whole = sum(end <= length for end in ends)
        if whole == 0:
            with pytest.raises(ValueError, match="^log: schema: expected a whole one"):
                read_log("log", raw[:length])
        else:
            assert read_log("log", raw[:length])["epoch"].to_pylist() == sum(per_batch[:whole], [])


def test_every_flipped_bit_is_seen(path: Path) -> None:
    raw, ends = three_batches(path, close=True)
    for index in range(len(raw)):
        batch = sum(end <= index for end in ends)
        name = f"batch {batch}" if batch else "schema"
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[index] ^= 1 << bit
            with pytest.raises(ValueError, match=f"^log: {name}: "):
                frames("log", bytes(damaged))


def test_batches_cannot_be_lost_repeated_or_exchanged(path: Path) -> None:
    raw, (start, one, two, three) = three_batches(path, close=False)
    schema, first, second = raw[:start], raw[start:one], raw[one:two]
    for spliced in (schema + second, schema + first + first + second, schema + second + first):
        with pytest.raises(ValueError, match="digest of the metadata"):
            frames("log", spliced + raw[two:three])


def test_nothing_may_follow_the_end_of_the_stream(path: Path) -> None:
    raw, _ = three_batches(path, close=True)
    path.write_bytes(raw + b"\0")
    with pytest.raises(ValueError, match="batch 4: expected the end of the file after the end-of"):
        read_events(path)


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0", b"text\n", b"\0" * 9_000, b"\xff" * 9_000])
@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_other_files_are_no_logs(path: Path, content: bytes, suffix: str) -> None:
    path = path.with_suffix(suffix)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"events\{suffix}: (schema: )?expected"):
        read_events(path)


def test_bad_values_are_named_and_nothing_is_buffered(path: Path) -> None:
    log = EventLog.create(path)
    for name, value in (
        ("experiment", 2**31), ("island", -(2**31) - 1), ("epoch", 2**63), ("individuals", 1.0),
        ("epoch", True), ("island", "1"), ("fitness", "1"), ("seconds", True), ("fitness", 1j),
        ("fitness", 10**400), ("kind", ""), ("kind", 3), ("kind", "\udc80"), ("kind", "a\nb"),
        ("note", object()), ("note", [b"x"]),
    ):  # fmt: skip
        field = "details" if name == "note" else name
        with pytest.raises(ValueError, match=f"^{field}: expected "):
            log.append(**({"kind": "epoch"} | NOTHING | {name: value}))
    start = path.stat().st_size
    assert log.flush() == start
    log.append("epoch", **(NOTHING | {"epoch": np.int64(3), "fitness": np.float32(0.5)}))
    log.flush()
    assert read_events(path).to_pylist()[0]["fitness"] == 0.5


def test_a_closed_log_takes_no_more(path: Path) -> None:
    log = EventLog.create(path)
    log.close()
    log.close()
    with pytest.raises(ValueError, match=r"events\.arrow: expected an open log"):
        log.append("epoch", **NOTHING)


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_on_a_full_disk_the_rows_are_kept_and_the_log_is_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    log = EventLog.create(path)
    offset = add(log, 1)
    log.append("epoch", **(NOTHING | {"epoch": 2}))
    for attempt in (log.flush, log.close, log.flush):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, full)
            with pytest.raises(RunWriteError, match=r"cannot write .*events\.arrow: No space"):
                attempt()
        assert path.stat().st_size == offset
        assert epochs(path) == [1]
    log.append("epoch", **(NOTHING | {"epoch": 3}))
    log.close()
    assert epochs(path) == [1, 2, 3]


def test_a_piece_that_could_not_be_cut_off_is_written_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog.create(path)
    add(log, 1)
    log.append("epoch", **(NOTHING | {"epoch": 2}))
    write, room = os.write, [100, 0]

    def nearly_full(descriptor: int, data: Any) -> int:
        return write(descriptor, data[: room.pop(0)]) if room[0] else full()

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", nearly_full)
        patched.setattr(os, "ftruncate", full)
        with pytest.raises(RunWriteError):
            log.flush()
    assert epochs(path) == [1]
    log.flush()
    assert epochs(path) == [1, 2]


def test_a_log_that_cannot_be_opened_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunWriteError, match="cannot write .*gone/events"):
        EventLog.create(path.parent / "gone" / "events.arrow")
    offset = EventLog.create(path).flush()
    (path.parent / "link").symlink_to(path)
    with pytest.raises(RunWriteError, match="cannot write .*link"):
        EventLog.resume(path.parent / "link", offset)
    monkeypatch.setattr(os, "ftruncate", full)
    with pytest.raises(RunWriteError, match="No space left"):
        EventLog.resume(path, offset)


def test_an_error_in_the_block_still_closes_the_log(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), EventLog.create(path) as log:
        log.append("epoch", **NOTHING)
        raise ZeroDivisionError
    assert read_events(path).num_rows == 1
    with pytest.raises(ValueError, match="expected an open log"):
        log.append("epoch", **NOTHING)


def test_compaction_makes_parquet_that_others_read(path: Path) -> None:
    with EventLog.create(path) as log:
        add(log, *range(500))
    table, target = read_events(path), path.with_suffix(".parquet")
    compact(path, target)
    assert os.listdir(path.parent) == ["events.parquet"]
    assert read_events(target).equals(table)
    assert parquet.read_table(target).replace_schema_metadata(None).equals(table)


def test_compaction_of_an_empty_log(path: Path) -> None:
    EventLog.create(path).close()
    compact(path, path.with_suffix(".parquet"))
    assert read_events(path.with_suffix(".parquet")).equals(EVENT_SCHEMA.empty_table())


def test_a_failed_compaction_keeps_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EventLog.create(path) as log:
        add(log, 1)
    target = path.with_suffix(".parquet")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(RunWriteError, match=r"cannot write .*events\.parquet: No space"):
            compact(path, target)
    assert os.listdir(path.parent) == ["events.arrow"]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda path, **_: full() if path.suffix == ".arrow" else 0)
        with pytest.raises(RunWriteError, match=r"cannot remove .*events\.arrow"):
            compact(path, target)
    assert epochs(target) == [1]
    compact(path, target)  # the second attempt
    assert epochs(target) == [1]


def test_every_damage_of_parquet_is_seen(path: Path) -> None:
    with EventLog.create(path) as log:
        add(log, 1)
    target = path.with_suffix(".parquet")
    raw = write_parquet(read_events(path))
    reader: Callable[[], pa.Table] = lambda: read_events(target)  # noqa: E731
    for length in range(0, len(raw), 37):
        target.write_bytes(raw[:length])
        with pytest.raises(ValueError, match=r"events\.parquet: expected a"):
            reader()
    for index in range(0, len(raw), 23):
        damaged = bytearray(raw)
        damaged[index] ^= 1 << index % 8
        target.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"events\.parquet: "):
            reader()


def table_of(*details: str, kind: str = "epoch") -> pa.Table:
    return pa.Table.from_pylist(
        [{"kind": kind, "details": text, **NOTHING} for text in details], EVENT_SCHEMA
    )


def column(*values: Any) -> pa.ChunkedArray:
    details = [json.dumps({"x": value}) if value is not ... else "{}" for value in values]
    return expand(table_of(*details), "epoch")["x"]


def test_details_become_typed_columns() -> None:
    for values, kind in (
        ([1, 2], pa.int64()),
        ([1, 0.5], pa.float64()),
        ([True, None], pa.bool_()),
        (["a", "b"], pa.string()),
        ([[1, 2], []], pa.list_(pa.int64())),
        ([{"a": 1}, {"a": 2}], pa.struct([("a", pa.int64())])),
        ([None, None], pa.null()),
        (["nan", "inf"], pa.string()),  # no number beside them: they may be words
    ):
        assert column(*values).type == kind, values
        assert column(*values).to_pylist() == values
    assert column(1, ..., 3).to_pylist() == [1, None, 3]


def test_non_finite_numbers_are_numbers_again_among_numbers() -> None:
    values = column(1, "nan", "-inf", "inf")
    assert values.type == pa.float64()
    assert math.isnan(values[1].as_py()) and values.to_pylist()[2:] == [-math.inf, math.inf]


def test_details_that_do_not_go_together_stay_json() -> None:
    for values in ([1, "a"], [[1], 2], [{"a": 1}, []], [2**70, 1], [True, 2.5]):
        assert column(*values).type == pa.string(), values
        assert [json.loads(text) for text in column(*values).to_pylist()] == values


def test_expansion_takes_one_kind_and_keeps_the_typed_columns() -> None:
    table = pa.concat_tables([table_of('{"x": 1}'), table_of('{"y": 1}', kind="best")])
    assert expand(table, "best").column_names == [*EVENT_SCHEMA.names[:-1], "y"]
    assert expand(table, "best").num_rows == 1
    assert expand(table, "none").to_pylist() == []


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ("[]", r"details of 'epoch' event 0: expected a JSON object, received '\[\]'"),
        ("nope", "details of 'epoch' event 0: expected JSON"),
        ('{"x": ' * 5_000, "details of 'epoch' event 0: expected JSON"),
        ('{"fitness": 1}', "'fitness' names a column"),
        (json.dumps({"\udc80": 1}), "is no text"),
        (json.dumps({str(i): i for i in range(1001)}), "expected at most 1000 different details"),
    ],
)
def test_strange_details_are_an_error(details: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^events: .*{message}"):
        expand(table_of(details), "epoch")


def test_nested_details_of_any_depth_do_no_harm() -> None:
    deep: Any = 1
    for _ in range(98):
        deep = [deep]
    assert column(deep).to_pylist() in ([deep], [json.dumps(deep)])
    assert column("\udc80").to_pylist() == ['"\\udc80"']
