"""The event log: rows that a search appends, in an Arrow stream that goes on after a kill."""

from __future__ import annotations

import contextlib
import numbers
import operator
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa

from automl_zero.evolution.runs._arrow_messages import MAX_BYTES, messages_of
from automl_zero.evolution.runs._event_files import (
    LOG_SCHEMA,
    read_log,
    read_parquet,
    require_log,
    write_parquet,
)
from automl_zero.evolution.runs._event_frames import END_OF_STREAM, frame, frames
from automl_zero.evolution.runs._files import read_file, write_all, write_atomically, write_error
from automl_zero.evolution.runs._json import json_text

_INT32: Final = 1 << 31
_INT64: Final = 1 << 63


class EventLog:
    """Writer of an event log; make one with :meth:`create` or :meth:`resume`.

    Rows are buffered until :meth:`flush` writes them as one compressed record batch. What
    was flushed survives a kill; a batch that was being written is not there for readers.
    The file is a plain Arrow IPC stream at any time.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "events.arrow")
        >>> with EventLog.create(path) as log:
        ...     log.append(
        ...         "epoch", experiment=0, epoch=1, island=2, individuals=10_000,
        ...         fitness=0.75, seconds=1.5, cache_hits=4_500,
        ...     )
        >>> read_events(path).to_pylist()[0]["details"]
        '{"cache_hits": 4500}'
    """

    def __init__(self, path: Path, offset: int) -> None:
        self.path = path
        self._offset = offset
        self._rows: list[tuple[Any, ...]] = []
        self._descriptor: int | None = None
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            self._cut()
        except OSError as error:
            self._release()
            raise write_error(path, error) from error

    @classmethod
    def create(cls, path: str | Path) -> EventLog:
        """A new, empty log; replaces the file if there is one.

        Raises:
            RunWriteError: If it cannot be written.
        """
        path = Path(path)
        schema, _ = messages_of(pa.RecordBatch.from_pylist([], LOG_SCHEMA))
        raw = frame(schema, 0)
        write_atomically(path, raw)
        return cls(path, len(raw))

    @classmethod
    def resume(cls, path: str | Path, offset: int) -> EventLog:
        """The log as it was when :meth:`flush` returned ``offset``; what came later is cut off.

        Raises:
            ValueError: If the file is damaged before ``offset``, or no batch ends there; names
                the file. Then nothing is cut off.
            RunWriteError: If it cannot be written.
        """
        path = Path(path)
        raw = read_file(path, MAX_BYTES)
        if isinstance(offset, bool) or not isinstance(offset, int) or not 0 < offset <= len(raw):
            raise ValueError(
                f"{path}: expected an offset in the file of {len(raw)} bytes, received {offset!r}"
            )
        raw = raw[:offset]
        found = frames(str(path), raw)
        require_log(str(path), raw, found)
        if found[-1][1] != offset:
            raise ValueError(
                f"{path}: expected the end of a batch at {offset}, received {found[-1][1]} as the "
                "last one before it"
            )
        return cls(path, offset)

    def append(
        self,
        kind: str,
        *,
        experiment: int | None,
        epoch: int | None,
        island: int | None,
        individuals: int | None,
        fitness: float | None,
        seconds: float | None,
        **details: Any,
    ) -> None:
        """Buffer an event. None where a number does not apply.

        Args:
            kind: What happened, such as ``"epoch"``.
            experiment: Number of the experiment, 32 bits.
            epoch: Number of the epoch, 64 bits.
            island: Number of the island, 32 bits.
            individuals: How many individuals there have been, 64 bits.
            fitness: May be NaN or infinite.
            seconds: Time since the run began.
            details: Plain data; NaN and infinite numbers are kept as strings.

        Raises:
            ValueError: If a value is not as said, or the log is closed. Nothing is buffered.
        """
        if self._descriptor is None:
            raise ValueError(f"{self.path}: expected an open log, received a closed one")
        if not isinstance(kind, str) or not kind.isprintable() or not kind:
            raise ValueError(f"kind: expected a name, received {kind!r}")
        self._rows.append(
            (
                kind,
                _whole("experiment", experiment, _INT32),
                _whole("epoch", epoch, _INT64),
                _whole("island", island, _INT32),
                _whole("individuals", individuals, _INT64),
                _real("fitness", fitness),
                _real("seconds", seconds),
                json_text("details", details) if details else "{}",
            )
        )

    def flush(self, *, durable: bool = True) -> int:
        """Write the buffered rows as one record batch.

        Args:
            durable: Wait until the disk has it. On, for a checkpoint that names the offset
                is worth nothing if a power cut takes the events before it.

        Returns:
            Where the log is complete: what :meth:`resume` needs.

        Raises:
            RunWriteError: If it cannot be written, for example on a full disk. The rows stay
                buffered and the log as it was: free some space and flush again.
        """
        if self._rows:
            columns = [
                pa.array(values, field.type)
                for values, field in zip(zip(*self._rows, strict=True), LOG_SCHEMA, strict=True)
            ]
            # zstd: 50 rows take 1.9 kB, of which 1 kB is metadata.
            _, batch = messages_of(pa.record_batch(columns, schema=LOG_SCHEMA), "zstd")
            self._write(frame(batch, self._offset), durable)
            self._rows.clear()
        return self._offset

    def close(self) -> None:
        """Flush, end the stream and close the file. A closed log can be resumed as well.

        Raises:
            RunWriteError: As :meth:`flush`; the log is still open then.
        """
        if self._descriptor is None:
            return
        offset = self.flush()
        self._write(END_OF_STREAM, durable=True)
        self._offset = offset
        self._release()

    def _write(self, data: bytes, durable: bool) -> None:
        if self._descriptor is None:
            raise ValueError(f"{self.path}: expected an open log, received a closed one")
        try:
            os.lseek(self._descriptor, self._offset, os.SEEK_SET)
            write_all(self._descriptor, data)
            if durable:
                os.fsync(self._descriptor)
        except BaseException as error:
            # If this fails too, readers leave out the piece, and the next flush writes over it.
            with contextlib.suppress(OSError):
                self._cut()
            if isinstance(error, OSError):
                raise write_error(self.path, error) from error
            raise
        self._offset += len(data)

    def _cut(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, self._offset)

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        finally:
            self._release()


def read_events(path: str | Path) -> pa.Table:
    """The events in a log, as a table of :data:`EVENT_SCHEMA`.

    Args:
        path: ``.arrow``, of a run that works, was killed or was closed: all complete batches;
            or ``.parquet``.

    Raises:
        ValueError: If the file is damaged, another kind of file, or larger than a log can
            be; names the file and the batch.
    """
    path = Path(path)
    reader = read_parquet if path.suffix == ".parquet" else read_log
    return reader(str(path), read_file(path, MAX_BYTES))


def compact(arrow_path: str | Path, parquet_path: str | Path) -> None:
    """Make the Parquet file of a finished log, then remove the log.

    A kill in between leaves both, of which either has all events.

    Raises:
        ValueError: As :func:`read_events`.
        RunWriteError: If the file cannot be written; the log is still there then.
    """
    arrow_path = Path(arrow_path)
    write_atomically(parquet_path, write_parquet(read_events(arrow_path)))
    try:
        arrow_path.unlink()
    except OSError as error:
        raise write_error(arrow_path, error, "remove") from error


def _whole(name: str, value: Any, limit: int) -> int | None:
    if value is None:
        return None
    try:
        number = -limit - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -limit - 1
    if not -limit <= number < limit:
        expected = f"an integer in {-limit}..{limit - 1} or None"
        raise ValueError(f"{name}: expected {expected}, received {value!r}")
    return number


def _real(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name}: expected a number or None, received {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name}: expected a 64-bit number, received a larger one") from None
