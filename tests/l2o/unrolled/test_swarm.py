"""Learned swarms: what they find, and how they are trained."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from l2o.unrolled import LearnedSwarm, Rastrigin, restarted_adam, train_swarm  # noqa: E402


def test_the_best_value_is_that_of_the_best_point_and_never_rises():
    functions = Rastrigin(5, 4)
    result = LearnedSwarm(particles=5).minimize(functions, 5, 4, steps=30)
    assert torch.allclose(functions(result.position[:, None])[:, 0], result.best, atol=1e-4)
    assert bool((result.history.diff(dim=0) <= 0).all())


def test_a_swarm_starts_where_restarted_adam_does():
    functions = Rastrigin(5, 4)
    swarm = LearnedSwarm(particles=6).minimize(functions, 5, 4, steps=1, seed=3)
    assert torch.equal(swarm.best, restarted_adam(functions, 5, 4, restarts=6, steps=1, seed=3))


def test_training_changes_the_weights_and_is_the_same_again():
    def trained():
        swarm = LearnedSwarm(particles=3, hidden=3)
        train_swarm(
            swarm, lambda i: (Rastrigin(2, 3, key=f"t{i}"), 2, 3), iterations=2, pairs=2, steps=5
        )
        return swarm.state_dict()

    first, second = trained(), trained()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["gates"], LearnedSwarm(particles=3, hidden=3).gates)


def test_values_of_infinity_do_not_break_the_training():
    def objective(x):
        return torch.where(x[..., 0] > 0, x.square().sum(-1), torch.inf)

    swarm = LearnedSwarm(particles=3, hidden=3)
    train_swarm(swarm, lambda _: (objective, 2, 3), iterations=2, pairs=2, steps=5)
    assert all(bool(value.isfinite().all()) for value in swarm.parameters())


def test_an_objective_of_the_wrong_shape_is_an_error():
    with pytest.raises(ValueError, match=r"objective: expected values of the shape \[1, 2, 10\]"):
        LearnedSwarm().minimize(lambda x: x.sum(), 2, 3)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: LearnedSwarm(particles=0), "particles"),
        (lambda: LearnedSwarm(low=1.0, high=1.0), "high"),
        (lambda: Rastrigin(0), "count"),
        (lambda: Rastrigin(1, shift=-1.0), "shift"),
    ],
)
def test_wrong_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        make()
