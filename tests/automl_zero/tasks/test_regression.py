"""The synthetic regressions: exact labels, the stated distributions, seeds that count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.streams import Stream, stream_key
from automl_zero.tasks import affine, linear, regression_tasks, two_layer_nn

GENERATORS = {"linear": linear, "affine": affine, "two_layer_nn": two_layer_nn}
kinds = pytest.mark.parametrize("kind", GENERATORS)

PINNED = {
    "seed": 13138757247075803201,
    "train_x": [
        -0.9860702663631926,
        0.6325467711764513,
        -0.210980130605926,
        1.166737058060066,
        -0.5224391696081659,
        -1.713350825633795,
    ],
    "affine": [-0.4216024390101907, -1.936850738754913],
    "name": "linear 5331126849702282899/11045628941694534950",
}


def engine_dot(x, w):
    """The engine's summation order, one example at a time."""
    terms = [float(a) * float(b) for a, b in zip(x, w, strict=True)]
    if len(terms) < 4:
        total = terms[0]
        for term in terms[1:]:
            total += term
        return total
    sums = terms[:4]
    for index, term in enumerate(terms[4:]):
        sums[index % 4] += term
    return (sums[0] + sums[2]) + (sums[1] + sums[3])


@kinds
def test_features_are_standard_normal_and_independent(kind):
    task = GENERATORS[kind](features=5, train=8000, valid=4000)
    x = np.concatenate([task.train_x, task.valid_x])
    error = 4 / math.sqrt(len(x))
    assert abs(x.mean(axis=0)).max() < error
    assert abs(np.cov(x.T) - np.eye(5)).max() < 1.5 * error
    assert abs((x**3).mean()) < 2 * error
    assert abs((x**4).mean() - 3) < 4 * error


@given(features=st.integers(1, 40), data_seed=st.integers(0, 2**64 - 1))
@settings(max_examples=25)
def test_linear_labels_give_the_weights_back(features, data_seed):
    task = linear(features, train=features + 10, valid=5, data_seed=data_seed, param_seed=data_seed)
    weights, *_ = np.linalg.lstsq(task.train_x, task.train_y, rcond=None)
    drawn = Stream(stream_key(data_seed, "weights")).normal(features)
    assert np.allclose(weights, drawn, rtol=0, atol=1e-9)
    assert np.allclose(task.valid_x @ weights, task.valid_y, rtol=0, atol=1e-9)


@pytest.mark.parametrize("features", [1, 2, 3, 4, 7, 16, 33])
def test_linear_labels_are_exact_in_the_engines_order(features):
    task = linear(features, train=9, valid=3)
    weights = Stream(stream_key(1001, "weights")).normal(features)
    assert task.train_y.tolist() == [engine_dot(x, weights) for x in task.train_x]
    assert task.valid_y.tolist() == [engine_dot(x, weights) for x in task.valid_x]


def test_affine_labels_are_linear_ones_plus_a_bias():
    task, plain = affine(param_seed=9), linear(param_seed=9)
    assert np.array_equal(task.train_x, plain.train_x)
    bias = Stream(stream_key(9, "bias")).normal()
    assert np.array_equal(task.train_y, plain.train_y + bias)
    assert np.array_equal(task.valid_y, plain.valid_y + bias)


def test_weights_and_biases_are_standard_normal_over_seeds():
    tasks = regression_tasks("affine", 600, features=1, train=2, valid=1, seed=3)
    slope, bias = [], []
    for task in tasks:
        (x0, x1), (y0, y1) = task.train_x[:, 0], task.train_y
        slope.append((y1 - y0) / (x1 - x0))
        bias.append(y0 - slope[-1] * x0)
    for values in (slope, bias):
        assert abs(np.mean(values)) < 0.17
        assert abs(np.std(values) - 1) < 0.12


@pytest.mark.parametrize("features", [3, 4, 8, 16])
def test_two_layer_labels_are_those_of_a_network_without_units_0_and_2(features):
    task = two_layer_nn(features, train=50, valid=20, param_seed=77)
    hidden = Stream(stream_key(77, "hidden_weights")).normal((features, features))
    output = Stream(stream_key(77, "output_weights")).normal(features)
    alive = [unit for unit in range(features) if unit not in (0, 2)]
    for x, y in ((task.train_x, task.train_y), (task.valid_x, task.valid_y)):
        units = np.maximum(0, x @ hidden[alive].T)
        assert np.allclose(units @ output[alive], y, rtol=0, atol=1e-12)


def test_two_layer_labels_are_not_linear():
    task = two_layer_nn(train=500)
    *_, residual, _, _ = np.linalg.lstsq(task.train_x, task.train_y, rcond=None)
    assert residual[0] > 1


@pytest.mark.parametrize("features", [1, 2])
def test_two_layer_needs_three_features(features):
    with pytest.raises(ValueError, match=f"features: .*from 3 to 1024, received {features}"):
        two_layer_nn(features)
    with pytest.raises(ValueError, match="features: expected an integer from 3"):
        regression_tasks("two_layer_nn", 2, features=features)


@kinds
def test_binary_labels_are_the_signs_of_the_real_ones(kind):
    real, binary = GENERATORS[kind](), GENERATORS[kind](labels="binary")
    assert binary.objective == "accuracy"
    assert np.array_equal(binary.train_x, real.train_x)
    assert np.array_equal(binary.train_y, np.where(real.train_y > 0, 1.0, 0.0))
    assert np.array_equal(binary.valid_y, np.where(real.valid_y > 0, 1.0, 0.0))


def test_two_layer_labels_of_exactly_zero_are_class_0():
    real = two_layer_nn(train=300)
    assert (real.train_y == 0).any()
    assert (two_layer_nn(train=300, labels="binary").train_y[real.train_y == 0] == 0).all()


@kinds
def test_the_same_seeds_give_the_same_task_and_others_another(kind):
    generate = GENERATORS[kind]
    assert generate(data_seed=1, param_seed=2) == generate(data_seed=1, param_seed=2)
    assert not np.array_equal(generate(data_seed=1).train_x, generate(data_seed=2).train_x)
    same_data, other_params = generate(param_seed=1), generate(param_seed=2)
    assert np.array_equal(same_data.train_x, other_params.train_x)
    assert not np.array_equal(same_data.train_y, other_params.train_y)
    assert same_data.seed != other_params.seed


def test_training_examples_come_first_and_do_not_depend_on_the_validation_count():
    few, many = linear(features=3, train=11, valid=2), linear(features=3, train=11, valid=50)
    assert np.array_equal(few.train_x, many.train_x)
    assert np.array_equal(few.valid_x, many.valid_x[:2])


def test_a_seed_means_the_same_numbers_as_ever():
    task = two_layer_nn(features=3, train=2, valid=1)
    assert task.seed == PINNED["seed"]
    assert np.allclose(task.train_x.ravel(), PINNED["train_x"], rtol=1e-13, atol=0)
    assert np.allclose(affine(features=3, train=2, valid=1).train_y, PINNED["affine"], rtol=1e-13)
    assert regression_tasks("linear", 2, train=1, valid=1, seed=42)[1].name == PINNED["name"]


def test_published_seeds_are_the_default_and_then_count_on():
    seeds = [task.name.split()[1] for task in regression_tasks("linear", 10, train=1, valid=1)]
    data = [11001, 11012, 11010, 11000, 11006, 11008, 11007, 11003, 11004, 11005]
    params = [1001, 1012, 1010, 1000, 1006, 1008, 1007, 1003, 1004, 1005]
    assert seeds == [f"{d}/{p}" for d, p in zip(data, params, strict=True)]
    assert regression_tasks("affine", 1)[0] == affine()


def test_given_seeds_are_used_and_then_count_on():
    tasks = regression_tasks("linear", 3, data_seeds=[5], param_seeds=(7, 2**64 - 1))
    assert [task.name for task in tasks] == [
        "linear 5/7",
        f"linear 6/{2**64 - 1}",
        "linear 7/0",
    ]
    assert tasks[0] == linear(data_seed=5, param_seed=7)


@given(seed=st.integers(0, 2**64 - 1))
@settings(max_examples=20)
def test_a_seed_draws_all_others_and_more_tasks_keep_the_first(seed):
    few = regression_tasks("linear", 3, train=2, valid=1, seed=seed)
    many = regression_tasks("linear", 8, train=2, valid=1, seed=seed)
    assert many[:3] == few
    assert len({task.seed for task in many}) == 8
    assert len({task.train_x.tobytes() for task in many}) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "liner"}, r"kind: .*received 'liner' \(did you mean 'linear'\?\)"),
        ({"count": 0}, "count: expected an integer of at least 1, received 0"),
        ({"count": 2.5}, "count: expected an integer .*received 2.5"),
        ({"features": 0}, "features: expected an integer from 1 to 1024, received 0"),
        ({"features": 1025}, "features: .*received 1025"),
        ({"train": 0}, "train: .*received 0"),
        ({"valid": "10"}, "valid: .*received '10'"),
        ({"epochs": 0}, "epochs: .*received 0"),
        ({"labels": "bool"}, "labels: expected one of 'real', 'binary', received 'bool'"),
        ({"seed": -1}, "seed: .*received -1"),
        ({"data_seeds": []}, "data_seeds: expected 1 to 2 seeds .*received 0"),
        ({"data_seeds": [1, 2, 3]}, "data_seeds: expected 1 to 2 seeds .*received 3"),
        ({"param_seeds": [1, -2]}, r"param_seeds\[1\]: .*received -2"),
        ({"param_seeds": "12"}, "param_seeds: expected a list of seeds, received '12'"),
        ({"seed": 1, "data_seeds": [1]}, "data_seeds: expected none when seed is given"),
    ],
)
def test_bad_input_names_argument_expected_and_received(arguments, message):
    with pytest.raises(ValueError, match=message):
        regression_tasks(**{"kind": "linear", "count": 2, **arguments})


def test_bad_seeds_of_one_task_are_refused():
    with pytest.raises(ValueError, match="data_seed: .*received -1"):
        linear(data_seed=-1)
    with pytest.raises(ValueError, match="param_seed: .*received 1.5"):
        affine(param_seed=1.5)
