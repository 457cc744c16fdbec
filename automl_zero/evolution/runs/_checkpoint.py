"""Checkpoints: named parts under a position, of which the newest undamaged one counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import ipc

from automl_zero._config_values import integer
from automl_zero.evolution.runs import _arrow_messages as messages
from automl_zero.evolution.runs._files import read_file, write_atomically, write_error
from automl_zero.evolution.runs._seal import (
    ARROW_MAGIC,
    DIGEST_BYTES,
    digest_of,
    require_seal,
    seal,
)

_FORMAT: Final = "automl-zero checkpoint"
_VERSION: Final = 1
_MAX_POSITION: Final = 10**12 - 1
_NAME: Final = re.compile(r"([0-9]{12})\.arrow")
_SCHEMA: Final = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("data", pa.large_binary(), nullable=False),
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),
    ]
)
_FILE_START: Final = b"ARROW1\0\0"  # what follows is a stream


@dataclass(frozen=True)
class Checkpoint:
    """What a search goes on from.

    Attributes:
        position: How far the search was, in a unit of its own.
        parts: Bytes by name, in the order in which they were written.

    Example:
        >>> Checkpoint(42, {"island 0": b"..."}).parts["island 0"]
        b'...'
    """

    position: int
    parts: Mapping[str, bytes]


class CheckpointFolder:
    """The last few checkpoints of a run, in files named by position.

    A file is an Arrow IPC file with a row per part. Every byte is guarded: by a digest of
    each part, by one over all names and digests, and by one over the whole file that is
    verified before Arrow reads it.

    Args:
        folder: Where they lie; made when the first one is written.
        keep: How many to keep, at least 1. Three, so that a damaged newest one, and one
            that a failing disk spoiled before it, do not cost the run.

    Raises:
        ValueError: If ``keep`` is no integer >= 1.

    Example:
        >>> import tempfile
        >>> checkpoints = CheckpointFolder(Path(tempfile.mkdtemp()))
        >>> for position in (10, 20, 30, 40):
        ...     path = checkpoints.write(position, {"island 0": b"state"}, durable=False)
        >>> checkpoints.positions()
        [20, 30, 40]
        >>> newest, problems = checkpoints.newest()
        >>> newest.position, newest.parts["island 0"], problems
        (40, b'state', [])
    """

    def __init__(self, folder: str | Path, keep: int = 3) -> None:
        self.folder = Path(folder)
        self.keep = integer("keep", keep, 1)

    def write(self, position: int, parts: Mapping[str, bytes], *, durable: bool = True) -> Path:
        """Add a checkpoint, then drop those that are no longer needed, the oldest first.

        A checkpoint beyond ``position`` is dropped as well: the run went on from an
        earlier one, so it is damaged or of a future that did not happen.

        Args:
            position: 0 .. 10^12 - 1.
            parts: Bytes by name, at least one, below 4 GiB together.
            durable: Wait until the disk has it (a millisecond on a solid-state disk, tens on
                others). On, because that is little beside the seconds between checkpoints,
                and without it a power cut can cost all that are kept. A kill costs nothing
                either way.

        Returns:
            The new file.

        Raises:
            ValueError: If an argument is not as said.
            RunWriteError: If it cannot be written; the older ones are all there then.
        """
        position = integer("position", position, 0, _MAX_POSITION)
        raw = _to_bytes(position, parts)
        path = self._path(position)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error
        write_atomically(path, raw, durable=durable)
        self._drop_others(position)
        return path

    def _drop_others(self, position: int) -> None:
        positions = self.positions()
        past = [other for other in positions if other <= position]
        for other in [*past[: -self.keep], *positions[len(past) :]]:
            path = self._path(other)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise write_error(path, error, "remove") from error

    def read(self, path: str | Path) -> Checkpoint:
        """The checkpoint in a file.

        Raises:
            ValueError: If the file is damaged in any way or no checkpoint; names the file
                and the field or part.
        """
        path = Path(path)
        checkpoint = _from_bytes(str(path), read_file(path, messages.MAX_BYTES))
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) != checkpoint.position:
            raise ValueError(
                f"{path}: position: expected {int(match[1])}, received {checkpoint.position}"
            )
        return checkpoint

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest undamaged checkpoint, and a sentence for each newer one that is damaged.

        None if there is no undamaged one at all.
        """
        problems: list[str] = []
        for position in reversed(self.positions()):
            try:
                return self.read(self._path(position)), problems
            except ValueError as error:
                problems.append(str(error))
        return None, problems

    def positions(self) -> list[int]:
        """Positions of all checkpoints there are, damaged or not, in ascending order."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError:
            return []
        return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))

    def _path(self, position: int) -> Path:
        return self.folder / f"{position:012d}.arrow"


def _to_bytes(position: int, parts: Mapping[str, bytes]) -> bytes:
    if not isinstance(parts, Mapping) or not parts:
        raise ValueError(f"parts: expected bytes by name, at least one, received {parts!r}")
    for name, data in parts.items():
        if not isinstance(name, str) or not isinstance(data, bytes) or not _is_utf8(name):
            raise ValueError(
                f"parts: expected bytes by name, received {type(data).__name__} under {name!r}"
            )
    names, contents = list(parts), list(parts.values())
    size = sum(map(len, contents))
    if size > messages.MAX_BYTES - 1_000_000:  # room for names and digests
        raise ValueError(f"parts: expected less than {messages.MAX_BYTES} bytes, received {size}")
    digests = [digest_of(data) for data in contents]
    schema = _SCHEMA.with_metadata(
        {
            "format": _FORMAT,
            "version": str(_VERSION),
            "position": str(position),
            "parts": str(len(names)),
            "digest": _digest_of_parts(names, digests).hex(),
        }
    )
    columns = [
        pa.array(values, field.type)
        for values, field in zip((names, contents, digests), _SCHEMA, strict=True)
    ]
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, schema) as writer:  # no compression: the parts are compressed
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return seal(sink.getvalue().to_pybytes(), ARROW_MAGIC)


def _from_bytes(name: str, raw: bytes) -> Checkpoint:
    require_seal(name, raw, ARROW_MAGIC)
    if not raw.startswith(_FILE_START):
        raise ValueError(f"{name}: expected an Arrow file, received {raw[:8]!r} at the start")
    # The messages follow each other as in a stream, so the footer is not needed.
    source = pa.BufferReader(pa.py_buffer(raw).slice(len(_FILE_START)))
    pairs = messages.read_schema(name, _next_message(name, source), _SCHEMA)
    messages.require_format(name, pairs, _FORMAT, _VERSION)
    message = _next_message(name, source)
    messages.claimed_bytes(name, message, len(raw))
    with messages.arrow_errors(name):
        batch = ipc.read_record_batch(message, _SCHEMA)
        batch.validate(full=True)
    names, digests = batch["name"].to_pylist(), batch["digest"].to_pylist()
    if None in names or None in digests or batch["data"].null_count:
        raise ValueError(f"{name}: parts: expected no missing values, received some")
    if pairs.get("parts") != str(len(names)) or len(set(names)) != len(names) or not names:
        raise ValueError(
            f"{name}: parts: expected {pairs.get('parts')} different ones, received {names}"
        )
    whole = _digest_of_parts(names, digests).hex()
    if pairs.get("digest") != whole:
        raise ValueError(f"{name}: digest: expected {pairs.get('digest')}, received {whole}")
    parts = {}
    for part, data, expected in zip(names, batch["data"], digests, strict=True):
        parts[part] = data.as_py()
        received = digest_of(parts[part])
        if received != expected:
            raise ValueError(
                f"{name}: part {part!r}: expected digest {expected.hex()}, "
                f"received {received.hex()}"
            )
    position = pairs.get("position", "")
    if not (position.isascii() and position.isdigit() and len(position) <= 12):
        raise ValueError(
            f"{name}: position: expected an integer in 0..{_MAX_POSITION}, received {position!r}"
        )
    return Checkpoint(int(position), parts)


def _next_message(name: str, source: pa.BufferReader) -> Any:
    with messages.arrow_errors(name):
        return ipc.read_message(source)


def _digest_of_parts(names: list[str], digests: list[bytes]) -> bytes:
    """Over names and digests; each name with its length before it, so that none run together."""
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name, digest in zip(names, digests, strict=True):
        raw = name.encode("utf-8")
        total.update(len(raw).to_bytes(8, "little") + raw + digest)
    return total.digest()


def _is_utf8(name: str) -> bool:
    """False for lone surrogates, which Arrow's strings cannot hold."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
