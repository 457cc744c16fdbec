"""Learned optimizers in PyTorch training: groups, states, and wrong tensors."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from automl_zero.streams import Stream  # noqa: E402
from l2o.learned import (  # noqa: E402
    AnalyticOptimizer,
    CoordinatewiseLSTM,
    HierarchicalRNN,
    LearnedOptimizer,
    PolicyOptimizer,
    SmallMLP,
    save_network,
    shipped_networks,
)
from l2o.optim import load_state, save_state  # noqa: E402

KINDS = [CoordinatewiseLSTM, HierarchicalRNN, SmallMLP]


def parameters(dtype=torch.float32):
    values = (
        torch.from_numpy(Stream(7 + n).normal(shape)) for n, shape in enumerate([(3, 2), (2,)])
    )
    return [torch.nn.Parameter(value.to(dtype)) for value in values]


def descend(optimizer, params, steps=5):
    """Minimise a sum of squares; gradients are not zeroed by hand elsewhere."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss = sum((param - 1).square().sum() for param in params)
        loss.backward()
        optimizer.step(loss=loss)
    return [param.detach().clone() for param in params]


def assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_it_follows_torch_where_the_network_is_adam():
    own, reference = parameters(), parameters()
    done = descend(LearnedOptimizer(own, AnalyticOptimizer("adam", 0.05)), own, 20)
    adam = torch.optim.Adam(reference, lr=0.05)
    for _ in range(20):
        adam.zero_grad()
        sum((param - 1).square().sum() for param in reference).backward()
        adam.step()
    for one, other in zip(done, reference, strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", KINDS)
def test_a_state_that_is_loaded_goes_on_with_the_same_bits(make, tmp_path):
    network = make()
    whole = parameters()
    expected = descend(LearnedOptimizer(whole, network, total_steps=100), whole, 8)
    params = parameters()
    first = LearnedOptimizer(params, network, total_steps=100)
    descend(first, params, 3)
    save_state(first, tmp_path / "state.safetensors")
    for restore in (
        lambda optimizer: optimizer.load_state_dict(copy.deepcopy(first.state_dict())),
        lambda optimizer: load_state(optimizer, tmp_path / "state.safetensors"),
    ):
        others = [torch.nn.Parameter(param.detach().clone()) for param in params]
        optimizer = LearnedOptimizer(others, network, total_steps=100)
        restore(optimizer)
        assert_equal(descend(optimizer, others, 5), expected)


def test_a_copy_goes_on_by_itself():
    params = parameters()
    optimizer = LearnedOptimizer(params, SmallMLP(), total_steps=100)
    descend(optimizer, params, 3)
    other_params, other = copy.deepcopy((params, optimizer))
    assert_equal(descend(other, other_params), descend(optimizer, params))


def test_groups_have_rates_and_directions_of_their_own():
    first, second, third = (torch.nn.Parameter(torch.zeros(4)) for _ in range(3))
    optimizer = LearnedOptimizer(
        [
            {"params": [first]},
            {"params": [second], "lr": 0.5},
            {"params": [third], "maximize": True},
        ],
        AnalyticOptimizer("sgd", 0.1),
    )
    for param in (first, second, third):
        param.grad = torch.ones(4)
    optimizer.step()
    assert torch.allclose(first, torch.full((4,), -0.1))
    assert torch.allclose(second, torch.full((4,), -0.05))
    assert torch.allclose(third, torch.full((4,), 0.1))


def test_steps_get_smaller_towards_the_end_that_the_network_was_told():
    param = torch.nn.Parameter(torch.zeros(3))
    optimizer = LearnedOptimizer([param], SmallMLP(lr=0.1), total_steps=4)
    moves = []
    for _ in range(6):
        before = param.detach().clone()
        param.grad = torch.ones(3)
        optimizer.step()
        moves.append(float((before - param.detach())[0]))
    # Adam on a constant gradient makes equal steps.
    assert moves == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.001, 0.001], rel=1e-4)


def test_in_long_trainings_rates_are_lower_and_what_was_learned_counts_less():
    network = SmallMLP(lr=0.1)
    with torch.no_grad():
        network.last.bias[0] = 0.5  # added to Adam's direction, which is 1 at first
    for total, rate, share in ((50, 0.1, 1.0), (100, 0.1, 1.0), (10_000, 0.1 * 100**-0.25, 0.1)):
        param = torch.nn.Parameter(torch.zeros(3))
        param.grad = torch.full((3,), -2.0)
        LearnedOptimizer([param], network, total_steps=total).step()
        assert float(param.detach()[0]) == pytest.approx(rate * (1 - 0.5 * share), rel=1e-4)


def test_schedulers_change_the_factor():
    params = parameters()
    optimizer = LearnedOptimizer(params, SmallMLP(), total_steps=100)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.0)
    descend(optimizer, params, 1)
    scheduler.step()
    before = [param.detach().clone() for param in params]
    assert_equal(descend(optimizer, params, 1), before)


def test_parameters_without_gradient_keep_value_and_state():
    params = parameters()
    optimizer = LearnedOptimizer(params, HierarchicalRNN())
    descend(optimizer, params, 2)
    kept = params[1].detach().clone()
    state = {name: value.clone() for name, value in optimizer.state[params[1]].items()}
    params[1].grad = None
    optimizer.step()
    assert torch.equal(params[1], kept)
    own = ("hidden", "means", "tensor")
    assert all(torch.equal(optimizer.state[params[1]][name], state[name]) for name in own)
    descend(optimizer, params, 1)  # and takes part again
    assert not torch.equal(params[1], kept)
    assert optimizer.state[params[1]]["hidden"].shape == (2, 10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_keep_their_state_in_single_precision(dtype):
    params = parameters(dtype)
    optimizer = LearnedOptimizer(params, SmallMLP(), total_steps=100)
    descend(optimizer, params, 3)
    assert params[0].dtype == dtype
    again = LearnedOptimizer(params, SmallMLP(), total_steps=100)
    again.load_state_dict(optimizer.state_dict())
    assert again.state[params[0]]["square"].dtype == torch.float32
    assert torch.equal(again.state[params[0]]["square"], optimizer.state[params[0]]["square"])


def test_closures_are_evaluated_with_gradients():
    param = torch.nn.Parameter(torch.ones(3))
    optimizer = LearnedOptimizer([param], PolicyOptimizer())

    def closure():
        optimizer.zero_grad()
        loss = param.square().sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 3.0
    with pytest.raises(ValueError, match="loss: expected none beside a closure"):
        optimizer.step(closure, loss=1.0)


def test_a_network_that_reads_the_loss_asks_for_it():
    param = torch.nn.Parameter(torch.ones(3))
    param.grad = torch.ones(3)
    with pytest.raises(ValueError, match="loss: expected step"):
        LearnedOptimizer([param], PolicyOptimizer()).step()


def test_sparse_gradients_are_refused():
    table = torch.nn.Embedding(5, 2, sparse=True)
    optimizer = LearnedOptimizer(table.parameters(), SmallMLP(), total_steps=9)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="params: expected dense gradients"):
        optimizer.step()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))], SmallMLP()),
            "floating-point",
        ),
        ((parameters(), SmallMLP(), -1.0), "lr: expected a number >= 0"),
        ((parameters(), "mpl"), "did you mean 'mlp'"),
        ((parameters(), "no/such.safetensors"), "no/such.safetensors: expected a readable file"),
        ((parameters(), 3), "network: expected a LearnedOptimizerNetwork"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearnedOptimizer(*arguments, total_steps=9)
    with pytest.raises(ValueError, match="total_steps: expected how many steps .* received none"):
        LearnedOptimizer(parameters(), SmallMLP())
    with pytest.raises(ValueError, match="total_steps: expected an integer >= 1, received 0"):
        LearnedOptimizer(parameters(), CoordinatewiseLSTM(), total_steps=0)


def test_states_of_others_are_refused():
    params = parameters()
    optimizer = LearnedOptimizer(params, SmallMLP(), total_steps=100)
    descend(optimizer, params, 1)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"state_dict.state\[0\]: expected cell0, cell1"):
        LearnedOptimizer(params, CoordinatewiseLSTM()).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state\[0\].momentum0: expected shape \[2\]"):
        LearnedOptimizer(params[::-1], SmallMLP(), total_steps=100).load_state_dict(state)
    with pytest.raises(ValueError, match="state_dict: expected param_groups and state"):
        optimizer.load_state_dict({})


def test_a_file_makes_optimizers(tmp_path):
    network = SmallMLP(hidden=4)
    save_network(network, tmp_path / "net.safetensors")
    own, others = parameters(), parameters()
    make = LearnedOptimizer.load(tmp_path / "net.safetensors")
    optimizer = make(own, lr=0.5, total_steps=9)
    assert optimizer.param_groups[0]["lr"] == 0.5
    other = LearnedOptimizer(others, network, 0.5, total_steps=9)
    assert_equal(descend(optimizer, own), descend(other, others))


@pytest.mark.parametrize("name", ["lstm_quadratics", "mlp"])
def test_shipped_networks_are_small_and_go_downhill(name):
    from l2o.learned._optimizer import WEIGHTS_FOLDER

    assert name in shipped_networks()
    assert (WEIGHTS_FOLDER / f"{name}.safetensors").stat().st_size < 1_000_000
    params = parameters()
    before = sum(float((param.detach() - 1).square().sum()) for param in params)
    done = descend(LearnedOptimizer(params, name, total_steps=60), params, 60)
    assert sum(float((param.detach() - 1).square().sum()) for param in done) < before / 10
