"""HALO: what is skipped stays as it is, and what is saved is counted."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from automl_zero.streams import Stream  # noqa: E402
from l2o.halo import (  # noqa: E402
    HALO,
    HOROWITZ_45_NM,
    Energies,
    HALONetwork,
    SkipSchedule,
    training_cost,
)
from l2o.learned import (  # noqa: E402
    HierarchicalRNN,
    Layout,
    LearnedOptimizer,
    Quadratics,
    load_network,
    meta_train,
    save_network,
    unroll,
)


def small(**settings):
    return HALONetwork(coordinate=3, tensor=4, problem=5, **settings)


def model():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))


def train(net, optimizer, steps):
    inputs = torch.linspace(-1, 1, 15).reshape(5, 3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (net(inputs) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# Schedule ------------------------------------------------------------------------------------


def test_the_schedule_skips_as_often_as_it_says_and_never_everything():
    schedule = SkipSchedule((0.1, 0.3, 0.9), steps=300, seed=2)
    drawn = np.array([schedule.active(step, 5) for step in range(300)])
    for part, probability in enumerate((0.1, 0.3, 0.9)):
        skipped = 1 - drawn[100 * part : 100 * (part + 1)].mean()
        assert abs(skipped - probability) < 0.15
    assert drawn.any(1).all()
    assert schedule.probability(10_000) == 0.9
    again = SkipSchedule((0.1, 0.3, 0.9), steps=300, seed=2)
    assert np.array_equal(again.active(250, 5), drawn[250])


# Network -------------------------------------------------------------------------------------


def test_a_skipped_tensor_keeps_parameters_and_state_bit_for_bit():
    network, layout = small(skip=(0.5,), steps=50), Layout([(2, 3), (3,), (4,)])
    parameters = torch.randn(2, 13, generator=torch.Generator().manual_seed(1))
    state = network.initial_state(parameters, layout)
    levels = network.state_levels()
    for step in range(12):
        active = network.schedule.active(step, 3)
        update, after = network(parameters, parameters, state, layout)
        for tensor, part in enumerate(layout.unflatten(update)):
            assert bool((part == 0).all()) != active[tensor]
        for name, value in after.items():
            if levels[name] == "tensor":
                rows = [(value[:, t], state[name][:, t]) for t in range(3)]
            elif levels[name] == "coordinate":
                rows = list(
                    zip(value.split(layout.sizes, 1), state[name].split(layout.sizes, 1),
                        strict=True)
                )  # fmt: skip
            else:
                continue
            for (new, old), drawn in zip(rows, active, strict=True):
                assert drawn or torch.equal(new, old)
        parameters, state = parameters + update, after


def test_without_a_schedule_and_inputs_of_tensors_it_is_the_hierarchical_network():
    network = small(skip=(0.0,))
    other = HierarchicalRNN(coordinate=3, tensor=4, problem=5)
    weights = network.state_dict()
    gates = weights["tensors.gates.weight"]  # of the means of 3 states and 12 inputs
    assert gates.shape == (12, 15)
    with torch.no_grad():
        gates[:, 3:] = 0
    other.load_state_dict({**weights, "tensors.gates.weight": gates[:, :3]})
    problems = Quadratics(3).sample(4, Stream(1))
    with torch.no_grad():
        mine, theirs = (unroll(each, problems, 15).losses for each in (network, other))
    assert torch.allclose(mine, theirs, rtol=1e-5)


def test_a_network_survives_its_file(tmp_path):
    network = small(skip=(0.2, 0.4), steps=60)
    save_network(network, tmp_path / "halo.safetensors")
    again = load_network(tmp_path / "halo.safetensors")
    assert again.settings() == network.settings()
    assert LearnedOptimizer.load(tmp_path / "halo.safetensors")(model().parameters())


def test_meta_training_with_the_regulariser_is_the_same_again():
    def trained(penalty):
        network = small(skip=(0.3,), steps=10, lr=1e-2)
        meta_train(
            network, Quadratics(3), iterations=4, batch_size=4, horizon=10, truncation=5,
            second_derivatives=True, gradient_penalty=penalty, checkpoint_every_steps=2,
        )  # fmt: skip
        return torch.cat([weight.flatten() for weight in network.parameters()])

    assert torch.equal(trained(1e-3), trained(1e-3))
    assert not torch.equal(trained(1e-3), trained(0.0))


def test_the_regulariser_is_the_squared_norm_of_the_gradients():
    problems = Quadratics(3).sample(2, Stream(1))
    network = small(skip=(0.0,))
    done = unroll(network, problems, 4, second_derivatives=True)
    start = problems.start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(problems.losses(start).sum(), start)
    assert torch.allclose(done.gradient_norms[0], gradient.square().sum(1))
    done.gradient_norms.mean().backward()
    assert bool((network.direction.weight.grad != 0).any())


# Optimizer -----------------------------------------------------------------------------------


def test_the_optimizer_does_what_meta_training_saw():
    network = small(skip=(0.4,), steps=20, lr=1e-2)
    net, layout = model(), Layout.of(model().parameters())
    inputs = torch.linspace(-1, 1, 15).reshape(5, 3)
    flat = layout.flatten([p.detach() for p in net.parameters()])
    state = network.initial_state(flat, layout)
    optimizer = HALO(net.parameters(), network, total_steps=20)
    names = [name for name, _ in net.named_parameters()]
    for _ in range(8):
        tensors = [part[0].requires_grad_() for part in layout.unflatten(flat.detach())]
        output = torch.func.functional_call(net, dict(zip(names, tensors, strict=True)), inputs)
        gradients = torch.autograd.grad((output - 1).square().mean(), tensors)
        with torch.no_grad():
            update, state = network(layout.flatten(gradients), flat, state, layout)
        flat = flat + update
        train(net, optimizer, 1)
    mine = layout.flatten([p.detach() for p in net.parameters()])
    assert torch.allclose(mine, flat, atol=1e-6)


def test_skipped_tensors_get_no_gradient_and_release_gives_them_back():
    net = model()
    net[2].bias.requires_grad_(False)
    optimizer = HALO(net.parameters(), small(skip=(0.7,)), total_steps=50)
    counts = []
    for _ in range(20):
        active = optimizer.active
        before = copy.deepcopy(net.state_dict())
        train(net, optimizer, 1)
        counts.append(len(active))
        for name, param in net.named_parameters():
            moved = not torch.equal(before[name], param)
            assert moved == any(param is other for other in active)
    assert 1 <= min(counts) < 3
    optimizer.release()
    assert [p.requires_grad for p in net.parameters()] == [True, True, True, False]


@pytest.mark.parametrize("save_at", [1, 2, 3, 5, 8, 11])
def test_a_training_goes_on_from_its_state_as_if_it_had_not_stopped(save_at):
    nets, network = [model(), model()], small(skip=(0.5,), steps=30)
    whole = HALO(nets[0].parameters(), network, total_steps=30)
    losses = train(nets[0], whole, 16)
    first = HALO(nets[1].parameters(), network, total_steps=30)
    assert train(nets[1], first, save_at) == losses[:save_at]
    saved, weights = copy.deepcopy(first.state_dict()), copy.deepcopy(nets[1].state_dict())
    first.release()
    other = model()
    other.load_state_dict(weights)
    second = HALO(other.parameters(), network, total_steps=30)
    second.load_state_dict(saved)
    assert train(other, second, 16 - save_at) == losses[save_at:]


# Energy --------------------------------------------------------------------------------------


def test_a_layer_s_cost_is_what_one_counts_by_hand():
    net = torch.nn.Sequential(torch.nn.Linear(10, 6, bias=False), torch.nn.Linear(6, 5, bias=False))
    settings = {"macs_per_coordinate": 4, "states_per_coordinate": 2}
    cost = training_cost(net, torch.ones(2, 10), **settings)
    assert cost.forward_macs == 2 * (60 + 30)
    assert cost.backward_macs == 2 * (60 + 30 + 30)  # the input needs no gradient
    assert cost.optimizer_macs == 4 * 90
    assert cost.off_chip_bytes == 4 * (2 * 90 + 90 * 4 + 2 * 90 * 2)
    assert cost.on_chip_bytes == 4 * 2 * 2 * (6 + 5)
    energies = Energies(1.0, 10.0, 100.0, "test")
    macs = cost.forward_macs + cost.backward_macs + cost.optimizer_macs
    joules = macs + 10 * cost.on_chip_bytes + 100 * cost.off_chip_bytes
    assert cost.joules(energies) == pytest.approx(1e-12 * joules)
    last = training_cost(net, torch.ones(2, 10), updated=[net[1].weight], **settings)
    assert last.backward_macs == 2 * 30 and last.optimizer_macs == 4 * 30
    assert last.joules() < cost.joules(HOROWITZ_45_NM)


def test_the_networks_of_tensors_and_problem_are_counted_too():
    network = HALONetwork()
    # GRUs have three gates; a coordinate's reads 12 inputs, its own 10 units and biases of 20.
    assert network.macs_per_coordinate == 30 * (12 + 10) + 10 + 4 + 4 * 10 + 40
    assert network.macs_per_tensor == 60 * (10 + 12 + 20) + 30 * 20
    assert network.macs_per_step == 60 * (20 + 20) + 60 * 20
    costs = {
        "macs_per_coordinate": network.macs_per_coordinate,
        "states_per_coordinate": network.states_per_coordinate,
        "macs_per_tensor": network.macs_per_tensor,
        "macs_per_step": network.macs_per_step,
    }
    layer = torch.nn.Linear(10, 6)
    whole = training_cost(layer, torch.ones(2, 10), **costs).optimizer_macs
    assert whole == 66 * 754 + 2 * 3120 + 3600
    skipped = training_cost(layer, torch.ones(2, 10), updated=[layer.weight], **costs)
    assert skipped.optimizer_macs == 60 * 754 + 3120 + 3600


def test_counting_leaves_a_module_as_it_was():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    before = copy.deepcopy(net.state_dict())
    with torch.no_grad():
        training_cost(net, torch.randn(5, 3), macs_per_coordinate=1, states_per_coordinate=1)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    with pytest.raises(ValueError, match="updated: expected parameters of the module"):
        training_cost(
            net, torch.ones(2, 3), macs_per_coordinate=1, states_per_coordinate=1,
            updated=[torch.zeros(1, requires_grad=True)],
        )  # fmt: skip


# Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: SkipSchedule(()), "probabilities"),
        (lambda: SkipSchedule((1.5,)), "probabilities"),
        (lambda: SkipSchedule(steps=0), "steps"),
        (lambda: HALONetwork(lr=0.1), "lr"),
        (lambda: HALONetwork(skip=0.5), "probabilities"),
        (lambda: HALO(model().parameters(), "mlp", 10), "network"),
        (lambda: HALO(model().parameters(), small(), 0), "total_steps"),
        (lambda: HALO(model().parameters(), small(), 9).load_state_dict({}), "state_dict"),
        (lambda: Energies(-1, 0, 0, ""), "multiply_accumulate"),
        (
            lambda: training_cost(
                model(), torch.ones(1, 3), macs_per_coordinate=1, states_per_coordinate=1,
                updated=[],
            ),
            "updated",
        ),
        (
            lambda: meta_train(small(), Quadratics(3), iterations=1, gradient_penalty=1e-3),
            "gradient_penalty",
        ),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        make()
