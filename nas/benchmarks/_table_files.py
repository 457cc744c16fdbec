"""Tables of architectures in files: CSV, Parquet, JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import choice
from nas.benchmarks._tabular_benchmark import TabularBenchmark
from nas.spaces import Architecture, ChoiceSpace

if TYPE_CHECKING:
    import pyarrow as pa

Values = NDArray[np.float64] | list[Any]
"""A column: numbers, or whatever stood there."""

TABLE_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet", ".json")


def load_table(
    path: str | os.PathLike[str],
    space: ChoiceSpace,
    *,
    architecture: str = "architecture",
    columns: Sequence[str] | None = None,
) -> TabularBenchmark:
    """Any table with a column of architectures.

    Args:
        path: ``.csv`` or ``.csv.gz`` with a line of names, ``.parquet``, or ``.json``: a list
            of objects, one per architecture, or one object of them by architecture.
        space: Reads the architectures: texts of its text form, or lists of option numbers.
        architecture: The column they are in; not used for one object by architecture.
        columns: The columns to keep. None: all that hold numbers and nothing else. Missing
            values become NaN.

    Raises:
        ValueError: If the file is damaged, a column is not there or holds no numbers, or an
            architecture is none of the space or there twice; names the file and the place.

    >>> import tempfile, pathlib
    >>> from nas.spaces import NasBenchMacroSpace
    >>> path = pathlib.Path(tempfile.mkdtemp(), "table.csv")
    >>> _ = path.write_text("name,error\\n'00000000',0.4\\n'22212220',0.1\\n".replace("'", '"'))
    >>> table = load_table(path, NasBenchMacroSpace(), architecture="name")
    >>> table.best("error", lowest=True)
    ((2, 2, 2, 1, 2, 2, 2, 0), 0.1)
    """
    path = os.fspath(path)
    table = read_table(path, text=architecture)
    if architecture not in table:
        raise ValueError(
            f"{path}: architecture: expected one of the columns {', '.join(table)}, "
            f"received {architecture!r}"
        )
    architectures = [
        architecture_of(f"{path}: row {row}", space, item)
        for row, item in enumerate(table.pop(architecture), start=1)
    ]
    try:
        return TabularBenchmark(space, numeric_columns(path, table, columns), architectures)
    except ValueError as error:
        raise error if str(error).startswith(path) else ValueError(f"{path}: {error}") from None


def architecture_of(where: str, space: ChoiceSpace, item: Any) -> Architecture:
    """The architecture that a text or list of numbers is.

    Raises:
        ValueError: If it is none of the space; begins with ``where``.
    """
    try:
        return space.from_text(item) if isinstance(item, str) else space.from_data(item)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def numeric_columns(
    path: str, table: Mapping[str, Values], names: Sequence[str] | None = None
) -> dict[str, NDArray[np.float64]]:
    """The columns of a table that hold numbers, or those that ``names`` names.

    Raises:
        ValueError: If a named one is not there or holds something else.
    """
    columns = {}
    for name in table if names is None else [choice("columns", name, table) for name in names]:
        values = table[name]
        array = values if isinstance(values, np.ndarray) else _numbers(values)
        if array is not None:
            columns[name] = array
        elif names is not None:
            raise ValueError(f"{path}: column {name!r}: expected numbers, received others")
    return columns


def _numbers(values: list[Any]) -> NDArray[np.float64] | None:
    """The values as numbers; None if one of them is something else, or all are missing."""
    if not any(value is not None for value in values):
        return None
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return None
    return np.array([math.nan if value is None else value for value in values], np.float64)


def read_table(path: str, *, text: str = "") -> dict[str, Values]:
    """The columns of a file by name: arrays, or lists of what stands there.

    Args:
        path: The file.
        text: A column that holds text even where it looks like numbers.

    Raises:
        ValueError: If the file is of no known kind, or damaged.
    """
    if not path.lower().endswith(TABLE_SUFFIXES):
        raise ValueError(f"path: expected one of {', '.join(TABLE_SUFFIXES)}, received {path!r}")
    if path.lower().endswith(".json"):
        return _read_json_table(path, text)
    return _read_arrow_table(path, text)


def read_json(path: str) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: If it is none.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: expected JSON, received something else: {error}") from None


def _read_json_table(path: str, text: str) -> dict[str, Values]:
    data = read_json(path)
    if isinstance(data, Mapping):
        data = [
            {text: key, **item} if isinstance(item, Mapping) else item for key, item in data.items()
        ]
    if not isinstance(data, list) or not all(isinstance(item, Mapping) for item in data):
        raise ValueError(f"{path}: expected objects, one per architecture, received others")
    names = dict.fromkeys(name for item in data for name in item)
    return {name: [item.get(name) for item in data] for name in names}


def _read_arrow_table(path: str, text: str) -> dict[str, Values]:
    import pyarrow as pa  # a while to import, and a table in memory needs none of it
    from pyarrow import csv, parquet

    try:
        if path.lower().endswith(".parquet"):
            with parquet.ParquetFile(path) as file:
                table = file.read(use_threads=False)
        else:
            options = csv.ConvertOptions(column_types={text: pa.string()} if text else None)
            table = csv.read_csv(path, convert_options=options)
        table.validate(full=True)
        names = [str(name) for name in table.column_names]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: expected a table, received a damaged one: {reason}") from None
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: expected columns of different names, received one twice")
    return {name: _values(table.column(number)) for number, name in enumerate(names)}


def _values(column: pa.ChunkedArray) -> Values:
    import pyarrow as pa

    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(), np.float64)  # missing values become NaN
    return list(column.to_pylist())
