"""The gradient that DARTS descends, against autograd's; eigenvalues, against dense ones."""

import pytest

torch = pytest.importorskip("torch")

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.append(str(Path(__file__).parent))

from small_searches import trainer  # noqa: E402

from nas.oneshot import (  # noqa: E402
    EigenvalueStop,
    dominant_eigenvalue,
    run_trainer,
    unrolled_gradient,
)


def problem():
    """A smooth two-layer network whose hidden units are mixed by the architecture."""
    g = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=g, dtype=torch.double)

    x, y, xv, yv = draw(20, 3), draw(20), draw(15, 3), draw(15)
    weights = [draw(3, 4).requires_grad_(), draw(4).requires_grad_()]
    architecture = [draw(4).requires_grad_()]

    def loss(inputs, targets):
        def of(w, a):
            hidden = torch.tanh(inputs @ w[0]) * a[0].softmax(0)
            return ((hidden @ w[1] - targets) ** 2).mean()

        return of

    return loss(x, y), loss(xv, yv), weights, architecture, [draw(3, 4), draw(4)]


def test_the_finite_difference_is_autograds_gradient():
    train, valid, weights, architecture, velocity = problem()
    settings = dict(rate=0.1, momentum=0.9, velocity=velocity, weight_decay=0.01)
    moved = []
    for w, g, v in zip(
        weights,
        torch.autograd.grad(train(weights, architecture), weights, create_graph=True),
        velocity,
        strict=True,
    ):
        moved.append(w - 0.1 * (0.9 * v + g + 0.01 * w))
    (direct,) = torch.autograd.grad(valid(moved, architecture), architecture)
    (exact,) = unrolled_gradient(train, valid, weights, architecture, exact=True, **settings)
    (finite,) = unrolled_gradient(train, valid, weights, architecture, **settings)
    assert float((exact - direct).abs().max()) < 1e-12
    assert float((finite - direct).abs().max()) < 1e-4
    # The second-order part is not nothing here.
    (first,) = unrolled_gradient(train, valid, weights, architecture, rate=0.0)
    assert float((first - direct).abs().max()) > 1e-2


def smooth(module):
    """Softplus for ReLU: a difference across a kink has nothing to do with the derivative."""
    for name, child in module.named_children():
        if isinstance(child, torch.nn.ReLU):
            setattr(module, name, torch.nn.Softplus())
        else:
            smooth(child)


def test_on_a_supernet_too():
    search = trainer("DARTS second order")
    smooth(search.supernet)
    search.step()  # there is momentum now
    search.supernet.double()
    search.alphas.data = search.alphas.data.double()
    for state in search._optimizer.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].double()
    train, valid = ((x.double(), y) for x, y in (search._train_batch(), search._valid_batch()))
    (finite,) = search.architecture_gradient(train, valid)
    search.order = "exact"
    (exact,) = search.architecture_gradient(train, valid)
    search.order = "first"
    (first,) = search.architecture_gradient(train, valid)
    assert float((finite - exact).abs().max()) < 1e-4
    assert float((first - exact).abs().max()) > 1e-2


def test_first_order_is_the_limit_of_a_small_rate():
    train, valid, weights, architecture, _ = problem()
    (first,) = torch.autograd.grad(valid(weights, architecture), architecture)
    (limit,) = unrolled_gradient(train, valid, weights, architecture, rate=1e-9)
    torch.testing.assert_close(limit, first, rtol=1e-6, atol=1e-6)


def test_partial_channels_weigh_the_edges_of_a_node():
    search = trainer("DARTS", partial=2)
    sums = search._matrix(search._architecture()).sum(1).detach()
    torch.testing.assert_close(sums, torch.tensor([1, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]))
    before = search.betas_of_edges.detach().clone()
    search.step()
    assert not torch.equal(before, search.betas_of_edges)


def test_the_dominant_eigenvalue_is_the_dense_hessians():
    search = trainer("DARTS")
    search.step()
    loss = search.loss_function(search._valid_batch())
    weights = list(search.supernet.parameters())
    hessian = torch.autograd.functional.hessian(
        lambda a: loss(weights, [a]), search.alphas.detach()
    ).reshape(30, 30)
    values = torch.linalg.eigvalsh(hessian.double())
    dense = float(values[values.abs().argmax()])
    found = dominant_eigenvalue(search, iterations=300, tolerance=1e-5)
    assert found == pytest.approx(dense, rel=0.05)


def test_the_stop_records_and_goes_on_from_a_checkpoint(tmp_path):
    stop = EigenvalueStop(window=1, ratio=0.0, iterations=2)
    whole = run_trainer(trainer("DARTS"), every=1, stop=stop)
    assert [record["step"] for record in whole.history] == [1, 2, 3, 4]
    assert all(0 <= record["skip_share"] <= 1 for record in whole.history)
    assert stop.derive(whole) == whole.derive()
    path = tmp_path / "state.zip"

    def interrupt(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trainer(trainer("DARTS"), every=1, stop=stop, checkpoint=path, progress=interrupt)
    again = run_trainer(trainer("DARTS"), every=1, stop=stop, checkpoint=path)
    assert again.history == whole.history


def test_a_rising_eigenvalue_ends_the_search_with_the_architecture_of_before():
    stop = EigenvalueStop(window=2, ratio=0.75, iterations=1)
    search = trainer("DARTS")
    cells = [[1] * 6, [2] * 6, [3] * 6, [4] * 6]
    search.history = [
        {"eigenvalue": value, "architecture": cell}
        for value, cell in zip((0.1, 0.1, 0.1, 0.2), cells, strict=True)
    ]
    assert stop.derive(search) == (2,) * 6
    search.history[-1]["eigenvalue"] = 0.1
    assert stop.stopped_at(search.history) is None
    with pytest.raises(ValueError, match="trainer: expected a DARTS one, received GDAS"):
        stop(trainer("GDAS"))
    with pytest.raises(ValueError, match="window: expected an integer >= 1"):
        EigenvalueStop(window=0)
