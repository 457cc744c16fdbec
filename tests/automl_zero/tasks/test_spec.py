"""TaskSpec: plain data in, tasks out, misspelt and idle keys refused."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_zero.tasks import (
    TASK_KINDS,
    TaskSpec,
    load_digits_data,
    projected_binary_tasks,
    regression_tasks,
)

TOML = """
[search]
kind = "projected_binary"
count = 4
features = 8
train = 40
valid = 20
pairs = "search"

[select]
kind = "two_layer_nn"
count = 3
labels = "binary"

[final]
kind = "projected_binary"
count = 2
train = 40
valid = 20
pairs = [[0, 5], ["3", 8]]
projection = false
test_fraction = 0.25
valid_from = "test"
"""


def test_three_sets_from_toml():
    tables = tomllib.loads(TOML)
    specs = {name: TaskSpec.from_data(table) for name, table in tables.items()}
    tasks = {name: spec.make(seed=5) for name, spec in specs.items()}
    assert {name: len(made) for name, made in tasks.items()} == {
        "search": 4,
        "select": 3,
        "final": 2,
    }
    assert tasks["search"] == projected_binary_tasks("digits", 4, 8, 40, 20, seed=5)
    assert tasks["select"] == regression_tasks("two_layer_nn", 3, seed=5, labels="binary")
    assert tasks["final"][0].features == 64
    assert [task.name for task in tasks["final"]] == ["digits 0/5", "digits 3/8"]


@pytest.mark.parametrize("name", ["search", "select", "final"])
def test_plain_data_round_trip(name):
    spec = TaskSpec.from_data(tomllib.loads(TOML)[name])
    data = spec.to_data()
    assert TaskSpec.from_data(data) == spec
    assert TaskSpec.from_data(data).to_data() == data
    assert not any(isinstance(value, tuple) or value is None for value in data.values())


label = st.one_of(st.integers(0, 99), st.text(max_size=3))
pair_lists = st.lists(st.tuples(label, label), min_size=1, max_size=3)


@given(
    shape=st.fixed_dictionaries(
        {"count": st.integers(1, 9), "features": st.integers(3, 1024), "train": st.integers(2, 99)},
        optional={"valid": st.integers(2, 9), "epochs": st.integers(1, 3)},
    ),
    kind=st.sampled_from(TASK_KINDS),
    seed=st.one_of(st.none(), st.integers(0, 2**64 - 1)),
    pairs=st.one_of(st.sampled_from(["search", "held_out"]), pair_lists),
)
def test_every_valid_spec_round_trips(shape, kind, seed, pairs):
    extra = {"pairs": pairs, "label": "y"} if kind == "projected_binary" else {"labels": "binary"}
    spec = TaskSpec(kind=kind, seed=seed, **shape, **extra)
    assert TaskSpec.from_data(spec.to_data()) == spec
    assert hash(spec) == hash(TaskSpec.from_data(spec.to_data()))


def test_defaults_depend_on_the_kind():
    assert TaskSpec(kind="linear").features == 4
    assert TaskSpec(kind="projected_binary").features == 16
    assert TaskSpec(kind="projected_binary", projection=False).features is None


def test_the_seed_handed_over_draws_the_set_unless_the_spec_fixes_it():
    free = TaskSpec(kind="linear", count=2)
    assert free.make(1) == free.make(1)
    assert free.make(1) != free.make(2)
    fixed = TaskSpec(kind="linear", count=2, seed=1)
    assert fixed.make(2) == fixed.make(3) == free.make(1)
    projected = TaskSpec(kind="projected_binary", count=1, train=10, valid=10, seed=1)
    assert projected.make(2) == projected.make(3)


def test_listed_seeds_are_used_as_they_are():
    spec = TaskSpec.from_data({"kind": "linear", "count": 2, "data_seeds": [7], "param_seeds": [9]})
    assert spec.randomize_seeds is False
    assert [task.name for task in spec.make(1)] == ["linear 7/9", "linear 8/10"]
    assert spec.make(1) == spec.make(2)
    published = TaskSpec(kind="affine", count=3, randomize_seeds=False)
    assert published.make(1) == regression_tasks("affine", 3)


def test_data_can_be_read_once_for_several_sets():
    spec = TaskSpec(kind="projected_binary", count=1, train=10, valid=10)
    assert spec.make(3, load_digits_data()) == spec.make(3)


def test_tasks_come_from_several_sources_in_turn():
    pytest.importorskip("sklearn")
    shared = {"kind": "projected_binary", "features": 6, "train": 20, "valid": 10}
    spec = TaskSpec(count=5, data=["digits", "sklearn:digits"], **shared)
    tasks = spec.make(seed=4)
    assert [task.name.split(" ")[0] for task in tasks] == [
        "digits", "sklearn:digits", "digits", "sklearn:digits", "digits",
    ]  # fmt: skip
    read_before = [spec.load_data(0), spec.load_data(1)]
    assert spec.make(4, read_before) == tasks
    assert TaskSpec.from_data(spec.to_data()) == spec
    # The same images twice, but no task twice.
    assert not np.array_equal(tasks[0].train_x, tasks[1].train_x)
    assert spec.make(4)[:3] == TaskSpec(count=3, data=spec.sources, **shared).make(4)
    with pytest.raises(ValueError, match="data: expected 2 data sets, .*, received 1"):
        spec.make(4, read_before[:1])
    with pytest.raises(ValueError, match="source: expected a position below 2, received 2"):
        spec.load_data(2)


def test_one_source_in_a_list_is_that_source():
    one, listed = (
        TaskSpec(kind="projected_binary", count=2, train=10, valid=10, data=data)
        for data in ("digits", ["digits"])
    )
    assert one.make(3) == listed.make(3)
    assert one.sources == listed.sources == ("digits",)
    assert TaskSpec(kind="linear").sources == ()


def test_test_examples_are_the_same_for_every_set_of_the_same_share(tmp_path):
    path = tmp_path / "rows.npz"
    np.savez(path, x=np.arange(60.0)[:, None], y=np.arange(60) % 2)
    shared = {"data": str(path), "pairs": [(0, 1)], "test_fraction": 0.5, "projection": False}
    search = TaskSpec(kind="projected_binary", count=3, train=16, valid=14, **shared)
    final = TaskSpec(kind="projected_binary", train=4, valid=6, valid_from="test", **shared)
    assert np.array_equal(search.load_data().is_test, final.load_data().is_test)
    assert len(search.make(1)) == 3
    assert len(final.make(2)) == 10


def test_test_examples_that_data_bring_are_kept(tmp_path):
    path = tmp_path / "parts.npz"
    x, y = np.arange(40.0)[:, None], np.arange(40) % 2
    np.savez(path, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    spec = TaskSpec(kind="projected_binary", data=str(path), test_fraction=0.5)
    assert spec.load_data().is_test.tolist() == [False] * 30 + [True] * 10


def test_table_options_reach_the_reader(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["0,1,2"] + [f"{i % 2},{i},{i * i % 7}" for i in range(40)]))
    spec = TaskSpec(
        kind="projected_binary", data=str(path), label=0, header=True, count=1, train=10, valid=10
    )
    assert len(spec.load_data()) == 40
    assert spec.make(1)[0].features == 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "kind: expected one of linear, affine, two_layer_nn, projected_binary, received none"),
        ({"kind": "linaer"}, r"kind: .*'linaer' \(did you mean 'linear'\?\)"),
        ({"kind": "linear", "feature": 4}, r"feature: .*\(did you mean 'features'\?\)"),
        ({"kind": "linear", "randomise_seeds": True}, r"did you mean 'randomize_seeds'"),
        ({"kind": "linear", "zzz": 1}, "zzz: expected a key of a task set, received 'zzz'$"),
        ({"kind": "linear", "pairs": [[0, 1]]}, "pairs: expected none for tasks of kind linear"),
        ({"kind": "affine", "data": "a.csv"}, "data: expected none for tasks of kind affine"),
        (
            {"kind": "projected_binary", "labels": "binary"},
            "labels: expected none for tasks of kind projected_binary, received 'binary'",
        ),
        ({"kind": "projected_binary", "data_seeds": [1]}, "data_seeds: expected none"),
        ({"kind": "linear", "count": 0}, "count: .*received 0"),
        ({"kind": "linear", "count": "many"}, "count: .*received 'many'"),
        ({"kind": "linear", "features": 2000}, "features: .*received 2000"),
        ({"kind": "two_layer_nn", "features": 2}, "features: expected an integer from 3"),
        ({"kind": "linear", "train": 0}, "train: .*received 0"),
        ({"kind": "linear", "epochs": 1.0}, "epochs: .*received 1.0"),
        ({"kind": "linear", "seed": -1}, "seed: .*received -1"),
        ({"kind": "linear", "labels": "yes"}, "labels: expected one of 'real', 'binary'"),
        ({"kind": "linear", "randomize_seeds": 1}, "randomize_seeds: expected true or false"),
        (
            {"kind": "linear", "randomize_seeds": True, "data_seeds": [1]},
            "randomize_seeds: expected false, as data_seeds or param_seeds are listed",
        ),
        (
            {"kind": "linear", "randomize_seeds": False, "seed": 3},
            "seed: expected none, as randomize_seeds is false, received 3",
        ),
        ({"kind": "linear", "data_seeds": 5}, "data_seeds: expected a list of seeds, received 5"),
        ({"kind": "linear", "param_seeds": []}, "param_seeds: expected 1 to 10 seeds"),
        ({"kind": "projected_binary", "train": 1}, "train: .*at least 2, received 1"),
        ({"kind": "projected_binary", "features": 0}, "features: .*received 0"),
        ({"kind": "projected_binary", "data": 3}, "data: expected a name or path, .*received 3"),
        ({"kind": "projected_binary", "data": []}, r"data: expected a name .*received \[\]"),
        ({"kind": "projected_binary", "data": ["a", 3]}, r"data: .*received \['a', 3\]"),
        (
            {"kind": "projected_binary", "data": ["a", "b"], "count": 1},
            "count: expected at least 2, a task from each of data, received 1",
        ),
        ({"kind": "projected_binary", "pairs": "all"}, "pairs: expected one of 'search'"),
        ({"kind": "projected_binary", "pairs": [1, 2]}, r"pairs: expected a list .*\[1, 2\]"),
        ({"kind": "projected_binary", "pairs": [[1, 0.5]]}, "pairs: expected a list of pairs"),
        ({"kind": "projected_binary", "held_out_pairs": "x"}, "held_out_pairs: expected a list"),
        ({"kind": "projected_binary", "projection": "no"}, "projection: expected true or false"),
        ({"kind": "projected_binary", "valid_from": "tests"}, "did you mean 'test'"),
        ({"kind": "projected_binary", "test_fraction": 1}, "test_fraction: .*received 1"),
        ({"kind": "projected_binary", "test_fraction": True}, "test_fraction: .*received True"),
    ],
)
def test_bad_data_is_refused_before_anything_is_made(data, message):
    with pytest.raises(ValueError, match=message):
        TaskSpec.from_data(data)


def test_a_spec_is_made_of_a_table():
    with pytest.raises(ValueError, match="task set: expected a table of keys, received 'linear'"):
        TaskSpec.from_data("linear")


def test_bad_seed_and_missing_data_are_refused_when_made(tmp_path):
    with pytest.raises(ValueError, match="seed: .*received -1"):
        TaskSpec(kind="linear").make(-1)
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        TaskSpec(kind="projected_binary", data=str(tmp_path / "none.csv")).make(1)
    with pytest.raises(ValueError, match="kind: expected 'projected_binary' to load data"):
        TaskSpec(kind="linear").load_data()
