"""EvolvedOptimizer as PyTorch's training loops use an optimizer."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from automl_zero.program import Instruction
from l2o.rules import HAND_WRITTEN_RULES, RuleFile, hand_written_rule, parse_rule
from tests.custom_ops import OPS as OWN_OPS

torch = pytest.importorskip("torch")

from l2o.optim import EvolvedOptimizer  # noqa: E402

NORMALISED = """
def Setup():
  s4 = 0.9
  s5 = 1.0
def Update():
  v3 = interpolate(v3, v0, 0.1)
  s5 = s4 * s5      # one number for all tensors, kept
  s6 = norm(v0)
  s7 = s7 + s6      # one for each tensor, kept
  s8 = global_norm(v3)
  v2 = s5 * v3
  v4 = s7 * v0
  v2 = v2 + v4
  s8 = 1 / s8
  v2 = s8 * v2
  v5 = v2 + v2      # dead
"""

SCHEDULED = """
def Setup():
  s4 = 1.0
def Update():
  s5 = s4 - s1
  v2 = s5 * v0
"""

LOSS = "def Setup():\ndef Update():\n  v2 = s2 * v0\n"


def model(dtype=torch.float64):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).to(
        dtype
    )


def batch(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16, 4, generator=generator, dtype=dtype)
    return x, x.sum(1, keepdim=True)


def train(net, optimizer, steps=5):
    x, y = batch(next(net.parameters()).dtype)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step(loss=loss.detach())
        losses.append(loss.item())
    return losses


def values(net):
    return torch.cat([param.detach().reshape(-1) for param in net.parameters()])


@pytest.mark.parametrize("rule", [*HAND_WRITTEN_RULES, NORMALISED])
def test_training_lowers_the_loss(rule):
    net = model()
    losses = train(net, EvolvedOptimizer(net.parameters(), rule, lr=0.003), 30)
    assert losses[-1] < losses[0]


def test_only_what_is_read_at_the_next_step_is_stored():
    net = model()
    optimizer = EvolvedOptimizer(net.parameters(), NORMALISED, lr=0.01)
    train(net, optimizer, 2)
    weight = net[0].weight
    state = optimizer.state[weight]
    assert set(state) == {"s5", "s7", "v3"}
    assert state["v3"].shape == weight.shape and state["v3"].dtype == weight.dtype
    assert state["s7"].shape == (1,) and state["s7"].dtype == weight.dtype
    assert state["s5"].item() == pytest.approx(0.81)
    assert "v5" not in str(optimizer.rule)


def test_rules_are_given_in_any_form(tmp_path):
    path = tmp_path / "rule.json"
    path.write_text(RuleFile(hand_written_rule("adamw"), 0.02, 0.3).to_json())
    text = tmp_path / "rule.txt"
    text.write_text(str(hand_written_rule("adamw")))
    results = []
    for rule in ("adamw", hand_written_rule("adamw"), str(hand_written_rule("adamw")), text, path):
        net = model()
        settings = {} if rule == path else {"lr": 0.02, "weight_decay": 0.3}
        train(net, EvolvedOptimizer(net.parameters(), rule, **settings))
        results.append(values(net))
    assert all(torch.equal(result, results[0]) for result in results)


def test_groups_have_settings_of_their_own():
    net, other = model(), model()
    optimizer = EvolvedOptimizer(
        [
            {"params": net[0].parameters()},
            {"params": net[2].parameters(), "lr": 0.5, "weight_decay": 0.2, "maximize": True},
        ],
        "sgd",
        lr=0.1,
    )
    reference = [
        torch.optim.SGD(other[0].parameters(), lr=0.1),
        torch.optim.SGD(other[2].parameters(), lr=0.5, weight_decay=0.2, maximize=True),
    ]
    for params in (net.parameters(), other.parameters()):
        for param in params:
            param.grad = torch.ones_like(param)
    optimizer.step()
    for item in reference:
        item.step()
    torch.testing.assert_close(values(net), values(other))


@pytest.mark.parametrize("foreach", [True, False])
def test_a_tensor_without_gradient_takes_no_step(foreach):
    net, other = model(), model()
    ours = EvolvedOptimizer(net.parameters(), "adam", lr=0.1, foreach=foreach)
    theirs = torch.optim.Adam(other.parameters(), lr=0.1)
    for step in range(4):
        for module, optimizer in ((net, ours), (other, theirs)):
            for number, param in enumerate(module.parameters()):
                skips = (number + step) % 3 == 0
                param.grad = None if skips else torch.full_like(param, 0.1 * step + 0.1)
            optimizer.step()
    torch.testing.assert_close(values(net), values(other), rtol=1e-12, atol=1e-12)


def test_closures():
    net = model()
    optimizer = EvolvedOptimizer(net.parameters(), LOSS, lr=0.1)
    x, y = batch()

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert optimizer.step(closure) < first
    with pytest.raises(ValueError, match="loss: expected none beside a closure"):
        optimizer.step(closure, loss=1.0)


def test_rules_that_read_the_loss_need_one():
    net = model()
    optimizer = EvolvedOptimizer(net.parameters(), LOSS, lr=0.1)
    with pytest.raises(ValueError, match=r"loss: expected step\(loss=...\) or a closure"):
        optimizer.step()


@pytest.mark.parametrize("foreach", [True, False])
def test_rules_that_read_the_schedule_need_its_length(foreach):
    param = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="total_steps: expected a number"):
        EvolvedOptimizer([param], SCHEDULED, lr=1.0)
    optimizer = EvolvedOptimizer([param], SCHEDULED, lr=1.0, total_steps=4, foreach=foreach)
    changes = []
    for _ in range(6):
        before = param.detach().clone()
        param.grad = torch.ones_like(param)
        optimizer.step()
        changes.append((before - param.detach())[0].item())
    assert changes == [1.0, 0.75, 0.5, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
def test_schedulers_change_the_learning_rate(lr):
    net, other = model(), model()
    pair = [
        (net, EvolvedOptimizer(net.parameters(), "adamw", lr=lr, weight_decay=0.01)),
        (other, torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=0.01)),
    ]
    x, y = batch()
    for module, optimizer in pair:
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
        for _ in range(10):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(module(x), y).backward()
            optimizer.step()
            scheduler.step()
    tolerance = 1e-10 if isinstance(lr, float) else 1e-6  # the tensor is float32
    torch.testing.assert_close(values(net), values(other), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rule", ["adamw", NORMALISED])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_state_dict_goes_on_where_it_was_taken(rule, dtype, tmp_path):
    net = model(dtype)
    optimizer = EvolvedOptimizer(net.parameters(), rule, lr=0.01)
    train(net, optimizer, 3)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    other = copy.deepcopy(net)
    copied = EvolvedOptimizer(other.parameters(), rule, lr=0.5)
    copied.load_state_dict(saved)
    assert train(net, optimizer, 3) == train(other, copied, 3)
    assert torch.equal(values(net), values(other))
    for name, value in optimizer.state[net[0].weight].items():
        assert copied.state[other[0].weight][name].dtype == value.dtype


def test_an_optimizer_is_copied_and_pickled():
    net = model()
    optimizer = EvolvedOptimizer(net.parameters(), NORMALISED, lr=0.01)
    train(net, optimizer, 2)
    for pair in (copy.deepcopy((net, optimizer)), pickle.loads(pickle.dumps((net, optimizer)))):
        first, second = copy.deepcopy(net), pair[0]
        again = EvolvedOptimizer(first.parameters(), NORMALISED, lr=0.01)
        again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        assert train(first, again) == train(second, pair[1])


def damaged(state, change):
    state = copy.deepcopy(state)
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("state"), "expected param_groups and state"),
        (lambda s: s["param_groups"][0].pop("rule"), r"param_groups\[0\].rule: expected program"),
        (lambda s: s["param_groups"][0].update(rule="nonsense"), r"param_groups\[0\].rule: line 1"),
        (lambda s: s["param_groups"][0].update(rule=LOSS), "expected the optimizer's rule"),
        (lambda s: s["state"][0].pop("v3"), r"state\[0\]: expected step, v3, v4, received step"),
        (lambda s: s["state"][1].update(v3=torch.zeros(3)), r"state\[1\].v3: expected shape"),
        (lambda s: s["state"][1].update(step="5"), r"state\[1\].step: expected a number"),
        (lambda s: s["state"].update({9: {}}), r"state\[9\]: expected the state of a parameter"),
    ],
)
def test_a_damaged_state_is_refused(change, message):
    net = model()
    optimizer = EvolvedOptimizer(net.parameters(), "adam", lr=0.01)
    train(net, optimizer, 1)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(damaged(optimizer.state_dict(), change))


@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
@pytest.mark.parametrize("rule", ["adamw", "lion", NORMALISED])
def test_a_compiled_step_is_the_same_step(rule, backend):
    torch._dynamo.reset()
    net, other = model(), model()
    plain = EvolvedOptimizer(net.parameters(), rule, lr=torch.tensor(0.01))
    compiled = EvolvedOptimizer(other.parameters(), rule, lr=torch.tensor(0.01))
    step = torch.compile(compiled.step, backend=backend)
    x, y = batch()
    with torch._dynamo.config.patch(error_on_recompile=False):
        for _ in range(4):
            for module, optimizer, function in ((net, plain, plain.step), (other, compiled, step)):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(module(x), y).backward()
                function()
    torch.testing.assert_close(values(net), values(other), rtol=1e-12, atol=1e-12)


def test_the_gradient_scaler_skips_steps_and_unscales():
    net, other = model(torch.float32), model(torch.float32)
    x, y = batch(torch.float32)
    results = []
    for module, optimizer in (
        (net, EvolvedOptimizer(net.parameters(), "adamw", lr=0.01)),
        (other, torch.optim.AdamW(other.parameters(), lr=0.01, weight_decay=0.0)),
    ):
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for step in range(4):
            optimizer.zero_grad()
            scaler.scale(torch.nn.functional.mse_loss(module(x), y)).backward()
            if step == 1:
                module[0].weight.grad[0, 0] = math.inf
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(module.parameters(), 10.0)
            scaler.step(optimizer)
            scaler.update()
        results.append((values(module), scaler.get_scale()))
        assert optimizer.state[module[0].weight]["step"] == 3
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-5, atol=1e-6)
    assert results[0][1] == results[1][1] == 512.0


def test_the_gradient_scaler_hands_the_loss_on():
    net = model(torch.float32)
    optimizer = EvolvedOptimizer(net.parameters(), LOSS, lr=0.01)
    scaler = torch.amp.GradScaler("cpu")
    x, y = batch(torch.float32)
    loss = torch.nn.functional.mse_loss(net(x), y)
    scaler.scale(loss).backward()
    before = values(net)
    scaler.step(optimizer, loss=loss.detach())
    assert not torch.equal(values(net), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_parameters_keep_their_dtype(dtype):
    param = torch.nn.Parameter(torch.ones(8, dtype=dtype))
    optimizer = EvolvedOptimizer([param], NORMALISED, lr=0.1)
    param.grad = torch.full_like(param, 0.5)
    optimizer.step()
    assert param.dtype == dtype and torch.isfinite(param).all() and (param < 1).all()
    assert optimizer.state[param]["v3"].dtype == dtype


def test_memory_formats_are_kept():
    param = torch.nn.Parameter(torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last))
    optimizer = EvolvedOptimizer([param], "adamw", lr=0.1)
    param.grad = torch.randn_like(param)
    optimizer.step()
    assert optimizer.state[param]["v3"].is_contiguous(memory_format=torch.channels_last)


def test_nan_stays_visible():
    param = torch.nn.Parameter(torch.ones(3))
    optimizer = EvolvedOptimizer([param], "lion", lr=0.1)
    param.grad = torch.tensor([1.0, math.nan, -1.0])
    optimizer.step()
    assert torch.isnan(param).tolist() == [False, True, False]


def test_random_rules_draw_the_same_numbers_for_the_same_seed():
    rule = "def Setup():\n  v3 = gaussian(0.0, 1.0, n_features)\ndef Update():\n  v2 = v0 * v3\n"
    results = []
    for seed in (1, 1, 2):
        net = model()
        train(net, EvolvedOptimizer(net.parameters(), rule, lr=0.01, seed=seed))
        results.append(values(net))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "adan"}, "rule: expected a Program, program text, a file or one of sgd"),
        ({"rule": 3}, "rule: expected a Program, its text, a name or a file, received 3"),
        ({"rule": "def Setup():\ndef Update():\n  v2 = v77\n"}, "line 3"),
        ({"rule": "sgd"}, "lr: expected a number"),
        ({"rule": "sgd", "lr": -1.0}, "lr: expected a number >= 0, received -1"),
        ({"rule": "sgd", "lr": torch.ones(2)}, "lr: expected one number, received 2"),
        ({"rule": "sgd", "lr": 0.1, "weight_decay": -1}, "weight_decay: expected a number >= 0"),
        ({"rule": "addsign", "lr": 0.1, "weight_decay": 0.1}, "weight_decay: expected 0 for a"),
        ({"rule": "sgd", "lr": 0.1, "total_steps": 0}, "total_steps: expected an integer >= 1"),
        ({"rule": "sgd", "lr": 0.1, "maximize": 1}, "maximize: expected true or false"),
        ({"rule": "sgd", "lr": 0.1, "foreach": "yes"}, "foreach: expected true or false"),
        ({"rule": "sgd", "lr": 0.1, "seed": -1}, "seed: expected an integer >= 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EvolvedOptimizer([torch.nn.Parameter(torch.ones(2))], **arguments)


def test_parameters_that_no_rule_can_train_are_refused():
    for param in (torch.ones(2, dtype=torch.complex64), torch.ones(2, dtype=torch.int64)):
        with pytest.raises(ValueError, match="params: expected real floating-point tensors"):
            EvolvedOptimizer([param], "sgd", lr=0.1)
    embedding = torch.nn.Embedding(5, 2, sparse=True)
    optimizer = EvolvedOptimizer(embedding.parameters(), "sgd", lr=0.1)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="params: expected dense gradients"):
        optimizer.step()


def test_a_wrong_group_is_not_added():
    net = model()
    optimizer = EvolvedOptimizer(net[0].parameters(), "sgd", lr=0.1)
    with pytest.raises(ValueError, match="rule: expected the same one in all groups"):
        optimizer.add_param_group({"params": net[2].parameters(), "rule": LOSS})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": net[2].parameters(), "lr": 0.2})
    assert optimizer.param_groups[1]["lr"] == 0.2


def test_own_ops_are_refused():
    op = next(op for op in OWN_OPS if op.name == "VECTOR_LEAK_OP")
    rule = parse_rule("def Setup():\ndef Update():\n")
    rule = rule.replace(update=[Instruction(op, in1=0, out=2)])
    with pytest.raises(ValueError, match="rule: expected ops of the table"):
        EvolvedOptimizer([torch.nn.Parameter(torch.ones(2))], rule, lr=0.1)
