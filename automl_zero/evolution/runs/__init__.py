"""Runs: a search on disk, as a directory that survives anything.

The directory
    Run                     a run: create, open, lock, sessions, best, result, status
    list_runs               the runs in a folder
    DirectoryLock           one process at a time works on a run

What a search writes into it
    CheckpointFolder        the last few checkpoints; the newest undamaged one
    Checkpoint              a position and named parts, which are opaque bytes
    EventLog                the writer of the event log; goes on after a kill
    read_events, expand     the log as a table; the rows of one kind with their details
    compact                 the finished log as Parquet
    EVENT_SCHEMA            the columns of the log

Files
    write_atomically        a file that is there as a whole or not at all
    remove_partials         what killed processes left behind
    RunWriteError           a file that could not be written: which one and why

Layout of a run
    run.json                kind, configuration, seed, versions, machine
    config.toml             the configuration for people
    checkpoints/*.arrow     named by position
    events.arrow            Arrow stream; events.parquet once the run has finished
    best.txt, best.json     the best so far
    result.json             only once finished
    sessions.jsonl          begin and end of each session
    run.lock                held while a process works on the run

All of it is data: JSON, text, Arrow and Parquet. A digest guards everything that Arrow
reads, and damage of any kind is a ValueError that names the file. Digests are no
signatures: for files made with bad intent there are limits on sizes, and Arrow's own
checks of untrusted data. A run of somebody else is safe to read.

Names load on first use: reading ``run.json`` needs no pyarrow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.evolution.runs._checkpoint import Checkpoint, CheckpointFolder
    from automl_zero.evolution.runs._event_columns import EVENT_SCHEMA, expand
    from automl_zero.evolution.runs._events import EventLog, compact, read_events
    from automl_zero.evolution.runs._files import RunWriteError, remove_partials, write_atomically
    from automl_zero.evolution.runs._lock import DirectoryLock
    from automl_zero.evolution.runs._run import Run, list_runs

_HOME = {
    "EVENT_SCHEMA": "_event_columns",
    "Checkpoint": "_checkpoint",
    "CheckpointFolder": "_checkpoint",
    "DirectoryLock": "_lock",
    "EventLog": "_events",
    "Run": "_run",
    "RunWriteError": "_files",
    "compact": "_events",
    "expand": "_event_columns",
    "list_runs": "_run",
    "read_events": "_events",
    "remove_partials": "_files",
    "write_atomically": "_files",
}

__all__ = [
    "EVENT_SCHEMA",
    "Checkpoint",
    "CheckpointFolder",
    "DirectoryLock",
    "EventLog",
    "Run",
    "RunWriteError",
    "compact",
    "expand",
    "list_runs",
    "read_events",
    "remove_partials",
    "write_atomically",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.evolution.runs' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
