"""Calls in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Runs each call at once, in the thread that submits it: no second process to debug.

    Attributes:
        workers: 1.

    >>> with SerialExecutor() as executor:
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    workers: Final = 1

    def __init__(self) -> None:
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn`` now.

        Returns:
            A future that is done, with what ``fn`` returned or raised.

        Raises:
            RuntimeError: After :meth:`shutdown`.
            KeyboardInterrupt: Ctrl-C is for the caller, not for whoever reads the future.
            SystemExit: So is this.
        """
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. There is nothing to wait for."""
        self._closed = True
