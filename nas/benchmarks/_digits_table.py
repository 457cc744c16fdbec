"""All NAS-Bench-201 cells on scikit-learn's digits: a table of this project."""

from __future__ import annotations

import os
from importlib import resources

import numpy as np

from nas.benchmarks._table_files import numeric_columns, read_table
from nas.benchmarks._tabular_benchmark import TabularBenchmark
from nas.spaces import Architecture, NasBench201Space


class DigitsTable(TabularBenchmark):
    """Accuracies of every NAS-Bench-201 cell in a tiny network on 8x8 digits.

    Each of the 6,466 cells that differ was trained with several seeds, for four epochs on 800
    images, in a network of 4, 8 and 16 channels with one cell each and no residual blocks;
    isomorphic cells share their numbers. ``scripts/make_digits_table.py`` makes it, in an hour
    on one core, so whoever doubts a number can make it anew: a benchmark for searches with
    training noise, and for supernets that are trained on the same images.

    Columns, in percent: ``validation_SEED`` (500 images) and ``test_SEED`` (497 others), and
    their means over the seeds, ``validation`` and ``test``.

    Args:
        path: A file that the script has made; None: the one that is shipped.

    Raises:
        ValueError: If the file is damaged or no such table; names file and column.

    >>> table = DigitsTable()
    >>> best, accuracy = table.best("test")
    >>> round(accuracy, 1), round(table.validation(best), 1)
    (94.1, 91.5)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is None:
            file = resources.files("nas.benchmarks").joinpath("data", "digits_table.parquet")
            with resources.as_file(file) as shipped:
                table = read_table(str(shipped))
            path = str(file)
        else:
            path = os.fspath(path)
            table = read_table(path)
        columns = numeric_columns(path, table)
        for part in ("validation", "test"):
            seeds = [values for name, values in columns.items() if name.startswith(f"{part}_")]
            if not seeds:
                raise ValueError(f"{path}: expected columns {part}_SEED, received none")
            columns[part] = np.mean(seeds, axis=0)
        space = NasBench201Space()
        if len(columns["test"]) != space.size:
            raise ValueError(
                f"{path}: expected {space.size} rows, one for each cell, received "
                f"{len(columns['test'])}"
            )
        super().__init__(space, columns)

    def validation(self, architecture: Architecture, seed: int | None = None) -> float:
        """Validation accuracy in percent: of one seed, or the mean over all.

        Raises:
            ValueError: If the architecture is none of the space, or there is no such seed.
        """
        return self.value(architecture, "validation" if seed is None else f"validation_{seed}")

    def test(self, architecture: Architecture) -> float:
        """Test accuracy in percent, the mean over all seeds.

        Raises:
            ValueError: If the architecture is none of the space.
        """
        return self.value(architecture, "test")
