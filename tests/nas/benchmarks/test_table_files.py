import gzip
import json
import math

import pytest

from nas.benchmarks import load_nas_bench_macro, load_table
from nas.spaces import ChoiceSpace, Decision, NasBenchMacroSpace

SPACE = ChoiceSpace([Decision("kernel", ("3", "5")), Decision("width", ("16", "32", "64"))])
CSV = "architecture,accuracy,note,ms\nkernel=3 width=16,0.5,fine,1\nkernel=5 width=64,0.75,,\n"


def test_csv_keeps_the_columns_of_numbers(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    table = load_table(path, SPACE)
    assert table.columns == ("accuracy", "ms")
    assert table.architectures() == [(0, 0), (1, 2)]
    assert table.value((1, 2), "accuracy") == 0.75
    assert math.isnan(table.values("ms")[1])
    with gzip.open(tmp_path / "table.csv.gz", "wt") as file:
        file.write(CSV)
    assert load_table(tmp_path / "table.csv.gz", SPACE, columns=["ms"]).columns == ("ms",)


def test_parquet_with_lists_of_option_numbers(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"genome": [[1, 0], [0, 1]], "x": [1.5, 2.5]}), path)
    table = load_table(path, SPACE, architecture="genome")
    assert table.best("x") == ((0, 1), 2.5)


@pytest.mark.parametrize(
    "data",
    [
        [{"architecture": "01200120", "x": 1}, {"architecture": [0] * 8, "x": 2, "y": None}],
        {"01200120": {"x": 1, "t": [1, 2]}, "00000000": {"x": 2, "y": "a"}},
    ],
)
def test_json_as_list_or_by_architecture(tmp_path, data):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(data))
    table = load_table(path, NasBenchMacroSpace())
    assert table.columns == ("x",)
    assert table.value((0, 1, 2, 0, 0, 1, 2, 0), "x") == 1


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.txt", "", "path: expected one of"),
        ("a.csv", "", "a.csv: expected a table, received a damaged one"),
        ("a.csv", "architecture,x\n1\n", "a.csv: expected a table, received a damaged one"),
        ("a.csv", "architecture,x,x\na,1,2\n", "different names"),
        ("a.csv", "arch,x\na,1\n", "architecture: expected one of the columns arch, x"),
        ("a.csv", "architecture,x\nkernel=7 width=16,1\n", "a.csv: row 1: .*kernel"),
        ("a.csv", CSV + "kernel=3 width=16,1,,1\n", "a.csv: architectures: .* twice"),
        ("a.csv", "architecture,x\nkernel=3 width=16,a\n", "a.csv: columns: expected at least"),
        ("a.parquet", "PAR1", "a.parquet: expected a table, received a damaged one"),
        ("a.json", "{", "a.json: expected JSON"),
        ("a.json", "[1]", "a.json: expected objects"),
        ("a.json", '[{"architecture": [0, 3], "x": 1}]', "a.json: row 1: .*width"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, name, text, named):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=named):
        load_table(path, SPACE)


def test_asking_for_columns_that_are_not_there_or_no_numbers_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    with pytest.raises(ValueError, match=r"columns: expected one of .* \(did you mean 'accuracy'"):
        load_table(path, SPACE, columns=["acuracy"])
    with pytest.raises(ValueError, match="column 'note': expected numbers"):
        load_table(path, SPACE, columns=["note"])
    with pytest.raises(FileNotFoundError):
        load_table(tmp_path / "missing.csv", SPACE)


MACRO = {
    "test_acc": [91.0, 92.0, 93.0],
    "mean_acc": 92.0,
    "std": 0.8,
    "params": 1000,
    "flops": 5000,
}


def test_the_macro_benchmarks_file_is_read(tmp_path):
    path = tmp_path / "macro.json"
    path.write_text(json.dumps({"00000000": MACRO, "22222222": {**MACRO, "mean_acc": 95.0}}))
    table = load_nas_bench_macro(path)
    assert table.columns == (
        "accuracy", "accuracy_0", "accuracy_1", "accuracy_2", "std", "params", "flops",
    )  # fmt: skip
    assert table.best("accuracy") == ((2,) * 8, 95.0)
    assert table.value((0,) * 8, "accuracy_2") == 93.0


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([], "expected an object of architectures"),
        ({"00000003": MACRO}, "'00000003': architecture"),
        ({"00000000": 5}, "'00000000': expected an object"),
        ({"00000000": {**MACRO, "test_acc": 1}}, "test_acc: expected a list"),
        ({"00000000": {**MACRO, "mean_acc": "92"}}, "mean_acc: expected a number"),
        ({"00000000": {**MACRO, "flops": None}}, "flops: expected a number"),
        (
            {"00000000": MACRO, "00000001": {**MACRO, "test_acc": [1]}},
            "'00000001': test_acc: expected as many",
        ),
    ],
)
def test_damaged_macro_files_are_refused(tmp_path, data, named):
    path = tmp_path / "macro.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f"macro.json: {named}|macro.json: .*{named}"):
        load_nas_bench_macro(path)
