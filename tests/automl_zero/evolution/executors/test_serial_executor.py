"""SerialExecutor: calls in the thread that submits them."""

from __future__ import annotations

import threading

import pytest

from automl_zero.evolution.executors import SerialExecutor


def test_calls_are_done_when_submit_returns() -> None:
    with SerialExecutor() as executor:
        future = executor.submit(threading.current_thread)
        assert future.done()
        assert future.result() is threading.current_thread()
        assert list(executor.map(pow, [2, 3], [5, 2])) == [32, 9]


def test_arguments_may_have_any_name() -> None:
    with SerialExecutor() as executor:
        assert executor.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}


def test_exceptions_go_into_the_future() -> None:
    with SerialExecutor() as executor:
        error = executor.submit(divmod, 1, 0).exception()
    assert isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_and_exit_reach_the_caller(error: type[BaseException]) -> None:
    def stop() -> None:
        raise error

    with SerialExecutor() as executor, pytest.raises(error):
        executor.submit(stop)


def test_no_call_is_taken_after_shutdown() -> None:
    executor = SerialExecutor()
    executor.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
