"""Where data sets come from: the embedded digits, files, scikit-learn's bundled sets.

Nothing in a file is ever unpickled or evaluated.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.tasks import _checks
from automl_zero.tasks._dataset import DataSet, feature_matrix

TABLE_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet", ".arrow", ".feather")

SKLEARN_SETS: Final = ("breast_cancer", "digits", "iris", "wine")

_SKLEARN_PREFIX: Final = "sklearn:"

_ARRAY_NAMES: Final = ("x", "y", "x_train", "y_train", "x_test", "y_test")


def load_data(
    source: str | os.PathLike[str] = "digits",
    *,
    label: str | int | None = None,
    header: bool | None = None,
) -> DataSet:
    """A data set by name or from a file.

    Args:
        source: ``"digits"`` (embedded, the default), ``"sklearn:NAME"`` with NAME one of
            ``breast_cancer``, ``digits``, ``iris``, ``wine`` (needs the extra
            ``automl-zero[sklearn]``), or the path of a file by its suffix:

            - ``.npz``: ``x_train`` and ``y_train``, optionally ``x_test`` and ``y_test``
              (these become test examples); or ``x`` and ``y``. Images are flattened.
            - ``.csv``, ``.csv.gz``, ``.parquet``, ``.arrow``, ``.feather``: a table of
              numbers and one label column.
        label: For tables: the label column by name, or by position (0 first, -1 last).
            None for the last.
        header: For CSV: whether the first line names the columns. None finds out: it
            does when ``label`` is a name or none of its cells is a number.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If ``"sklearn:NAME"`` is asked for and scikit-learn is not installed.
        ValueError: If the source is of no known kind, damaged, or not a classification
            data set; the message names file, column and row.

    >>> load_data("digits")
    DataSet('digits', 1797 × 64 uint8, 10 classes, 0 test examples)
    """
    text = os.fspath(source)
    if not isinstance(text, str) or not text:
        raise ValueError(f"source: expected a name or path, received {source!r}")
    suffix = next((s for s in (".npz", *TABLE_SUFFIXES) if text.lower().endswith(s)), None)
    if suffix not in TABLE_SUFFIXES and label is not None:
        raise ValueError(f"label: expected none for {text} (it is no table), received {label!r}")
    if suffix not in (".csv", ".csv.gz") and header is not None:
        raise ValueError(
            f"header: expected none for {text} (it is no CSV file), received {header!r}"
        )
    if text == "digits":
        return load_digits_data()
    if text.startswith(_SKLEARN_PREFIX):
        return _load_sklearn(text.removeprefix(_SKLEARN_PREFIX))
    if suffix is None:
        known = ", ".join(("'digits'", "'sklearn:NAME'", ".npz", *TABLE_SUFFIXES))
        raise ValueError(f"source: expected one of {known}, received {text!r}")
    path = Path(text)
    if not path.exists():
        raise FileNotFoundError(f"{text}: no such data file (working directory {Path.cwd()})")
    if not path.is_file():
        raise ValueError(f"{text}: expected a file, received a directory or device")
    _checks.require_memory(text, path.stat().st_size)
    if suffix == ".npz":
        return _load_npz(path)
    from automl_zero.tasks._tables import load_table  # pyarrow takes a while to import

    return load_table(path, suffix, label, header)


def load_digits_data() -> DataSet:
    """The embedded data: 1797 handwritten digits of 8×8 pixels, values 0 to 16.

    UCI *Optical Recognition of Handwritten Digits*, test set (Alpaydin & Kaynak 1998,
    CC BY 4.0): the digits that scikit-learn bundles, which is not needed here.

    >>> load_digits_data().class_names
    ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    with resources.files("automl_zero.tasks").joinpath("data", "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return DataSet.from_arrays(arrays["x"], arrays["y"], name="digits")


def _load_sklearn(name: str) -> DataSet:
    _checks.choice("sklearn", name, SKLEARN_SETS)
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(
            f"sklearn:{name} needs scikit-learn: pip install 'automl-zero[sklearn]' "
            "(the source 'digits' does without)"
        ) from None
    bunch = getattr(datasets, f"load_{name}")()
    labels = bunch.target if name == "digits" else np.asarray(bunch.target_names)[bunch.target]
    return DataSet.from_arrays(bunch.data, labels, name=f"{_SKLEARN_PREFIX}{name}")


def _load_npz(path: Path) -> DataSet:
    arrays = _read_npz(path)
    split = "x_train" in arrays or "y_train" in arrays
    x, y = _pair(path, arrays, *(("x_train", "y_train") if split else ("x", "y")))
    if not (split and ("x_test" in arrays or "y_test" in arrays)):
        return DataSet.from_arrays(x, y, name=str(path))
    x_test, y_test = _pair(path, arrays, "x_test", "y_test")
    if x_test.shape[1] != x.shape[1]:
        raise ValueError(
            f"{path}: x_test: expected {x.shape[1]} values per example as in x_train, "
            f"received {x_test.shape[1]}"
        )
    both = np.concatenate([x, x_test])
    both.setflags(write=False)  # nobody else holds it, so the data set needs no copy
    is_test = np.arange(len(both)) >= len(x)
    return DataSet.from_arrays(both, np.concatenate([y, y_test]), name=str(path), is_test=is_test)


def _pair(
    path: Path, arrays: Mapping[str, NDArray[Any] | None], x: str, y: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """One part of the archive: checked features ``[n, D]`` and labels ``[n]``."""
    features, labels = arrays.get(x), arrays.get(y)
    if features is None or labels is None:
        raise ValueError(
            f"{path}: expected arrays x_train and y_train, or x and y, "
            f"received {', '.join(sorted(arrays)) or 'none'} (no {x if features is None else y})"
        )
    features = feature_matrix(f"{path}: {x}", features)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != features.shape[:1]:
        raise ValueError(
            f"{path}: {y}: expected {len(features)} labels as in {x}, received shape {labels.shape}"
        )
    if labels.dtype.kind not in "biufSU":
        raise ValueError(f"{path}: {y}: expected integers or text, received {labels.dtype} values")
    return features, labels


def _read_npz(path: Path) -> dict[str, NDArray[Any] | None]:
    """The arrays that matter here by name; None for every other one, which is not read."""
    arrays: dict[str, NDArray[Any] | None] = {}
    try:
        with zipfile.ZipFile(path) as members:
            sizes = {
                item.filename.removesuffix(".npy"): item.file_size for item in members.infolist()
            }
        _checks.require_memory("its arrays", sum(sizes.get(name, 0) for name in _ARRAY_NAMES))
        with np.load(path, allow_pickle=False) as archive:
            for name in sizes:
                arrays[name] = archive[name] if name in _ARRAY_NAMES else None
    except Exception as error:  # NumPy, zipfile and zlib fail on damaged files in many ways
        if "Object arrays" in str(error):
            raise ValueError(
                f"{path}: expected arrays of numbers or text, received Python objects "
                "(never unpickled)"
            ) from None
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: expected a sound .npz archive, received: {reason}") from None
    return arrays
