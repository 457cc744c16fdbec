"""What runs forward runs back, bit for bit, and needs few bits for it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2o.hypergrad import BitStore, ReversibleSGD, TrainingDivergedError
from l2o.hypergrad._fixed_point import FRACTION_BITS, as_fraction

RATIOS = st.fractions(Fraction(1, 1000), Fraction(1), max_denominator=1000)
VALUES = st.integers(-(1 << 62) + 1, (1 << 62) - 1)


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, 5, elements=VALUES), st.lists(RATIOS, min_size=1, max_size=40))
def test_products_are_undone_exactly(values, ratios):
    store, now = BitStore(5), values.copy()
    for ratio in ratios:
        before, now = now, store.multiply(now, ratio)
        for old, new in zip(before.tolist(), now.tolist(), strict=True):
            assert abs(new - old * ratio) < ratio.numerator
    for ratio in reversed(ratios):
        now = store.divide(now, ratio)
    assert np.array_equal(now, values)
    assert store.nbytes == BitStore(5).nbytes and not store._buffer.any() and store._bound == 1


@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.99])
def test_the_store_grows_by_the_bits_that_are_lost(momentum):
    store, ratio, values = BitStore(100), as_fraction(momentum), np.arange(100) << 40
    for _ in range(2000):
        values = store.multiply(values, ratio) + (1 << 39)
    bits = 8 * (store.nbytes - BitStore(100).nbytes) / 100
    assert abs(bits - 2000 * math.log2(1 / momentum)) < 64


def different_bits(a, b):
    return sum(int(np.bitwise_count(x ^ y).sum()) for x, y in zip(a, b, strict=True))


def descend(sgd, gradients, steps, rates, momenta):
    for step in range(steps):
        sgd.step(gradients(sgd.weights()), rates[step], momenta[step])


def test_a_thousand_steps_are_undone_to_the_last_bit():
    """A chaotic training: the smallest error on the way back would grow."""
    rng = np.random.default_rng(0)
    matrix, target = rng.normal(size=(30, 20)), rng.normal(size=30)
    rates = rng.uniform(0.01, 0.3, (1000, 2))
    momenta = rng.uniform(0.3, 0.99, (1000, 2))

    def gradients(weights):
        hidden = np.tanh(matrix @ weights[0])
        error = hidden @ weights[1] - target
        inner = np.outer(error, weights[1]) * (1 - hidden**2)
        return [4 * matrix.T @ inner / 30, 4 * hidden.T @ error / 30]

    sgd = ReversibleSGD([rng.normal(size=(20, 8)), rng.normal(size=8)])
    begun, kept = sgd.state(), sgd.copy()
    descend(sgd, gradients, 1000, rates, momenta)
    ended = sgd.state()
    assert all(not np.array_equal(a, b) for a, b in zip(begun, ended, strict=True))
    for step in reversed(range(1000)):
        sgd.undo_weights(rates[step])
        sgd.undo_velocity(gradients(sgd.weights()), momenta[step])
    assert different_bits(sgd.state(), begun) == 0
    assert sgd.steps == 0 and sgd.stored_bytes == kept.stored_bytes
    descend(sgd, gradients, 1000, rates, momenta)
    assert different_bits(sgd.state(), ended) == 0


def test_going_back_some_steps_restores_what_those_after_depend_on():
    sgd = ReversibleSGD([np.linspace(-1, 1, 7)])
    steps = [(sgd.copy(), 0)]
    for step in range(1, 300):
        sgd.step([np.cos(sgd.weights()[0] * step)], [0.1], [0.8])
        steps.append((sgd.copy(), sgd.stored_bytes))
    for step in range(299, 150, -1):
        sgd.undo_weights([0.1])
        sgd.undo_velocity([np.cos(sgd.weights()[0] * step)], [0.8])
        assert sgd.stored_bytes == steps[step - 1][1]
    for step in range(151, 300):
        sgd.step([np.cos(sgd.weights()[0] * step)], [0.1], [0.8])
        assert different_bits(sgd.state(), steps[step][0].state()) == 0


def test_a_copy_goes_its_own_way():
    sgd = ReversibleSGD([np.ones(3)])
    sgd.step([np.ones(3)], [0.1], [0.9])
    other, state = sgd.copy(), sgd.state()
    other.step([np.ones(3)], [0.1], [0.9])
    other.undo_weights([0.1])
    assert different_bits(sgd.state(), state) == 0


def test_steps_are_those_of_the_paper_to_fixed_point_precision():
    sgd, w, v = ReversibleSGD([np.array([1.0, -3.0])]), np.array([1.0, -3.0]), np.zeros(2)
    for step in range(50):
        gradient = w * np.array([1.0, 10.0])
        sgd.step([sgd.weights()[0] * np.array([1.0, 10.0])], [0.1], [0.9])
        v = 0.9 * v - (1 - 0.9) * gradient
        w = w + 0.1 * v
        assert np.abs(sgd.weights()[0] - w).max() < (step + 1) * 1000 * 2.0**-FRACTION_BITS


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_numbers_out_of_range_are_named(bad):
    with pytest.raises(TrainingDivergedError, match="step 0: a number left the range"):
        ReversibleSGD([np.array([bad])])
    sgd = ReversibleSGD([np.ones(2)])
    sgd.step([np.ones(2)], [0.1], [0.9])
    with pytest.raises(TrainingDivergedError, match="step 1: a number left"):
        sgd.step([np.array([1.0, bad])], [0.1], [0.9])


def test_a_weight_that_grows_out_of_range_is_named():
    sgd = ReversibleSGD([np.ones(1)])
    with pytest.raises(TrainingDivergedError, match="a (weight|number) left the range"):
        for _ in range(100):
            sgd.step([np.full(1, -60000.0)], [1.0], [0.5])


@pytest.mark.parametrize(
    ("momentum", "ratio"),
    [(0.9, Fraction(9, 10)), (0.0, Fraction(1, 1000)), (1.0, Fraction(999, 1000)),
     (1 / 3, Fraction(1, 3)), (0.9999, Fraction(999, 1000))],
)  # fmt: skip
def test_momenta_are_fractions(momentum, ratio):
    assert as_fraction(momentum) == ratio
