"""One process at a time works on a run: a lock that dies with its process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Final

from automl_zero.evolution.runs._files import read_file, write_all, write_error

LOCK_NAME: Final = "run.lock"
# is_locked takes the lock for some microseconds; whoever wants it meanwhile tries again.
_ATTEMPTS: Final = 5
_PAUSE: Final = 0.02

_HELD: weakref.WeakSet[DirectoryLock] = weakref.WeakSet()


class DirectoryLock:
    """The right to write into a folder, held while the ``with`` block runs.

    The kernel releases it when the process ends, however it ends. Forked workers do not
    inherit it, so those that outlive a killed search do not keep it either.

    Args:
        path: The folder; the lock is its file ``run.lock``, which stays there.

    Raises:
        ValueError: On entering, if somebody holds it; names process and host.
        RunWriteError: On entering, if there is no such folder, it is not writable or its
            file system has no locks.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with DirectoryLock(folder):
        ...     is_locked(folder)
        True
        >>> is_locked(folder)
        False
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def __enter__(self) -> DirectoryLock:
        file = self.path / LOCK_NAME
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(file, flags, 0o666)
        except OSError as error:
            raise write_error(file, error, "lock") from error
        try:
            self._acquire(descriptor)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise write_error(file, error, "lock") from error
            raise
        self._descriptor = descriptor
        _HELD.add(self)
        holder = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
        # On a full disk the lock holds all the same, only nameless.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            write_all(descriptor, holder.encode())
        return self

    def _acquire(self, descriptor: int) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if attempt == _ATTEMPTS - 1:
                    holder = _holder(self.path)
                    raise ValueError(
                        f"run: another process{holder} is working on {self.path}"
                    ) from None
                time.sleep(_PAUSE)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            # Closing is not enough while a worker that was forked just now has it open too.
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._close()

    def _close(self) -> None:
        _HELD.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(folder: str | Path) -> bool:
    """True while a process, this one or another, holds the lock of ``folder``."""
    try:
        descriptor = os.open(
            Path(folder, LOCK_NAME), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        )
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _holder(folder: Path) -> str:
    """`` (pid N on HOST)``; empty if the file does not tell."""
    try:
        data = json.loads(read_file(folder / LOCK_NAME, 10_000))
        return f" (pid {int(data['pid'])} on {str(data['host'])[:100]})"
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _let_go_in_child() -> None:
    for lock in list(_HELD):
        lock._close()


os.register_at_fork(after_in_child=_let_go_in_child)
