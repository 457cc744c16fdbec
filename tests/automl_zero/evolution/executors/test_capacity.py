"""capacity: how many calls an executor runs at the same time."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

from automl_zero.evolution.executors import ProcessExecutor, SerialExecutor, capacity


def test_executors_of_this_package() -> None:
    with SerialExecutor() as serial, ProcessExecutor(3) as processes:
        assert capacity(serial) == 1
        assert capacity(processes) == 3


def test_all_usable_processors_by_default() -> None:
    with ProcessExecutor() as executor:
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        assert capacity(executor) == (len(usable) if usable else os.cpu_count())


def test_pools_of_the_standard_library() -> None:
    with ThreadPoolExecutor(5) as threads, ProcessPoolExecutor(2) as processes:
        assert capacity(threads) == 5
        assert capacity(processes) == 2


def test_an_executor_that_does_not_say() -> None:
    assert capacity(Executor()) is None
