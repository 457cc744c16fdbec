"""NAS-Bench-201: every cell of its space, trained on three data sets."""

from __future__ import annotations

import functools
import os
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import choice
from nas.benchmarks._table_files import numeric_columns, read_table
from nas.benchmarks._tabular_benchmark import TabularBenchmark
from nas.spaces import Architecture, NasBench201Space

DATASETS: Final = ("cifar10", "cifar100", "imagenet16")
"""CIFAR-10, CIFAR-100 and ImageNet16-120: 120 classes of ImageNet at 16×16 pixels."""

_INDEX: Final = "index"


class NasBench201(TabularBenchmark):
    """The NAS-Bench-201 table, as the paper's searches use it.

    Dong & Yang, "NAS-Bench-201: Extending the scope of reproducible neural architecture
    search" (ICLR 2020). A search sees what a short training tells, on validation data; how
    good its choice is, a full training tells, on test data.

    The nine columns, ``DATASET_val_12``, ``DATASET_test_12`` and ``DATASET_test_200``, are
    accuracies in percent after 12 or 200 epochs; of 200 epochs, means over one to three seeds.
    Isomorphic cells were trained each on its own: their numbers differ as those of two seeds.

    Args:
        dataset: One of :data:`DATASETS`: what :meth:`validation` and :meth:`test` are of.

    Raises:
        ValueError: If the data set is none of them.

    >>> benchmark = NasBench201("cifar10")
    >>> cell = benchmark.space.from_text(
    ...     "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    ...     "+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    ... )
    >>> benchmark.validation(cell), benchmark.test(cell)
    (84.892, 94.3733)
    >>> benchmark.best("cifar10_test_200") == (cell, 94.3733)
    True
    """

    def __init__(self, dataset: str = "cifar10") -> None:
        self.dataset = choice("dataset", dataset, DATASETS)
        super().__init__(NasBench201Space(), _columns())
        self._validation = self.values(f"{dataset}_val_12")
        self._test = self.values(f"{dataset}_test_200")

    def validation(self, architecture: Architecture) -> float:
        """Validation accuracy after 12 epochs, in percent: what a search may see.

        Raises:
            ValueError: If the architecture is none of the space.
        """
        return float(self._validation[self._number(architecture)])

    def test(self, architecture: Architecture) -> float:
        """Test accuracy after 200 epochs, in percent: how good a search's choice is.

        Raises:
            ValueError: If the architecture is none of the space.
        """
        return float(self._test[self._number(architecture)])

    def index(self, architecture: Architecture) -> int:
        """The cell's number in the benchmark's own files, which are in another order."""
        return int(_table()[_INDEX][self._number(architecture)])


def load_nas_bench_201_hardware(path: str | os.PathLike[str]) -> TabularBenchmark:
    """Latencies and energies of all cells of NAS-Bench-201, from a file.

    Args:
        path: A table (CSV, Parquet or JSON) with a column ``index`` of the benchmark's own
            numbers 0 to 15,624, each once, and columns of numbers. Made from the tables of
            HW-NAS-Bench (Li et al., ICLR 2021) or HELP (Lee et al., NeurIPS 2021), which are
            not shipped.

    Returns:
        All its columns but the index.

    Raises:
        ValueError: If the file is damaged or no such table; names file and column.
    """
    path = os.fspath(path)
    columns = numeric_columns(path, read_table(path))
    index = columns.pop(_INDEX, None)
    if index is None:
        raise ValueError(f"{path}: expected a column {_INDEX!r}, received none")
    own = _table()[_INDEX].astype(np.intp)
    if not np.array_equal(np.sort(index), np.arange(len(own))):
        raise ValueError(
            f"{path}: column {_INDEX!r}: expected each number in 0..{len(own) - 1} once, "
            "received others"
        )
    order = np.argsort(index)[own]
    return TabularBenchmark(
        NasBench201Space(), {name: values[order] for name, values in columns.items()}
    )


def _columns() -> dict[str, NDArray[np.float64]]:
    return {name: values for name, values in _table().items() if name != _INDEX}


@functools.cache
def _table() -> dict[str, NDArray[np.float64]]:
    """The shipped table, in the order of the space."""
    file = resources.files("nas.benchmarks").joinpath("data", "nas_bench_201.parquet")
    with resources.as_file(file) as path:
        return numeric_columns(str(path), read_table(str(path)))
