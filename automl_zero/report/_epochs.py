"""The epoch events of a run as columns of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LARGEST: Final = 1e100
"""Numbers beyond that count as missing: no figure could show them, and squares overflow."""


class Epochs:
    """The epochs of a run, in the order in which they were committed.

    Rows without experiment, island or individuals are left out. What is not a number in the
    log is NaN here.

    Args:
        table: As ``run.events("epoch")`` gives it.

    Attributes:
        experiment: Number of the experiment, shape ``[epochs]``, as all others.
        island: Number of the island.
        individuals: Individuals that the island had created in this experiment.
        fitness: The island's best search fitness.
        seconds: When the epoch was committed, in time of the run.

    >>> columns = {"experiment": [1, 1, 1], "island": [0, 1, 0], "individuals": [10, 20, 40]}
    >>> epochs = Epochs(pa.table({**columns, "fitness": [0.5, 0.4, None]}))
    >>> epochs.created().tolist(), epochs.fitness.tolist()
    ([10.0, 20.0, 30.0], [0.5, 0.4, nan])
    """

    def __init__(self, table: pa.Table) -> None:
        places = [numbers(table, name) for name in ("experiment", "island", "individuals")]
        kept = np.all([np.isfinite(place) & (place >= 0) for place in places], axis=0)
        self._table = table if kept.all() else table.filter(pa.array(kept))
        self.experiment, self.island = (place[kept].astype(np.int64) for place in places[:2])
        self.individuals = places[2][kept]
        self.fitness = self.column("fitness")
        self.seconds = self.column("seconds")
        # Rows of one island of one experiment side by side, in their order.
        self._order = np.lexsort((self.island, self.experiment))
        pairs = np.stack((self.experiment, self.island))[:, self._order]
        self._starts = np.flatnonzero(
            np.concatenate(([True], (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)))
            if len(self)
            else []
        )

    def __len__(self) -> int:
        return len(self.experiment)

    @property
    def experiments(self) -> list[int]:
        """The experiments that have epochs, in order."""
        return [int(number) for number in np.unique(self.experiment)]

    def column(self, name: str) -> Floats:
        """Any column of the log; NaN where it is missing or no number."""
        return numbers(self._table, name)

    def percentile(self, name: str) -> Floats:
        """A percentile of the population's fitness: ``"5"``, ``"25"``, ``"50"``, ..."""
        return np.array([_number(row.get(name)) for row in self._objects("percentile_fitness")])

    def islands(self) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """Experiment, island and rows of each island."""
        for rows in np.split(self._order, self._starts[1:]) if len(self) else []:
            yield int(self.experiment[rows[0]]), int(self.island[rows[0]]), rows

    def created(self, name: str = "individuals") -> Floats:
        """By how much a count, which grows during an experiment, grew in each epoch."""
        counts = self.column(name)[self._order]
        growth = np.diff(counts, prepend=0.0)
        growth[self._starts] = counts[self._starts]
        result = np.empty_like(growth)
        result[self._order] = np.maximum(growth, 0.0)
        return result

    def total(self) -> float:
        """Individuals of all islands and experiments."""
        return float(np.sum(self.created()))

    def outcomes(self) -> dict[str, dict[str, int]]:
        """What became of the children of each mutation type, in the whole run."""
        last = [rows[-1] for _, _, rows in self.islands()]
        sums: dict[str, dict[str, int]] = {}
        for row in self._objects("mutations", np.array(last, np.int64)):
            for kind, counts in row.items():
                if isinstance(counts, dict):
                    found = sums.setdefault(kind, dict.fromkeys(OUTCOMES, 0))
                    for name in OUTCOMES:
                        found[name] += int(np.nan_to_num(_number(counts.get(name))))
        return {kind: counts for kind, counts in sums.items() if counts["children"] > 0}

    def _objects(self, name: str, rows: NDArray[np.int64] | None = None) -> list[dict[str, Any]]:
        if name not in self._table.column_names:
            return []
        column = self._table[name]
        values = (column if rows is None else column.take(pa.array(rows))).to_pylist()
        return [value if isinstance(value, dict) else {} for value in values]


OUTCOMES: Final = ("children", "neutral", "better", "worse")


def numbers(table: pa.Table, name: str) -> Floats:
    """A column as floats; NaN where there is none, or no number that a figure could show."""
    values = np.full(len(table), np.nan)
    if name in table.column_names:
        kind = table[name].type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            values = table[name].cast(pa.float64(), safe=False).to_numpy().copy()
    values[~(np.abs(values) < _LARGEST)] = np.nan
    return values


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _LARGEST else np.nan
