"""Calls that may end in any order, and results that come in the order of the calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from automl_zero.evolution.executors._worker_loss import is_worker_loss

T = TypeVar("T")

MAX_LOSSES: Final = 3
"""So many workers may die on one call; then it is the call that kills them."""


class CallLost(RuntimeError):
    """Workers died again and again on the same call, or the executor takes no more calls."""


@dataclass(slots=True, eq=False)
class _Call(Generic[T]):
    name: str
    function: Callable[..., T]
    args: tuple[Any, ...]
    future: Future[T]
    losses: int = 0


class OrderedCalls(Generic[T]):
    """Calls on an executor; what they return is taken in the order in which they were submitted.

    So whatever depends on the results is the same on any number of workers. A call whose worker
    died is made again.

    Args:
        executor: Any executor.

    >>> from automl_zero.evolution.executors import SerialExecutor
    >>> calls = OrderedCalls(SerialExecutor())
    >>> for base in (2, 3):
    ...     calls.submit(f"power of {base}", pow, base, 10)
    >>> calls.wait(), calls.take(), calls.take(), len(calls)
    (True, 1024, 59049, 0)
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._calls: deque[_Call[T]] = deque()

    def __len__(self) -> int:
        """Calls whose results were not taken."""
        return len(self._calls)

    def submit(self, name: str, function: Callable[..., T], *args: Any) -> None:
        """Make a call, after those before it.

        Args:
            name: What errors call it.
            function: What to call; pure, for it may run again.
            *args: Its arguments.

        Raises:
            CallLost: If the executor takes no more calls.
        """
        self._calls.append(_Call(name, function, args, self._future(name, function, args)))

    def put(self, result: T) -> None:
        """Take the place of a call whose result is known, as from a checkpoint."""
        future: Future[T] = Future()
        future.set_result(result)
        self._calls.append(_Call("", lambda: result, (), future))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until one of the calls ends; whether the first of them has.

        Args:
            timeout: Seconds to wait at most; None: as long as it takes.

        Raises:
            CallLost: If :data:`MAX_LOSSES` workers died on one call.
        """
        if not self._calls:
            return False
        if not self._calls[0].future.done():
            running = [call.future for call in self._calls if not call.future.done()]
            wait(running, timeout, FIRST_COMPLETED)
        for call in self._calls:
            self._repeat_if_lost(call)
        return self._calls[0].future.done()

    def take(self) -> T:
        """What the first call returned; waits for it.

        Raises:
            CallLost: As :meth:`wait`.
            IndexError: If there is no call.
            Exception: What the call raised; it remains the first.
        """
        while not self.wait():
            if not self._calls:
                raise IndexError("no call whose result could be taken")
        result = self._calls[0].future.result()
        self._calls.popleft()
        return result

    def results(self) -> list[T | None]:
        """What each call returned; None where it still runs, or failed."""
        return [
            call.future.result()
            if call.future.done()
            and not call.future.cancelled()
            and call.future.exception() is None
            else None
            for call in self._calls
        ]

    def close(self) -> None:
        """Give up all calls; those that run are not waited for."""
        for call in self._calls:
            call.future.cancel()
        self._calls.clear()

    def _repeat_if_lost(self, call: _Call[T]) -> None:
        while call.future.done() and not call.future.cancelled():
            error = call.future.exception()
            if error is None or not is_worker_loss(error):
                return
            call.losses += 1
            if call.losses >= MAX_LOSSES:
                raise CallLost(
                    f"{call.name}: {MAX_LOSSES} workers died on it, the last one so: {error}"
                ) from error
            call.future = self._future(call.name, call.function, call.args)

    def _future(self, name: str, function: Callable[..., T], args: tuple[Any, ...]) -> Future[T]:
        try:
            return self._executor.submit(function, *args)
        except BrokenExecutor as error:
            raise CallLost(f"{name}: the executor takes no more work: {error}") from error
