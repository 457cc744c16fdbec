"""A run: the directory of a search, with everything that is needed to go on or to look back."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_zero._config_values import integer
from automl_zero.evolution.runs._files import remove_partials, write_atomically, write_error
from automl_zero.evolution.runs._json import plain_mapping, read_json, write_json
from automl_zero.evolution.runs._lock import DirectoryLock, is_locked
from automl_zero.evolution.runs._machine import differences, machine_here, versions_here
from automl_zero.evolution.runs._run_checks import (
    FORMAT,
    RUN_FILE,
    VERSION,
    config_differences,
    require_empty,
    require_run,
)
from automl_zero.evolution.runs._sessions import SessionFile, now, timestamp

if TYPE_CHECKING:
    import pyarrow as pa

    from automl_zero.evolution.runs._checkpoint import CheckpointFolder
    from automl_zero.evolution.runs._events import EventLog


class Run:
    """The directory of a search; make one with :meth:`create` or :meth:`open`.

    Reading needs no lock and changes nothing. Whoever writes holds :meth:`lock`.

    Example:
        >>> import tempfile
        >>> run = Run.create(Path(tempfile.mkdtemp(), "first"), kind="toy", config={"size": 3})
        >>> with run.lock():
        ...     run.begin_session(executor="serial")
        ...     path = run.checkpoints.write(10, {"island 0": b"state"})
        ...     run.write_best("s1 = s0", {"fitness": 0.5})
        ...     run.end_session("time is up")
        >>> again = Run.open(run.path)
        >>> again.status, again.best, again.checkpoints.newest()[0].position
        ('interrupted', {'fitness': 0.5}, 10)
    """

    def __init__(self, path: Path, data: Mapping[str, Any]) -> None:
        self._path = path
        self._data = data
        self._session_file = SessionFile(path / "sessions.jsonl")

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        kind: str,
        config: Mapping[str, Any],
        config_text: str | None = None,
        seed: int | None = None,
        instruction_set: str = "",
    ) -> Run:
        """A new run in a new or empty folder; parents are made as needed.

        Args:
            path: The folder.
            kind: Which search it is.
            config: All settings, as plain data.
            config_text: The same for people, which becomes ``config.toml``.
            seed: Seed of the search, if it has one: 64 bits, unsigned.
            instruction_set: Of the compiled kernels, for the record.

        Raises:
            ValueError: If an argument is not as said, or the folder is not empty.
            RunWriteError: If it cannot be written.
        """
        path = Path(path)
        if not isinstance(kind, str) or not kind:
            raise ValueError(f"kind: expected a name, received {kind!r}")
        data = {
            "format": FORMAT,
            "version": VERSION,
            "kind": kind,
            "created": now(),
            "seed": None if seed is None else integer("seed", seed, 0, 2**64 - 1),
            "config": plain_mapping("config", config),
            "versions": versions_here(),
            "machine": machine_here(str(instruction_set)),
        }
        require_empty(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
        with DirectoryLock(path):
            require_empty(path)  # somebody may have been quicker
            remove_partials(path)
            write_json(path / RUN_FILE, data, durable=True)
            if config_text is not None:
                write_atomically(path / "config.toml", config_text)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """The run in a folder.

        Raises:
            ValueError: If there is none, it is damaged or of a newer version; names the file
                and the field.
        """
        path = Path(path)
        file = path / RUN_FILE
        if not os.path.exists(file):
            raise ValueError(f"run: expected the folder of a run, received {path}: no {RUN_FILE}")
        data = read_json(file)
        require_run(str(file), data)
        return cls(path, data)

    def __repr__(self) -> str:
        return f"Run({str(self._path)!r}, kind={self.kind!r})"

    def _repr_html_(self) -> str:
        """What notebooks show: a few numbers and, with matplotlib, the fitness."""
        from automl_zero.report._notebook import summary_html

        return summary_html(self)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self._path.absolute().name

    @property
    def kind(self) -> str:
        """Which search it is."""
        return str(self._data["kind"])

    @property
    def config(self) -> dict[str, Any]:
        """The settings as they were stored: tuples are lists, non-finite numbers strings."""
        return copy.deepcopy(dict(self._data["config"]))

    @property
    def created(self) -> str:
        """When it was created: UTC, ISO 8601."""
        return str(self._data["created"])

    @property
    def versions(self) -> dict[str, str]:
        """Versions of automl_zero, python, numpy and pyarrow at the creation."""
        return dict(self._data["versions"])

    @property
    def machine(self) -> dict[str, Any]:
        """System, processor, cores and instruction_set at the creation."""
        return dict(self._data["machine"])

    @property
    def seed(self) -> int | None:
        """The seed, or None."""
        seed: int | None = self._data["seed"]
        return seed

    def require_config(self, config: Mapping[str, Any]) -> None:
        """Make sure that ``config`` is the one of this run.

        Raises:
            ValueError: If it is not; names the keys that differ, with both values.
        """
        problems = list(config_differences("", self.config, plain_mapping("config", config)))
        if problems:
            raise ValueError(
                f"config: expected that of the run {self._path}, received a different one: "
                + "; ".join(problems)
            )

    def differences_of_machine(self, instruction_set: str | None = None) -> list[str]:
        """A sentence for each version and property of the machine that is another one here.

        Args:
            instruction_set: That of the kernels here; None leaves it out.
        """
        here = machine_here(instruction_set or "")
        then = self.machine
        if instruction_set is None:
            then.pop("instruction_set", None)
            del here["instruction_set"]
        return differences(self.versions, versions_here()) + differences(then, here)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run while the ``with`` block writes; clears what killed processes left.

        Raises:
            ValueError: If another process holds it; names it.
            RunWriteError: If the folder is not writable.
        """
        with DirectoryLock(self._path):
            remove_partials(self._path)
            remove_partials(self._path / "checkpoints")
            yield

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The checkpoints: the last three."""
        from automl_zero.evolution.runs._checkpoint import CheckpointFolder

        return CheckpointFolder(self._path / "checkpoints")

    def create_events(self) -> EventLog:
        """A new event log; an old one is replaced, as of a run that starts over.

        Raises:
            ValueError: If the run is finished.
            RunWriteError: If it cannot be written.
        """
        from automl_zero.evolution.runs._events import EventLog

        self._require_unfinished()
        return EventLog.create(self._path / "events.arrow")

    def resume_events(self, offset: int) -> EventLog:
        """The event log as it was at a checkpoint; see :meth:`EventLog.resume`.

        Raises:
            ValueError: If the run is finished, or the log is damaged.
            RunWriteError: If it cannot be written.
        """
        from automl_zero.evolution.runs._events import EventLog

        self._require_unfinished()
        return EventLog.resume(self._path / "events.arrow", offset)

    def events(self, kind: str | None = None) -> pa.Table:
        """The events so far; with ``kind``, those of one kind as :func:`expand` gives them.

        Raises:
            ValueError: If the log is damaged; names the file.
        """
        from automl_zero.evolution.runs import EVENT_SCHEMA, expand, read_events

        table = EVENT_SCHEMA.empty_table()
        # Twice Parquet: a run can finish, and its log disappear, while somebody looks.
        for name in ("events.parquet", "events.arrow", "events.parquet"):
            if self._has(name):
                try:
                    table = read_events(self._path / name)
                    break
                except ValueError:
                    if self._has(name):
                        raise
        return table if kind is None else expand(table, kind)

    def write_best(self, text: str, data: Mapping[str, Any]) -> None:
        """Replace the best so far: ``best.txt`` for people, ``best.json`` for programs.

        Does not wait for the disk: it may be called often, and a checkpoint has the best too.

        Raises:
            ValueError: If ``data`` is not plain.
            RunWriteError: If it cannot be written.
        """
        data = plain_mapping("best", data)
        write_atomically(self._path / "best.txt", text, durable=False)
        write_json(self._path / "best.json", data, durable=False)

    @property
    def best(self) -> dict[str, Any] | None:
        """The data of the best so far, None before there is one.

        Raises:
            ValueError: If the file is damaged.
        """
        return self._optional("best.json")

    def write_result(self, data: Mapping[str, Any]) -> None:
        """Write the result: from now on the run is finished.

        Raises:
            ValueError: If ``data`` is not plain.
            RunWriteError: If it cannot be written.
        """
        write_json(self._path / "result.json", plain_mapping("result", data), durable=True)

    @property
    def result(self) -> dict[str, Any] | None:
        """The result of a finished run, None before.

        Raises:
            ValueError: If the file is damaged.
        """
        return self._optional("result.json")

    def reopen(self) -> None:
        """Withdraw the result of a run that ended too early, so that it goes on.

        Its log must still be the one of a running search: do not :meth:`finish` what may be
        reopened.

        Raises:
            ValueError: If there is no result, or the log was compacted.
            RunWriteError: If the result cannot be removed.
        """
        if not self._has("result.json") or not self._has("events.arrow"):
            raise ValueError(
                f"run: expected a result and a log that was not compacted in {self._path}"
            )
        try:
            (self._path / "result.json").unlink()
        except OSError as error:
            raise write_error(self._path / "result.json", error, "remove") from error

    def begin_session(self, **data: Any) -> None:
        """Write down that a process begins to work on the run, and that the last one was killed
        if it was.

        Call it before anything else is written. A killed session counts up to its last
        checkpoint: what it did after that is lost.

        Args:
            data: What else to tell, such as the executor.

        Raises:
            ValueError: If ``data`` is not plain or uses a name of the file's own.
            RunWriteError: If it cannot be written.
        """
        sessions = self.sessions
        killed = sessions[-1] if sessions and sessions[-1]["ended"] is None else None
        self._session_file.begin(data, self._seconds_until_kill(killed) if killed else None)

    def end_session(self, reason: str, **data: Any) -> None:
        """Write down why the session ends.

        Raises:
            ValueError: If none has begun here, or as :meth:`begin_session`.
            RunWriteError: If it cannot be written.
        """
        self._session_file.end(reason, data)

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """All sessions: ``began``, ``ended``, ``reason``, ``seconds``, ``host``, ``pid``, and data.

        The last one has None for what is not known before its end. A half-written last
        line does not count.

        Raises:
            ValueError: If the file is damaged; names the line.
        """
        return self._session_file.read()

    @property
    def status(self) -> str:
        """``"finished"``: has a result; ``"running"``: somebody holds the lock;
        ``"interrupted"``: a session began; ``"new"``: none did.
        """
        if self._has("result.json"):
            return "finished"
        if is_locked(self._path):
            return "running"
        return "interrupted" if self._session_file.begun else "new"

    @property
    def seconds(self) -> float:
        """Time of all sessions, of one that runs until now."""
        sessions = self.sessions
        total = sum(session["seconds"] or 0.0 for session in sessions)
        if sessions and sessions[-1]["ended"] is None:
            if is_locked(self._path):
                total += max(timestamp("now", now()) - timestamp("began", sessions[-1]["began"]), 0)
            else:
                total += self._seconds_until_kill(sessions[-1])
        return float(total)

    def finish(self) -> None:
        """Turn the event log into Parquet, after :meth:`write_result`. Can be repeated.

        In this order a kill in between leaves a finished run with its log as it was.

        Raises:
            ValueError: If there is no result yet, or the log is damaged.
            RunWriteError: If it cannot be written; the log is still there then.
        """
        from automl_zero.evolution.runs._events import compact

        if not self._has("result.json"):
            raise ValueError(f"run: expected a result in {self._path} before its end, found none")
        if self._has("events.arrow"):
            compact(self._path / "events.arrow", self._path / "events.parquet")

    def _seconds_until_kill(self, session: Mapping[str, Any]) -> float:
        """Time of a killed session until its last checkpoint."""
        began = timestamp("began", session["began"])
        times = [0.0]
        with contextlib.suppress(OSError):
            times += [path.stat().st_mtime for path in (self._path / "checkpoints").iterdir()]
            # run.json is older than any session, except in a copy, where times say nothing.
            if (self._path / RUN_FILE).stat().st_mtime > began:
                return 0.0
        return max(max(times) - began, 0.0)

    def _optional(self, name: str) -> dict[str, Any] | None:
        return read_json(self._path / name) if self._has(name) else None

    def _has(self, name: str) -> bool:
        return os.path.exists(self._path / name)

    def _require_unfinished(self) -> None:
        if self.status == "finished":
            raise ValueError(f"run: expected one that is not finished, received {self._path}")


def list_runs(folder: str | Path) -> tuple[list[Run], list[str]]:
    """The runs in the subfolders of a folder, by creation, and what is wrong with damaged ones.

    Other folders are ignored, and a folder that is not there has no runs.
    """
    runs, problems = [], []
    paths: list[Path] = []
    with contextlib.suppress(OSError):
        paths = sorted(Path(folder).iterdir())
    for path in paths:
        if os.path.lexists(path / RUN_FILE):
            try:
                runs.append(Run.open(path))
            except ValueError as error:
                problems.append(str(error))
    return sorted(runs, key=lambda run: (timestamp("created", run.created), run.name)), problems
