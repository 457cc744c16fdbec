"""Projected binary tasks: pairs, splits without leaks, projection, standardisation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero import Program, evaluate
from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import HELD_OUT_PAIRS, DataSet, load_digits_data, projected_binary_tasks

DIGITS = load_digits_data()


def numbered(rows=120, classes=3, test=0, name="numbered"):
    """Examples that tell their row number, so that a task shows which it took."""
    x = np.stack([np.arange(rows), np.ones(rows)], axis=1)
    is_test = np.arange(rows) >= rows - test
    return DataSet.from_arrays(x, np.arange(rows) % classes, name=name, is_test=is_test)


def pair_of(task):
    return tuple(task.name.split()[-1].split("/"))


def is_affine_image(values, of):
    """Whether sorted ``values`` are a positive affine map of sorted ``of``, column by column."""
    for column, source in zip(np.sort(values, axis=0).T, np.sort(of, axis=0).T, strict=True):
        slope, offset = np.polyfit(source, column, 1)
        if slope <= 0 or not np.allclose(slope * source + offset, column, rtol=0, atol=1e-9):
            return False
    return True


PINNED = (
    ("digits 4/7", 14724477929044619918),
    [0.0, 0.0, 1.0, 1.0, 1.0, 0.0],
    [
        *(1.2603651794063047, -0.5349208424513614, -1.5396572662919765, -0.5283561901231058),
        *(0.8272850733838729, 0.9515026015564971, 0.05982579877199115, -1.1122849643904873),
        *(0.46036593739600595, 1.739638602455325, -1.0681847226661982, -0.5155792070468679),
    ],
)


# --- pairs ----------------------------------------------------------------------------


def test_held_out_pairs_are_the_original_nine():
    published = "05 09 18 29 35 36 38 46 89"
    assert " ".join(f"{positive}{negative}" for positive, negative in HELD_OUT_PAIRS) == published


@given(seed=st.integers(0, 2**64 - 1), count=st.integers(1, 60))
@settings(max_examples=15, deadline=None)
def test_search_never_draws_a_held_out_pair_and_final_draws_no_other(seed, count):
    held_out = {(str(a), str(b)) for a, b in HELD_OUT_PAIRS}
    small = {"features": 2, "train": 2, "valid": 2, "count": count, "seed": seed}
    search = [pair_of(task) for task in projected_binary_tasks(DIGITS, **small)]
    final = [pair_of(task) for task in projected_binary_tasks(DIGITS, pairs="held_out", **small)]
    assert not held_out & {tuple(sorted(pair)) for pair in search}
    assert set(final) <= held_out
    for drawn, existing in ((search, 36), (final, 9)):
        assert len(set(drawn[:existing])) == min(count, existing)


def test_pairs_come_in_another_order_with_another_seed_and_round():
    tasks = projected_binary_tasks(DIGITS, 72, 1, 2, 2, seed=1)
    pairs = [pair_of(task) for task in tasks]
    assert sorted(pairs[:36]) == sorted(pairs[36:])
    assert pairs[:36] != pairs[36:]
    assert pairs != [pair_of(task) for task in projected_binary_tasks(DIGITS, 72, 1, 2, 2, seed=2)]


def test_listed_pairs_are_taken_in_turn_and_the_first_label_is_positive():
    tasks = projected_binary_tasks(DIGITS, 3, pairs=[(5, 0), ("3", 8)])
    assert [pair_of(task) for task in tasks] == [("5", "0"), ("3", "8"), ("5", "0")]
    data = DataSet.from_arrays([[0.0], [1.0]] * 10, ["low", "high"] * 10)
    (task,) = projected_binary_tasks(data, 1, None, 10, 4, pairs=[("high", "low")])
    assert np.array_equal(task.train_y == 1, task.train_x[:, 0] > 0)


def test_own_held_out_pairs_may_be_in_any_order():
    data = numbered()
    options = {"features": 1, "train": 2, "valid": 2, "held_out_pairs": [(2, 0)]}
    search = projected_binary_tasks(data, 6, **options)
    assert {pair_of(task) for task in search} == {("0", "1"), ("1", "2")}
    (final,) = projected_binary_tasks(data, 1, pairs="held_out", **options)
    assert pair_of(final) == ("2", "0")


def test_default_held_out_pairs_of_missing_classes_are_passed_over():
    assert len(projected_binary_tasks(numbered(classes=2), 2, 1, 4, 4)) == 2


# --- examples -------------------------------------------------------------------------


@given(
    train=st.integers(2, 40),
    valid=st.integers(2, 39),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=40, deadline=None)
def test_no_example_is_in_both_parts_and_classes_are_balanced(train, valid, seed):
    data = numbered(rows=120)
    for task in projected_binary_tasks(data, 3, None, train, valid, seed):
        # The row number is standardised by one affine map: equal values are equal rows.
        both = np.concatenate([task.train_x[:, 0], task.valid_x[:, 0]])
        assert len(np.unique(both)) == train + valid
        for labels, count in ((task.train_y, train), (task.valid_y, valid)):
            assert len(labels) == count
            assert labels.sum() == (count + 1) // 2
            assert set(labels.tolist()) == {0.0, 1.0}


def test_features_belong_to_their_labels():
    data = DataSet.from_arrays(np.arange(90.0)[:, None] // 30, np.arange(90) // 30)
    for task in projected_binary_tasks(data, 3, None, 20, 10, 4, held_out_pairs=()):
        for x, y in ((task.train_x, task.train_y), (task.valid_x, task.valid_y)):
            assert len(np.unique(x[y == 1])) == len(np.unique(x[y == 0])) == 1


def test_examples_are_shuffled():
    (task,) = projected_binary_tasks(DIGITS, 1, train=100, valid=100)
    for labels in (task.train_y, task.valid_y):
        changes = int(np.abs(np.diff(labels)).sum())
        assert 30 < changes < 70


def test_all_examples_of_two_classes_can_be_used_but_not_one_more():
    data = numbered(rows=60)
    assert len(projected_binary_tasks(data, 1, None, 30, 10)) == 1
    with pytest.raises(
        ValueError,
        match="numbered: pair 0/1: expected 21 training and validation examples of class 0, "
        "received 20",
    ):
        projected_binary_tasks(data, 1, None, 31, 10, pairs=[(0, 1)])


def test_validation_can_come_from_the_test_examples_alone():
    data = numbered(rows=120, test=30)
    (task,) = projected_binary_tasks(data, 1, None, 40, 20, pairs=[(0, 1)], valid_from="test")
    # Test examples are the last rows, so every one of them is above all others.
    assert task.valid_x[:, 0].min() > task.train_x[:, 0].max()
    (task,) = projected_binary_tasks(data, 1, None, 40, 20, pairs=[(0, 1)])
    assert task.valid_x[:, 0].min() < task.train_x[:, 0].max()
    with pytest.raises(ValueError, match="expected 11 test examples of class 0, received 10"):
        projected_binary_tasks(data, 1, None, 4, 22, pairs=[(0, 1)], valid_from="test")
    with pytest.raises(ValueError, match="expected 31 training examples of class 0, received 30"):
        projected_binary_tasks(data, 1, None, 62, 2, pairs=[(0, 1)], valid_from="test")


# --- features -------------------------------------------------------------------------


@given(
    features=st.integers(1, 20),
    kind=st.sampled_from(["uint8", "float32", "float64"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_training_features_are_exactly_standardised(features, kind, seed):
    x = (Stream(seed).uniform((80, 5)) * 200).astype(kind)
    data = DataSet.from_arrays(x, np.arange(80) % 2)
    (task,) = projected_binary_tasks(data, 1, features, 50, 20, seed)
    assert abs(task.train_x.mean(axis=0)).max() < 1e-13
    assert abs(task.train_x.std(axis=0) - 1).max() < 1e-13


def test_validation_features_use_the_training_mean_and_deviation():
    x = Stream(5).normal((60, 3)) * [1, 10, 100] + [0, 5, -7]
    data = DataSet.from_arrays(x, np.arange(60) % 2)
    (task,) = projected_binary_tasks(data, 1, None, 30, 30)
    # One affine map for both parts; that it standardises the training part is tested above.
    assert is_affine_image(np.concatenate([task.train_x, task.valid_x]), of=x)
    assert abs(task.valid_x.mean(axis=0)).min() > 1e-6


def test_a_feature_constant_in_training_is_zero_everywhere():
    x = np.stack([np.arange(40.0), np.full(40, 0.1), np.zeros(40)], axis=1)
    x[39, 1] = 0.7
    data = DataSet.from_arrays(x, np.arange(40) % 2, is_test=np.arange(40) >= 20)
    (task,) = projected_binary_tasks(data, 1, None, 20, 20, valid_from="test")
    assert not task.train_x[:, 1:].any()
    assert not task.valid_x[:, 1:].any()
    assert task.train_x[:, 0].any()


def test_projection_is_a_gaussian_matrix_of_the_tasks_own_stream():
    data = DataSet.from_arrays(np.eye(40), np.arange(40) % 2)
    tasks = projected_binary_tasks(data, 3, 8, 20, 20, seed=9)
    for index, task in enumerate(tasks):
        # The projection of the unit vectors is the matrix itself.
        key = stream_key(9, "task", index)
        weights = np.round(Stream(stream_key(key, "projection")).normal((40, 8)) * 2**16) / 2**16
        assert is_affine_image(np.concatenate([task.train_x, task.valid_x]), of=weights)


def test_weights_are_rounded_so_that_sums_are_exact_in_any_order():
    from automl_zero.tasks._projected_binary import _grid, _values

    x = Stream(3).normal((50, 700)) * 37.5
    weights = np.round(Stream(4).normal((700, 3)) * 2**16) / 2**16
    rows, grid = np.arange(50), _grid(x)
    values = _values(x, rows, weights, grid)
    backwards = _values(x[:, ::-1], rows, weights[::-1], grid)
    assert np.array_equal(values, backwards)
    assert np.allclose(values, x @ weights, rtol=0, atol=1e-3)
    rounded = np.round(x / grid) * grid
    assert abs(rounded - x).max() <= abs(x).max() * 2.0**-23


@pytest.mark.parametrize("features", [None, 64])
def test_raw_features_are_only_standardised(features):
    (task,) = projected_binary_tasks(DIGITS, 1, features, projection=False)
    assert task.features == 64
    constant = DIGITS.x.max(axis=0) == DIGITS.x.min(axis=0)
    assert constant.any()
    assert not task.train_x[:, constant].any()


def test_no_feature_count_means_no_projection():
    raw = projected_binary_tasks(DIGITS, 2, None, projection=False)
    assert projected_binary_tasks(DIGITS, 2, None) == raw


# --- seeds ----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_tasks_and_more_tasks_keep_the_first():
    few = projected_binary_tasks(DIGITS, 3, 4, 20, 10, seed=11)
    many = projected_binary_tasks("digits", 40, 4, 20, 10, seed=11)
    assert many[:3] == few
    assert len({task.seed for task in many}) == 40
    assert projected_binary_tasks(DIGITS, 3, 4, 20, 10, seed=12) != few


def test_every_task_has_its_own_examples_and_projection():
    one, two = projected_binary_tasks(DIGITS, 2, 4, 20, 10, pairs=[(1, 2)])
    assert not np.array_equal(one.train_x, two.train_x)
    assert not np.array_equal(one.train_y, two.train_y)


def test_a_seed_means_the_same_task_as_ever():
    (task,) = projected_binary_tasks(DIGITS, 1, 2, 6, 2, seed=42)
    assert (task.name, task.seed) == PINNED[0]
    assert task.train_y.tolist() == PINNED[1]
    assert np.allclose(task.train_x.ravel(), PINNED[2], rtol=1e-12)


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count: .*received 0"),
        ({"features": 0}, "features: expected an integer from 1 to 1024, received 0"),
        ({"features": 1025}, "features: .*received 1025"),
        (
            {"features": 8, "projection": False},
            r"features: expected 64, all of digits .*received 8",
        ),
        ({"projection": 1}, "projection: expected true or false, received 1"),
        ({"train": 1}, "train: expected an integer of at least 2, received 1"),
        ({"valid": 1}, "valid: expected an integer of at least 2, received 1"),
        ({"epochs": 0}, "epochs: .*received 0"),
        ({"seed": None}, "seed: .*received None"),
        ({"pairs": "seach"}, r"pairs: .*'seach' \(did you mean 'search'\?\)"),
        ({"pairs": []}, "pairs: expected at least one pair"),
        ({"pairs": 3}, "pairs: expected a list of pairs of labels, received 3"),
        ({"pairs": [(1, 2, 3)]}, r"pairs\[0\]: expected a pair of labels, received \(1, 2, 3\)"),
        ({"pairs": ["12"]}, r"pairs\[0\]: expected a pair of labels, received '12'"),
        ({"pairs": [(1, 2), (4, 10)]}, r"pairs\[1\]: digits: expected a class .*received 10"),
        ({"pairs": [(4, "4")]}, r"pairs\[0\]: expected two different labels"),
        ({"held_out_pairs": [(0, 11)]}, r"held_out_pairs\[0\]: digits: .*received 11"),
        ({"held_out_pairs": "none"}, "held_out_pairs: expected a list of pairs"),
        ({"pairs": "held_out", "held_out_pairs": []}, "pairs: expected held-out pairs .*digits"),
        (
            {"held_out_pairs": list(itertools.combinations(range(10), 2))},
            "pairs: expected a pair of classes of digits to search on, received none",
        ),
        ({"valid_from": "test"}, "valid_from: expected 'train', as digits has no test examples"),
        ({"valid_from": "rest"}, r"valid_from: .*'rest' \(did you mean 'test'\?\)"),
        ({"train": 10**4}, r"digits: pair ./.: expected 5050 training .*received 1[78]\d"),
        ({"count": 10**9, "train": 10**6}, "1000000000 tasks: expected to fit in"),
    ],
)
def test_bad_input_names_argument_expected_and_received(arguments, message):
    with pytest.raises(ValueError, match=message):
        projected_binary_tasks(DIGITS, **arguments)


def test_two_classes_have_no_held_out_pair_and_the_error_says_what_to_do():
    with pytest.raises(ValueError, match="for two classes: list the pair itself in pairs"):
        projected_binary_tasks(numbered(classes=2), pairs="held_out")


def test_too_many_raw_features_need_a_projection():
    data = DataSet.from_arrays(np.arange(4 * 1025).reshape(4, 1025), [0, 1, 0, 1], name="wide")
    with pytest.raises(ValueError, match="features: expected a count from 1 to 1024 to project to"):
        projected_binary_tasks(data, 1, None, 2, 2)
    assert projected_binary_tasks(data, 1, 3, 2, 2)[0].features == 3


@pytest.mark.parametrize("features", [None, 2])
@pytest.mark.parametrize("size", [1e200, 1e308, 1e-310])
def test_extreme_values_are_refused_or_harmless(features, size):
    data = DataSet.from_arrays(Stream(1).normal((20, 2)) * (size / 8), np.arange(20) % 2)
    if size > 1:
        with pytest.raises(ValueError, match="expected features small enough to square"):
            projected_binary_tasks(data, 1, features, 10, 10)
    else:
        (task,) = projected_binary_tasks(data, 1, features, 10, 10)
        assert np.isfinite(task.train_x).all()


def test_swapped_twins_differ_from_the_task_before_in_labels_only():
    tasks = projected_binary_tasks("digits", count=6, swapped_twins=True, seed=4)
    singles = projected_binary_tasks("digits", count=3, seed=4)
    for single, task, twin in zip(singles, tasks[::2], tasks[1::2], strict=True):
        assert single == task
        assert np.array_equal(task.train_x, twin.train_x)
        assert np.array_equal(task.train_y, 1 - twin.train_y)
        assert np.array_equal(task.valid_y, 1 - twin.valid_y)
        assert task.seed == twin.seed


def test_a_program_that_ignores_labels_scores_one_half_on_a_task_and_its_twin():
    program = Program.parse(
        "def Setup():\n  v1 = gaussian(0, 1, n_features)\n"
        "def Predict():\n  s1 = dot(v0, v1)\ndef Learn():\n"
    )
    fitness = evaluate(program, projected_binary_tasks("digits", count=8, swapped_twins=True))
    assert np.allclose(fitness[0, ::2] + fitness[0, 1::2], 1.0)
