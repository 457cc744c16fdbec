"""Where calls run: executors with the interface of :class:`concurrent.futures.Executor`.

Executors
    SerialExecutor          in the calling thread
    ProcessExecutor         in processes of this machine; a lost one costs its call only
    RayExecutor             on several machines, through Ray

Any other executor will do as well: ``concurrent.futures.ThreadPoolExecutor``, Dask's
``client.get_executor(pure=False)`` (``pure``: the same call again must run again) or
``mpi4py.futures.MPIPoolExecutor``.

Calls in order
    OrderedCalls            results in the order of the calls; lost ones are made again
    CallLost                workers died again and again on one call

What a caller asks about them
    capacity                how many calls an executor runs at the same time
    WorkerLost              the worker of a call died
    is_worker_loss          whether an error means that, whatever the executor

Names load on first use: no executor is imported for the sake of another.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.evolution.executors._capacity import capacity
    from automl_zero.evolution.executors._ordered_calls import CallLost, OrderedCalls
    from automl_zero.evolution.executors._process_executor import ProcessExecutor
    from automl_zero.evolution.executors._ray_executor import RayExecutor
    from automl_zero.evolution.executors._serial_executor import SerialExecutor
    from automl_zero.evolution.executors._worker_loss import WorkerLost, is_worker_loss

_HOME = {
    "CallLost": "_ordered_calls",
    "OrderedCalls": "_ordered_calls",
    "ProcessExecutor": "_process_executor",
    "RayExecutor": "_ray_executor",
    "SerialExecutor": "_serial_executor",
    "WorkerLost": "_worker_loss",
    "capacity": "_capacity",
    "is_worker_loss": "_worker_loss",
}

__all__ = [
    "CallLost",
    "OrderedCalls",
    "ProcessExecutor",
    "RayExecutor",
    "SerialExecutor",
    "WorkerLost",
    "capacity",
    "is_worker_loss",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.evolution.executors' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
