"""The sessions of a run: a line of JSON when a process begins, and one when it ends."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from automl_zero._config_values import number as number_in
from automl_zero.evolution.runs._files import read_file, write_all, write_error
from automl_zero.evolution.runs._json import MAX_JSON_BYTES, json_text, parse_json

_OWN_NAMES: Final = frozenset(
    ("event", "time", "host", "pid", "began", "ended", "reason", "seconds")
)
_MAX_SECONDS: Final = 1e12


def now() -> str:
    """The time, UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def timestamp(name: str, text: Any) -> float:
    """Seconds since 1970 of a time with its zone.

    Raises:
        ValueError: If ``text`` is none; starts with ``name``.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name}: expected a time with its zone, received {text!r}")


class SessionFile:
    """Reads and extends ``sessions.jsonl``; only a process that holds the lock extends it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._began: float | None = None

    @property
    def begun(self) -> bool:
        """True if a session was begun, even if its line is half-written or damaged."""
        try:
            return os.path.getsize(self.path) > 0
        except OSError:
            return False

    def begin(self, data: Mapping[str, Any], seconds_of_killed: float | None) -> None:
        """Add the begin of a session, and the end of the last one if it was killed.

        Raises:
            ValueError: If ``data`` is not plain or uses a name of the file's own.
            RunWriteError: If it cannot be written.
        """
        self._require_free_names(data)
        entries: list[dict[str, Any]] = []
        if seconds_of_killed is not None:
            killed = {"reason": "killed", "seconds": round(seconds_of_killed, 6)}
            entries.append({"event": "end", "time": now(), **killed})
        here = {"host": socket.gethostname(), "pid": os.getpid()}
        self._append([*entries, {"event": "begin", "time": now(), **here, **data}])
        self._began = time.monotonic()

    def end(self, reason: str, data: Mapping[str, Any]) -> None:
        """Add the end of the session that :meth:`begin` began.

        Raises:
            ValueError: If there is none, or as :meth:`begin`.
            RunWriteError: If it cannot be written.
        """
        self._require_free_names(data)
        if self._began is None:
            raise ValueError(f"{self.path}: expected a session that has begun, received none")
        seconds = round(time.monotonic() - self._began, 6)
        end = {"event": "end", "time": now(), "reason": str(reason), "seconds": seconds}
        self._append([{**end, **data}])
        self._began = None

    def read(self) -> list[dict[str, Any]]:
        """The sessions; see :attr:`Run.sessions`."""
        if not self.path.exists():
            return []
        *lines, _ = read_file(self.path, MAX_JSON_BYTES).split(b"\n")  # the last one: half-written
        sessions: list[dict[str, Any]] = []
        for number, line in enumerate(lines, 1):
            name = f"{self.path}: line {number}"
            entry = parse_json(name, line)
            running = bool(sessions) and sessions[-1]["ended"] is None
            expected = "end" if running else "begin"
            event = entry.get("event") if isinstance(entry, dict) else entry
            if event != expected:
                raise ValueError(
                    f"{name}: expected the {expected} of a session, received {event!r}"
                )
            timestamp(f"{name}: time", entry.get("time"))
            data = {key: value for key, value in entry.items() if key not in _OWN_NAMES}
            if event == "begin":
                data |= {key: entry.get(key) for key in ("host", "pid")}
                own = {"began": entry["time"], "ended": None, "reason": None, "seconds": None}
                sessions.append({**own, **data})
            else:
                seconds = number_in(f"{name}: seconds", entry.get("seconds"), 0, _MAX_SECONDS)
                reason = str(entry.get("reason"))
                sessions[-1] |= {**data, "ended": entry["time"], "reason": reason}
                sessions[-1]["seconds"] = seconds
        return sessions

    def _require_free_names(self, data: Mapping[str, Any]) -> None:
        for name in sorted(_OWN_NAMES & set(data)):
            raise ValueError(f"session: {name!r} is a name of the file's own")

    def _append(self, entries: list[dict[str, Any]]) -> None:
        data = "".join(json_text("session", entry) + "\n" for entry in entries).encode("utf-8")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.path, flags, 0o666)
            try:
                size = os.fstat(descriptor).st_size
                raw = os.pread(descriptor, min(size, MAX_JSON_BYTES), 0)
                whole = raw.rfind(b"\n") + 1
                if whole < size:  # a killed process left half a line
                    os.ftruncate(descriptor, whole)
                try:
                    write_all(descriptor, data)
                except OSError:
                    os.ftruncate(descriptor, whole)
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise write_error(self.path, error) from error
