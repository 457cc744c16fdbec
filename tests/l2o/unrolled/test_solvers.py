"""Unrolled solvers: what their layers do, training, files."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from l2o.unrolled import (  # noqa: E402
    ALISTA,
    GLISTA,
    LAMP,
    LISTA,
    LISTACP,
    LISTACPSS,
    TISTA,
    SparseCoding,
    analytic_weights,
    fista,
    ista,
    load_solver,
    nmse_db,
    safeguarded,
    save_solver,
    select_support,
    soft_threshold,
    train_layerwise,
)
from l2o.unrolled._classical import lasso_objective  # noqa: E402

CLASSES = [ALISTA, GLISTA, LAMP, LISTA, LISTACP, LISTACPSS, TISTA]


@pytest.fixture
def problem():
    return SparseCoding(24, 48, seed=5)


def test_a_problem_is_a_function_of_its_seed_and_key(problem):
    again = SparseCoding(24, 48, seed=5)
    for ours, other in zip(problem.sample(7, "a", 3), again.sample(7, "a", 3), strict=True):
        assert torch.equal(ours, other)
    assert not torch.equal(problem.sample(7, "a", 3)[1], problem.sample(7, "a", 4)[1])
    assert torch.allclose(problem.dictionary.norm(dim=0), torch.ones(48))


def test_codes_and_noise_have_the_power_that_was_asked_for():
    problem = SparseCoding(100, 200, snr_db=20.0, dtype=torch.float64)
    y, x = problem.sample(4000, "power")
    clean = x @ problem.dictionary.T
    assert float((x != 0).double().mean()) == pytest.approx(0.1, abs=0.005)
    snr = 10 * math.log10(float(clean.square().sum() / (y - clean).square().sum()))
    assert snr == pytest.approx(20.0, abs=0.2)


def test_nmse_counts_in_decibels():
    x = torch.ones(2, 3)
    assert nmse_db(0.9 * x, x) == pytest.approx(-20.0, abs=1e-4)
    assert nmse_db(0 * x, x) == 0.0
    assert nmse_db(x, x) == -math.inf
    with pytest.raises(ValueError, match="estimates: expected the shape"):
        nmse_db(x[:1], x)
    with pytest.raises(ValueError, match="not all zero"):
        nmse_db(x, 0 * x)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9), st.floats(0, 5))
@settings(max_examples=50, deadline=None)
def test_soft_thresholding_is_the_proximal_map_of_the_absolute_value(values, threshold):
    v = torch.tensor(values, dtype=torch.float64)
    x = soft_threshold(v, threshold)

    def objective(point):
        return (point - v).square() / 2 + threshold * point.abs()

    for move in (-0.1, -1e-3, 1e-3, 0.1):
        assert bool((objective(x) <= objective(x + move) + 1e-12).all())


def test_support_selection_lets_the_largest_pass_and_shrinks_the_rest():
    values = torch.tensor([[5.0, -4.0, 3.0, 0.5]])
    assert select_support(values, 1.0, 0.5).tolist() == [[5.0, -4.0, 2.0, 0.0]]
    assert select_support(values, 1.0, 0.0).tolist() == [[4.0, -3.0, 2.0, 0.0]]
    assert select_support(values, 9.0, 0.5).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_analytic_weights_match_the_atoms_and_are_the_least_coherent(problem):
    a = problem.dictionary.double()
    w = analytic_weights(a)
    assert torch.allclose((w * a).sum(dim=0), torch.ones(48, dtype=a.dtype))
    least = float((w.T @ a).norm())
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        other = w + 0.01 * torch.randn(w.shape, generator=generator, dtype=a.dtype)
        other = other / (other * a).sum(dim=0)
        assert float((other.T @ a).norm()) > least
    with pytest.raises(ValueError, match="full row rank"):
        analytic_weights(torch.ones(2, 4))


def test_lista_starts_as_ista(problem):
    a = problem.dictionary.double()
    y = problem.sample(4, "test")[0].double()
    expected = ista(a, y, 0.4, iterations=6).codes
    for kind in (LISTA, LISTACP):
        assert torch.allclose(kind(a, 6)(y)[-1], expected, atol=1e-12)


def test_lamp_keeps_the_onsager_term(problem):
    a = problem.dictionary
    y, _ = problem.sample(4, "test")
    solver = LAMP(a, 2)
    first = solver(y)[0]
    onsager = (first != 0).sum(dim=1, keepdim=True) / 24 * y
    residual = y - first @ a.T + onsager
    level = solver.log_thresholds[1].exp() * residual.norm(dim=1, keepdim=True) / math.sqrt(24)
    assert torch.allclose(solver(y)[1], soft_threshold(first + residual @ a, level), atol=1e-5)


def test_fista_reaches_the_minimum_that_scikit_learn_finds(problem):
    from sklearn.linear_model import Lasso

    y = problem.sample(1, "test")[0].double()
    a = problem.dictionary.double()
    found = fista(a, y, 0.1, iterations=3000)
    model = Lasso(alpha=0.1 / 24, fit_intercept=False, tol=1e-12, max_iter=100_000)
    expected = model.fit(a.numpy(), y[0].numpy()).coef_
    assert np.allclose(found.codes[0].numpy(), expected, atol=1e-6)
    assert torch.all(found.objective <= ista(a, y, 0.1, iterations=300).objective)


@pytest.mark.parametrize("kind", [ALISTA, LISTA, GLISTA])
@pytest.mark.parametrize("density", [0.1, 0.5])
def test_the_safeguard_never_loses_to_fista_even_with_an_untrained_solver(problem, kind, density):
    a = problem.dictionary.double()
    y, _ = SparseCoding(24, 48, density=density, dtype=torch.float64).sample(20, "test")
    for steps in (1, 10, 200):
        ours = safeguarded(kind(a, 4), y, 0.05, iterations=steps)
        plain = fista(a, y, 0.05, iterations=steps)
        assert torch.all(ours.objective <= plain.objective)
        assert torch.allclose(lasso_objective(a, y, ours.codes, 0.05), ours.objective)
    assert 0 <= ours.learned_share <= 1


def test_the_safeguard_survives_a_solver_that_gives_nan(problem):
    a = problem.dictionary.double()
    solver = ALISTA(a, 2)
    with torch.no_grad():
        solver.log_steps[0].fill_(math.nan)
        solver.log_steps[1].fill_(math.nan)
    y = problem.sample(3, "test")[0].double()
    ours = safeguarded(solver, y, 0.05, iterations=50)
    assert ours.learned_share == 0
    assert torch.all(ours.objective <= fista(a, y, 0.05, iterations=50).objective)


def test_the_safeguard_refuses_solvers_that_carry_more_than_codes(problem):
    with pytest.raises(ValueError, match="solver: .*LAMP"):
        safeguarded(LAMP(problem.dictionary, 2), torch.zeros(1, 24), 0.1)


@pytest.mark.parametrize("kind", CLASSES)
def test_training_improves_every_solver_and_files_give_it_back(kind, problem, tmp_path):
    solver = kind(problem.dictionary, 3)
    y, x = problem.sample(300, "test")
    with torch.no_grad():
        before = nmse_db(solver(y)[-1], x)
    result = train_layerwise(
        solver, problem, iterations=40, lr=2e-3, scalar_lr=0.05, validate_every=10
    )
    with torch.no_grad():
        codes = solver(y)
    assert result.stopped_by == "layers"
    assert result.layers == 3
    assert nmse_db(codes[-1], x) < before - 0.2
    scores = [item.nmse_db for item in result.history]
    for place in range(0, 9, 3):  # a phase never ends worse than it began
        assert scores[place] >= scores[place + 1] >= scores[place + 2]
    save_solver(tmp_path / "solver.safetensors", solver)
    loaded = load_solver(tmp_path / "solver.safetensors")
    assert type(loaded) is kind
    with torch.no_grad():
        assert torch.equal(loaded(y), codes)


def test_an_interrupted_training_ends_with_the_same_bytes(problem, tmp_path):
    arguments = {"iterations": 15, "validate_every": 5}

    def stop_in_the_second_layer(state):
        if (state.layer, state.phase) == (2, 0):
            raise KeyboardInterrupt

    whole, parts = (LISTACPSS(problem.dictionary, 2, tied=True) for _ in range(2))
    train_layerwise(whole, problem, **arguments)
    with pytest.raises(KeyboardInterrupt):
        train_layerwise(
            parts, problem, folder=tmp_path, progress=stop_in_the_second_layer, **arguments
        )
    resumed = LISTACPSS(problem.dictionary, 2, tied=True)
    result = train_layerwise(resumed, problem, folder=tmp_path, **arguments)
    assert result.layers == 2
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    with pytest.raises(ValueError, match="iterations: expected 16"):
        train_layerwise(resumed, problem, folder=tmp_path, iterations=16, validate_every=5)


def test_a_phase_shorter_than_the_time_between_validations_counts(problem):
    solver = ALISTA(problem.dictionary, 1)
    result = train_layerwise(solver, problem, iterations=20, scalar_lr=0.05, validate_every=50)
    untouched = ALISTA(problem.dictionary, 1)
    y, x = problem.sample(1000, "validation")
    with torch.no_grad():
        assert result.nmse_db < nmse_db(untouched(y)[-1], x)


def test_a_diverged_training_leaves_the_weights_of_the_phase_before(problem):
    solver = LISTACP(problem.dictionary, 2)
    start = {name: value.clone() for name, value in solver.state_dict().items()}
    with pytest.warns(RuntimeWarning, match="diverged in layer 1"):
        result = train_layerwise(solver, problem, iterations=50, lr=1e30, validate_every=1)
    assert (result.stopped_by, result.layers) == ("divergence", 0)
    for name, value in start.items():
        assert torch.equal(value, solver.state_dict()[name])


def test_wrong_arguments_are_named(problem):
    a = problem.dictionary
    with pytest.raises(ValueError, match=r"dictionary: expected a matrix \(m, n\)"):
        ALISTA(a[0])
    with pytest.raises(ValueError, match="layers: expected an integer >= 1"):
        ALISTA(a, 0)
    with pytest.raises(ValueError, match="finite"):
        LISTA(a * math.inf)
    with pytest.raises(ValueError, match=r"y: expected the shape \(batch, 24\)"):
        ALISTA(a, 2)(torch.zeros(3, 5))
    with pytest.raises(ValueError, match="density"):
        SparseCoding(4, 8, density=0.0)
    with pytest.raises(ValueError, match="problem: .*dictionary of the solver"):
        train_layerwise(ALISTA(a, 2), SparseCoding(24, 48, seed=6))
    with pytest.raises(ValueError, match="solver: expected an UnrolledSolver"):
        train_layerwise(torch.nn.Linear(2, 2), problem)
    with pytest.raises(ValueError, match="solver: expected one of"):
        save_solver("nowhere", torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solver": "Other"}, "solver: expected one of"),
        ({"settings": 3}, "settings: expected an object"),
        ({"settings": {"layers": 2, "colour": 1}}, "settings: .*colour"),
        ({"settings": {"layers": 3}}, "expected this tensor, received none"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_file_and_field(problem, tmp_path, change, message):
    from l2o._checkpoint import write_tensors

    solver = ALISTA(problem.dictionary, 2)
    path = tmp_path / "solver.safetensors"
    state = {"solver": "ALISTA", "settings": solver.settings()} | change
    json.dumps(state)
    write_tensors(path, solver.state_dict(), state)
    with pytest.raises(ValueError, match=f"solver.safetensors: .*{message}"):
        load_solver(path)


def test_the_coder_follows_scikit_learn(problem, tmp_path):
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    from l2o.unrolled import UnrolledCoder

    atoms = problem.dictionary.double().T.numpy()
    y, x = problem.sample(200, "test")
    coder = clone(UnrolledCoder(atoms, layers=4, iterations=50))
    with pytest.raises(NotFittedError):
        coder.transform(y.numpy())
    codes = coder.fit(y.numpy()).transform(y.numpy())
    assert nmse_db(torch.from_numpy(codes), x) < -5
    assert np.array_equal(codes, clone(coder).fit_transform(y.numpy()))
    coder.save(tmp_path / "coder.safetensors")
    assert np.array_equal(codes, UnrolledCoder.load(tmp_path / "coder.safetensors").transform(y))
    with pytest.raises(ValueError, match="features"):
        coder.transform(y.numpy()[:, :5])
    with pytest.raises(ValueError, match="atoms of length 1"):
        UnrolledCoder(2 * atoms).fit(y.numpy())
    with pytest.raises(ValueError, match="solver: expected one of"):
        UnrolledCoder(atoms, solver="ALIST").fit(y.numpy())
