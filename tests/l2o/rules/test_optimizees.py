"""Optimizees: gradients against autograd, descriptions, data."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from automl_zero.tasks import load_data
from l2o.rules import _reference
from l2o.rules.optimizees import (
    Optimizee,
    compile_problems,
    logistic_regression,
    mlp,
    quadratic,
    rastrigin,
    rosenbrock,
)
from l2o.rules.optimizees._arrays import rotated_matrix

OPTIMIZEES = [
    quadratic(9),
    quadratic(30, condition=1e4, seed=4),
    rosenbrock(2),
    rosenbrock(11),
    rastrigin(7),
    logistic_regression(batch=13),
    mlp(hidden=(8,), batch=10),
    mlp(hidden=(12,), activation="tanh", batch=7),
    mlp(hidden=(7, 5), batch=6),
    mlp(hidden=(5, 6), activation="tanh", batch=6),
]
SEEDS = [4, 9, 2]


def described(optimizee):
    return json.dumps(optimizee.to_data())


def torch_loss(torch, arrays, parameters, seed):
    """The loss of the first minibatch, as torch would have it."""
    x = parameters
    if arrays.kind == "quadratic":
        distance = x - torch.from_numpy(arrays.optimum[:, seed].copy())
        return distance @ torch.from_numpy(arrays.matrix.copy()) @ distance / 2
    if arrays.kind == "rosenbrock":
        d = x - torch.from_numpy(arrays.optimum[:, seed].copy())
        return (100 * (d[1:] - d[:-1] ** 2) ** 2 + (1 - d[:-1]) ** 2).sum()
    if arrays.kind == "rastrigin":
        d = x - torch.from_numpy(arrays.optimum[:, seed].copy())
        return (d**2 - 10 * torch.cos(2 * torch.pi * d) + 10).sum()
    tensors = [
        part.reshape(shape)
        for part, shape in zip(torch.split(x, arrays.sizes), arrays.shapes, strict=True)
    ]
    rows = arrays.order[0]
    z = torch.from_numpy(arrays.train_x[rows])
    for layer in range(0, len(tensors), 2):
        z = z @ tensors[layer] + tensors[layer + 1]
        if layer + 2 < len(tensors):
            z = torch.relu(z) if arrays.activation == "relu" else torch.tanh(z)
    return torch.nn.functional.cross_entropy(z, torch.from_numpy(arrays.train_y[rows]).long())


@pytest.mark.parametrize("optimizee", OPTIMIZEES, ids=described)
def test_gradients_are_those_of_autograd(optimizee):
    torch = pytest.importorskip("torch")
    (problem,) = compile_problems([optimizee], seeds=SEEDS, steps=1)
    losses, gradients = problem.loss_and_gradient()
    for seed in range(len(SEEDS)):
        start = torch.from_numpy(problem.arrays.start[:, seed].copy()).requires_grad_()
        loss = torch_loss(torch, problem.arrays, start, seed)
        loss.backward()
        assert losses[seed] == pytest.approx(loss.item(), rel=1e-10)
        scale = start.grad.abs().max().item()
        np.testing.assert_allclose(gradients[:, seed], start.grad, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("optimizee", OPTIMIZEES, ids=described)
def test_the_reference_gives_the_same_gradients(optimizee):
    (problem,) = compile_problems([optimizee], seeds=SEEDS, steps=1)
    losses, gradients = problem.loss_and_gradient()
    for seed in range(len(SEEDS)):
        start = problem.arrays.start[:, seed]
        loss, gradient = _reference.loss_and_gradient(problem.arrays, start, seed, 0)
        assert loss == pytest.approx(losses[seed], rel=1e-13)
        np.testing.assert_allclose(gradients[:, seed], gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("optimizee", OPTIMIZEES, ids=described)
def test_float32_gradients_are_near(optimizee):
    wide, narrow = (
        compile_problems([optimizee], seeds=SEEDS, steps=1, precision=precision)[0]
        for precision in ("float64", "float32")
    )
    for found, expected in zip(
        narrow.loss_and_gradient(), wide.loss_and_gradient(), strict=True
    ):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * scale)


def test_tanh_is_tanh():
    x = np.concatenate([np.linspace(-30, 30, 4001), [0.0, 1e-300, np.inf, -np.inf, np.nan]])
    with np.errstate(all="ignore"):
        found = _reference.tanh(x)
    np.testing.assert_allclose(found, np.tanh(x), rtol=1e-15)


# Descriptions -------------------------------------------------------------------------


@pytest.mark.parametrize("optimizee", OPTIMIZEES, ids=described)
def test_descriptions_are_values_and_travel_as_plain_data(optimizee):
    again = Optimizee.from_data(json.loads(described(optimizee)))
    assert again == optimizee and hash(again) == hash(optimizee)
    assert pickle.loads(pickle.dumps(optimizee)) == optimizee
    with pytest.raises(dataclasses.FrozenInstanceError):
        optimizee.seed = 3


def test_a_pickled_problem_is_the_same_problem():
    (problem,) = compile_problems([mlp(hidden=(4,))], seeds=[1, 2], steps=3, precision="float32")
    again = pickle.loads(pickle.dumps(problem))
    assert repr(again) == repr(problem)
    for found, expected in zip(again.loss_and_gradient(), problem.loss_and_gradient(), strict=True):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quadratic(0), "size: expected an integer in 1..1000, received 0"),
        (lambda: quadratic(5, condition=0.5), "condition: expected a number in 1..1e"),
        (lambda: quadratic(5, seed=-1), "seed: expected an integer in 0"),
        (lambda: rosenbrock(1), "size: expected an integer >= 2, received 1"),
        (lambda: rastrigin(100_001), "size: expected an integer in 1..100000"),
        (lambda: mlp(hidden=()), "hidden: expected one or two layer sizes, received none"),
        (lambda: mlp(hidden=(1, 2, 3)), "hidden: expected at most 2 layer sizes"),
        (lambda: mlp(hidden=(0,)), r"hidden\[0\]: expected an integer in"),
        (lambda: mlp(activation="gelu"), "activation: expected one of relu, tanh, received 'gelu'"),
        (lambda: logistic_regression(""), "data: expected the name or path of a data set"),
        (lambda: logistic_regression(batch=0), "batch: expected an integer in 1..65536"),
        (lambda: Optimizee.from_data([]), "optimizee: expected a table"),
        (lambda: Optimizee.from_data({"kind": "cubic"}), "optimizee.kind: expected one of"),
        (lambda: Optimizee.from_data({"kind": "rastrigin", "sise": 3}), "optimizee: field"),
        (lambda: Optimizee.from_data({"kind": "rastrigin", "size": 0}), "optimizee: size"),
        (lambda: Optimizee.from_data({"kind": "rastrigin"}), "optimizee: .*size"),
        (lambda: compile_problems([3], seeds=[1]), r"optimizees\[0\]: expected an Optimizee"),
        (lambda: compile_problems([rastrigin()], seeds=[]), "seeds: expected at least one"),
        (lambda: compile_problems([rastrigin()], seeds=[0.5]), r"seeds\[0\]: expected an integer"),
        (lambda: compile_problems([rastrigin()], seeds=[1], steps=0), "steps: expected"),
        (
            lambda: compile_problems([rastrigin()], seeds=[1], precision="half"),
            "precision: expected one of float64, float32",
        ),
        (
            lambda: compile_problems([logistic_regression(held_out=1800)], seeds=[1]),
            "held_out: expected at most 1797 training and held-out examples together",
        ),
        (
            lambda: compile_problems([logistic_regression(train=20, batch=21)], seeds=[1]),
            "batch: expected at most 20",
        ),
        (
            lambda: compile_problems([mlp(hidden=(2000,))], seeds=[1]),
            "hidden: expected layers of at most 100000 parameters, received 150010",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Data ---------------------------------------------------------------------------------


def test_any_npz_is_a_data_set(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    np.savez(tmp_path / "blobs.npz", x=rng.normal(size=(200, 5)) + 3 * y[:, None], y=y)
    (problem,) = compile_problems(
        [logistic_regression(str(tmp_path / "blobs.npz"), held_out=50)], seeds=[1], steps=3
    )
    assert problem.arrays.shapes == ((5, 3), (3,))
    assert len(problem.arrays.train_x) == 150 and len(problem.arrays.test_x) == 50
    assert problem.arrays.train_x.mean() == pytest.approx(0, abs=1e-12)
    assert problem.arrays.train_x.std() == pytest.approx(1)


def test_test_examples_of_a_data_set_are_not_touched(tmp_path):
    rng = np.random.default_rng(0)
    parts = {
        f"{name}_{part}": values
        for part, count, shift in (("train", 60, 0.0), ("test", 40, 1e6))
        for name, values in (
            ("x", rng.normal(size=(count, 4)) + shift),
            ("y", np.arange(count) % 2),
        )
    }
    np.savez(tmp_path / "parted.npz", **parts)
    path = str(tmp_path / "parted.npz")
    assert load_data(path).is_test.sum() == 40
    (problem,) = compile_problems([logistic_regression(path, held_out=20)], seeds=[1])
    arrays = problem.arrays
    assert len(arrays.train_x) == 40 and len(arrays.test_x) == 20
    assert max(np.abs(arrays.train_x).max(), np.abs(arrays.test_x).max()) < 10


def test_every_epoch_sees_every_training_example_once():
    (problem,) = compile_problems(
        [logistic_regression(train=60, batch=8, seed=3)], seeds=[1], steps=30
    )
    order = problem.arrays.order
    assert order.shape == (30, 8)
    epochs = order.ravel().reshape(4, 60)
    assert (np.sort(epochs, axis=1) == np.arange(60)).all()
    assert len({row.tobytes() for row in epochs}) == 4


def test_seeds_share_data_and_minibatches_but_not_their_starts():
    (first, second) = (
        compile_problems([mlp(hidden=(4,))], seeds=seeds, steps=5)[0] for seeds in ([1, 2], [2])
    )
    assert (first.arrays.order == second.arrays.order).all()
    assert (first.arrays.start[:, 1] == second.arrays.start[:, 0]).all()
    assert not np.allclose(first.arrays.start[:, 0], first.arrays.start[:, 1])
    bound = 1 / np.sqrt(64)
    weights = first.arrays.start[: 64 * 4]
    assert (np.abs(weights) < bound).all() and np.abs(weights).max() > 0.9 * bound


@pytest.mark.parametrize(("size", "condition"), [(2, 10.0), (17, 1e4), (60, 1.0)])
def test_a_rotated_matrix_has_its_condition(size, condition):
    matrix = rotated_matrix(size, condition, 5)
    assert (matrix == matrix.T).all()
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert eigenvalues[-1] == pytest.approx(1, rel=1e-10)
    assert eigenvalues[0] == pytest.approx(1 / condition, rel=1e-8)
    if condition > 1:
        assert np.abs(matrix - np.diag(np.diag(matrix))).max() > 0.01
