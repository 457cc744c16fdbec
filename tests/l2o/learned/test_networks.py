"""Networks of learned optimizers: pure functions of flat problems, and files of them."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402

from automl_zero.streams import Stream  # noqa: E402
from l2o.learned import (  # noqa: E402
    AnalyticOptimizer,
    CoordinatewiseLSTM,
    Layout,
    Problems,
    RNNProp,
    SmallMLP,
    load_network,
    make_network,
    network_kinds,
    save_network,
    unroll,
)

LEARNED = ("coordinatewise_lstm", "hierarchical_rnn", "policy", "rnnprop", "small_mlp")
LAYOUT = Layout([(3, 2), (2,), (1,)])


def numbers(*shape, key=1):
    return torch.from_numpy(Stream(key).normal(shape)).float()


def run(network, layout, parameters, gradients):
    """Updates, one for each step's gradients."""
    state = network.initial_state(parameters, layout)
    updates = []
    for gradient in gradients:
        loss = gradient.square().sum(1)
        update, state = network(gradient, parameters, state, layout, loss)
        parameters = parameters + update
        updates.append(update)
    return torch.stack(updates), state


def shaken(kind):
    """A network whose weights are none of those that start at zero."""
    network = make_network(kind)
    with torch.no_grad():
        for index, weight in enumerate(network.parameters()):
            weight += 0.1 * numbers(*weight.shape, key=index)
    return network


def test_every_kind_is_listed():
    assert {*LEARNED, "analytic"} <= set(network_kinds())


@pytest.mark.parametrize("kind", LEARNED)
def test_problems_in_one_batch_do_not_touch_each_other(kind):
    network = shaken(kind)
    parameters, gradients = numbers(4, 9), numbers(3, 4, 9, key=2)
    together, _ = run(network, LAYOUT, parameters, gradients)
    for row in range(4):
        part = slice(row, row + 1)
        alone, _ = run(network, LAYOUT, parameters[part], gradients[:, part])
        torch.testing.assert_close(alone, together[:, part], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", LEARNED)
def test_states_have_the_shapes_of_their_levels(kind):
    network = make_network(kind)
    _, state = run(network, LAYOUT, numbers(4, 9), numbers(3, 4, 9, key=2))
    levels = network.state_levels()
    assert state.keys() == levels.keys()
    begun = network.initial_state(numbers(4, 9), LAYOUT)
    for name, value in state.items():
        front = {"coordinate": (4, 9), "tensor": (4, 3), "problem": (4,)}[levels[name]]
        assert value.shape[: len(front)] == front
        assert begun[name].shape == value.shape


@pytest.mark.parametrize("kind", LEARNED)
def test_every_weight_gets_a_finite_gradient_even_at_gradients_of_zero(kind):
    network = shaken(kind)
    gradients = numbers(6, 2, 9)  # what the problem remembers gets to a coordinate in four steps
    gradients[:, :, 4] = 0.0
    updates, _ = run(network, LAYOUT, numbers(2, 9, key=3), gradients)
    updates.square().sum().backward()
    for name, weight in network.named_parameters():
        if name != "log_deviation":  # of the policy: its mean action does not depend on it
            assert weight.grad is not None and weight.grad.isfinite().all(), name
            assert weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", LEARNED)
def test_the_same_seed_is_the_same_network_and_leaves_the_global_generator_alone(kind):
    before = torch.random.get_rng_state()
    first, again, other = (make_network(kind, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("kind", ["rnnprop", "small_mlp"])
def test_the_scale_of_gradients_does_not_matter(kind):
    network = shaken(kind)
    parameters, gradients = numbers(2, 9), numbers(3, 2, 9, key=2)
    small, _ = run(network, LAYOUT, parameters, gradients)
    large, _ = run(network, LAYOUT, parameters, 1000 * gradients)
    torch.testing.assert_close(small, large, rtol=1e-3, atol=1e-6)


def test_the_small_mlp_starts_as_adam():
    parameters, gradients = numbers(2, 9), numbers(3, 2, 9, key=2)
    own, _ = run(SmallMLP(lr=0.03), LAYOUT, parameters, gradients)
    adam, _ = run(AnalyticOptimizer("adam", 0.03), LAYOUT, parameters, gradients)
    torch.testing.assert_close(own, adam, rtol=1e-4, atol=1e-7)


def test_a_coordinate_without_gradient_stays_where_it_is_under_the_small_mlp():
    gradients = numbers(3, 2, 9)
    gradients[:, :, 4] = 0.0
    updates, _ = run(shaken("small_mlp"), LAYOUT, numbers(2, 9, key=3), gradients)
    assert (updates[:, :, 4] == 0).all() and (updates[:, :, 3] != 0).all()


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("small_mlp", "_small_mlp"),
        ("coordinatewise_lstm", "_coordinatewise_lstm"),
        ("rnnprop", "_coordinatewise_lstm"),
    ],
)
def test_pieces_without_a_graph_give_what_one_piece_gives(kind, module, monkeypatch):
    network = shaken(kind)
    parameters, gradients = numbers(2, 9), numbers(3, 2, 9, key=2)
    whole, _ = run(network, LAYOUT, parameters, gradients)
    monkeypatch.setattr(f"l2o.learned.{module}._CHUNK", 4)
    with torch.no_grad():
        pieces, _ = run(network, LAYOUT, parameters, gradients)
    torch.testing.assert_close(pieces, whole, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("method", ["sgd", "momentum", "rmsprop", "adam"])
def test_analytic_optimizers_are_those_of_torch(method):
    layout, start = Layout([(2, 3)]), numbers(1, 6).double()
    target = numbers(2, 3, key=2).double()
    problems = Problems(
        layout, start, lambda tensors, data: (tensors[0] - target).abs().pow(1.5).sum(), {}
    )
    done = unroll(AnalyticOptimizer(method, 0.05), problems, 20)
    param = torch.nn.Parameter(start.reshape(2, 3).clone())
    made = {
        "sgd": lambda: torch.optim.SGD([param], lr=0.05),
        "momentum": lambda: torch.optim.SGD([param], lr=0.05, momentum=0.9),
        "rmsprop": lambda: torch.optim.RMSprop([param], lr=0.05),
        "adam": lambda: torch.optim.Adam([param], lr=0.05),
    }[method]()
    for _ in range(20):
        made.zero_grad()
        (param - target).abs().pow(1.5).sum().backward()
        made.step()
    torch.testing.assert_close(done.parameters.reshape(2, 3), param.detach(), rtol=1e-9, atol=1e-9)


def test_log_gradients_keep_sign_and_order():
    from l2o.learned._coordinatewise_lstm import log_gradient

    inputs = log_gradient(torch.tensor([-2.0, -1e-7, 0.0, 1e-7, 1e-3, 2.0]), 10.0)
    assert (inputs[:, 1].diff() >= 0).all() and inputs[0, 1] == -1 and inputs[-1, 1] == 1
    assert (inputs[2:, 0].diff() >= 0).all() and inputs[:, 0].min() == -1


# Layouts.


def test_layouts_take_tensors_apart_and_put_them_together():
    flat = numbers(4, 9)
    parts = LAYOUT.unflatten(flat)
    assert [tuple(part.shape) for part in parts] == [(4, 3, 2), (4, 2), (4, 1)]
    assert torch.equal(LAYOUT.flatten(parts), flat)
    means = LAYOUT.mean(flat)
    assert torch.allclose(means[:, 0], parts[0].mean((1, 2)))
    assert torch.equal(LAYOUT.spread(means)[:, 6:8], means[:, 1:2].expand(-1, 2))
    chosen, index = LAYOUT.select([2, 0])
    assert chosen == Layout([(1,), (3, 2)]) and index.tolist() == [8, 0, 1, 2, 3, 4, 5]


def test_layouts_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="shapes: expected tensors that are not empty"):
        Layout([(2,), (0, 3)])
    with pytest.raises(ValueError, match="tensors: expected 3, received 1"):
        LAYOUT.flatten([torch.zeros(3, 2)])
    with pytest.raises(ValueError, match=r"tensors\[1\]: expected shape \[2\]"):
        LAYOUT.flatten([torch.zeros(3, 2), torch.zeros(5), torch.zeros(1)])


# Files.


@pytest.mark.parametrize("kind", LEARNED)
def test_a_file_gives_the_same_network(kind, tmp_path):
    network, path = shaken(kind), tmp_path / "net.safetensors"
    save_network(network, path, {"script": "test"})
    loaded = load_network(path)
    assert type(loaded) is type(network) and loaded.settings() == network.settings()
    own = loaded.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items())


def rewrite(path, change):
    """A network's file with other metadata."""
    tensors = load_file(path)
    data = {
        "format": "automl-zero learned optimizer",
        "kind": "coordinatewise_lstm",
        "settings": CoordinatewiseLSTM(hidden=3).settings(),
    }
    change(data, tensors)
    save_file(tensors, path, {"state": json.dumps(data)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data, tensors: data.update(format="x"), "format: expected"),
        (lambda data, tensors: data.update(kind="lstm"), "kind: expected one of"),
        (lambda data, tensors: data.update(kind=None), "kind: expected one of"),
        (lambda data, tensors: data.update(settings=[1]), "settings: expected a table"),
        (lambda data, tensors: data.update(settings={"hiden": 3}), "did you mean 'hidden'"),
        (
            lambda data, tensors: data.update(settings={"hidden": "3"}),
            "hidden: expected an integer",
        ),
        (lambda data, tensors: data.update(settings={"hidden": 4}), "head.weight: expected"),
        (lambda data, tensors: tensors.pop("head.bias"), "head.bias: expected this tensor"),
        (lambda data, tensors: tensors.update(x=torch.zeros(1)), "x: expected no such tensor"),
    ],
)
def test_wrong_files_are_named_with_the_field(change, message, tmp_path):
    path = tmp_path / "net.safetensors"
    save_network(CoordinatewiseLSTM(hidden=3), path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=message) as caught:
        load_network(path)
    assert str(path) in str(caught.value)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    save_network(RNNProp(hidden=3), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="net.safetensors: expected a safetensors file"):
        load_network(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_network("nothing"), "kind: expected one of"),
        (lambda: make_network("small_mlp", width=3), "settings of small_mlp: expected one of"),
        (lambda: make_network("small_mlp", decays=[]), "decays: expected at least one"),
        (lambda: make_network("small_mlp", decays=[1.5]), "decays: expected a number in"),
        (lambda: make_network("hierarchical_rnn", lr=2.0), "lr: expected a number in"),
        (lambda: make_network("rnnprop", beta1=1.0), "beta1: expected a number in"),
        (lambda: make_network("policy", history=0), "history: expected an integer >= 1"),
        (lambda: make_network("analytic", method="adamw"), "method: expected one of"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_rates_of_the_hierarchical_network_start_lower_for_wide_tensors():
    network = make_network("hierarchical_rnn", lr=1e-3, base_width=64)
    layout = Layout([(3, 640), (3,), (2, 16, 3, 3), (2, 10)])
    state = network.initial_state(torch.zeros(2, layout.total), layout)
    for name in ("log_rate", "mean_log_rate"):
        rates = [part.exp().unique() for part in layout.unflatten(state[name][..., None])]
        expected = (1e-4, 1e-3, 1e-3 * 64 / 144, 1e-3)
        for found, rate in zip(rates, expected, strict=True):
            assert found.numel() == 1 and float(found) == pytest.approx(rate, rel=1e-5)
