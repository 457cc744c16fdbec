"""Calls whose results come in order: on any executor, with workers that die."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from automl_zero.evolution.executors import (
    CallLost,
    OrderedCalls,
    ProcessExecutor,
    SerialExecutor,
    WorkerLost,
)


def test_results_come_in_the_order_of_the_calls() -> None:
    second_is_done = threading.Event()

    def call(number: int) -> int:
        if number == 1:
            second_is_done.set()
        elif number == 0:
            second_is_done.wait(30)
        return 10 * number

    with ThreadPoolExecutor(2) as executor:
        calls: OrderedCalls[int] = OrderedCalls(executor)
        for number in range(5):
            calls.submit(f"call {number}", call, number)
        assert [calls.take() for _ in range(5)] == [0, 10, 20, 30, 40]
        assert len(calls) == 0 and not calls.wait()


def test_a_known_result_takes_its_turn() -> None:
    calls: OrderedCalls[int] = OrderedCalls(SerialExecutor())
    calls.submit("one", int, "1")
    calls.put(2)
    calls.submit("three", int, "3")
    assert calls.results() == [1, 2, 3]
    assert [calls.take() for _ in range(3)] == [1, 2, 3]


def test_a_call_that_raises_raises_in_its_turn_and_stays() -> None:
    calls: OrderedCalls[int] = OrderedCalls(SerialExecutor())
    calls.submit("good", int, "1")
    calls.submit("bad", int, "x")
    calls.submit("good", int, "3")
    assert calls.results() == [1, None, 3]
    assert calls.take() == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            calls.take()
    assert len(calls) == 2
    calls.close()
    with pytest.raises(IndexError):
        calls.take()


def die_the_first_time(path: str) -> str:
    if not os.path.exists(path):
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def test_a_killed_worker_costs_its_call_some_time_only(tmp_path: Path) -> None:
    with ProcessExecutor(2) as executor:
        calls: OrderedCalls[Any] = OrderedCalls(executor)
        calls.submit("dies", die_the_first_time, str(tmp_path / "died"))
        calls.submit("lives", abs, -2)
        assert (calls.take(), calls.take()) == ("alive", 2)


class Losing(SerialExecutor):
    """Loses the worker of every call, or takes none."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.calls = 0

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        if self.broken:
            raise BrokenExecutor("the pool is gone")
        self.calls += 1
        future: Future[Any] = Future()
        future.set_exception(WorkerLost("worker 7 was ended by SIGKILL"))
        return future


def test_a_call_that_kills_three_workers_is_given_up() -> None:
    executor = Losing(broken=False)
    calls: OrderedCalls[int] = OrderedCalls(executor)
    calls.submit("trial 4", abs, -1)
    with pytest.raises(CallLost, match="trial 4: 3 workers died on it, .* SIGKILL"):
        calls.take()
    assert executor.calls == 3


def test_an_executor_that_is_gone_is_told() -> None:
    calls: OrderedCalls[int] = OrderedCalls(Losing(broken=True))
    with pytest.raises(CallLost, match="trial 4: the executor takes no more work"):
        calls.submit("trial 4", abs, -1)
