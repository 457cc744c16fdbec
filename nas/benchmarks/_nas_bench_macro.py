"""The file of NAS-Bench-Macro."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from nas.benchmarks._table_files import architecture_of, read_json
from nas.benchmarks._tabular_benchmark import TabularBenchmark
from nas.spaces import NasBenchMacroSpace


def load_nas_bench_macro(path: str | os.PathLike[str]) -> TabularBenchmark:
    """The table of NAS-Bench-Macro, from its file ``nas-bench-macro_cifar10.json``.

    Su et al., "Prioritized architecture sampling with Monto-Carlo tree search" (CVPR 2021);
    the file is in the repository xiusu/NAS-Bench-Macro on GitHub.

    Args:
        path: The file: an object of architectures, each with ``test_acc`` (one number per
            training), ``mean_acc``, ``std``, ``params`` and ``flops``.

    Returns:
        Columns ``accuracy`` (the mean) and ``accuracy_0``, ``accuracy_1``, ... (the trainings)
        in percent on CIFAR-10's test set, ``std``, ``params`` and ``flops``.

    Raises:
        ValueError: If the file is damaged or no such table; names file, architecture and field.
    """
    path = os.fspath(path)
    data = read_json(path)
    if not isinstance(data, Mapping) or not data:
        raise ValueError(f"{path}: expected an object of architectures, received another value")
    space = NasBenchMacroSpace()
    architectures = [architecture_of(f"{path}: {key!r}", space, key) for key in data]
    rows = [_row(f"{path}: {key!r}", item) for key, item in data.items()]
    for key, row in zip(data, rows, strict=True):
        if row.keys() != rows[0].keys():
            raise ValueError(
                f"{path}: {key!r}: test_acc: expected as many numbers as for the others, "
                "received another count"
            )
    return TabularBenchmark(
        space, {name: [row[name] for row in rows] for name in rows[0]}, architectures
    )


def _row(where: str, item: Any) -> dict[str, float]:
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: expected an object, received {item!r}")
    trainings = item.get("test_acc")
    if not isinstance(trainings, list):
        raise ValueError(f"{where}: test_acc: expected a list, received {trainings!r}")
    row: dict[str, Any] = {"accuracy": item.get("mean_acc")}
    row |= {f"accuracy_{number}": accuracy for number, accuracy in enumerate(trainings)}
    row |= {name: item.get(name) for name in ("std", "params", "flops")}
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            field = {"accuracy": "mean_acc"}.get(name, name)
            raise ValueError(f"{where}: {field}: expected a number, received {value!r}")
    return row
