"""Architectures whose results are known: an objective that takes no time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl_zero._config_values import boolean, choice
from nas.spaces import Architecture, ChoiceSpace


class TabularBenchmark:
    """What is known of the architectures of a space, by column.

    Args:
        space: The space.
        columns: Numbers by name of the column, one for each architecture; NaN where a number
            is not known.
        architectures: The architectures, in the order of the numbers. None: all of the space,
            the last decision counting fastest, as :func:`itertools.product` gives them. Such
            a table needs no index.

    Raises:
        ValueError: If a column has another length than there are architectures, or an
            architecture stands there twice.

    >>> from nas.spaces import Decision
    >>> space = ChoiceSpace([Decision("kernel", ("3", "5")), Decision("width", ("16", "32"))])
    >>> table = TabularBenchmark(space, {"accuracy": [0.7, 0.8, 0.75, 0.85], "ms": [1, 3, 2, 4]})
    >>> table.value((0, 1), "accuracy")
    0.8
    >>> table.best("accuracy")
    ((1, 1), 0.85)
    >>> table.best("ms", lowest=True)
    ((0, 0), 1.0)
    """

    def __init__(
        self,
        space: ChoiceSpace,
        columns: Mapping[str, ArrayLike],
        architectures: Sequence[Architecture] | None = None,
    ) -> None:
        self.space = space
        self._options = tuple(len(decision.options) for decision in space.decisions)
        self._rows: dict[int, int] | None = None
        self._architectures: tuple[Architecture, ...] | None = None
        if architectures is not None:
            self._architectures = tuple(space.from_data(item) for item in architectures)
            self._rows = {}
            for row, architecture in enumerate(self._architectures):
                if self._rows.setdefault(self._number(architecture), row) != row:
                    raise ValueError(
                        "architectures: expected different ones, received "
                        f"{space.to_text(architecture)} twice"
                    )
        self._size = space.size if self._rows is None else len(self._rows)
        if not columns or not self._size:
            raise ValueError("columns: expected at least one with at least one row, received none")
        self._columns = {name: self._column(name, values) for name, values in columns.items()}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._columns)

    def __len__(self) -> int:
        """How many architectures the table has."""
        return self._size

    def value(self, architecture: Architecture, column: str) -> float:
        """The number of an architecture.

        Raises:
            ValueError: If the table has no such column, architecture or number.
        """
        value = float(self.values(column)[self.row(architecture)])
        if value != value:
            raise ValueError(
                f"architecture: expected one whose {column} is known, received "
                f"{self.space.to_text(architecture)}"
            )
        return value

    def values(self, column: str) -> NDArray[np.float64]:
        """A whole column, shape ``[rows]``; read only.

        Raises:
            ValueError: If the table has none of this name.
        """
        try:
            return self._columns[column]
        except (KeyError, TypeError):
            choice("column", column, self._columns)
            raise

    def best(self, column: str, *, lowest: bool = False) -> tuple[Architecture, float]:
        """The architecture with the highest number, and the number; the first on ties.

        Args:
            column: Name of the column.
            lowest: Whether lower is better.

        Raises:
            ValueError: If the table has no such column, or knows no number of it.
        """
        values = self.values(column)
        if np.isnan(values).all():
            raise ValueError(f"column: expected one with numbers, received {column!r}")
        lowest = boolean("lowest", lowest)
        row = int(np.nanargmin(values) if lowest else np.nanargmax(values))
        return self.architecture(row), float(values[row])

    def row(self, architecture: Architecture) -> int:
        """Where an architecture stands.

        Raises:
            ValueError: If it is none of the space, or not in the table.
        """
        number = self._number(architecture)
        row = number if self._rows is None else self._rows.get(number)
        if row is None:
            raise ValueError(
                f"architecture: expected one of the table's {self._size}, received "
                f"{self.space.to_text(architecture)}"
            )
        return row

    def architecture(self, row: int) -> Architecture:
        """The architecture of a row.

        Raises:
            ValueError: If there is no such row.
        """
        if not 0 <= row < self._size:
            raise ValueError(f"row: expected one in 0..{self._size - 1}, received {row!r}")
        if self._architectures is not None:
            return self._architectures[row]
        choices = []
        for options in reversed(self._options):
            row, option = divmod(row, options)
            choices.append(option)
        return tuple(reversed(choices))

    def architectures(self) -> list[Architecture]:
        """All of them, in the order of the rows."""
        if self._architectures is not None:
            return list(self._architectures)
        return list(itertools.product(*map(range, self._options)))

    def _number(self, architecture: Architecture) -> int:
        """Position of an architecture in its space."""
        if len(architecture) != len(self._options):
            self.space.from_data(architecture)  # tells what is wrong
        number = 0
        for option, options in zip(architecture, self._options, strict=True):
            if not 0 <= option < options:
                self.space.from_data(architecture)
            number = number * options + option
        return number

    def _column(self, name: str, values: Any) -> NDArray[np.float64]:
        try:
            array = np.array(values, np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"columns.{name}: expected numbers, received others") from None
        if array.shape != (self._size,):
            raise ValueError(
                f"columns.{name}: expected {self._size} numbers, one for each architecture, "
                f"received an array of shape {array.shape}"
            )
        array.setflags(write=False)
        return array
