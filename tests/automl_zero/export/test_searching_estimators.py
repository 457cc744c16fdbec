"""Estimators that search for a program when they fit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_diabetes, load_digits, load_iris  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from automl_zero.export import AutoMLZeroClassifier, AutoMLZeroRegressor  # noqa: E402
from automl_zero.export._array_tasks import ArrayTasks  # noqa: E402


@parametrize_with_checks(
    [
        AutoMLZeroClassifier(None, max_individuals=100),
        AutoMLZeroRegressor(None, max_individuals=100),
    ]
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


def test_a_search_is_the_same_for_a_number_of_individuals_and_a_seed():
    x, y = load_iris(return_X_y=True)
    one, two, other = (
        AutoMLZeroClassifier(None, max_individuals=3000, random_state=seed).fit(x, y)
        for seed in (1, 1, 2)
    )
    assert one.program_ == two.program_
    assert np.array_equal(one.decision_function(x), two.decision_function(x))
    assert one.run_.final_task_fitness == two.run_.final_task_fitness
    assert one.run_.final_task_fitness != other.run_.final_task_fitness


def test_the_result_tells_what_was_found_and_how():
    x, y = load_iris(return_X_y=True)
    model = AutoMLZeroClassifier(None, max_individuals=2000, random_state=0).fit(x, y)
    assert model.is_final_unseen_
    assert model.run_.statistics.individuals == 2000
    assert 0.9 < model.run_.final_fitness <= 1
    assert model.program_ == model.run_.program
    assert model.score(x, y) > 0.9
    assert len(model.estimator_.models_) == 3
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict_proba(x), model.predict_proba(x))


def test_a_search_may_start_from_nothing_or_a_network_and_end_by_time():
    x, y = load_diabetes(return_X_y=True)
    for initial in ("no_op", "neural_net"):
        model = AutoMLZeroRegressor(0.2, initial=initial, random_state=0).fit(x, y)
        assert model.run_.seconds < 5
        assert np.isfinite(model.predict(x)).all()


def test_many_features_are_projected():
    x, y = load_digits(return_X_y=True)
    pair = (y == 1) | (y == 7)
    x, y = x[pair], y[pair]
    model = AutoMLZeroClassifier(None, max_individuals=500, max_features=16, random_state=0)
    assert model.fit(x, y).score(x, y) > 0.85
    assert model.projection_.shape == (64, 16)
    assert model.run_.final_tasks[0].features == 17  # and one that is always 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"time_budget": None}, "time_budget, max_individuals: expected a limit"),
        ({"time_budget": -1}, "time_budget: expected a number"),
        ({"max_individuals": 0}, "max_individuals: expected an integer >= 1"),
        ({"max_features": 0}, "max_features: expected an integer in 1..1024"),
        ({"initial": "lineal"}, "initial: expected one of .*did you mean 'linear'"),
    ],
)
def test_wrong_arguments_are_errors_in_fit(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        AutoMLZeroRegressor(**arguments).fit([[0.0], [1.0]], [0.0, 1.0])


# Tasks out of arrays -----------------------------------------------------------------


def array_tasks(classes, rows=60, unseen=None, count=6):
    rng = np.random.default_rng(0)
    x = np.arange(rows, dtype=float)[:, None] + np.array([0.0, 1000.0, 2000.0])
    y = np.arange(rows) % classes if classes else rng.normal(size=rows)
    train = np.arange(rows if unseen is None else rows - unseen)
    valid = train if unseen is None else np.arange(rows - unseen, rows)
    return ArrayTasks(x, y.astype(float), train, valid, classes, count)


def rows_of(features):
    return set((np.min(features, axis=1) % 1000).astype(int).tolist())


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_training_and_validation_examples_are_different_rows(classes):
    for task in array_tasks(classes).make(1):
        assert not rows_of(task.train_x) & rows_of(task.valid_x)
    for task in array_tasks(classes, unseen=20).make(1):
        assert max(rows_of(task.train_x)) < 40 <= min(rows_of(task.valid_x))


def test_every_second_task_is_the_one_before_with_labels_swapped():
    for classes in (0, 2, 3):
        tasks = array_tasks(classes).make(2)
        for one, twin in zip(tasks[::2], tasks[1::2], strict=True):
            assert np.array_equal(one.train_x, twin.train_x)
            expected = 1 - one.train_y if classes else -one.train_y
            assert np.array_equal(twin.train_y, expected)


def test_pairs_of_classes_take_turns_in_equal_numbers():
    tasks = array_tasks(3).make(3)
    seen = [{row % 3 for row in rows_of(task.train_x)} for task in tasks[::2]]
    assert seen == [{0, 1}, {0, 2}, {1, 2}]
    assert all(task.train_y.mean() == task.valid_y.mean() == 0.5 for task in tasks)


def test_tasks_differ_in_the_order_of_features_and_follow_the_seed():
    tasks = array_tasks(2, count=12)
    orders = {tuple(np.argsort(task.train_x[0]).tolist()) for task in tasks.make(4)}
    assert len(orders) > 1
    assert tasks.make(4) == tasks.make(4) != tasks.make(5)


def test_a_class_with_a_single_example_is_used_in_both_parts():
    tasks = ArrayTasks(
        np.arange(5.0)[:, None], np.array([0.0, 0, 0, 0, 1]), rows := np.arange(5), rows, 2, 2
    )
    for task in tasks.make(0):
        assert set(task.train_y.tolist()) == set(task.valid_y.tolist()) == {0.0, 1.0}
