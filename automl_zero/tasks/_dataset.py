"""A classification data set in memory: what every data source is read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import _checks

MAX_CLASSES: Final = 2000  # more distinct labels than this is a number, not a class


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Examples with class labels, an immutable value; made by :meth:`from_arrays`.

    Attributes:
        x: Features ``[n, D]``, finite; uint8, float32 or float64, whichever holds the
            source's values in the least memory.
        y: Class of each example ``[n]`` int64, an index into ``class_names``.
        class_names: The distinct labels as text, in increasing order.
        name: What error messages and tasks call the data.
        is_test: ``[n]`` bool: examples set apart for the last test.

    >>> data = DataSet.from_arrays([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], ["cat", "dog", "cat"])
    >>> data.class_names, data.y.tolist(), data.x.dtype.name
    (('cat', 'dog'), [0, 1, 0], 'float64')
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]
    name: str
    is_test: NDArray[np.bool_]

    @classmethod
    def from_arrays(
        cls,
        x: ArrayLike,
        labels: ArrayLike,
        *,
        name: str = "data",
        is_test: ArrayLike | None = None,
        columns: Sequence[str] | None = None,
    ) -> DataSet:
        """A data set of arrays.

        Args:
            x: Features ``[n, ...]``, numbers; further axes (an image's) are flattened.
            labels: ``[n]`` or ``[n, 1]`` integers or text, at least two distinct.
            name: What messages call the data: usually the file.
            is_test: ``[n]`` bool: examples set apart for the last test; None for none.
            columns: What messages call the columns of a table; None for numbers.

        Raises:
            ValueError: If shapes disagree, a feature is not a finite number, a label is
                missing or not a class, or there is only one class.
        """
        features = feature_matrix(name, x, columns)
        y, class_names = _classes(name, labels, len(features))
        test = np.zeros(len(y), bool) if is_test is None else np.asarray(is_test)
        if test.dtype != np.bool_ or test.shape != y.shape:
            raise ValueError(
                f"{name}: is_test: expected {len(y)} bools, received {test.dtype} {test.shape}"
            )
        return cls(features, _checks.frozen(y), class_names, name, _checks.frozen(test))

    @property
    def width(self) -> int:
        """Number of raw features D."""
        return int(self.x.shape[1])

    def class_index(self, label: str | int) -> int:
        """Index of a class by its label: ``5`` and ``"5"`` are the class named ``5``.

        Raises:
            ValueError: If no class has this label.
        """
        if not isinstance(label, bool) and str(label) in self.class_names:
            return self.class_names.index(str(label))
        listed = ", ".join(self.class_names[:20]) + (", …" if len(self.class_names) > 20 else "")
        hint = _checks.nearest(label, self.class_names)
        raise ValueError(f"{self.name}: expected a class out of {listed}, received {label!r}{hint}")

    def rows_of(self, class_index: int, *, test: bool = False) -> NDArray[np.int64]:
        """Row numbers of one class, out of the test examples or out of the others."""
        return np.flatnonzero((self.y == class_index) & (self.is_test == test))

    def with_test_rows(self, fraction: float, seed: int = 0) -> DataSet:
        """The same data with a random share of each class set apart as test examples.

        Args:
            fraction: Share of each class, above 0 and below 1, rounded down.
            seed: Which examples; a fixed 0, so that all task sets made from one file
                agree on them unless asked otherwise.

        Raises:
            ValueError: If the data have test examples already, or ``fraction`` is out
                of its bounds.
        """
        if (
            isinstance(fraction, bool)
            or not isinstance(fraction, int | float)
            or not 0 < fraction < 1
        ):
            raise ValueError(
                f"fraction: expected a number above 0 and below 1, received {fraction!r}"
            )
        if self.is_test.any():
            raise ValueError(
                f"{self.name}: expected no test examples yet, received {self.is_test.sum()}"
            )
        is_test = np.zeros(len(self), bool)
        for index in range(len(self.class_names)):
            rows = self.rows_of(index)
            order = Stream(stream_key(seed, "test_rows", index)).permutation(len(rows))
            is_test[rows[order[: int(fraction * len(rows))]]] = True
        return replace(self, is_test=_checks.frozen(is_test))

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return (
            f"DataSet({self.name!r}, {len(self)} × {self.width} {self.x.dtype}, "
            f"{len(self.class_names)} classes, {int(self.is_test.sum())} test examples)"
        )


def feature_matrix(name: str, x: ArrayLike, columns: Sequence[str] | None = None) -> NDArray[Any]:
    """``x`` as a read-only ``[n, D]`` array of finite numbers in its most compact type.

    Raises:
        ValueError: Naming ``name`` and, for a value that is not finite, column and row.
    """
    try:
        array = np.asarray(x)
    except ValueError:
        raise ValueError(
            f"{name}: expected rows of equal lengths, received a ragged list"
        ) from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected numbers as features, received {array.dtype} values")
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(
            f"{name}: expected features of shape [examples, features…], received {array.shape}"
        )
    array = _compact(array.reshape(len(array), -1))
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        if not finite.all():
            row, column = (int(index) for index in np.argwhere(~finite)[0])
            where = f"column {column + 1}" if columns is None else columns[column]
            raise ValueError(
                f"{name}: {where}, row {row + 1}: expected a finite number, "
                f"received {array[row, column]}"
            )
    return _checks.frozen(array)


def _compact(array: NDArray[Any]) -> NDArray[Any]:
    """The same values in uint8, float32 or float64; the first that is certain to hold them."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array.astype(np.uint8)
    if kind in "iu":
        if array.dtype == np.uint8:
            return array
        if array.min() >= 0 and array.max() <= 255:
            return array.astype(np.uint8)
        return array.astype(np.float32 if size <= 2 else np.float64)
    # Also turns foreign byte orders into the machine's own.
    return array.astype(np.float32 if size <= 4 else np.float64, copy=False)


def _classes(name: str, labels: ArrayLike, count: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (count,):
        raise ValueError(f"{name}: labels: expected shape ({count},), received {array.shape}")
    kind = array.dtype.kind
    if kind == "S":
        try:
            array, kind = np.char.decode(array, "utf-8"), "U"
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}: labels: expected UTF-8 text, received {error.object!r}"
            ) from None
    if kind == "b":
        array = array.astype(np.uint8)
    elif kind == "f":
        # A whole number stored as a float is still a class; 0.5 or NaN is not.
        wrong = np.flatnonzero(
            ~(np.isfinite(array) & (array == np.floor(array)) & (abs(array) < 2**53))
        )
        if len(wrong):
            raise ValueError(
                f"{name}: labels, row {wrong[0] + 1}: expected a class (integer or text), "
                f"received {array[wrong[0]]}"
            )
        array = array.astype(np.int64)
    elif kind == "U":
        empty = np.flatnonzero(np.char.strip(array) == "")
        if len(empty):
            raise ValueError(
                f"{name}: labels, row {empty[0] + 1}: expected a class, received nothing"
            )
    elif kind not in "iu":
        raise ValueError(
            f"{name}: labels: expected integers or text, received {array.dtype} values"
        )
    values, y = np.unique(array, return_inverse=True)
    if not 2 <= len(values) <= MAX_CLASSES:
        received = f"only {values[0]!s}" if len(values) == 1 else f"{len(values)} distinct values"
        raise ValueError(
            f"{name}: labels: expected 2 to {MAX_CLASSES} classes, received {received}"
        )
    return y.astype(np.int64), tuple(str(value) for value in values.tolist())
