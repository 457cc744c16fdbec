"""WorkerLost and is_worker_loss."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import BrokenExecutor, CancelledError
from concurrent.futures.process import BrokenProcessPool

import pytest

from automl_zero.evolution.executors import WorkerLost, is_worker_loss


@pytest.mark.parametrize("kind", [WorkerLost, BrokenExecutor, BrokenProcessPool])
def test_broken_executors_are_losses(kind: type[BaseException]) -> None:
    assert is_worker_loss(kind("gone"))


@pytest.mark.parametrize(
    "kind",
    [
        Exception,
        ValueError,
        MemoryError,
        OSError,
        KeyboardInterrupt,
        SystemExit,
        TimeoutError,
        CancelledError,
    ],
)
def test_other_errors_are_none(kind: type[BaseException]) -> None:
    assert not is_worker_loss(kind())


def test_a_worker_lost_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(WorkerLost("worker 7 was ended by SIGKILL")))
    assert isinstance(copy, WorkerLost)
    assert str(copy) == "worker 7 was ended by SIGKILL"


def test_errors_of_ray_that_mean_a_lost_worker() -> None:
    errors = pytest.importorskip("ray.exceptions")
    for name in (
        "ActorDiedError",
        "LocalRayletDiedError",
        "NodeDiedError",
        "ObjectLostError",
        "OutOfMemoryError",
        "OwnerDiedError",
        "RayActorError",
        "WorkerCrashedError",
    ):
        kind = getattr(errors, name)
        assert is_worker_loss(kind.__new__(kind)), name
    for name in ("GetTimeoutError", "RayTaskError", "RuntimeEnvSetupError", "TaskCancelledError"):
        kind = getattr(errors, name)
        assert not is_worker_loss(kind.__new__(kind)), name


def test_errors_of_dask_that_mean_a_lost_worker() -> None:
    scheduler = pytest.importorskip("distributed.scheduler")
    killed = scheduler.KilledWorker.__new__(scheduler.KilledWorker)
    assert is_worker_loss(killed)


def test_asking_imports_neither_ray_nor_dask_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from automl_zero.evolution.executors import WorkerLost, capacity, is_worker_loss\n"
        "is_worker_loss(WorkerLost()), is_worker_loss(ValueError()), capacity(None)\n"
        "loaded = {'ray', 'distributed', 'numpy', 'multiprocess'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
