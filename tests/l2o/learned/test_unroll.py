"""Unrolled optimization and the meta-gradients made of it."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.func import functional_call  # noqa: E402

from automl_zero.streams import Stream  # noqa: E402
from l2o.learned import (  # noqa: E402
    AnalyticOptimizer,
    CoordinatewiseLSTM,
    HierarchicalRNN,
    PolicyOptimizer,
    Quadratics,
    RNNProp,
    SmallMLP,
    unroll,
)
from l2o.learned._estimators import (  # noqa: E402
    Rollout,
    backpropagate,
    evolve,
    imitate,
    log_losses,
    of_last,
    relative_losses,
    trained_weights,
)
from l2o.learned._reinforce import reinforce  # noqa: E402


def small_network(make=CoordinatewiseLSTM):
    return (
        make(hidden=3) if make is not HierarchicalRNN else make(coordinate=3, tensor=3, problem=3)
    )


def double_problems(count=3, key=1):
    problems = Quadratics(4).sample(count, Stream(key))
    problems.start = problems.start.double()
    problems._data = {name: value.double() for name, value in problems._data.items()}
    return problems


def test_only_the_last_steps_count_where_that_is_wanted():
    losses, scale = torch.arange(1.0, 9.0)[:, None], torch.ones(1)
    assert float(of_last(relative_losses, 0.25)(losses, scale)) == 7.5
    assert float(of_last(relative_losses, 0.01)(losses, scale)) == 8.0
    assert float(of_last(relative_losses, 1.0)(losses, scale)) == 4.5


def gradient(network):
    found = [weight.grad.flatten().clone() for weight in network.parameters()]
    network.zero_grad()
    return torch.cat(found)


@pytest.mark.parametrize("make", [CoordinatewiseLSTM, RNNProp, SmallMLP, HierarchicalRNN])
@pytest.mark.parametrize("second", [False, True])
def test_checkpoints_change_no_meta_gradient(make, second):
    network, problems = small_network(make).double(), double_problems()
    results = []
    for every in (None, 1, 5, 100):
        done = unroll(network, problems, 23, second_derivatives=second, checkpoint_every=every)
        done.losses[1:].mean().backward()
        results.append((done.losses.detach(), gradient(network)))
    for losses, found in results[1:]:
        assert torch.equal(losses, results[0][0])
        torch.testing.assert_close(found, results[0][1], rtol=1e-9, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(steps=st.integers(1, 12), every=st.integers(1, 14), cut=st.integers(0, 11))
def test_two_unrolls_after_another_are_one(steps, every, cut):
    network, problems = small_network(), Quadratics(3).sample(2, Stream(5))
    whole = unroll(network, problems, steps, checkpoint_every=every)
    cut = min(cut, steps - 1)
    if cut:
        first = unroll(network, problems, cut)
        second = unroll(
            network, problems, steps - cut, parameters=first.parameters, state=first.state,
            first_step=cut,
        )  # fmt: skip
        assert torch.equal(torch.cat([first.losses, second.losses[1:]]), whole.losses)
        assert torch.equal(second.parameters, whole.parameters)


@pytest.mark.parametrize("make", [CoordinatewiseLSTM, SmallMLP])
def test_with_second_derivatives_the_meta_gradient_is_that_of_finite_differences(make):
    network, problems = small_network(make).double(), double_problems()
    if make is SmallMLP:
        with torch.no_grad():
            network.last.weight += 0.1
    names = list(trained_weights(network))

    def loss(*values):
        class Fixed:
            begin = staticmethod(network.begin)

            def __call__(self, *inputs):
                return functional_call(network, dict(zip(names, values, strict=True)), inputs)

        return unroll(Fixed(), problems, 4, second_derivatives=True).losses[1:].mean()

    values = [weight.detach().clone().requires_grad_() for weight in network.parameters()]
    assert torch.autograd.gradcheck(loss, values, eps=1e-6, atol=1e-4, rtol=1e-3)


def test_without_second_derivatives_the_loss_has_its_gradient_by_the_parameters():
    problems = double_problems()
    shift = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    network = AnalyticOptimizer("sgd", 0.0)
    done = unroll(network, problems, 1, parameters=problems.start + shift)
    done.losses[0].sum().backward()
    (expected,) = torch.autograd.grad(problems.losses(problems.start + shift).sum(), shift)
    torch.testing.assert_close(shift.grad, expected)


def test_checkpoints_keep_less_memory():
    network, problems = small_network(), Quadratics(4).sample(2, Stream(1))
    most = []
    for steps, every in ((20, None), (200, 14)):
        now = peak = 0

        class Kept:
            def __init__(self, tensor):
                nonlocal now, peak
                self.tensor = tensor
                now += tensor.nbytes
                peak = max(peak, now)

            def __del__(self):
                nonlocal now
                now -= self.tensor.nbytes

        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            unroll(network, problems, steps, checkpoint_every=every).losses[1:].mean().backward()
        most.append(peak)
    assert most[1] < 2 * most[0]


@pytest.mark.parametrize("name", ["steps", "checkpoint_every"])
def test_wrong_lengths_are_named(name):
    arguments = {"steps": 3} | {name: 0}
    with pytest.raises(ValueError, match=f"{name}: expected an integer >= 1"):
        unroll(small_network(), Quadratics(3).sample(2, Stream(1)), **arguments)


# Estimators.


def estimates(method, repeats, steps, deviation=1e-3):
    """Means of estimated meta-gradients of a learning rate's logarithm, and the exact one.

    The stretches of an optimization are of unlike lengths, so that sums of their means differ from
    those of one stretch in a way that the weights below account for.
    """
    network = LogRate().double()
    problems = double_problems(4)
    total, horizon = torch.zeros(1, dtype=torch.float64), sum(steps)
    for repeat in range(repeats):
        rollout = Rollout.begin(network, problems.select([0, 1, 2, 3] * 8), horizon, True)
        for turn, count in enumerate(steps):
            stream = Stream(1000 * repeat + turn + 1)
            _, rollout = evolve(
                network, rollout, count, log_losses, deviation, stream, reuse=method == "nres"
            )
            total += gradient(network) * count / horizon
    rollout = Rollout.begin(network, problems, horizon, False)
    backpropagate(network, rollout, horizon, log_losses, second_derivatives=True)
    return float(total / repeats), float(gradient(network))


class LogRate(AnalyticOptimizer):
    """Gradient descent whose one weight is the logarithm of its rate."""

    kind = "test_log_rate"

    def __init__(self):
        super().__init__("sgd", 1.0)
        self.log_rate = torch.nn.Parameter(torch.tensor(math.log(0.003)))

    def forward(self, gradients, parameters, state, layout, loss=None):
        return -self.log_rate.exp() * gradients, state


@pytest.mark.parametrize(
    ("method", "steps"), [("es", [12]), ("pes", [4, 4, 4]), ("nres", [4, 4, 4])]
)
def test_evolution_strategies_estimate_the_gradient_of_the_whole_optimization(method, steps):
    estimate, exact = estimates(method, 24, steps)
    assert estimate == pytest.approx(exact, rel=0.15)


def test_truncated_backpropagation_does_not_see_earlier_stretches():
    network, problems = LogRate().double(), double_problems(4)
    total = 0.0
    rollout = Rollout.begin(network, problems, 12, False)
    for _ in range(3):
        _, rollout = backpropagate(network, rollout, 4, log_losses, second_derivatives=True)
        total += float(gradient(network)) / 3
    _, exact = estimates("es", 1, [12])
    assert abs(total) < 0.8 * abs(exact)


def test_lost_problems_begin_again():
    network = LogRate()
    with torch.no_grad():
        network.log_rate.fill_(20.0)
    problems = Quadratics(4).sample(3, Stream(1))
    for pairs in (False, True):
        rollout = Rollout.begin(network, problems, 100, pairs)
        if pairs:
            loss, rollout = evolve(network, rollout, 20, relative_losses, 0.01, Stream(2))
            assert (rollout.perturbation == 0).all() and math.isfinite(loss)
        else:
            _, rollout = backpropagate(network, rollout, 20, relative_losses)
        assert torch.equal(rollout.parameters, rollout.problems.start)


def test_imitation_ends_at_the_teacher():
    network, problems = LogRate(), Quadratics(4).sample(5, Stream(1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        distance = imitate(network, AnalyticOptimizer("sgd", 0.01), problems, 5)
        optimizer.step()
    assert distance < 1e-3
    assert float(network.log_rate.detach().exp()) == pytest.approx(0.01, rel=0.02)


def test_the_policy_gradient_makes_a_policy_better():
    policy, tasks = PolicyOptimizer(hidden=8, history=3), Quadratics(2)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
    unseen = tasks.sample(100, Stream(99))

    def score():
        with torch.no_grad():
            return float(unroll(policy, unseen, 20).losses[-1].log().mean())

    before = score()
    for turn in range(60):
        optimizer.zero_grad()
        reinforce(policy, tasks.sample(32, Stream(turn)), 20, Stream(1000 + turn))
        optimizer.step()
    assert score() < before - 0.1
