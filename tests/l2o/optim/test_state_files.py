"""Optimizers' states in safetensors files."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from l2o.optim import EvolvedOptimizer, load_state, save_state  # noqa: E402
from tests.l2o.optim.test_evolved_optimizer import NORMALISED, model, train, values  # noqa: E402
from tests.l2o.optim.test_export import RANDOM  # noqa: E402


@pytest.mark.parametrize("rule", ["adamw", "sgd", NORMALISED, RANDOM])
def test_training_goes_on_from_a_file(rule, tmp_path):
    path = tmp_path / "state.safetensors"
    net, other = model(), model()
    optimizer = EvolvedOptimizer(net.parameters(), rule, lr=torch.tensor(0.01))
    train(net, optimizer, 3)
    save_state(optimizer, path)
    other.load_state_dict(net.state_dict())
    again = EvolvedOptimizer(other.parameters(), rule, lr=0.5)
    load_state(again, path)
    assert train(net, optimizer, 3) == train(other, again, 3)
    assert torch.equal(values(net), values(other))


def test_other_optimizers_states_go_in_too(tmp_path):
    net, other = model(), model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, amsgrad=True)
    train_torch(net, optimizer)
    save_state(optimizer, tmp_path / "state")
    other.load_state_dict(net.state_dict())
    again = torch.optim.AdamW(other.parameters(), lr=0.3, amsgrad=True)
    load_state(again, tmp_path / "state")
    train_torch(net, optimizer)
    train_torch(other, again)
    assert torch.equal(values(net), values(other))


def train_torch(net, optimizer):
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.ones(2, 4, dtype=torch.float64)).square().sum().backward()
        optimizer.step()


def test_damaged_and_foreign_files_are_refused(tmp_path):
    net = model()
    optimizer = EvolvedOptimizer(net.parameters(), "adamw", lr=0.01)
    train(net, optimizer, 1)
    path = tmp_path / "state"
    with pytest.raises(ValueError, match="state: expected a safetensors file"):
        load_state(optimizer, path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="state: expected a safetensors file"):
        load_state(optimizer, path)
    safetensors.save_file({"x": torch.ones(1)}, str(path))
    with pytest.raises(ValueError, match="state: metadata: expected the state of an optimizer"):
        load_state(optimizer, path)
    text = json.dumps(
        {"format": "automl-zero optimizer state", "param_groups": [], "numbers": {"0": {}}}
    )
    safetensors.save_file({"x": torch.ones(1)}, str(path), {"automl_zero": text})
    with pytest.raises(ValueError, match="state: x: expected a tensor of a parameter's state"):
        load_state(optimizer, path)
    save_state(optimizer, path)
    other = EvolvedOptimizer(net.parameters(), "lion", lr=0.01)
    with pytest.raises(ValueError, match=r"state: state_dict.param_groups\[0\].rule: expected"):
        load_state(other, path)


def test_what_is_no_plain_data_is_refused(tmp_path):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    optimizer.param_groups[0]["extra"] = object()
    with pytest.raises(ValueError, match=r"param_groups\[0\].extra: expected a tensor or plain"):
        save_state(optimizer, tmp_path / "state")
