"""Objectives that have a name: tables, and a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_zero._config_values import choice
from nas._trials import Objective, Value
from nas.benchmarks import (
    DATASETS,
    NasBench201,
    TabularBenchmark,
    load_nas_bench_201_hardware,
    load_nas_bench_macro,
    load_table,
)
from nas.spaces import Architecture, ChoiceSpace, NasBench201Space, NasBenchMacroSpace


@dataclass(frozen=True)
class TableObjective:
    """Columns of a table as an objective.

    Args:
        table: The table.
        columns: Names of columns; one with a minus before it is to be low. Several are several
            objectives.
        shown: Columns that tell how good a choice is, and that a search must not see.

    Raises:
        ValueError: If there is no such column.

    >>> from nas.spaces import Decision
    >>> space = ChoiceSpace([Decision("kernel", ("3", "5"))])
    >>> table = TabularBenchmark(space, {"accuracy": [0.7, 0.8], "ms": [1, 3]})
    >>> TableObjective(table, ("accuracy", "-ms"))(space, (1,), None)
    (0.8, -3.0)
    """

    table: TabularBenchmark
    columns: tuple[str, ...]
    shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns:
            raise ValueError("columns: expected at least one, received none")
        for name in (*self.columns, *self.shown):
            choice("columns", name.removeprefix("-"), self.table.columns)

    def __call__(self, space: ChoiceSpace, architecture: Architecture, budget: int | None) -> Value:
        """The numbers of an architecture; one alone is no tuple."""
        if budget is not None:
            raise ValueError(
                f"budget: expected none, for a table knows one training only, received {budget}; "
                "take a strategy without budgets"
            )
        found = tuple(self._value(architecture, name) for name in self.columns)
        return found if len(found) > 1 else found[0]

    def details(self, architecture: Architecture) -> dict[str, float]:
        """What :attr:`shown` says of an architecture."""
        return {name: self._value(architecture, name) for name in self.shown}

    def _value(self, architecture: Architecture, name: str) -> float:
        value = self.table.value(architecture, name.removeprefix("-"))
        return -value if name.startswith("-") else value


def table_objective(
    space: ChoiceSpace,
    data: str | None,
    *,
    columns: Sequence[str] | None = None,
    hardware: str | None = None,
) -> Objective:
    """A table: NAS-Bench-201, which is shipped, or a file.

    Args:
        space: The space.
        data: For NAS-Bench-201 a data set, ``"cifar10"`` if there is none; a search sees the
            accuracy on validation data after 12 epochs. For other spaces the path of a file.
        columns: See :class:`TableObjective`. None: that accuracy; of other tables the first.
        hardware: File of latencies and energies of NAS-Bench-201, further columns.

    Raises:
        ValueError: If an argument is not as said, or a file is damaged.
    """
    if isinstance(space, NasBench201Space):
        name = choice("data", data or DATASETS[0], DATASETS)
        table: TabularBenchmark = NasBench201(name)
        if hardware is not None:
            more = load_nas_bench_201_hardware(hardware)
            both = (table, more)
            table = TabularBenchmark(
                space, {key: item.values(key) for item in both for key in item.columns}
            )
        return TableObjective(table, _names(columns, f"{name}_val_12"), (f"{name}_test_200",))
    if hardware is not None:
        raise ValueError(f"hardware: expected none for this space, received {hardware!r}")
    if data is None:
        raise ValueError("data: expected the file of a table for this space, received none")
    if isinstance(space, NasBenchMacroSpace) and data.endswith(".json"):
        table = load_nas_bench_macro(data)
    else:
        table = load_table(data, space)
    return TableObjective(table, _names(columns, table.columns[0]))


def training_objective(space: ChoiceSpace, data: str | None, **settings: Any) -> Objective:
    """Accuracy in 0..1 after a short training; needs the extra ``torch``.

    Args:
        space: A space of :mod:`nas.spaces` whose networks can be built.
        data: Path of an ``.npz`` file, see :meth:`nas.objectives.ImageData.load`. None or
            ``"digits"``: scikit-learn's handwritten digits.
        **settings: As for :class:`nas.objectives.TrainingObjective`.

    Raises:
        ValueError: If an argument is not as said, or the file is damaged.
        ImportError: Without torch, or without scikit-learn for the digits.
    """
    from nas.objectives import ImageData, TrainingObjective

    if data in (None, "digits"):
        return TrainingObjective(ImageData.digits(), **settings)
    ImageData.load(data)  # complains now, not in a worker
    return TrainingObjective(data, **settings)


def _names(columns: Any, default: str) -> tuple[str, ...]:
    if columns is None:
        return (default,)
    names = (columns,) if isinstance(columns, str) else columns
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"columns: expected names of columns, received {columns!r}")
    return tuple(names)
