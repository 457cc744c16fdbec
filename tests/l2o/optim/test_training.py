"""Training any module with a rule."""

from __future__ import annotations

import math

import pytest

from l2o.rules import RuleFile, hand_written_rule

torch = pytest.importorskip("torch")

from l2o.optim import train_with_rule  # noqa: E402
from tests.l2o.optim.test_evolved_optimizer import LOSS, SCHEDULED, batch, model  # noqa: E402


def mean_squared(net, pair):
    return torch.nn.functional.mse_loss(net(pair[0]), pair[1])


def test_a_rule_trains_as_torchs_optimizer_does():
    batches = [batch()] * 10
    ours = train_with_rule(model(), mean_squared, batches, "adamw", lr=0.01, weight_decay=0.1)
    theirs = train_with_rule(
        model(), mean_squared, batches,
        lambda params: torch.optim.AdamW(params, lr=0.01, weight_decay=0.1),
    )  # fmt: skip
    assert ours == pytest.approx(theirs, rel=1e-10)
    assert ours[-1] < ours[0]


def test_settings_of_a_file_are_its_defaults():
    found = RuleFile(hand_written_rule("adamw"), 0.01, 0.1)
    batches = [batch()] * 3
    assert train_with_rule(model(), mean_squared, batches, found) == train_with_rule(
        model(), mean_squared, batches, "adamw", 0.01, 0.1
    )


def test_schedule_and_loss_reach_the_rule():
    batches = [batch()] * 5
    assert len(train_with_rule(model(), mean_squared, batches, SCHEDULED, lr=0.1)) == 5
    assert len(train_with_rule(model(), mean_squared, iter(batches), LOSS, lr=0.1, steps=3)) == 3
    with pytest.raises(ValueError, match="total_steps"):
        train_with_rule(model(), mean_squared, iter(batches), SCHEDULED, lr=0.1)


def test_rules_without_weight_decay_train_without():
    losses = train_with_rule(model(), mean_squared, [batch()] * 2, "addsign", 0.1, 0.5)
    assert losses == train_with_rule(model(), mean_squared, [batch()] * 2, "addsign", 0.1)


def test_training_ends_when_it_diverges():
    losses = train_with_rule(model(), mean_squared, [batch()] * 500, "sgd", lr=1e9)
    assert not math.isfinite(losses[-1]) and len(losses) < 500


def test_frozen_parameters_stay():
    net = model()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    train_with_rule(net, mean_squared, [batch()] * 2, "adamw", lr=0.1)
    assert torch.equal(net[0].weight, before)


def test_settings_beside_a_function_are_refused():
    with pytest.raises(ValueError, match="lr, weight_decay: expected none beside a function"):
        train_with_rule(model(), mean_squared, [batch()], torch.optim.SGD, lr=0.1)
