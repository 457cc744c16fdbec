"""Bayesian optimization: the process against its formulas, and what the search does with it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nas.spaces import ChoiceSpace, Decision, NasBench201Space
from nas.strategies import BayesianOptimization
from nas.strategies._gaussian_process import GaussianProcess, Kernel, Points, fit, standardized
from tests.nas.toy import SPACE, mean_of, mean_of_random, value

CELLS = NasBench201Space()


def drawn(space, count, seed=0):
    random = np.random.default_rng(seed)
    sizes = [len(decision.options) for decision in space.decisions]
    return [tuple(int(random.integers(size)) for size in sizes) for _ in range(count)]


@pytest.mark.parametrize("space", [SPACE, CELLS])
def test_predictions_are_those_of_scikit_learn(space):
    process = pytest.importorskip("sklearn.gaussian_process")
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    points, others = Points(space, drawn(space, 12)), Points(space, drawn(space, 7, seed=1))
    share = 0.4 if points.features.shape[1] else 0.0
    kernel = Kernel(decisions=5.0, features=1.7, share=share, noise=0.1)
    values = np.random.default_rng(2).normal(size=12)
    mean, deviation = GaussianProcess(kernel, points, values).predict(others)

    # A decision that differs is two ones of a row that do; unused columns have endless lengths.
    choices, features = points.choices.shape[1], points.features.shape[1]
    lengths = [5.0**0.5] * choices + [1e9] * features
    other_lengths = [1e9] * choices + [1.7 / 2**0.5] * features
    theirs = kernels.ConstantKernel(1 - share) * kernels.RBF(lengths)
    if share:
        theirs += kernels.ConstantKernel(share) * kernels.RBF(other_lengths)

    def rows(made):
        return np.concatenate([made.choices, made.features], axis=1)

    oracle = process.GaussianProcessRegressor(theirs, alpha=kernel.noise, optimizer=None)
    oracle.fit(rows(points), values)
    expected, spread = oracle.predict(rows(others), return_std=True)
    covariance = kernel(points.distances(points)) + kernel.noise * np.eye(12)
    scale = values @ np.linalg.solve(covariance, values) / 12
    np.testing.assert_allclose(mean, expected, atol=1e-8)
    np.testing.assert_allclose(deviation, spread * np.sqrt(scale), atol=1e-6)


def test_pending_architectures_make_it_more_certain_and_change_no_mean():
    points, pending = Points(CELLS, drawn(CELLS, 9)), Points(CELLS, drawn(CELLS, 2, seed=3))
    kernel, values = Kernel(6.0, 1.5, 0.25, 0.05), np.arange(9.0) - 4
    alone = GaussianProcess(kernel, points, values).predict(pending)
    waiting = GaussianProcess(kernel, points, values, pending).predict(pending)
    np.testing.assert_allclose(waiting[0], alone[0])
    assert (waiting[1] < 0.9 * alone[1]).all()


def test_one_evaluation_with_noise_is_halved_by_hand():
    space = ChoiceSpace([Decision("a", ("x", "y"))])
    point = Points(space, [(0,)])
    process = GaussianProcess(Kernel(1.0, 1.0, 0.0, 1.0), point, np.array([2.0]))
    mean, deviation = process.predict(Points(space, [(0,), (1,)]))
    np.testing.assert_allclose(mean, [1.0, np.exp(-1.0)])
    # The scale is 2 * 2 / 2 / 1, the variances 1 - 1/2 and 1 - exp(-2)/2 of it.
    np.testing.assert_allclose(deviation**2, [1.0, 2.0 - np.exp(-2.0)])


def test_noise_in_the_values_is_found():
    points = Points(SPACE, drawn(SPACE, 80))
    random = np.random.default_rng(4)
    smooth = standardized(np.array([sum(item) for item in drawn(SPACE, 80)], float))
    noisy = random.normal(size=80)
    assert fit(points, smooth).noise < 0.05 < fit(points, noisy).noise


@example([0.0, 8.635236245010515e-307, -78.0])
@example([5e-324, 0.0, 0.0, 1e6])
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
@settings(deadline=None)
def test_standardized_values_keep_their_order(values):
    array = np.array(values)
    scores = standardized(array)
    assert np.isfinite(scores).all()
    order = np.argsort(array, kind="stable")
    assert (np.diff(scores[order]) >= -1e-12).all()


def test_a_failed_training_counts_little():
    scores = standardized(np.array([10.0, 70.0, 71.0, 72.0, 73.0, 74.0]))
    assert scores[1] - scores[0] < 3 * (scores[-1] - scores[1])
    assert not standardized(np.full(4, 2.5)).any()


def test_it_beats_random_search_by_far():
    found = mean_of(lambda seed: BayesianOptimization(SPACE, seed=seed), 60, seeds=3)
    assert found > mean_of_random(2000)


def test_no_key_is_asked_for_twice_and_a_whole_space_can_be_asked_for():
    space = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c")) for i in range(3)])
    strategy, seen = BayesianOptimization(space, initial=4, seed=2), []
    for _ in range(space.size):
        trial = strategy.ask()
        seen.append(trial.architecture)
        strategy.tell(trial, float(sum(trial.architecture)))
    assert len(set(seen)) == space.size
    strategy.tell(strategy.ask(), 0.0)  # nothing is new: any architecture


def test_equal_values_are_no_trouble():
    strategy = BayesianOptimization(CELLS, initial=3, seed=5)
    for _ in range(8):
        strategy.tell(strategy.ask(), 0.1)


def test_many_outstanding_trials_are_different():
    strategy = BayesianOptimization(SPACE, initial=5, seed=6)
    for _ in range(6):
        trial = strategy.ask()
        strategy.tell(trial, value(trial.architecture))
    assert len({strategy.ask().architecture for _ in range(8)}) == 8
