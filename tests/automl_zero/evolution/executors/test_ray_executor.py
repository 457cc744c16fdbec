"""RayExecutor on a cluster of three machines, all of them simulated on this one."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_zero.evolution.executors import RayExecutor, capacity, is_worker_loss

PATIENCE = 120.0
STORE = 80 * 2**20  # bytes; the least that Ray takes is 75 MiB


def test_a_missing_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'automl-zero\[ray\]'"):
        RayExecutor()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=machine)
    try:
        for _ in range(2):
            cluster.add_node(**machine)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def executor(cluster: Any) -> Iterator[RayExecutor]:
    import ray

    with RayExecutor(cluster.address) as executor:
        yield executor
    assert not ray.is_initialized()


def error_of(future: Future[Any]) -> BaseException:
    error = future.exception(timeout=PATIENCE)
    assert error is not None
    return error


def waiting_call(started: Path, go: Path) -> Callable[[], str]:
    """A call that writes its machine to ``started`` and returns it when ``go`` exists."""
    names = str(started), str(go)

    def call() -> str:
        import ray

        machine: str = ray.get_runtime_context().get_node_id()
        with open(f"{names[0]}.part", "w") as file:
            file.write(machine)
        os.rename(f"{names[0]}.part", names[0])
        while not os.path.exists(names[1]):
            time.sleep(0.01)
        return machine

    return call


def machine_of(started: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not started.exists():
        assert time.monotonic() < deadline, "the call did not start"
        time.sleep(0.01)
    return started.read_text()


@pytest.mark.slow
def test_calls_run_on_the_cluster(executor: RayExecutor) -> None:
    assert capacity(executor) == 3
    factor = 3
    assert list(executor.map(lambda x: factor * x, range(10))) == list(range(0, 30, 3))
    assert executor.submit(dict, fn=1, self=2).result(PATIENCE) == {"fn": 1, "self": 2}
    inside = executor.submit(lambda: os.environ["OMP_NUM_THREADS"])
    assert inside.result(PATIENCE) == "1"


@pytest.mark.slow
def test_arrays_arrive_as_copies_that_can_be_written(executor: RayExecutor) -> None:
    def double(values: Any) -> Any:
        values *= 2
        return values

    ones = np.ones(1 << 17)
    result = executor.submit(double, ones).result(PATIENCE)
    result += 1
    assert (result == 3).all()
    assert (ones == 1).all()


@pytest.mark.slow
def test_exceptions_come_back_as_themselves(executor: RayExecutor) -> None:
    class Broken(Exception):
        pass

    def fail() -> None:
        raise Broken("a widget", 3)

    error = error_of(executor.submit(fail))
    assert type(error) is Broken
    assert error.args == ("a widget", 3)
    assert "in fail" in str(error.__cause__)
    assert not is_worker_loss(error)


@pytest.mark.slow
def test_what_cannot_be_pickled_is_an_error_in_the_future(executor: RayExecutor) -> None:
    call = executor.submit(list, (x for x in "abc"))  # type: ignore[arg-type]
    assert isinstance(error_of(call), pickle.PicklingError)
    assert isinstance(error_of(executor.submit(lambda: (x for x in "abc"))), pickle.PicklingError)


@pytest.mark.slow
def test_a_worker_that_dies_is_a_loss(executor: RayExecutor) -> None:
    assert is_worker_loss(error_of(executor.submit(os._exit, 1)))
    assert executor.submit(abs, -1).result(PATIENCE) == 1


@pytest.mark.slow
def test_shutdown_cancels_calls_that_have_not_started(
    executor: RayExecutor, tmp_path: Path
) -> None:
    with RayExecutor() as other:  # on the connection of the first one, which outlives it
        started = [tmp_path / str(number) for number in range(3)]
        running = [other.submit(waiting_call(path, tmp_path / "go")) for path in started]
        machines = [machine_of(path) for path in started]
        pending = [other.submit(abs, -1) for _ in range(3)]
        other.shutdown(wait=False, cancel_futures=True)
        assert all(isinstance(error_of(future), CancelledError) for future in pending)
        (tmp_path / "go").touch()
        assert [future.result(PATIENCE) for future in running] == machines
        with pytest.raises(RuntimeError, match="after shutdown"):
            other.submit(abs, 1)
    assert executor.submit(abs, -1).result(PATIENCE) == 1


@pytest.mark.slow
def test_a_lost_machine_costs_its_calls_only(
    cluster: Any, executor: RayExecutor, tmp_path: Path
) -> None:
    started = [tmp_path / str(number) for number in range(3)]
    calls = [waiting_call(path, tmp_path / "go") for path in started]
    futures = [executor.submit(call) for call in calls]
    machines = [machine_of(path) for path in started]
    assert len(set(machines)) == 3
    victim = cluster.worker_nodes.copy().pop()
    lost = machines.index(victim.node_id)

    cluster.remove_node(victim, allow_graceful=False)
    assert is_worker_loss(error_of(futures[lost]))
    (tmp_path / "go").touch()
    for number in {0, 1, 2} - {lost}:
        assert futures[number].result(PATIENCE) == machines[number]
    assert executor.submit(calls[lost]).result(PATIENCE) in set(machines) - {victim.node_id}
