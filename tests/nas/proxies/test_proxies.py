"""Zero-cost proxies against their formulas on networks small enough to write them out."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from nas.networks import build_network  # noqa: E402
from nas.proxies import (  # noqa: E402
    combined_score,
    count_parameters,
    grad_norm,
    jacobian_covariance,
    naswot,
    proxy_scores,
    synflow,
)
from nas.spaces import NasBench201Space  # noqa: E402


def two_layers(seed=0, inputs=6, hidden=5, classes=3):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden, bias=False),
        nn.ReLU(),
        nn.Linear(hidden, classes, bias=False),
    )


@pytest.fixture
def images():
    return torch.randn(8, 1, 2, 3, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


@pytest.fixture(autouse=True)
def global_generator():
    state = torch.random.get_rng_state()
    yield
    torch.random.set_rng_state(state)


def test_synflow_of_two_layers_is_twice_the_product_of_sizes():
    network = two_layers()
    first, second = (network[i].weight.detach().abs().double() for i in (1, 3))
    total = float((second @ first @ torch.ones(6, dtype=torch.double)).sum())
    assert synflow(network, (1, 2, 3)) == pytest.approx(2 * total)


def test_synflow_leaves_batch_norms_out():
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 2, 1, bias=False)
    plain = nn.Sequential(conv, nn.ReLU())
    normed = nn.Sequential(conv, nn.BatchNorm2d(2), nn.ReLU())
    assert synflow(plain, (1, 4, 4)) == synflow(normed, (1, 4, 4))
    assert synflow(plain, (1, 4, 4)) == pytest.approx(16 * float(conv.weight.detach().abs().sum()))


def test_naswot_is_the_log_determinant_of_shared_switches(images):
    network = two_layers(hidden=12)
    on = (images.flatten(1) @ network[1].weight.T > 0).detach().numpy()
    kernel = np.array([[(a == b).sum() for b in on] for a in on], float)
    sign, value = np.linalg.slogdet(kernel)
    expected = value if sign > 0 else -math.inf
    assert naswot(network, images) == pytest.approx(expected)
    assert naswot(nn.Flatten(), images) == -math.inf
    twins = images[:1].expand(4, -1, -1, -1)
    assert naswot(network, twins) < naswot(network, images[:4])


def test_jacobian_covariance_is_its_formula(images):
    network = two_layers()
    rows = []
    for image in images:
        on = (network[1].weight @ image.flatten() > 0).double()
        rows.append(((network[3].weight.sum(0) * on) @ network[1].weight.double()).detach().numpy())
    values = np.linalg.eigvalsh(np.corrcoef(np.array(rows))).clip(0) + 1e-5
    expected = -(np.log(values) + 1 / values).sum()
    assert jacobian_covariance(network, images) == pytest.approx(expected, rel=1e-3)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    assert jacobian_covariance(linear, images) < jacobian_covariance(network, images) + 1
    assert jacobian_covariance(_Constant(), images) == -math.inf


class _Constant(nn.Module):
    def forward(self, x):
        return x[:, :, 0, 0] * 0.0


def test_grad_norm_is_its_formula(images, labels):
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    x = images.flatten(1)
    with torch.no_grad():
        off = network(images).softmax(1) - torch.nn.functional.one_hot(labels, 3)
        expected = float((off.T @ x / 8).norm())
    assert grad_norm(network, images, labels) == pytest.approx(expected, rel=1e-5)


def test_scores_change_neither_network_nor_generator(images, labels):
    network = build_network(
        NasBench201Space(), (3, 2, 4, 1, 0, 3), in_channels=1, classes=3, width=4, depth=1
    )
    x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.random.get_rng_state()
    scores = proxy_scores(network, x, labels)
    assert scores == proxy_scores(network, x, labels)
    assert torch.equal(state, torch.random.get_rng_state())
    assert not network.training and all(p.grad is None for p in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert next(iter(scores)) == "parameters"
    assert scores["parameters"] == count_parameters(network)
    assert all(math.isfinite(value) for value in scores.values())


def test_a_cell_that_passes_nothing_scores_lowest_on_synflow(labels):
    x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    space = NasBench201Space()
    empty, full = (
        proxy_scores(build_network(space, (op,) * 6, in_channels=1, width=4, depth=1), x, labels)
        for op in (0, 3)
    )
    assert empty["synflow"] == 0.0 and full["synflow"] > 0.0
    assert empty["jacobian_covariance"] == -math.inf


@given(st.lists(st.tuples(*[st.floats(-10, 10)] * 2), min_size=2, max_size=9), st.floats(0.1, 5))
def test_the_combined_score_does_not_depend_on_scales(rows, factor):
    a, b = [row[0] for row in rows], [row[1] for row in rows]
    score = combined_score({"a": a, "b": b})
    assert (score >= 0).all() and (score <= 1).all()
    assert combined_score({"b": b, "a": a}) == pytest.approx(score)
    order = np.unique(a, return_inverse=True)[1] * factor
    assert combined_score({"a": order, "b": b}) == pytest.approx(score)


def test_missing_scores_rank_last_and_bad_input_is_named():
    assert combined_score({"a": [math.nan, 1.0, -math.inf]}).tolist() == [0.25, 1.0, 0.25]
    for bad in ({}, {"a": []}, {"a": [1.0], "b": [1.0, 2.0]}):
        with pytest.raises(ValueError, match="scores: expected one or more proxies"):
            combined_score(bad)
