"""Calls on the machines of a Ray cluster."""

from __future__ import annotations

import concurrent.futures
import logging
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any, ParamSpec, TypeVar

from automl_zero.evolution.executors._replies import Reply, deliver, reply_to
from automl_zero.evolution.executors._worker_main import use_one_thread

P = ParamSpec("P")
T = TypeVar("T")


class RayExecutor(Executor):
    """Runs calls as tasks of Ray, one processor each, on all machines of a cluster.

    Uses Ray as it is if the program has called ``ray.init``. Otherwise it connects to the
    cluster at ``address``, or starts Ray on this machine, and ends that with
    :meth:`shutdown`. automl-zero must be installed on every machine.

    - A call whose worker or machine is lost fails, with an error for which
      :func:`~automl_zero.evolution.executors.is_worker_loss` is true. Ray does not repeat it.
    - Functions, arguments and results are pickled here, with Ray's cloudpickle, and not put
      in its object store: arrays arrive as copies that can be written, as from any executor.
    - An exception of the function comes back as itself; its ``__cause__`` shows the
      traceback in the worker.
    - ``Future.cancel`` has no effect: Ray does not tell whether a call has started.

    Args:
        address: Of the cluster, as ``ray.init`` takes it. None: ``RAY_ADDRESS`` or a cluster
            on this machine, if there is one.
        **init: More arguments of ``ray.init``. By default, Ray is quiet and has no dashboard.

    Raises:
        ImportError: If Ray is not installed.

    >>> with RayExecutor(num_cpus=2) as executor:  # doctest: +SKIP
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    def __init__(self, address: str | None = None, **init: Any) -> None:
        try:
            import ray
        except ImportError as error:
            raise ImportError("RayExecutor: pip install 'automl-zero[ray]'") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            quiet = {
                "include_dashboard": False,
                "log_to_driver": False,
                "logging_level": logging.ERROR,
            }
            ray.init(address=address, **quiet | init)
        # Lost calls are submitted again by whoever waits for them, and knows what they are.
        self._task = ray.remote(num_cpus=1, max_retries=0)(_remote_reply_to)
        self._lock = threading.Lock()
        self._running: dict[Future[Any], Any] = {}
        self._closed = False
        self._cancelled = False

    @property
    def workers(self) -> int:
        """Processors of the cluster, now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 0)))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have ``fn`` called in the cluster.

        Raises:
            RuntimeError: After :meth:`shutdown`.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
        try:
            call = self._ray.cloudpickle.dumps((fn, args, kwargs))
        except Exception as error:
            failure = pickle.PicklingError(f"call: expected what can be pickled ({error})")
            failure.__cause__ = error
            future.set_exception(failure)
            return future
        reference = self._task.remote(call)
        with self._lock:
            self._running[future] = reference
        reference.future().add_done_callback(lambda reply: self._finish(reply, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; end what was started here of Ray when all are done.

        Args:
            wait: Return only after that. Otherwise Ray ends with the program.
            cancel_futures: Cancel the calls that have not started: their futures raise
                ``CancelledError``.
        """
        with self._lock:
            self._closed = True
            self._cancelled |= cancel_futures
            running = dict(self._running)
        if cancel_futures:
            for reference in running.values():
                self._ray.cancel(reference)
        if wait:
            concurrent.futures.wait(running)
            if self._started:
                self._started = False
                self._ray.shutdown()

    def _finish(self, reply: Future[Reply], future: Future[Any]) -> None:
        """Give the future of a call what came of its task. Called by a thread of Ray."""
        with self._lock:
            del self._running[future]
        error = reply.exception()
        if error is None:
            deliver(reply.result(), pickle.loads, future)
        elif self._cancelled and isinstance(error, self._ray.exceptions.TaskCancelledError):
            future.set_exception(CancelledError())
        else:
            future.set_exception(error)


def _remote_reply_to(call: bytes) -> Reply:
    """The task: in a worker of Ray."""
    from ray import cloudpickle

    use_one_thread()
    # Ray interrupts a task that it cancels: one that runs may as well bring its result.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return reply_to(call, cloudpickle.loads, cloudpickle.dumps)
    finally:
        signal.signal(signal.SIGINT, before)
