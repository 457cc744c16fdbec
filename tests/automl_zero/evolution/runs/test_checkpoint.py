"""Checkpoints: round trips, which ones are kept, and that no damage passes unseen."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from automl_zero.evolution.runs import Checkpoint, CheckpointFolder, RunWriteError
from automl_zero.evolution.runs._checkpoint import (
    _SCHEMA,
    _digest_of_parts,
    _from_bytes,
    _to_bytes,
)
from automl_zero.evolution.runs._seal import ARROW_MAGIC, digest_of, seal

PARTS = {"island 0": b"zero", "island 3": bytes(range(50)), "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints")


def fill(folder: CheckpointFolder, *positions: int) -> None:
    for position in positions:
        folder.write(position, {"state": str(position).encode()}, durable=False)


def damage(folder: CheckpointFolder, position: int) -> None:
    path = folder.folder / f"{position:012d}.arrow"
    path.write_bytes(path.read_bytes()[:-5])


names = st.text(st.characters(codec="utf-8"))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**12 - 1), st.dictionaries(names, st.binary(), min_size=1))
def test_what_is_written_comes_back_in_order(position: int, parts: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = CheckpointFolder(path)
        written = folder.write(position, parts, durable=False)
        assert written.name == f"{position:012d}.arrow"
        checkpoint = folder.read(written)
        assert checkpoint == Checkpoint(position, parts)
        assert list(checkpoint.parts) == list(parts)
        assert folder.newest() == (checkpoint, [])


def test_the_file_is_one_that_arrow_opens(folder: CheckpointFolder) -> None:
    table = ipc.open_file(folder.write(7, PARTS).read_bytes()).read_all()
    assert dict(zip(table["name"].to_pylist(), table["data"].to_pylist(), strict=True)) == PARTS
    assert table.schema.metadata[b"position"] == b"7"


def test_the_same_checkpoint_is_the_same_bytes(folder: CheckpointFolder) -> None:
    first = folder.write(7, PARTS).read_bytes()
    assert folder.write(7, PARTS, durable=False).read_bytes() == first


def test_the_newest_are_kept(folder: CheckpointFolder) -> None:
    assert folder.newest() == (None, [])
    assert folder.positions() == []
    fill(folder, 10, 20, 30, 40, 50)
    assert folder.positions() == [30, 40, 50]
    assert sorted(os.listdir(folder.folder)) == [f"{p:012d}.arrow" for p in (30, 40, 50)]
    newest, problems = folder.newest()
    assert newest is not None
    assert (newest.position, newest.parts, problems) == (50, {"state": b"50"}, [])


def test_other_files_are_left_alone(folder: CheckpointFolder) -> None:
    fill(folder, 1)
    others = ["000000000000.arrow.bak", "1.arrow", ".000000000009.arrow.1.partial", "notes"]
    for name in others:
        (folder.folder / name).touch()
    fill(folder, 2, 3, 4, 5)
    assert folder.positions() == [3, 4, 5]
    assert set(others) < set(os.listdir(folder.folder))


def test_damaged_ones_are_skipped_and_named(folder: CheckpointFolder) -> None:
    fill(folder, 10, 20, 30)
    damage(folder, 20)
    damage(folder, 30)
    newest, problems = folder.newest()
    assert newest is not None and newest.position == 10
    assert ["000000000030.arrow" in problems[0], "000000000020.arrow" in problems[1]] == [True] * 2
    damage(folder, 10)
    newest, problems = folder.newest()
    assert newest is None and len(problems) == 3


def test_after_going_back_the_abandoned_future_is_dropped(folder: CheckpointFolder) -> None:
    fill(folder, 10, 20, 30)
    damage(folder, 30)
    fill(folder, 25)
    assert folder.positions() == [10, 20, 25]
    assert folder.newest()[1] == []


def test_a_new_one_is_in_place_before_old_ones_go_and_the_oldest_goes_first(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, 10, 20, 30)
    strict = CheckpointFolder(folder.folder, keep=1)
    seen: list[list[int]] = []
    unlink = Path.unlink

    def watch(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".arrow":
            seen.append(folder.positions())
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", watch)
    strict.write(40, PARTS)
    assert seen == [[10, 20, 30, 40], [20, 30, 40], [30, 40]]
    assert folder.positions() == [40]


@pytest.mark.parametrize("call", ["write", "replace", "fsync"])
def test_a_full_disk_costs_no_older_checkpoint(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    fill(folder, 10, 20, 30)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(RunWriteError, match=r"000000000040\.arrow: No space left on device"):
            folder.write(40, PARTS)
    assert folder.positions() == [10, 20, 30]
    assert len(os.listdir(folder.folder)) == 3


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunWriteError, match="cannot write .*file"):
        CheckpointFolder(tmp_path / "file").write(1, PARTS)


def test_bad_arguments_are_named(folder: CheckpointFolder) -> None:
    for position in (-1, 10**12, 1.0, True, "1"):
        with pytest.raises(ValueError, match="^position: expected an integer"):
            folder.write(position, PARTS)  # type: ignore[arg-type]
    for parts in ({}, [], {"a": "text"}, {1: b""}, {"a": bytearray()}, {"\udc80": b""}):
        with pytest.raises(ValueError, match="^parts: expected bytes by name"):
            folder.write(1, parts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^keep: expected an integer >= 1"):
        CheckpointFolder("x", keep=0)
    assert not folder.folder.exists()


def test_more_than_can_be_read_is_not_written(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_zero.evolution.runs._arrow_messages.MAX_BYTES", 1_000_010)
    folder.write(1, {"a": b"0123456789"})
    with pytest.raises(ValueError, match="^parts: expected less than 1000010 bytes, received 11"):
        folder.write(1, {"a": b"0123456789", "b": b"0"})


RAW = _to_bytes(42, PARTS)


def test_every_truncation_is_seen() -> None:
    for length in range(len(RAW)):
        with pytest.raises(ValueError, match="^file: expected a"):
            _from_bytes("file", RAW[:length])


def test_every_flipped_bit_is_seen() -> None:
    for index in range(len(RAW)):
        for bit in range(8):
            damaged = bytearray(RAW)
            damaged[index] ^= 1 << bit
            with pytest.raises(ValueError, match="^file: "):
                _from_bytes("file", bytes(damaged))


@settings(deadline=None)
@given(st.data())
def test_no_damage_passes(data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(RAW))] * 2)))
    damaged = RAW[:start] + data.draw(st.binary(max_size=40)) + RAW[stop:]
    if damaged == RAW:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "000000000042.arrow")
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="000000000042"):
            CheckpointFolder(folder).read(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 5_000, b"PAR1" * 100, b"ARROW1", b"text\n"])
def test_other_files_are_no_checkpoints(folder: CheckpointFolder, content: bytes) -> None:
    fill(folder, 1)
    path = folder.folder / "000000000002.arrow"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"000000000002\.arrow: expected a"):
        folder.read(path)


def test_a_file_under_a_wrong_name_is_no_checkpoint(folder: CheckpointFolder) -> None:
    path = folder.write(42, PARTS)
    renamed = path.rename(path.with_name("000000000043.arrow"))
    with pytest.raises(ValueError, match="position: expected 43, received 42"):
        folder.read(renamed)
    assert folder.read(renamed.rename(path.with_name("copy.arrow"))).position == 42


def sealed(columns: dict[str, list[Any]], schema: pa.Schema = _SCHEMA, **metadata: str) -> bytes:
    """A file whose own digest is right, whatever it holds."""
    pairs = {"format": "automl-zero checkpoint", "version": "1", "position": "42", "parts": "1"}
    schema = schema.with_metadata(pairs | metadata)
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.table(columns, schema=schema))
    return seal(sink.getvalue().to_pybytes(), ARROW_MAGIC)


ONE = {"name": ["island 3"], "data": [b"x"], "digest": [b"0" * 16]}
DIGEST = _digest_of_parts(["island 3"], [b"0" * 16]).hex()
OTHER = pa.schema([("name", pa.string())])
TWO = {"name": ["a", "a"], "data": [b"x"] * 2, "digest": [b"0" * 16] * 2}
NULLABLE = pa.schema([field.with_nullable(True) for field in _SCHEMA])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (sealed(ONE, format="x"), "format: expected 'automl-zero checkpoint', received 'x'"),
        (sealed(ONE, version="2"), "version: expected 1, received '2'"),
        (sealed(ONE, parts="2"), r"parts: expected 2 different ones, received \['island 3'\]"),
        (sealed(TWO, parts="2"), "parts: expected 2 different ones"),
        (sealed(ONE, digest="00"), "digest: expected 00, received"),
        (sealed({"name": ["a"]}, OTHER), "schema: expected name string, data large_binary"),
        (sealed(ONE, NULLABLE), "schema: expected"),
        (
            sealed(ONE, digest=DIGEST),
            "part 'island 3': expected digest 30303030303030303030303030303030, received",
        ),
    ],
)
def test_a_wrong_field_or_part_is_named(
    folder: CheckpointFolder, raw: bytes, message: str
) -> None:
    folder.folder.mkdir()
    path = folder.folder / "000000000042.arrow"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=rf"checkpoints/000000000042\.arrow: {message}"):
        folder.read(path)


@pytest.mark.parametrize("position", ["-1", "", "x", "²", "1" * 13])
def test_a_wrong_position_is_named(folder: CheckpointFolder, position: str) -> None:
    digest = digest_of(b"x")
    whole = _digest_of_parts(["a"], [digest]).hex()
    columns = {"name": ["a"], "data": [b"x"], "digest": [digest]}
    folder.folder.mkdir()
    path = folder.folder / "copy.arrow"
    path.write_bytes(sealed(columns, digest=whole, position=position))
    with pytest.raises(ValueError, match="position: expected an integer in"):
        folder.read(path)
