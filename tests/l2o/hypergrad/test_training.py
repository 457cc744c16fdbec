"""Gradients through training in reverse, against back-propagation through its whole graph."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from l2o.hypergrad import TrainingDivergedError, reversible_sgd  # noqa: E402

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(40, 6)))
Y = torch.from_numpy(RNG.normal(size=40))
START = {
    "w0": torch.from_numpy(RNG.normal(size=(6, 5)) / 6**0.5),
    "w1": torch.from_numpy(RNG.normal(size=5)),
}


def output(weights, x):
    return torch.tanh(x @ weights["w0"]) @ weights["w1"]


def loss(weights, hyper, step):
    part = slice(0, 20) if step % 2 else slice(10, 30)  # minibatches by number
    value = (output(weights, X[part]) - Y[part]).square().mean()
    decays = hyper["log_decay"].exp() * torch.stack([each.square().sum() for each in
                                                     weights.values()])  # fmt: skip
    return value + decays.sum()


def validation(weights):
    return (output(weights, X[30:]) - Y[30:]).square().mean()


def leaves(steps):
    rates = torch.from_numpy(RNG.uniform(0.05, 0.4, (steps, 2))).requires_grad_()
    momenta = torch.from_numpy(RNG.integers(300, 990, (steps, 2)) / 1000).requires_grad_()
    log_decay = torch.tensor([-4.0, -5.0], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    return rates, momenta, log_decay, scale


def test_all_hypergradients_equal_those_of_plain_back_propagation():
    import measure_hypergrad

    given = leaves(300)
    rates, momenta, log_decay, scale = given
    results = []
    for train in (reversible_sgd, measure_hypergrad.plain_sgd):
        initial = {name: scale * each for name, each in START.items()}
        end = train(loss, initial, rates, momenta, {"log_decay": log_decay})
        results.append(torch.autograd.grad(validation(end), given))
    for ours, plain in zip(*results, strict=True):
        assert float((ours - plain).abs().max()) <= 1e-9 * float(plain.abs().max())


def test_hypergradients_are_slopes():
    rates, momenta, log_decay, scale = leaves(20)

    def outcome(momentum, decay, size):
        initial = {name: size * each for name, each in START.items()}
        return validation(reversible_sgd(loss, initial, rates, momentum, {"log_decay": decay}))

    outcome(momenta, log_decay, scale).backward()
    with torch.no_grad():
        for leaf, step in ((scale, 1e-4), (log_decay, 1e-3), (momenta, 1e-3)):
            flat, slope = leaf.view(-1), leaf.grad.view(-1)[0]
            values = []
            for sign in (1, -1):
                flat[0] += sign * step
                values.append(outcome(momenta, log_decay, scale))
                flat[0] -= sign * step
            assert float(slope) == pytest.approx(
                float(values[0] - values[1]) / (2 * step), rel=1e-4
            )


def test_numbers_and_single_axes_stand_for_all_groups():
    hyper = {"log_decay": torch.tensor([-5.0, -5.0])}
    full = torch.full((6, 2), 0.2, requires_grad=True)
    steps = torch.full((6,), 0.2, requires_grad=True)
    ends = [
        reversible_sgd(loss, START, full, 0.9, hyper),
        reversible_sgd(loss, START, steps, torch.full((6,), 0.9), hyper),
    ]
    for end in ends:
        validation(end).backward()
    assert torch.equal(ends[0]["w0"], ends[1]["w0"])
    torch.testing.assert_close(full.grad.sum(1), steps.grad)


def test_float32_weights_stay_float32_and_backward_may_be_repeated():
    start = {"w": torch.ones(3, requires_grad=True)}
    data = torch.arange(3)  # integers: nothing to differentiate by

    def quadratic(weights, hyper, step):
        return (weights["w"] - hyper["data"]).square().sum()

    end = reversible_sgd(quadratic, start, torch.full((5,), 0.1), hyper={"data": data})
    assert end["w"].dtype == torch.float32
    end["w"].sum().backward(retain_graph=True)
    once = start["w"].grad.clone()
    end["w"].sum().backward()
    assert torch.equal(start["w"].grad, 2 * once)


def test_a_linear_loss_and_unused_weights_have_gradients():
    rates = torch.full((4,), 0.1, dtype=torch.float64, requires_grad=True)
    start = {"a": torch.zeros(2, dtype=torch.float64), "b": torch.ones(1, dtype=torch.float64)}
    end = reversible_sgd(lambda weights, hyper, step: weights["a"].sum(), start, rates)
    assert torch.equal(end["b"], start["b"])
    end["a"].sum().backward()
    # v after step t is -(1 - 0.9**t) for a gradient of 1.
    expected = [-2 * (1 - 0.9**t) for t in (1, 2, 3, 4)]
    torch.testing.assert_close(rates.grad, torch.tensor(expected, dtype=torch.float64))


def test_a_loss_that_draws_numbers_is_found_out():
    generator = torch.Generator().manual_seed(0)

    def noisy(weights, hyper, step):
        return (weights["w"] - torch.rand(2, generator=generator)).square().sum()

    end = reversible_sgd(noisy, {"w": torch.ones(2, requires_grad=True)}, torch.full((3,), 0.1))
    with pytest.raises(RuntimeError, match="loss: expected the same gradients in both"):
        end["w"].sum().backward()


def test_divergence_names_the_step():
    start = {"w": torch.ones(2)}
    with pytest.raises(TrainingDivergedError, match=r"step \d+: a (number|weight) left"):
        reversible_sgd(
            lambda weights, hyper, step: weights["w"].pow(4).sum(), start, torch.full((50,), 50.0)
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial": {}}, "initial: expected weights"),
        ({"initial": [1]}, "initial: expected tensors by name"),
        ({"initial": {"w": 3}}, "initial.w: expected a tensor"),
        ({"initial": {"w": torch.ones(2, dtype=torch.long)}}, "initial.w: expected floating"),
        ({"initial": {"w": torch.ones(2, device="meta")}}, "initial.w: .* on the CPU, on meta"),
        ({"loss": 1}, "loss: expected a function"),
        ({"loss": lambda w, h, t: w["w"]}, "loss: expected a function to a scalar"),
        ({"learning_rates": 0.1}, "learning_rates: expected a floating-point tensor"),
        ({"learning_rates": torch.tensor(0.1)}, "learning_rates: expected at least one step"),
        ({"learning_rates": torch.ones(3, 2)}, r"learning_rates: expected shape \[3\]"),
        ({"learning_rates": torch.tensor([np.nan])}, "learning_rates: expected finite"),
        ({"momentum": 1.0}, "momentum: expected numbers above 0 and below 1"),
        ({"momentum": torch.ones(2) / 2}, r"momentum: expected shape \[3\]"),
        ({"hyper": {"a": 1}}, "hyper.a: expected a tensor"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    arguments = {
        "loss": lambda weights, hyper, step: weights["w"].square().sum(),
        "initial": {"w": torch.ones(2)},
        "learning_rates": torch.full((3,), 0.1),
    }
    with pytest.raises(ValueError, match=message):
        reversible_sgd(**arguments | changes)
