import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.benchmarks import TabularBenchmark
from nas.spaces import ChoiceSpace, Decision

SPACE = ChoiceSpace([Decision("kernel", ("3", "5")), Decision("width", ("16", "32", "64"))])
ALL = list(itertools.product(range(2), range(3)))


def whole_table():
    return TabularBenchmark(SPACE, {"a": range(6), "b": [3, 1, 2, 0, 5, 4]})


def test_a_whole_space_needs_no_list_of_architectures():
    table = whole_table()
    assert table.architectures() == ALL
    assert len(table) == 6 and table.columns == ("a", "b")
    for row, architecture in enumerate(ALL):
        assert table.row(architecture) == row and table.architecture(row) == architecture
        assert table.value(architecture, "a") == row


@given(st.permutations(ALL), st.integers(1, 6))
def test_a_part_of_a_space_is_found_in_any_order(order, count):
    part = order[:count]
    table = TabularBenchmark(SPACE, {"x": range(count)}, part)
    assert [table.value(item, "x") for item in part] == list(range(count))
    assert table.architectures() == part and table.architecture(count - 1) == part[-1]
    for other in order[count:]:
        with pytest.raises(ValueError, match="architecture: expected one of the table's"):
            table.value(other, "x")


def test_best_knows_both_directions_and_leaves_out_what_is_not_known():
    table = TabularBenchmark(SPACE, {"x": [math.nan, 2, 1, 3, 3, 1], "none": [math.nan] * 6})
    assert table.best("x") == ((1, 0), 3.0)
    assert table.best("x", lowest=True) == ((0, 2), 1.0)
    with pytest.raises(ValueError, match="whose x is known"):
        table.value((0, 0), "x")
    with pytest.raises(ValueError, match="with numbers, received 'none'"):
        table.best("none")


def test_columns_are_copies_that_nobody_changes():
    numbers = np.arange(6.0)
    table = TabularBenchmark(SPACE, {"x": numbers})
    numbers[:] = 7
    assert table.value((0, 0), "x") == 0
    with pytest.raises(ValueError, match="read-only"):
        table.values("x")[0] = 1


@pytest.mark.parametrize(
    ("columns", "architectures", "named"),
    [
        ({}, None, "columns: expected at least one"),
        ({"x": []}, [], "columns: expected at least one"),
        ({"x": [1, 2]}, None, "columns.x: expected 6 numbers"),
        ({"x": ["a"] * 6}, None, "columns.x: expected numbers"),
        ({"x": [1, 2]}, [(0, 0), (0, 0)], "twice"),
        ({"x": [1]}, [(0, 3)], "width"),
    ],
)
def test_wrong_tables_are_refused(columns, architectures, named):
    with pytest.raises(ValueError, match=named):
        TabularBenchmark(SPACE, columns, architectures)


@pytest.mark.parametrize("architecture", [(0,), (0, 3), (-1, 0), (0, 0, 0)])
def test_architectures_of_another_space_are_refused(architecture):
    with pytest.raises(ValueError, match="architecture"):
        whole_table().value(architecture, "a")


def test_unknown_columns_and_rows_are_refused():
    with pytest.raises(ValueError, match=r"column: expected one of a, b, received 'c'"):
        whole_table().value((0, 0), "c")
    with pytest.raises(ValueError, match="column"):
        whole_table().values(["a"])
    with pytest.raises(ValueError, match=r"row: expected one in 0..5"):
        whole_table().architecture(6)
