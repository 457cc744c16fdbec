"""The supernet contains each network of its space, and runs what it is told to run."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from nas.oneshot import Supernet, layout_of  # noqa: E402
from nas.spaces import ChoiceSpace, DartsSpace, Decision, NasBench201Space  # noqa: E402

SPACE = NasBench201Space()
DARTS = DartsSpace(nodes=3)
ONE_CELL = st.tuples(*[st.integers(0, 4)] * 6)


@pytest.fixture(scope="module")
def supernet():
    return Supernet(SPACE, in_channels=1, classes=4, width=4, seed=3)


@pytest.fixture(scope="module")
def images():
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def one_hot(path, operations=5):
    return torch.nn.functional.one_hot(torch.tensor(path), operations).float()


@settings(max_examples=25, deadline=None)
@given(cell=ONE_CELL)
def test_a_path_is_the_mixture_with_all_weight_on_it(cell):
    supernet = Supernet(SPACE, in_channels=1, width=4, seed=3)
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    path = supernet(x, active=cell)
    torch.testing.assert_close(path, supernet(x, one_hot(cell)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(path, supernet(x, one_hot(cell), cell))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_favoured_architecture_of_a_path_is_the_architecture(seed):
    from automl_zero.evolution import evolution_stream

    for space in (SPACE, DARTS):
        layout = layout_of(space)
        architecture = space.draw(evolution_stream(seed))
        weights = one_hot(layout.path(architecture), len(layout.operations))
        assert layout.architecture(weights.numpy()) == architecture


def test_a_node_of_darts_keeps_its_two_strongest_edges_without_none():
    layout = layout_of(DartsSpace(nodes=2))
    weights = torch.full((len(layout.edges), 8), 0.01)
    weights[:, 0] = 0.9  # none is never chosen
    node = [i for i, edge in enumerate(layout.edges) if edge[0] == 0 and edge[2] == 3]
    weights[node[0], 3], weights[node[1], 4], weights[node[2], 1] = 0.3, 0.1, 0.2
    genotype = layout.space.to_genotype(layout.architecture(weights.numpy()))
    names = layout.operations
    assert genotype.normal.nodes[1] == ((names[3], 0), (names[1], 2))


def test_a_path_has_the_shapes_of_the_network_built_alone(supernet, images):
    """The weights of a supernet's path, put in the stand-alone network, give its output."""
    from nas.networks import build_network

    cell = (3, 2, 4, 1, 0, 3)
    alone = build_network(SPACE, cell, in_channels=1, classes=4, width=4, depth=1)
    edges = [0, 1, 2, 3, 5]
    names = dict(zip(edges, ("0_1", "0_2", "1_2", "0_3", "2_3"), strict=True))
    state = {}
    for name, tensor in supernet.network.state_dict().items():
        part = name.split(".edges.")
        if len(part) == 1:
            state[name] = tensor
            continue
        edge, _, operation, rest = part[1].split(".", 3)
        if int(edge) in names and int(operation) == cell[int(edge)]:
            state[f"{part[0]}.edge_{names[int(edge)]}.{rest}"] = tensor
    missing = alone.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    # What is missing: running statistics, and the batch norms' weights, which are 1 and 0.
    assert all(
        "running" in k or "num_batches" in k or k.endswith(("2.weight", "2.bias"))
        for k in missing.missing_keys
    )
    torch.testing.assert_close(alone.train()(images), supernet(images, active=cell))


def test_what_cannot_change_the_output_does_not_run(supernet, images):
    ran = []
    hooks = [
        edge.operations[3].register_forward_hook(lambda *_, n=number: ran.append(n))
        for cell in [m for m in supernet.modules() if hasattr(m, "edges")]
        for number, edge in enumerate(cell.edges)
    ]
    supernet(images, active=(3, 3, 3, 3, 0, 0))  # nodes 1 and 2 lead nowhere
    assert ran == [3, 3, 3]
    ran.clear()
    supernet(images, active=(0, 0, 3, 1, 3, 3))  # node 1 gets nothing, nor does what it feeds
    assert ran == []
    for hook in hooks:
        hook.remove()


def test_without_any_edge_the_output_is_the_same_for_all_images(supernet, images):
    logits = supernet(images, active=(0,) * 6)
    torch.testing.assert_close(logits, logits[:1].expand(5, -1))


def test_a_straight_through_weight_has_the_gradient_of_its_operation(supernet, images):
    cell = (3, 2, 4, 1, 2, 3)
    weights = one_hot(cell).requires_grad_()
    supernet(images, weights, cell).square().sum().backward()
    assert set(weights.grad.nonzero()[:, 1].tolist()) <= set(cell)
    assert (weights.grad[range(6), list(cell)] != 0).all()
    step = 1e-3
    shifted = one_hot(cell)
    for edge in (0, 5):
        values = []
        for sign in (1, -1):
            moved = shifted.clone()
            moved[edge, cell[edge]] += sign * step
            with torch.no_grad():
                values.append(float(supernet(images, moved, cell).double().square().sum()))
        slope = (values[0] - values[1]) / (2 * step)
        assert slope == pytest.approx(float(weights.grad[edge, cell[edge]]), rel=0.05, abs=0.05)


def test_partial_channels_pass_the_rest_by_and_shuffle(images):
    from nas.oneshot._mixed_cells import MixedEdge

    edge = MixedEdge(["none", "skip_connect"], 4, 1, 2, False)
    x = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    assert edge(x, [1], torch.tensor([0.0, 10.0]))[0, :, 0, 0].tolist() == [0, 2, 10, 3]
    whole = Supernet(SPACE, in_channels=1, width=4)
    part = Supernet(SPACE, in_channels=1, width=4, partial=2)
    assert sum(p.numel() for p in part.parameters()) < sum(p.numel() for p in whole.parameters())
    assert part(images, torch.full((6, 5), 0.2)).shape == (5, 10)


@pytest.mark.parametrize("partial", [1, 2])
@pytest.mark.parametrize("size", [8, 7])
def test_supernets_of_darts_cells(images, partial, size):
    supernet = Supernet(DARTS, in_channels=1, width=4, depth=3, partial=partial)
    x = images[:, :, :size, :size]
    edges, operations = len(supernet.layout.edges), len(supernet.layout.operations)
    assert supernet(x, torch.full((edges, operations), 0.1)).shape == (5, 10)
    none = [0] * edges
    assert supernet(x, active=none).shape == (5, 10)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    first, second, other = (Supernet(SPACE, width=4, seed=seed).state_dict() for seed in (5, 5, 6))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_bad_input_is_named(supernet, images):
    with pytest.raises(ValueError, match=r"active: expected 6 edges with numbers in 0\.\.4"):
        supernet(images, active=(0, 1, 2, 3, 4, 5))
    with pytest.raises(ValueError, match=r"weights: expected shape \(6, 5\)"):
        supernet(images, torch.zeros(5, 6))
    with pytest.raises(ValueError, match="partial: expected a divisor of the 4 channels"):
        Supernet(SPACE, width=4, partial=3)
    with pytest.raises(ValueError, match="width: expected an integer >= 1"):
        Supernet(SPACE, width=0)
    with pytest.raises(ValueError, match="space: expected a NasBench201Space or DartsSpace"):
        Supernet(ChoiceSpace([Decision("a", ("b", "c"))]))
    with pytest.raises(ValueError, match="weights: expected finite numbers of shape"):
        supernet.layout.architecture([[float("nan")] * 5] * 6)


def test_skip_share_counts_edges_that_are_there():
    layout = layout_of(SPACE)
    assert layout.skip_share((1, 1, 0, 0, 3, 4)) == 0.5
    assert layout.skip_share((0,) * 6) == 0.0
    assert all(0 <= layout.skip_share(cell) <= 1 for cell in itertools.product((0, 1, 3), repeat=6))
