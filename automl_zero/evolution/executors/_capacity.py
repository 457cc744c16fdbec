"""How many calls an executor runs at the same time."""

from __future__ import annotations

from concurrent.futures import Executor


def capacity(executor: Executor) -> int | None:
    """Calls that ``executor`` runs at the same time; None if it does not say.

    Executors of this package say it in ``workers``; for a
    :class:`~automl_zero.evolution.executors.RayExecutor` these are the processors of the
    cluster at the time of the call. The pools of the standard library say it too, Dask's
    executor does not.

    >>> from automl_zero.evolution.executors import SerialExecutor
    >>> capacity(SerialExecutor())
    1
    """
    for name in ("workers", "_max_workers"):
        value = getattr(executor, name, None)
        if isinstance(value, int):
            return value
    return None
