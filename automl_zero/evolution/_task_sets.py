"""The tasks of a set, their data read once per process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from automl_zero.tasks import Task

if TYPE_CHECKING:
    from automl_zero.tasks import DataSet, TaskSpec

_MOST_DATA_SETS = 4  # one for each of the three sets, and one to spare

_data_sets: dict[tuple[object, ...], DataSet] = {}
_lock = threading.Lock()


def task_set(spec: TaskSpec, seed: int) -> list[Task]:
    """The tasks that a specification describes under a seed.

    Raises:
        ValueError: If their data are missing or damaged.
    """
    if spec.kind != "projected_binary":
        return spec.make(seed)
    return spec.make(seed, [_data_set(spec, index) for index in range(len(spec.sources))])


def _data_set(spec: TaskSpec, index: int) -> DataSet:
    """One of the sources of a specification."""
    # A file that was changed meanwhile is read again.
    path = Path(spec.sources[index])
    stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
    source = (spec.sources[index], spec.label, spec.header, spec.test_fraction, stamp)
    with _lock:
        if source not in _data_sets:
            while len(_data_sets) >= _MOST_DATA_SETS:
                del _data_sets[next(iter(_data_sets))]
            _data_sets[source] = spec.load_data(index)
        return _data_sets[source]
