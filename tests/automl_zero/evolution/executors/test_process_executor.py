"""ProcessExecutor: what becomes of calls, whatever becomes of the workers.

The functions are closures and lambdas without names of this module, so that the workers need
not import the tests.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.evolution.executors import ProcessExecutor, WorkerLost, is_worker_loss
from automl_zero.evolution.executors._worker_process import THREAD_VARIABLES

PATIENCE = 120.0


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2) as executor:
        yield executor


def waiting_call(started: Path, go: Path) -> Callable[[], int]:
    """A call that writes its process id to ``started`` and returns it when ``go`` exists."""
    names = str(started), str(go)

    def call() -> int:
        with open(f"{names[0]}.part", "w") as file:
            file.write(str(os.getpid()))
        os.rename(f"{names[0]}.part", names[0])
        while not os.path.exists(names[1]):
            time.sleep(0.005)
        return os.getpid()

    return call


def process_id(started: Path) -> int:
    """Process id of the call that writes it to ``started``."""
    deadline = time.monotonic() + PATIENCE
    while not started.exists():
        assert time.monotonic() < deadline, "the call did not start"
        time.sleep(0.005)
    return int(started.read_text())


def wait_for_end(pid: int) -> None:
    """Return when a child process has ended, without taking its exit code."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def is_gone(pid: int) -> bool:
    """Whether a process has ended and was waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def outcome(future: Future[Any]) -> Any:
    return future.result(timeout=PATIENCE)


def error_of(future: Future[Any]) -> BaseException:
    error = future.exception(timeout=PATIENCE)
    assert error is not None
    return error


# Results and errors


def test_results_come_in_order_of_the_calls(executor: ProcessExecutor) -> None:
    factor = 3
    assert list(executor.map(lambda x: factor * x, range(50))) == [3 * x for x in range(50)]


def test_calls_run_at_the_same_time_in_other_processes(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    started = [tmp_path / "first", tmp_path / "second"]
    futures = [executor.submit(waiting_call(path, go)) for path in started]
    pids = [process_id(path) for path in started]
    assert len({os.getpid(), *pids}) == 3
    go.touch()
    assert [outcome(future) for future in futures] == pids


def test_arguments_may_have_any_name(executor: ProcessExecutor) -> None:
    assert outcome(executor.submit(dict, fn=1, self=2, call=3)) == {"fn": 1, "self": 2, "call": 3}


def test_a_worker_is_used_again() -> None:
    with ProcessExecutor(1) as executor:
        assert len({outcome(executor.submit(os.getpid)) for _ in range(5)}) == 1


def test_large_arguments_and_results(executor: ProcessExecutor) -> None:
    data = os.urandom(1 << 20)
    futures = [executor.submit(lambda data: data[::-1], data) for _ in range(10)]
    assert all(outcome(future) == data[::-1] for future in futures)


def test_arguments_are_those_at_the_time_of_submission(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    for number in range(2):
        executor.submit(waiting_call(tmp_path / str(number), tmp_path / "go"))
    values = [1, 2]
    future = executor.submit(sum, values)
    values.append(3)
    (tmp_path / "go").touch()
    assert outcome(future) == 3


def test_exceptions_come_back_as_themselves(executor: ProcessExecutor) -> None:
    def fail() -> None:
        raise OSError(2, "no such thing", "a file")

    error = error_of(executor.submit(fail))
    assert type(error) is FileNotFoundError
    assert error.filename == "a file"
    assert "in fail" in str(error.__cause__)
    assert not is_worker_loss(error)


def test_exit_in_a_call_does_not_end_the_worker(executor: ProcessExecutor) -> None:
    error = error_of(executor.submit(sys.exit, 3))
    assert isinstance(error, SystemExit)
    assert error.code == 3


def test_calls_that_cannot_be_pickled_fail(executor: ProcessExecutor) -> None:
    error = error_of(executor.submit(list, (x for x in "abc")))  # type: ignore[arg-type]
    assert isinstance(error, pickle.PicklingError)
    assert "generator" in str(error)


def test_results_that_cannot_be_pickled_fail(executor: ProcessExecutor) -> None:
    error = error_of(executor.submit(lambda: (x for x in "abc")))
    assert isinstance(error, pickle.PicklingError)
    assert "received generator" in str(error)
    assert outcome(executor.submit(abs, -1)) == 1


def test_results_that_cannot_be_unpickled_fail(executor: ProcessExecutor) -> None:
    class Fragile:
        def __reduce__(self) -> Any:
            return divmod, (1, 0)

    error = error_of(executor.submit(lambda: Fragile()))
    assert isinstance(error, pickle.UnpicklingError)
    assert "ZeroDivisionError" in str(error)
    assert outcome(executor.submit(abs, -1)) == 1


def test_exceptions_that_cannot_be_pickled_name_themselves(executor: ProcessExecutor) -> None:
    def fail() -> None:
        error = ValueError("too many widgets")
        error.widgets = (x for x in "abc")  # type: ignore[attr-defined]
        raise error

    error = error_of(executor.submit(fail))
    assert isinstance(error, pickle.PicklingError)
    assert "ValueError: too many widgets" in str(error)
    assert "in fail" in str(error.__cause__)


def test_exceptions_that_cannot_be_unpickled_show_their_traceback(
    executor: ProcessExecutor,
) -> None:
    class NeedsTwo(Exception):
        def __init__(self, widgets: int, gadgets: int) -> None:
            super().__init__(f"{widgets} widgets, {gadgets} gadgets")

    def fail() -> None:
        raise NeedsTwo(1, 2)

    error = error_of(executor.submit(fail))
    assert isinstance(error, pickle.UnpicklingError)
    assert "1 widgets, 2 gadgets" in str(error.__cause__)


def test_messages_may_hold_any_character(executor: ProcessExecutor) -> None:
    def fail() -> None:
        raise ValueError("\ud800 ∑")

    error = error_of(executor.submit(fail))
    assert error.args == ("\ud800 ∑",)
    assert "∑" in str(error.__cause__)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_numbers_of_workers_are_checked(workers: Any) -> None:
    with pytest.raises(ValueError, match="^workers: expected an integer"):
        ProcessExecutor(workers)


# Lost workers


def test_a_killed_worker_costs_its_call_only(executor: ProcessExecutor, tmp_path: Path) -> None:
    running = [
        executor.submit(waiting_call(tmp_path / name, tmp_path / "go")) for name in ("one", "two")
    ]
    victim, survivor = process_id(tmp_path / "one"), process_id(tmp_path / "two")
    pending = [executor.submit(pow, 2, exponent) for exponent in range(20)]
    os.kill(victim, signal.SIGKILL)
    error = error_of(running[0])
    assert isinstance(error, WorkerLost)
    assert is_worker_loss(error)
    assert str(victim) in str(error)
    assert "SIGKILL" in str(error)
    # The other worker is still in its call: these are made by a new one.
    assert [outcome(future) for future in pending] == [2**exponent for exponent in range(20)]
    assert is_gone(victim)
    (tmp_path / "go").touch()
    assert outcome(running[1]) == survivor


def test_workers_are_replaced_again_and_again(executor: ProcessExecutor) -> None:
    futures = [executor.submit(os._exit, 7) for _ in range(6)]
    for future in futures:
        error = error_of(future)
        assert isinstance(error, WorkerLost)
        assert "exit code 7" in str(error)
    assert list(executor.map(abs, range(10))) == list(range(10))


def test_a_worker_that_dies_without_a_call_costs_nothing() -> None:
    with ProcessExecutor(1) as executor:
        pid = outcome(executor.submit(os.getpid))
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
        assert outcome(executor.submit(os.getpid)) != pid


def test_a_worker_that_closes_its_connection_is_lost(executor: ProcessExecutor) -> None:
    error = error_of(executor.submit(lambda: (os.closerange(3, 1000), time.sleep(10_000))))
    assert isinstance(error, WorkerLost)


def test_a_death_is_seen_although_a_child_of_the_worker_lives(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    go = str(tmp_path / "go")

    def fork_and_die() -> None:
        if os.fork() == 0:
            while not os.path.exists(go):
                time.sleep(0.01)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        assert isinstance(error_of(executor.submit(fork_and_die)), WorkerLost)
    finally:
        Path(go).touch()


CALLS: dict[str, Callable[[], Any]] = {
    "return": lambda: "returned",
    "raise": lambda: divmod(1, 0),
    "exit": lambda: os._exit(1),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "generator": lambda: (x for x in "abc"),
}
OUTCOMES = {
    "return": type(None),
    "raise": ZeroDivisionError,
    "exit": WorkerLost,
    "kill": WorkerLost,
    "generator": pickle.PicklingError,
}


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.lists(st.sampled_from(sorted(CALLS)), max_size=8))
def test_every_call_gets_its_own_outcome(workers: int, names: list[str]) -> None:
    with ProcessExecutor(workers) as executor:
        futures = [executor.submit(CALLS[name]) for name in names]
        kinds = [type(future.exception(timeout=PATIENCE)) for future in futures]
    assert kinds == [OUTCOMES[name] for name in names]


# Threads of the libraries


def test_workers_compute_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with ProcessExecutor(1) as executor:
        inside = outcome(executor.submit(lambda: dict(os.environ)))
    assert {name: inside[name] for name in THREAD_VARIABLES} == dict.fromkeys(THREAD_VARIABLES, "1")
    assert dict(os.environ) == before
    shown = subprocess.run(
        ["env"], capture_output=True, text=True, check=True, env=None
    ).stdout.splitlines()
    assert "OMP_NUM_THREADS=7" in shown
    assert not [line for line in shown if line.startswith("MKL_NUM_THREADS=")]


def test_blas_of_a_worker_has_one_thread(executor: ProcessExecutor) -> None:
    pytest.importorskip("threadpoolctl")

    def pools() -> list[int]:
        import numpy  # noqa: F401
        import threadpoolctl

        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    threads = outcome(executor.submit(pools))
    assert threads == [1] * len(threads)


@pytest.mark.slow
def test_torch_of_a_worker_has_one_thread(executor: ProcessExecutor) -> None:
    pytest.importorskip("torch")

    def threads() -> int:
        import torch

        return torch.get_num_threads()

    assert outcome(executor.submit(threads)) == 1


def test_workers_start_without_numpy(executor: ProcessExecutor) -> None:
    loaded = outcome(executor.submit(lambda: sorted(sys.modules)))
    assert not {"numpy", "numba", "pyarrow", "torch", "ray", "distributed"} & set(loaded)


# The end


def test_shutdown_waits_for_all_calls(tmp_path: Path) -> None:
    executor = ProcessExecutor(1)
    futures = [executor.submit(waiting_call(tmp_path / "started", tmp_path / "go"))]
    futures += [executor.submit(abs, -number) for number in range(5)]
    threading.Timer(0.1, (tmp_path / "go").touch).start()
    executor.shutdown()
    assert [future.result(timeout=0) for future in futures[1:]] == list(range(5))
    assert is_gone(futures[0].result(timeout=0))
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    executor.shutdown()


def test_shutdown_without_waiting_loses_no_call(tmp_path: Path) -> None:
    executor = ProcessExecutor(1)
    first = executor.submit(waiting_call(tmp_path / "started", tmp_path / "go"))
    second = executor.submit(os.getpid)
    executor.shutdown(wait=False)
    assert not second.done()
    (tmp_path / "go").touch()
    assert outcome(second) == outcome(first)
    executor.shutdown()
    assert is_gone(outcome(first))


def test_shutdown_cancels_calls_that_have_not_started(tmp_path: Path) -> None:
    executor = ProcessExecutor(1)
    first = executor.submit(waiting_call(tmp_path / "started", tmp_path / "go"))
    pid = process_id(tmp_path / "started")
    others = [executor.submit(abs, 1) for _ in range(3)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert wait(others, timeout=PATIENCE).done == set(others)
    assert all(future.cancelled() for future in others)
    (tmp_path / "go").touch()
    assert outcome(first) == pid


def test_cancelled_calls_are_skipped(tmp_path: Path) -> None:
    with ProcessExecutor(1) as executor:
        first = executor.submit(waiting_call(tmp_path / "started", tmp_path / "go"))
        pid = process_id(tmp_path / "started")
        cancelled = executor.submit(waiting_call(tmp_path / "never", tmp_path / "go"))
        last = executor.submit(abs, -3)
        assert cancelled.cancel()
        assert not first.cancel()
        (tmp_path / "go").touch()
        assert outcome(first) == pid
        assert outcome(last) == 3
        with pytest.raises(CancelledError):
            cancelled.result(timeout=PATIENCE)
    assert not (tmp_path / "never").exists()


def test_kill_ends_workers_in_the_middle_of_their_calls(tmp_path: Path) -> None:
    executor = ProcessExecutor(2)
    running = [
        executor.submit(waiting_call(tmp_path / name, tmp_path / "go")) for name in ("one", "two")
    ]
    pids = [process_id(tmp_path / name) for name in ("one", "two")]
    pending = [executor.submit(abs, 1) for _ in range(3)]
    executor.kill()
    assert all(is_gone(pid) for pid in pids)
    assert all(isinstance(future.exception(timeout=0), WorkerLost) for future in running)
    assert wait(pending, timeout=PATIENCE).done == set(pending)
    assert all(future.cancelled() for future in pending)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    executor.kill()


def test_kill_while_workers_start() -> None:
    for delay in (0.0, 0.01, 0.03):
        executor = ProcessExecutor(2)
        futures = [executor.submit(time.sleep, 1000) for _ in range(3)]
        time.sleep(delay)
        executor.kill()
        for future in futures:
            assert future.cancelled() or isinstance(future.exception(timeout=0), WorkerLost)


@pytest.mark.parametrize("end", ["shutdown", "kill"])
def test_a_callback_may_end_the_executor(end: str) -> None:
    executor = ProcessExecutor(2)
    ended = threading.Event()

    def callback(future: Future[int]) -> None:
        getattr(executor, end)()
        ended.set()

    future = executor.submit(abs, -1)
    future.add_done_callback(callback)
    assert ended.wait(PATIENCE)
    assert outcome(future) == 1


def test_an_executor_that_nobody_needs_ends_its_workers() -> None:
    executor = ProcessExecutor(1)
    pid = outcome(executor.submit(os.getpid))
    del executor
    gc.collect()
    wait_for_end(pid)


def test_calls_outlive_an_executor_that_nobody_needs() -> None:
    assert outcome(ProcessExecutor(1).submit(abs, -1)) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_nothing_is_left_after_the_end() -> None:
    def use_and_end(end: str) -> None:
        executor = ProcessExecutor(2)
        futures = [executor.submit(abs, -number) for number in range(8)]
        futures += [executor.submit(os._exit, 1)]
        wait(futures, timeout=PATIENCE)
        getattr(executor, end)()

    def held() -> tuple[list[str], list[str], list[str]]:
        gc.collect()
        children = itertools.chain.from_iterable(
            path.read_text().split() for path in Path("/proc/self/task").glob("*/children")
        )
        threads = [t.name for t in threading.enumerate() if t.name == "ProcessExecutor"]
        return sorted(os.listdir("/proc/self/fd")), threads, sorted(children)

    use_and_end("shutdown")  # the first start leaves the resource tracker of multiprocess
    before = held()
    use_and_end("shutdown")
    use_and_end("kill")
    assert held() == before


def test_an_unused_executor_starts_nothing() -> None:
    threads = threading.active_count()
    with ProcessExecutor(4):
        assert threading.active_count() == threads
