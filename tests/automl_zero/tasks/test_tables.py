"""CSV, Parquet and Arrow files with a label column."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_zero.tasks import load_data

NAMED = "width,height,kind\n1.5,2,cat\n-1,0.25,dog\n3e2,4,cat\n"
PLAIN = "1.5,2,cat\n-1,0.25,dog\n3e2,4,cat\n"
NUMBERS = [[1.5, 2.0], [-1.0, 0.25], [300.0, 4.0]]


@pytest.fixture
def csv(tmp_path):
    def write(text, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def table(**columns):
    return pa.table(columns)


TABLE = table(width=[1.5, -1.0, 300.0], height=[2.0, 0.25, 4.0], kind=["cat", "dog", "cat"])


def write_table(path, content):
    if path.suffix == ".parquet":
        pa.parquet.write_table(content, path)
    else:
        pa.feather.write_feather(content, path)
    return path


# --- CSV ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [NAMED, PLAIN, "\ufeff" + NAMED, NAMED.replace("\n", "\r\n")])
def test_csv_with_or_without_header(text, csv):
    data = load_data(csv(text))
    assert data.x.tolist() == NUMBERS
    assert data.class_names == ("cat", "dog")
    assert data.y.tolist() == [0, 1, 0]


def test_compressed_csv(csv):
    data = load_data(csv(gzip.compress(NAMED.encode()), "a.csv.gz"))
    assert data.x.tolist() == NUMBERS


@pytest.mark.parametrize("label", ["kind", 1, -2])
def test_the_label_column_is_chosen_by_name_or_position(label, csv):
    data = load_data(csv("a,kind,b\n1,7,2\n3,8,4\n"), label=label)
    assert data.x.tolist() == [[1, 2], [3, 4]]
    assert data.class_names == ("7", "8")


def test_a_header_of_numbers_can_be_announced(csv):
    path = csv("0,1,2\n10,11,0\n20,21,1\n")
    assert load_data(path, header=True).x.tolist() == [[10, 11], [20, 21]]
    assert load_data(path, header=True, label="0").y.tolist() == [0, 1]
    assert len(load_data(path)) == 3


def test_pixels_in_csv_are_kept_as_bytes(csv):
    data = load_data(csv("5,0,255\n6,128,3\n"), label=0)
    assert data.x.dtype == np.uint8
    assert data.x.tolist() == [[0, 255], [128, 3]]


def test_a_column_may_turn_from_integers_to_floats_late_in_the_file(csv):
    rows = [f"{i},{i % 2}" for i in range(200_000)] + ["0.5,1"]
    data = load_data(csv("\n".join(rows)))
    assert data.x[-1, 0] == 0.5
    assert data.x[7, 0] == 7


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            NAMED.replace("0.25", "tall"),
            {},
            "column 'height', row 2: expected a number, received 'tall'$",
        ),
        (
            "1,2,a\n3,x,b\n",
            {},
            r"column 2, row 2: expected a number, received 'x' \(if the first line names",
        ),
        ("id,1,2\n5,6,0\n7,8,1\n", {}, r"column 1, row 1: .*'id' .*set header to true"),
        (
            NAMED.replace("0.25", ""),
            {},
            "column 'height', row 2: expected a value, received nothing",
        ),
        (NAMED.replace("0.25", "NA"), {}, "column 'height', row 2: .*received nothing"),
        (NAMED.replace("0.25", "nan"), {}, "column 'height', row 2: .*received nothing"),
        (NAMED.replace("0.25", "inf"), {}, "column 'height', row 2: .*finite number, received inf"),
        (NAMED.replace("dog", ""), {}, "labels, row 2: expected a class, received nothing"),
        (NAMED.replace("dog", "cat"), {}, "labels: expected 2 to 2000 classes, received only cat"),
        ("a,b\n1,2020-01-01\n2,2020-01-02\n", {"label": "a"}, "'b': .*values of type date32"),
        ("a,b\n1,2020-01-01\n2,2020-01-02\n", {}, "'b': expected labels .*of type date32"),
        ("a,b\n1,0.5\n2,0.25\n", {}, "labels, row 1: expected a class .*received 0.5"),
        (
            NAMED,
            {"label": "kin"},
            r"label: expected one column of width, height, kind, received 'kin' "
            r"\(did you mean 'kind'\?\)",
        ),
        (NAMED, {"label": 3}, "label: expected a position from -3 to 2, received 3"),
        (NAMED, {"label": 1.0}, "label: expected a column name or position, received 1.0"),
        (NAMED, {"label": True}, "label: expected a column name or position, received True"),
        (PLAIN, {"label": "kind", "header": False}, "label: expected a position, as .* no header"),
        (NAMED, {"header": "yes"}, "header: expected true or false, received 'yes'"),
        ("a,a,b\n1,2,3\n", {"label": "a"}, "received 'a', which 2 columns share"),
        ("a\n1\n2\n", {}, "expected a label column and at least one more, received 1"),
        ("a,b\n", {}, "expected rows of data, received none"),
        ("", {}, "expected a CSV file in UTF-8, received a damaged or foreign one"),
        ("a,b\n1,2\n3\n", {}, "damaged or foreign one .*Expected 2 columns, got 1"),
        (b"a,b\n1,x\n2,\xff\xfe\n", {}, "expected labels .*type binary"),
        (b"\x00\x01\x02", {}, "a.csv"),
    ],
)
def test_a_bad_csv_is_refused_with_file_column_and_row(text, options, message, csv):
    with pytest.raises(ValueError, match=message):
        load_data(csv(text), **options)


def test_damaged_compression_is_refused(csv):
    with pytest.raises(ValueError, match="a.csv.gz: expected a CSV file"):
        load_data(csv(gzip.compress(NAMED.encode() * 50)[:40], "a.csv.gz"))
    with pytest.raises(ValueError, match="a.csv.gz: expected a CSV file"):
        load_data(csv(NAMED, "a.csv.gz"))


@given(content=st.binary(max_size=200))
def test_whatever_is_in_a_csv_file_the_error_names_it(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(content)
    try:
        load_data(path)
    except ValueError as error:
        assert "any.csv" in str(error)


# --- Parquet and Arrow ----------------------------------------------------------------

suffixes = pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])


@suffixes
def test_tables_hold_the_same_data_in_every_format(suffix, tmp_path):
    data = load_data(write_table(tmp_path / f"a{suffix}", TABLE))
    assert data.x.tolist() == NUMBERS
    assert data.class_names == ("cat", "dog")
    by_position = load_data(tmp_path / f"a{suffix}", label=-1)
    assert np.array_equal(by_position.x, data.x)


def test_an_arrow_stream_is_read_too(tmp_path):
    with pa.ipc.new_stream(tmp_path / "a.arrow", TABLE.schema) as stream:
        stream.write_table(TABLE)
    assert load_data(tmp_path / "a.arrow").x.tolist() == NUMBERS


def test_column_types_are_kept_compact_and_lists_become_columns(tmp_path):
    content = table(
        image=pa.array([[0, 1, 2], [3, 4, 255]], pa.list_(pa.uint8(), 3)),
        flag=[True, False],
        kind=pa.array(["b", "a"]).dictionary_encode(),
    )
    data = load_data(write_table(tmp_path / "a.parquet", content))
    assert data.x.tolist() == [[0, 1, 2, 1], [3, 4, 255, 0]]
    assert data.x.dtype == np.uint8
    assert data.class_names == ("a", "b")
    floats = table(a=pa.array([0.5, 1.5], pa.float32()), y=[True, False])
    data = load_data(write_table(tmp_path / "b.parquet", floats))
    assert data.x.dtype == np.float32
    assert data.class_names == ("0", "1")


def test_nested_lists_and_decimals_are_numbers_too(tmp_path):
    content = table(
        image=[[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
        price=pa.array([1.25, 2.5]).cast(pa.decimal128(5, 2)),
        y=[0, 1],
    )
    data = load_data(write_table(tmp_path / "a.parquet", content))
    assert data.x.tolist() == [[1, 2, 3, 4, 1.25], [5, 6, 7, 8, 2.5]]


@suffixes
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table(a=[1.0, None], y=[0, 1]), "column 'a', row 2: expected a value, received nothing"),
        (table(a=[1.0, 2.0], y=[None, 1]), "column 'y', row 1: expected a value"),
        (table(a=["1", "b"], y=[0, 1]), "column 'a', row 2: expected a number, received 'b'"),
        (table(a=["1", "2"], y=[0, 1]), "column 'a': expected numbers, .*of type string"),
        (table(a=[[1], [2, 3]], y=[0, 1]), "column 'a': expected lists of one length"),
        (table(a=[[1, 2], [3, None]], y=[0, 1]), "column 'a', row 2: expected a value"),
        (table(a=[{"b": 1}, {"b": 2}], y=[0, 1]), "column 'a': .*of type struct"),
        (table(a=[1.0, float("nan")], y=[0, 1]), "column 'a', row 2: .*received nan"),
        (table(a=[1.0, 2.0], y=[[0], [1]]), "column 'y': expected labels .*of type list"),
        (table(a=[1.0, 2.0], y=["a", "b" * 300]), "'y': expected labels of at most 200 char"),
        (table(a=[1.0, 2.0], y=[1, 1]), "labels: expected 2 to 2000 classes, received only 1"),
        (table(y=[0, 1]), "expected a label column and at least one more"),
        (TABLE.slice(0, 0), "expected rows of data, received none"),
    ],
)
def test_a_bad_table_is_refused_with_file_column_and_row(suffix, content, message, tmp_path):
    path = write_table(tmp_path / f"a{suffix}", content)
    with pytest.raises(ValueError, match=f"a{suffix}: .*{message}|a{suffix}: {message}"):
        load_data(path)


@suffixes
def test_a_damaged_or_foreign_table_is_refused(suffix, tmp_path):
    path = write_table(tmp_path / f"a{suffix}", TABLE)
    content = path.read_bytes()
    for damaged in (b"", b"hello", content[: len(content) // 2], b"x" * len(content)):
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=f"a{suffix}: expected an? .* file, received a damaged"
        ):
            load_data(path)
