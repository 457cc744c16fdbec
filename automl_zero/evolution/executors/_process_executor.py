"""Calls in processes of this machine, any of which may die."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from multiprocess import resource_tracker

from automl_zero._config_values import integer
from automl_zero.evolution.executors._pickling import dumps, loads
from automl_zero.evolution.executors._replies import deliver
from automl_zero.evolution.executors._worker_process import WorkerProcess

P = ParamSpec("P")
T = TypeVar("T")
Call = tuple[Future[Any], bytes]


class ProcessExecutor(Executor):
    """Runs calls in processes of this machine and survives the death of any of them.

    A worker that is killed, runs out of memory or exits costs the call it was making: its
    future gets :class:`~automl_zero.evolution.executors.WorkerLost`, a new process takes the
    place, and all other calls go on. (``concurrent.futures.ProcessPoolExecutor`` breaks.)

    - Functions, arguments and results are pickled when they are submitted or returned, with
      dill where pickle does not suffice: lambdas, closures and functions of ``__main__`` work,
      also those of a notebook.
    - An exception of the function comes back as itself; its ``__cause__`` shows the
      traceback in the worker. What cannot be pickled is an error in the future.
    - Workers start when they are needed, fresh (``spawn``), and are used again. A script must
      submit under ``if __name__ == "__main__":``, since they import it too.
    - They ignore Ctrl-C, which is for the parent, and end when the parent ends, however.
    - BLAS, OpenMP, Numba and PyTorch have one thread in a worker: parallel are the calls.

    Args:
        workers: Processes at most. None: the processors that this process may use.

    Attributes:
        workers: Processes at most.

    Raises:
        ValueError: If ``workers`` is no positive integer.

    >>> with ProcessExecutor(1) as executor:
    ...     executor.submit(lambda x: 2 * x, 21).result()
    42
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = _usable_cores() if workers is None else integer("workers", workers, 1)
        self._calls = _Calls()
        self._threads: list[_WorkerThread] = []
        # The threads know the calls but not the executor: one that is dropped ends them,
        # after the calls that it took.
        weakref.finalize(self, self._calls.close).atexit = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have ``fn`` called in a worker.

        Raises:
            RuntimeError: After :meth:`shutdown` or :meth:`kill`.
        """
        future: Future[T] = Future()
        failure = None
        try:
            call = dumps((fn, args, kwargs))
        except Exception as error:
            failure = pickle.PicklingError(f"call: expected what can be pickled ({error})")
            failure.__cause__ = error
        with self._calls.changed:
            if self._calls.closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if failure is None:
                if self._calls.wait_for_thread() and len(self._threads) < self.workers:
                    thread = _WorkerThread(self._calls)
                    thread.start()
                    self._threads.append(thread)
                self._calls.add((future, call))
        if failure is not None:
            future.set_running_or_notify_cancel()
            future.set_exception(failure)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; end the workers when those it has are done.

        Args:
            wait: Return only after that.
            cancel_futures: Cancel the calls that no worker has taken yet.
        """
        _cancel(self._calls.close(drop=cancel_futures))
        if wait:
            self._join()

    def kill(self) -> None:
        """End all workers at once. Calls that run fail with ``WorkerLost``; others are cancelled.

        Returns when the processes are gone.
        """
        dropped = self._calls.close(drop=True, kill=True)
        for thread in self._threads:
            thread.kill_worker()
        _cancel(dropped)
        self._join()

    def _join(self) -> None:
        for thread in self._threads:
            # A callback of a future, which runs in such a thread, may shut down as well.
            if thread is not threading.current_thread():
                thread.join()


class _Calls:
    """Calls that wait for a worker, and whether there will be more. Methods take the lock,
    apart from ``add`` and ``wait_for_thread``."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self.killed = False
        self._waiting: deque[Call] = deque()
        self._idle = 0

    def wait_for_thread(self) -> bool:
        """Whether one more call would have to wait, for all threads have one or will."""
        return len(self._waiting) >= self._idle

    def add(self, call: Call) -> None:
        self._waiting.append(call)
        self.changed.notify()

    def take(self) -> Call | None:
        """The next call; waits for one. None: there will be none."""
        with self.changed:
            self._idle += 1
            while not self._waiting and not self.closed:
                self.changed.wait()
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None

    def close(self, drop: bool = False, kill: bool = False) -> list[Call]:
        """Take no more calls; gives the waiting ones if they are to be dropped."""
        with self.changed:
            self.closed = True
            self.killed |= kill
            dropped = list(self._waiting) if drop else []
            if drop:
                self._waiting.clear()
            self.changed.notify_all()
        return dropped


class _WorkerThread(threading.Thread):
    """Hands calls to one worker process after another, and its replies to their futures."""

    def __init__(self, calls: _Calls) -> None:
        super().__init__(name="ProcessExecutor", daemon=True)
        # Now, for the first worker would start it, and it unblocks SIGINT.
        resource_tracker.ensure_running()
        self._calls = calls
        self._worker: WorkerProcess | None = None

    def run(self) -> None:
        # Or this thread may take a Ctrl-C from the main thread, which then sleeps on in the
        # result() that it waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while (call := self._calls.take()) is not None:
            self._make(*call)
            del call  # or arguments and result would live until the next call comes
        if self._worker is not None:
            self._worker.close()

    def kill_worker(self) -> None:
        """From another thread, after the calls were closed."""
        with self._calls.changed:
            worker = self._worker
        if worker is not None:
            worker.kill()

    def _make(self, future: Future[Any], call: bytes) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            reply = self._live_worker().call(call)
        except BaseException as error:
            future.set_exception(error)
        else:
            deliver(reply, loads, future)

    def _live_worker(self) -> WorkerProcess:
        if self._worker is not None:
            if self._worker.is_alive():
                return self._worker
            self._worker.close()
        worker = WorkerProcess()
        with self._calls.changed:
            self._worker, killed = worker, self._calls.killed
        if killed:
            worker.kill()
        return worker


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cancel(calls: list[Call]) -> None:
    for future, _ in calls:
        future.cancel()
        future.set_running_or_notify_cancel()  # or wait() would not hear of it
