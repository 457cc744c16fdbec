"""Files that are there as a whole or not at all, and JSON that does no harm."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.evolution.runs import RunWriteError, remove_partials, write_atomically
from automl_zero.evolution.runs._files import read_file
from automl_zero.evolution.runs._json import json_text, parse_json, plain, read_json, write_json


def fail(error: int) -> Any:
    def failing(*_: Any, **__: Any) -> Any:
        raise OSError(error, os.strerror(error))

    return failing


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "äöü")
    assert path.read_bytes() == "äöü".encode()
    write_atomically(str(path), b"\0\xff", durable=False)
    assert path.read_bytes() == b"\0\xff"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "close", "open"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail(errno.ENOSPC))
        with pytest.raises(RunWriteError) as caught:
            write_atomically(path, "new")
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert caught.value.errno == errno.ENOSPC
    assert isinstance(caught.value, OSError)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "file"
    write_atomically(path, "old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_in_pieces_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
        write_atomically(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_only_a_durable_write_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    write_atomically(tmp_path / "file", "x", durable=False)
    assert synced == []
    write_atomically(tmp_path / "file", "x")
    assert len(synced) == 2  # the file and the folder


def test_a_folder_that_cannot_be_synced_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def sync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(tmp_path / "file", "x")
    assert len(calls) == 2


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunWriteError, match=r"cannot write .*gone/file: No such file"):
        write_atomically(tmp_path / "gone" / "file", "x")


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "file").symlink_to(precious)
    (tmp_path / f".file.{os.getpid()}.partial").symlink_to(precious)
    write_atomically(tmp_path / "file", "new")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_partials_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [".hidden", "a.partial", ".a.partial", ".a.b.partial", "file", ".a.12.partial.txt"]
    for name in [*kept, ".file.123.partial", ".a b\n.1.partial"]:
        (tmp_path / name).touch()
    remove_partials(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    remove_partials(tmp_path / "gone")


def test_a_partial_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / ".a.1.partial").mkdir()
    with pytest.raises(RunWriteError, match=r"cannot remove .*\.a\.1\.partial: Is a directory"):
        remove_partials(tmp_path)


def test_only_regular_files_of_a_sane_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # a reader that waits would hang here
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", 5) == b"12345"
    for path, message in (
        (tmp_path / "pipe", "expected a regular file, received something else"),
        (tmp_path, "expected a regular file, received a folder"),
        (tmp_path / "gone", "expected a readable file: No such file"),
        (tmp_path / "a\0b", "expected a readable file: embedded null"),
        (Path("/dev/zero"), "expected a regular file"),
    ):
        with pytest.raises(ValueError, match=message):
            read_file(path, 5)
    with pytest.raises(ValueError, match="file: expected at most 4 bytes, received 5"):
        read_file(tmp_path / "file", 4)


def bits(data: Any) -> Any:
    """NaN as text, so that equal data compares equal."""
    if isinstance(data, dict):
        return {str(key): bits(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [bits(item) for item in data]
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    return data


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(trees)
def test_plain_data_comes_back_with_non_finite_numbers_as_strings(data: Any) -> None:
    assert plain("data", data) == bits(data)
    json_text("data", data).encode("utf-8")


def test_lone_surrogates_come_back() -> None:
    assert plain("data", ["\udc80", "ü"]) == ["\udc80", "ü"]


@pytest.mark.parametrize("data", [object(), {1, 2}, b"x", {"a": [object()]}, {(1, 2): 3}])
def test_what_is_not_plain_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="^field: expected plain data: "):
        json_text("field", data)


def test_data_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="^field: expected plain data: "):
        json_text("field", endless)


@pytest.mark.parametrize(
    "text",
    ["", "{", "nope", "NaN", "[Infinity]", "[" * 100_000, '{"a":' * 5_000, "1" * 10_000, "\ufeff1"],
)
def test_json_of_a_stranger_is_an_error_with_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="^file: expected JSON: "):
        parse_json("file", text)


def test_deep_data_is_neither_read_nor_written() -> None:
    for depth, fine in ((100, True), (101, False), (400, False)):
        text = "[" * depth + "]" * depth
        data = json.loads(text)
        for call in (lambda t=text: parse_json("x", t), lambda d=data: json_text("x", d)):
            if fine:
                call()
            else:
                with pytest.raises(ValueError, match="^x: expected data nested at most 100 deep"):
                    call()


def test_json_files_hold_objects_and_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": float("nan")}, durable=False)
    assert read_json(path) == {"a": "nan"}
    for raw, message in (
        (b"[1]", "expected a JSON object, received list"),
        (b'"\xff"', "expected JSON: 'utf-8' codec"),
    ):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=message):
            read_json(path)
    monkeypatch.setattr("automl_zero.evolution.runs._json.MAX_JSON_BYTES", 20)
    with pytest.raises(ValueError, match=r"a\.json: expected at most 20 bytes of JSON"):
        write_json(path, {"a": "x" * 30}, durable=False)
    path.write_text('{"a": "' + "x" * 30 + '"}')
    with pytest.raises(ValueError, match="expected at most 20 bytes"):
        read_json(path)
