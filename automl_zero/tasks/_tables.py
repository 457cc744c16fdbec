"""Tables with a label column: CSV, Parquet and Arrow files, through pyarrow."""

from __future__ import annotations

import contextlib
import csv
import gzip
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv
from pyarrow import ipc, parquet

from automl_zero.tasks import _checks
from automl_zero.tasks._dataset import DataSet

_MAX_LABEL_LENGTH: Final = 200


def load_table(
    path: Path, suffix: str, label: str | int | None = None, header: bool | None = None
) -> DataSet:
    """The table in ``path`` as a data set; see :func:`automl_zero.tasks.load_data`.

    Args:
        path: An existing file.
        suffix: Its kind: ``.csv``, ``.csv.gz``, ``.parquet``, ``.arrow`` or ``.feather``.
        label: Name or position of the label column; None for the last.
        header: For CSV: whether the first line holds names; None to find out.

    Raises:
        ValueError: If the file is damaged or a column is not what it has to be.
    """
    if label is not None and (isinstance(label, bool) or not isinstance(label, str | int)):
        raise ValueError(f"label: expected a column name or position, received {label!r}")
    named = True
    if suffix in (".csv", ".csv.gz"):
        named = _has_header(path, label) if header is None else header
        if not isinstance(named, bool):
            raise ValueError(f"header: expected true or false, received {header!r}")
        if isinstance(label, str) and not named:
            raise ValueError(
                f"label: expected a position, as {path} has no header, received {label!r}"
            )
        table = _read_csv(path, named)
    else:
        table = _read_arrow(path, is_parquet=suffix == ".parquet")
    if table.num_rows == 0:
        raise ValueError(f"{path}: expected rows of data, received none")
    if table.num_columns < 2:
        raise ValueError(
            f"{path}: expected a label column and at least one more, received {table.num_columns}"
        )
    at = _label_position(path, table, label)
    _checks.require_memory(str(path), 8 * table.num_rows * (table.num_columns - 1))
    hint = "" if named else " (if the first line names the columns, set header to true)"
    parts, columns = [], []
    for index, column in enumerate(table.columns):
        if index != at:
            title = f"column {table.column_names[index]!r}" if named else f"column {index + 1}"
            part = _numbers(f"{path}: {title}", column, hint)
            parts.append(part)
            columns += [title] * part.shape[1]
    title = f"column {table.column_names[at]!r}" if named else f"column {at + 1}"
    labels = _labels(f"{path}: {title}", table.column(at))
    x = np.concatenate(parts, axis=1)
    x.setflags(write=False)
    return DataSet.from_arrays(x, labels, name=str(path), columns=columns)


def _has_header(path: Path, label: str | int | None) -> bool:
    """Whether the first line of a CSV file names columns: no cell of it is a number."""
    if isinstance(label, str):
        return True
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
            cells = next(csv.reader(lines), [])
    except (OSError, EOFError, csv.Error) as error:
        raise _damaged(path, "a CSV file", error) from None
    return not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    with contextlib.suppress(ValueError):
        float(cell)
        return True
    return False


def _read_csv(path: Path, named: bool) -> pa.Table:
    options = arrow_csv.ReadOptions(autogenerate_column_names=not named)
    try:
        return _sound(arrow_csv.read_csv(path, read_options=options))
    except _READ_ERRORS as error:
        raise _damaged(path, "a CSV file in UTF-8", error) from None


def _read_arrow(path: Path, *, is_parquet: bool) -> pa.Table:
    try:
        if not is_parquet:
            return _sound(_read_ipc(path))
        with parquet.ParquetFile(path) as file:
            return _sound(file.read())
    except _READ_ERRORS as error:
        raise _damaged(path, "a Parquet file" if is_parquet else "an Arrow file", error) from None


_READ_ERRORS: Final = (pa.ArrowException, OSError, EOFError, ValueError)


def _sound(table: pa.Table) -> pa.Table:
    """The table, if what it holds is what it says it holds.

    A damaged file may have offsets that point anywhere, and names that are no text.
    """
    table.validate(full=True)
    for field in table.schema:
        str(field)
    return table


def _read_ipc(path: Path) -> pa.Table:
    """An Arrow file in either layout, with a footer or as a stream: suffixes don't tell."""
    with pa.OSFile(str(path)) as source:
        try:
            return ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return ipc.open_stream(source).read_all()


def _label_position(path: Path, table: pa.Table, label: str | int | None) -> int:
    count = table.num_columns
    if label is None:
        return int(count - 1)
    if isinstance(label, int):
        if not -count <= label < count:
            raise ValueError(
                f"{path}: label: expected a position from {-count} to {count - 1}, received {label}"
            )
        return int(label % count)
    found = table.schema.get_all_field_indices(label)
    if len(found) != 1:
        some = ", ".join(table.column_names[:20]) + (", …" if count > 20 else "")
        received = f"{label!r}, which {len(found)} columns share" if found else repr(label)
        raise ValueError(
            f"{path}: label: expected one column of {some}, received {received}"
            f"{'' if found else _checks.nearest(label, table.column_names)}"
        )
    return int(found[0])


def _numbers(where: str, column: pa.ChunkedArray, hint: str) -> NDArray[Any]:
    """A feature column as ``[n, k]``: k is 1, or the length of lists that all have it."""
    array, rows = column.combine_chunks(), len(column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    _require_present(where, array, rows)
    while _is_list(array.type):
        lengths = pc.list_value_length(array)
        if pc.count_distinct(lengths).as_py() != 1:
            raise ValueError(f"{where}: expected lists of one length, received different lengths")
        array = array.flatten()
        _require_present(where, array, rows)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise ValueError(f"{where}{_not_a_number(array)}{hint}")
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.itemsize > 1 and values.dtype.kind in "iu" and len(values):
        # CSV integers all arrive as int64; pixels fit in bytes.
        low, high = values.min(), values.max()
        values = values.astype(np.uint8 if low >= 0 and high <= 255 else np.float64)
    return np.asarray(values.reshape(rows, -1))


def _not_a_number(array: pa.Array) -> str:
    """The rest of the message for a column of another type: its first cell that is no number."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        for row, cell in enumerate(array.to_pylist()):
            if not _is_number(cell):
                return f", row {row + 1}: expected a number, received {cell!r}"
    return f": expected numbers, received values of type {array.type}"


def _labels(where: str, column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    _require_present(where, array, len(array))
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        longest = pc.max(pc.utf8_length(array)).as_py()
        if longest > _MAX_LABEL_LENGTH:  # NumPy gives every row the space of the longest
            raise ValueError(
                f"{where}: expected labels of at most {_MAX_LABEL_LENGTH} characters, "
                f"received {longest}"
            )
        return np.array(array.to_pylist(), dtype=np.str_)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    raise ValueError(f"{where}: expected labels (integers or text), received values of type {kind}")


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _require_present(where: str, array: pa.Array, rows: int) -> None:
    """Refuse nulls in a column of ``rows`` rows, or in the values of its lists."""
    if array.null_count:
        row = pc.index(pc.is_null(array), pa.scalar(True)).as_py() * rows // len(array)
        raise ValueError(f"{where}, row {row + 1}: expected a value, received nothing")


def _damaged(path: Path, wanted: str, error: Exception) -> ValueError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ValueError(f"{path}: expected {wanted}, received a damaged or foreign one ({reason})")
