"""One worker process, seen from its parent."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Iterator
from typing import Final

import multiprocess
from multiprocess.util import Finalize

from automl_zero.evolution.executors._replies import Reply
from automl_zero.evolution.executors._worker_loss import WorkerLost
from automl_zero.evolution.executors._worker_main import serve

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
"""Variables that libraries read, when they load, for the number of their threads."""

# Seconds between two looks at a silent worker. A death shows at once as the end of the
# connection, unless a process that the worker forked holds its end open.
_PATIENCE: Final = 1.0
# Seconds that a worker without calls may take to end.
_GRACE: Final = 10.0

# spawn: a forked child of a parent with threads may inherit locks that nobody will release.
_SPAWN: Final = multiprocess.get_context("spawn")
# Guards the environment during a start, and the set of live workers.
_lock = threading.Lock()
_live: set[WorkerProcess] = set()
_exiting = False


class WorkerProcess:
    """A process that makes one call at a time.

    All methods but ``kill`` are for one thread, which must have blocked SIGINT: the process
    starts with it blocked, too early to ignore it.

    Raises:
        OSError: If the system gives no process.
        RuntimeError: If the interpreter is about to end.
    """

    def __init__(self) -> None:
        self._connection, remote = _SPAWN.Pipe()
        self._ready = False
        self._ended = False
        with remote, _lock:
            if _exiting:
                self._connection.close()
                raise RuntimeError("cannot start a worker: the interpreter is about to end")
            _kill_all_at_exit()
            self._process = _SPAWN.Process(target=serve, args=(remote,))
            try:
                with _one_thread_environment():
                    self._process.start()
            except BaseException:
                self._connection.close()
                raise
            _live.add(self)

    def is_alive(self) -> bool:
        return not self._ended and self._process.is_alive()

    def call(self, call: bytes) -> Reply:
        """Send a call and wait for the reply.

        Raises:
            WorkerLost: If the process died. It is closed then.
            RuntimeError: If it failed before it could take a call, as it would again.
        """
        try:
            if not self._ready:
                self._receive()
                self._ready = True
            self._connection.send_bytes(call)
            return self._receive().decode(), self._receive()
        except (EOFError, OSError):
            pass
        pid = self._process.pid
        # It may live on, with a connection that the function has closed.
        self._process.kill()
        exit_code = self._reap()
        if not self._ready and exit_code is not None and exit_code > 0:
            raise RuntimeError(
                f"worker {pid} {_how_it_ended(exit_code)} before it could take a call; it printed "
                "why. Does the script make its ProcessExecutor under if __name__ == '__main__'?"
            )
        raise WorkerLost(f"worker {pid} {_how_it_ended(exit_code)}")

    def close(self) -> None:
        """End the process, which has no call to make, and free what it used."""
        if self._ended:
            return
        self._connection.close()
        self._process.join(_GRACE)
        self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End the process at once; from any thread."""
        with _lock:
            if not self._ended:
                self._process.kill()

    def _receive(self) -> bytes:
        while not self._connection.poll(_PATIENCE):
            if not self._process.is_alive():
                raise EOFError
        return self._connection.recv_bytes()

    def _reap(self) -> int | None:
        """Exit code of the process, which has ended or was killed; free what it used."""
        self._connection.close()
        self._process.join()
        # A start in another thread also looks for ended processes, with the lock.
        with _lock:
            exit_code: int | None = self._process.exitcode
            self._process.close()
            self._ended = True
            _live.discard(self)
        return exit_code


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"was ended by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


@contextlib.contextmanager
def _one_thread_environment() -> Iterator[None]:
    """Set :data:`THREAD_VARIABLES` to 1 for what is started now.

    Beneath ``os.environ``, which stays as it is: Numba in another thread would see the
    change there and refuse it.
    """
    for name in THREAD_VARIABLES:
        os.putenv(name, "1")
    try:
        yield
    finally:
        for name in THREAD_VARIABLES:
            if name in os.environ:
                os.putenv(name, os.environ[name])
            else:
                os.unsetenv(name)


@functools.cache
def _kill_all_at_exit() -> None:
    # With a priority: before multiprocess waits for all processes, which have no end of calls.
    # At the first start, since a spawned process forgets what was registered before it runs.
    Finalize(None, _kill_all, exitpriority=10)


def _kill_all() -> None:
    global _exiting
    with _lock:
        _exiting = True
        for worker in _live:
            worker._process.kill()
        for worker in _live:
            worker._process.join()
