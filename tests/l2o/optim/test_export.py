"""Rules as source of standalone optimizers."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings

from l2o.rules import HAND_WRITTEN_RULES, RuleFile, hand_written_rule

torch = pytest.importorskip("torch")

from l2o.optim import EvolvedOptimizer, export_optimizer  # noqa: E402
from l2o.optim._plan import plan_rule  # noqa: E402
from tests.l2o.optim.test_evolved_optimizer import (  # noqa: E402
    LOSS,
    NORMALISED,
    SCHEDULED,
    model,
    train,
    values,
)
from tests.l2o.optim.test_random_rules import rules  # noqa: E402

RANDOM = """
def Setup():
  v3 = gaussian(0.0, 1.0, n_features)
  v4[0.5] = 2.0
  s4 = global_norm(v3)
def Update():
  v5 = uniform(-0.1, 0.1, n_features)
  s5 = uniform(0.5, 1.0)
  v3 = v3 + v5
  v6 = s5 * v0
  v6 = v6 + v3
  v6 = v6 + v4
  v2 = s4 * v6
"""

SPECIAL = [NORMALISED, SCHEDULED, LOSS, RANDOM]


def exported(rule, **settings):
    names = {"__name__": "exported"}
    exec(compile(export_optimizer(rule, "Found", **settings), "<exported>", "exec"), names)
    return names["Found"]


def settings_of(rule):
    reads = plan_rule(rule).reads
    given = {"lr": 0.01}
    given |= {"weight_decay": 0.1} if "weight_decay" in reads else {}
    return given | ({"total_steps": 5} if "schedule" in reads else {})


def follow(rule):
    """Whether the exported optimizer does what EvolvedOptimizer does, to the bit."""
    net, other = model(), model()
    given = settings_of(rule)
    ours = EvolvedOptimizer(net.parameters(), rule, **given)
    theirs = exported(rule)(other.parameters(), **given)
    train(net, ours, 4)
    train(other, theirs, 4)
    return torch.equal(torch.nan_to_num(values(net)), torch.nan_to_num(values(other)))


@pytest.mark.parametrize("rule", [*HAND_WRITTEN_RULES, *SPECIAL])
def test_an_exported_optimizer_does_what_the_rule_does(rule):
    from l2o.rules import find_rule

    assert follow(find_rule(rule).rule)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule=rules())
def test_any_rule_can_be_exported(rule):
    assert follow(rule)


def test_exported_source_needs_torch_alone(tmp_path):
    (tmp_path / "found.py").write_text(export_optimizer("adamw", "Found", lr=0.05))
    check = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from found import Found
torch.manual_seed(0)
x = torch.randn(32, 3)
net = torch.nn.Linear(3, 1)
optimizer = Found(net.parameters())
for _ in range(100):
    optimizer.zero_grad()
    loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
assert loss < 0.05, loss
state = optimizer.state_dict()
again = Found(net.parameters(), lr=0.1)
again.load_state_dict(state)
again.step()
assert again.state[net.weight]["step"] == 101
assert not [name for name in sys.modules if name.split(".")[0] in ("automl_zero", "l2o")]
print("passed")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", check, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout == "passed\n", done.stderr


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not there")
def test_exported_source_is_formatted(tmp_path):
    for number, rule in enumerate([*HAND_WRITTEN_RULES, NORMALISED, SCHEDULED, LOSS]):
        (tmp_path / f"rule{number}.py").write_text(export_optimizer(rule))
    (tmp_path / "ruff.toml").write_text('line-length = 100\n[lint]\nselect = ["E", "F", "I", "UP"]')
    for command in (["format", "--diff"], ["check"]):
        done = subprocess.run(
            ["ruff", *command, "--no-cache", str(tmp_path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_source_tells_program_origin_and_settings():
    found = RuleFile(hand_written_rule("lion"), 0.0003, 0.5, 'seed 3 of "lion"')
    source = export_optimizer(found, "MyLion")
    assert "class MyLion(Optimizer):" in source
    assert "      v3 = interpolate(v3, v0, 0.01)" in source
    assert 'Origin: seed 3 of \\"lion\\"' in source
    assert "lr: float | Tensor = 0.0003" in source and "weight_decay: float = 0.5" in source
    assert "lr: float | Tensor," in export_optimizer("lion")


def test_exported_optimizers_refuse_what_they_cannot_take():
    sparse = torch.nn.Embedding(4, 2, sparse=True)
    optimizer = exported("sgd")(sparse.parameters(), lr=0.1)
    sparse(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="params: expected dense gradients"):
        optimizer.step()
    with pytest.raises(ValueError, match=r"loss: expected step\(loss=...\) or a closure"):
        exported(LOSS)([torch.nn.Parameter(torch.ones(1))], lr=0.1).step()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "nope"}, "rule: expected a Program"),
        ({"rule": "sgd", "name": "not a name"}, "name: expected a name of a class"),
        ({"rule": "sgd", "name": "class"}, "name: expected a name of a class"),
        ({"rule": "sgd", "lr": -1}, "lr: expected a number >= 0"),
        ({"rule": "addsign", "weight_decay": 0.1}, "weight_decay: expected none for a rule"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        export_optimizer(**arguments)
