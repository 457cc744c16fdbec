"""Data sets from arrays, names and npz files."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_zero.tasks import DataSet, load_data, load_digits_data

X = np.arange(12, dtype=np.float64).reshape(6, 2) / 10
Y = np.array([0, 1, 2, 0, 1, 2])


# --- data sets from arrays ------------------------------------------------------------


def test_images_are_flattened_and_bytes_stay_bytes():
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    data = DataSet.from_arrays(images, ["a", "b"])
    assert data.x.shape == (2, 60)
    assert data.x.dtype == np.uint8
    assert np.array_equal(data.x[1], images[1].ravel())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("bool", "uint8"),
        ("uint8", "uint8"),
        ("int64", "uint8"),
        ("float16", "float32"),
        (">f4", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_the_most_compact_type_is_kept(given, kept):
    x = np.array([[0, 1], [1, 1]]).astype(given)
    data = DataSet.from_arrays(x, [0, 1])
    assert data.x.dtype == np.dtype(kept)
    assert np.array_equal(data.x, x)


@pytest.mark.parametrize(("given", "kept"), [("int16", "float32"), ("int32", "float64")])
def test_integers_beyond_a_byte_become_floats(given, kept):
    data = DataSet.from_arrays(np.array([[-1, 300], [5, 6]], dtype=given), [0, 1])
    assert data.x.dtype == np.dtype(kept)
    assert data.x.tolist() == [[-1, 300], [5, 6]]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([3, 10, 3, -1, 3, 3], ("-1", "3", "10")),
        ([3.0, 10.0, 3.0, -1.0, 3.0, 3.0], ("-1", "3", "10")),
        (["dog", "cat", "dog", "ant", "dog", "dog"], ("ant", "cat", "dog")),
        ([b"dog", b"cat", b"dog", b"ant", b"dog", b"dog"], ("ant", "cat", "dog")),
    ],
)
def test_labels_become_indices_in_increasing_order(labels, names):
    data = DataSet.from_arrays(X, labels)
    assert data.class_names == names
    assert data.y.tolist() == [names.index(_text(label)) for label in labels]
    assert data.y.dtype == np.int64


def _text(label: object) -> str:
    if isinstance(label, bytes):
        return label.decode()
    return str(int(label)) if isinstance(label, float) else str(label)


def test_bool_labels_and_a_label_column_vector_are_accepted():
    assert DataSet.from_arrays(X[:2], [True, False]).class_names == ("0", "1")
    assert DataSet.from_arrays(X, Y[:, None]).y.tolist() == Y.tolist()


def test_a_class_is_found_by_its_label_as_number_or_text():
    data = DataSet.from_arrays(X, [7, 8, 9, 7, 8, 9], name="mine")
    assert data.class_index(8) == data.class_index("8") == 1
    with pytest.raises(ValueError, match="mine: expected a class out of 7, 8, 9, received 1"):
        data.class_index(1)
    with pytest.raises(ValueError, match="received True"):
        DataSet.from_arrays(X[:2], ["True", "False"]).class_index(True)


def test_data_are_read_only_and_copied_from_the_caller():
    source = X.copy()
    data = DataSet.from_arrays(source, Y)
    source[0, 0] = 99
    assert data.x[0, 0] == 0
    for array in (data.x, data.y, data.is_test):
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.where(X == 0.5, np.nan, X), Y, "d: column 2, row 3: .*finite number, received nan"),
        (np.where(X == 0.4, -np.inf, X), Y, "d: column 1, row 3: .*received -inf"),
        ([["a"]] * 6, Y, "d: expected numbers as features, received <U1"),
        (np.array([[None]] * 6), Y, "d: expected numbers as features, received object"),
        (X[:, 0], Y, r"d: expected features of shape \[examples, features…\], received \(6,\)"),
        (np.empty((0, 2)), [], r"d: expected features .*received \(0, 2\)"),
        (np.empty((6, 0)), Y, r"d: expected features .*received \(6, 0\)"),
        ([[1], [2, 3]], [0, 1], "d: .*ragged"),
        (X, Y[:5], r"d: labels: expected shape \(6,\), received \(5,\)"),
        (X, np.eye(6), r"d: labels: expected shape \(6,\), received \(6, 6\)"),
        (X, [0, 1, 0.5, 0, 1, 0], "d: labels, row 3: expected a class .*received 0.5"),
        (X, [0, 1, 0, np.nan, 1, 0], "d: labels, row 4: .*received nan"),
        (X, ["a", "b", " ", "a", "b", "a"], "d: labels, row 3: .*received nothing"),
        (X, [b"a", b"b", b"\xff", b"a", b"b", b"a"], "d: labels: expected UTF-8"),
        (X, np.array([None] * 6), "d: labels: expected integers or text, received object"),
        (X, [4] * 6, "d: labels: expected 2 to 2000 classes, received only 4"),
        (X, ["yes"] * 6, "d: labels: expected 2 to 2000 classes, received only yes"),
        (np.ones((2001, 1)), np.arange(2001), "d: labels: .*received 2001 distinct values"),
    ],
)
def test_bad_arrays_are_refused_with_their_place(x, y, message):
    with pytest.raises(ValueError, match=message):
        DataSet.from_arrays(x, y, name="d")


def test_bad_test_marks_are_refused():
    with pytest.raises(ValueError, match="is_test: expected 6 bools, received int64"):
        DataSet.from_arrays(X, Y, is_test=[0] * 6)


@given(fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**64 - 1))
def test_test_rows_are_the_same_share_of_each_class(fraction, seed):
    data = DataSet.from_arrays(np.zeros((60, 1)), np.arange(60) % 3 % 2)
    apart = data.with_test_rows(fraction, seed)
    for index, size in ((0, 40), (1, 20)):
        test, rest = apart.rows_of(index, test=True), apart.rows_of(index)
        assert len(test) == int(fraction * size)
        assert sorted([*test, *rest]) == data.rows_of(index).tolist()
    assert np.array_equal(apart.is_test, data.with_test_rows(fraction, seed).is_test)
    assert not data.is_test.any()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), "half", True])
def test_an_impossible_share_of_test_rows_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction: expected a number above 0 and below 1"):
        DataSet.from_arrays(X, Y).with_test_rows(fraction)


def test_test_rows_are_not_drawn_from_data_that_have_some():
    with pytest.raises(ValueError, match="expected no test examples yet, received 3"):
        DataSet.from_arrays(X, Y, is_test=np.arange(6) < 3).with_test_rows(0.5)


# --- named sources --------------------------------------------------------------------


def test_embedded_digits_are_the_default():
    data = load_data()
    assert data.name == "digits"
    assert data.x.shape == (1797, 64)
    assert data.x.dtype == np.uint8
    assert (data.x.min(), data.x.max()) == (0, 16)
    assert np.bincount(data.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.class_names == tuple("0123456789")


def test_embedded_digits_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    bundled = datasets.load_digits()
    assert np.array_equal(load_digits_data().x, bundled.data)
    assert np.array_equal(load_digits_data().y, bundled.target)


def test_scikit_learn_sets_are_loaded_by_name():
    pytest.importorskip("sklearn")
    data = load_data("sklearn:iris")
    assert data.x.shape == (150, 4)
    assert data.class_names == ("setosa", "versicolor", "virginica")
    with pytest.raises(ValueError, match=r"sklearn: .*'irsi' \(did you mean 'iris'\?\)"):
        load_data("sklearn:irsi")


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'automl-zero\[sklearn\]'"):
        load_data("sklearn:iris")
    assert len(load_data("digits")) == 1797


def test_importing_tasks_imports_neither_pyarrow_nor_scikit_learn():
    code = (
        "import sys, automl_zero.tasks as t; t.projected_binary_tasks(count=1);"
        "print({'pyarrow', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("data.txt", {}, "source: expected one of 'digits', .*received 'data.txt'"),
        ("digit", {}, "source: expected one of .*received 'digit'"),
        ("", {}, "source: expected a name or path, received ''"),
        ("digits", {"label": "y"}, "label: expected none for digits"),
        ("a.npz", {"label": 0}, "label: expected none for a.npz"),
        ("a.parquet", {"header": True}, "header: expected none for a.parquet"),
    ],
)
def test_an_unknown_source_or_option_is_refused(source, options, message):
    with pytest.raises(ValueError, match=message):
        load_data(source, **options)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".csv.gz", ".parquet", ".arrow", ".feather"])
def test_a_missing_file_is_named(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"none{suffix}: no such data file"):
        load_data(tmp_path / f"none{suffix}")


def test_a_directory_is_no_file(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ValueError, match="folder.npz: expected a file"):
        load_data(tmp_path / "folder.npz")


# --- npz ------------------------------------------------------------------------------


def test_npz_with_one_part(tmp_path):
    np.savez(tmp_path / "a.npz", x=X.reshape(6, 2, 1), y=Y)
    data = load_data(tmp_path / "a.npz")
    assert np.array_equal(data.x, X)
    assert np.array_equal(data.y, Y)
    assert not data.is_test.any()
    assert data.name == str(tmp_path / "a.npz")


def test_npz_with_test_part_marks_its_examples(tmp_path):
    np.savez_compressed(
        tmp_path / "a.NPZ.npz",
        x_train=np.ones((4, 2, 2), np.uint8),
        y_train=np.array([[0], [1], [2], [0]], np.uint8),
        x_test=np.zeros((2, 2, 2), np.uint8),
        y_test=np.array([[2], [1]], np.uint8),
        extra=np.zeros(3),
    )
    data = load_data(tmp_path / "a.NPZ.npz")
    assert data.x.shape == (6, 4)
    assert data.x.dtype == np.uint8
    assert data.y.tolist() == [0, 1, 2, 0, 2, 1]
    assert data.is_test.tolist() == [False] * 4 + [True] * 2
    assert data.rows_of(1, test=True).tolist() == [5]


def test_npz_with_a_training_part_only_has_no_test_examples(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y)
    assert not load_data(tmp_path / "a.npz").is_test.any()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"expected arrays x_train and y_train, or x and y, received x \(no y\)"),
        ({"features": X, "y": Y}, r"received features, y \(no x\)"),
        ({"x_train": X, "x": X, "y": Y}, r"received x, x_train, y \(no y_train\)"),
        ({"x_train": X, "y_train": Y, "x_test": X}, r"\(no y_test\)"),
        ({"x": X, "y": Y[:3]}, r"y: expected 6 labels as in x, received shape \(3,\)"),
        ({"x": X[:, 0], "y": Y}, r"x: expected features .*received \(6,\)"),
        ({"x": np.where(X == 0.3, np.nan, X), "y": Y}, "x: column 2, row 2: .*received nan"),
        ({"x": X.astype(str), "y": Y}, "x: expected numbers as features, received <U"),
        ({"x": X, "y": Y * 1j}, "y: expected integers or text, received complex128"),
        ({"x": X, "y": np.zeros(6)}, "labels: expected 2 to 2000 classes, received only 0"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y},
            "x_test: expected 2 values per example as in x_train, received 1",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X * np.nan, "y_test": Y},
            "x_test: column 1, row 1: expected a finite number, received nan",
        ),
    ],
)
def test_a_bad_npz_is_refused_by_name(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=f"a.npz: {message}|a.npz: .*{message}"):
        load_data(tmp_path / "a.npz")


class _Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_object_arrays_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=np.array([_Trap()] * 6))
    with pytest.raises(ValueError, match=r"a.npz: .*received Python objects \(never unpickled\)"):
        load_data(tmp_path / "a.npz")


def test_object_arrays_that_do_not_matter_are_left_alone(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y, other=np.array([_Trap()]))
    assert len(load_data(tmp_path / "a.npz")) == 6


def test_a_foreign_file_named_npz_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    for content in (b"", b"hello", b"\x80\x04\x95.", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="a.npz: expected a sound .npz archive"):
            load_data(path)


def test_an_array_header_that_lies_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9999999), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    with pytest.raises(ValueError, match="a.npz: expected a sound .npz archive"):
        load_data(path)


@given(data=st.data())
def test_a_damaged_npz_is_an_error_or_loads(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "a.npz"
    np.savez_compressed(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        load_data(path)
    except ValueError as error:
        assert "a.npz" in str(error)
