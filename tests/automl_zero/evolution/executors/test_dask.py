"""Executors of Dask: calls run, and a lost worker is known as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from automl_zero.evolution.executors import capacity, is_worker_loss

pytestmark = pytest.mark.slow
PATIENCE = 120.0


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    options = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.comm.timeouts.connect": PATIENCE,
    }
    with (
        dask.config.set(options),
        distributed.LocalCluster(
            processes=True,
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor(pure=False) as executor,
    ):
        yield executor


def test_calls_run_on_a_cluster_of_dask(executor: Executor) -> None:
    factor = 3
    futures = [executor.submit(lambda x: factor * x, number) for number in range(10)]
    assert [future.result(timeout=PATIENCE) for future in futures] == list(range(0, 30, 3))
    error = executor.submit(divmod, 1, 0).exception(timeout=PATIENCE)
    assert isinstance(error, ZeroDivisionError)
    assert not is_worker_loss(error)
    assert capacity(executor) is None


def test_a_worker_that_dies_is_a_loss_and_the_rest_goes_on(executor: Executor) -> None:
    error = executor.submit(os._exit, 1).exception(timeout=PATIENCE)
    assert error is not None
    assert is_worker_loss(error)
    assert executor.submit(abs, -1).result(timeout=PATIENCE) == 1
