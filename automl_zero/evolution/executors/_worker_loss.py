"""Errors that mean: the worker died, not the function."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from typing import Final

# By name, so that neither Ray nor Dask is imported to ask. Subclasses count: RayActorError
# stands for ActorDiedError, ObjectLostError for OwnerDiedError and the rest of its family.
_LOSSES: Final = frozenset(
    {
        ("distributed.scheduler", "KilledWorker"),
        ("ray.exceptions", "LocalRayletDiedError"),
        ("ray.exceptions", "NodeDiedError"),
        ("ray.exceptions", "ObjectLostError"),
        ("ray.exceptions", "OutOfMemoryError"),
        ("ray.exceptions", "RayActorError"),
        ("ray.exceptions", "WorkerCrashedError"),
    }
)


class WorkerLost(BrokenExecutor):
    """The process that ran a call died before the call was done.

    The executor is not broken: only this call is lost, and it may be submitted again.

    >>> raise WorkerLost("worker 4711 was ended by SIGKILL")
    Traceback (most recent call last):
        ...
    automl_zero.evolution.executors._worker_loss.WorkerLost: worker 4711 was ended by SIGKILL
    """


def is_worker_loss(error: BaseException) -> bool:
    """Whether ``error`` means that the worker of a call died, and not that the call failed.

    A call that a worker took with it may be submitted again; one that raised would raise
    again. Known are the errors of this package, of the standard library's pools, of Ray and
    of Dask. ``CancelledError`` is no loss, although Dask also cancels what a lost scheduler
    knew: it looks the same as a cancellation on purpose, and there is nothing left to submit
    the call to.

    >>> is_worker_loss(WorkerLost("worker 4711 was ended by SIGKILL"))
    True
    >>> is_worker_loss(ZeroDivisionError("division by zero"))
    False
    """
    if isinstance(error, BrokenExecutor):
        return True
    return any((cls.__module__, cls.__name__) in _LOSSES for cls in type(error).__mro__)
