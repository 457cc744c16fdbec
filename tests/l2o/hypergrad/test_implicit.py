"""Implicit gradients against closed forms and against solving again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from l2o.hypergrad import conjugate_gradients, implicit_solution  # noqa: E402

RNG = np.random.default_rng(1)
X, Y = torch.from_numpy(RNG.normal(size=(50, 8))), torch.from_numpy(RNG.normal(size=50))
LABELS = (Y > 0).double()
NEW_X, NEW_Y = torch.from_numpy(RNG.normal(size=(30, 8))), torch.from_numpy(RNG.normal(size=30))


def ridge_loss(weights, hyper):
    penalty = (hyper["log_decay"].exp() * weights["w"].square()).sum()
    return (X @ weights["w"] - Y).square().sum() + penalty


def ridge_solution(log_decay):
    return torch.linalg.solve(X.T @ X + torch.diag(log_decay.exp()), X.T @ Y)


def logistic_loss(weights, hyper):
    scores = X @ weights["w"] + weights["b"]
    value = torch.nn.functional.binary_cross_entropy_with_logits(scores, LABELS)
    return value + hyper["log_decay"].exp() * weights["w"].square().sum()


def logistic_solution(log_decay):
    """By Newton's method."""
    flat = torch.zeros(9, dtype=torch.float64)

    def loss(flat):
        return logistic_loss({"w": flat[:8], "b": flat[8]}, {"log_decay": log_decay})

    for _ in range(30):
        gradient = torch.func.grad(loss)(flat)
        hessian = torch.autograd.functional.hessian(loss, flat)
        flat = flat - torch.linalg.solve(hessian, gradient)
    return {"w": flat[:8].detach(), "b": flat[8].detach()}


def validation(w):
    return (NEW_X @ w - NEW_Y).square().mean()


@pytest.mark.parametrize(
    ("method", "settings"),
    [("cg", {}), ("neumann", {"step": 0.004, "iterations": 5000, "tolerance": 1e-10})],
)
def test_ridge_regression_has_the_gradient_of_its_closed_form(method, settings):
    log_decay = torch.linspace(0, 2, 8, dtype=torch.float64).requires_grad_()
    closed = ridge_solution(log_decay)
    (expected,) = torch.autograd.grad(validation(closed), log_decay)
    end = implicit_solution(
        ridge_loss, {"w": closed}, {"log_decay": log_decay}, method=method, **settings
    )
    assert torch.equal(end["w"], closed)
    validation(end["w"]).backward()
    torch.testing.assert_close(log_decay.grad, expected, rtol=1e-6, atol=1e-10)


def test_logistic_regression_has_the_slope_of_solving_again():
    log_decay = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    solution = logistic_solution(log_decay.detach())
    end = implicit_solution(logistic_loss, solution, {"log_decay": log_decay})
    (validation(end["w"]) + end["b"].square()).backward()
    values = []
    for step in (1e-4, -1e-4):
        again = logistic_solution(log_decay.detach() + step)
        values.append(float(validation(again["w"]) + again["b"].square()))
    assert float(log_decay.grad) == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-6)


def test_conjugate_gradients_end_after_as_many_steps_as_there_are_eigenvalues():
    basis, _ = torch.linalg.qr(torch.from_numpy(RNG.normal(size=(20, 20))))
    matrix = basis @ torch.diag(torch.tensor([1.0, 3.0, 10.0]).double().repeat(7)[:20]) @ basis.T
    right, calls = torch.from_numpy(RNG.normal(size=20)), []
    x = conjugate_gradients(lambda v: calls.append(1) or matrix @ v, right)
    assert len(calls) == 3
    torch.testing.assert_close(matrix @ x, right)
    assert not conjugate_gradients(lambda v: matrix @ v, 0 * right).any()


def quadratic(curvatures):
    return lambda weights, hyper: (
        (torch.tensor(curvatures) * weights["w"].square()).sum() + (hyper["a"] * weights["w"]).sum()
    )


def test_what_is_no_minimum_is_named():
    hyper = {"a": torch.ones(2, requires_grad=True)}
    end = implicit_solution(quadratic([1.0, -1.0]), {"w": torch.zeros(2)}, hyper)
    with pytest.raises(ValueError, match="loss: expected a positive definite Hessian"):
        end["w"][1].backward()
    end = implicit_solution(quadratic([1.0, 0.0]), {"w": torch.zeros(2)}, hyper, damping=0.5)
    end["w"].sum().backward()  # 1 / (2 + 0.5) and 1 / 0.5
    torch.testing.assert_close(hyper["a"].grad, torch.tensor([-0.4, -2.0]))
    flat = implicit_solution(lambda w, h: (h["a"] * w["w"]).sum(), {"w": torch.zeros(2)}, hyper)
    with pytest.raises(ValueError, match="received curvature 0"):
        flat["w"].sum().backward()


def test_too_few_iterations_and_too_large_steps_are_told():
    hyper = {"a": torch.ones(3, requires_grad=True)}
    loss = quadratic([1.0, 10.0, 100.0])
    start = {"w": torch.zeros(3)}
    with pytest.warns(RuntimeWarning, match="relative residual .* after 1 iterations"):
        implicit_solution(loss, start, hyper, iterations=1)["w"].sum().backward()
    with pytest.warns(RuntimeWarning, match="relative residual .* after 3 iterations"):
        end = implicit_solution(loss, start, hyper, method="neumann", step=0.001, iterations=3)
        end["w"].sum().backward()
    end = implicit_solution(loss, start, hyper, method="neumann", step=0.1)
    with pytest.raises(ValueError, match="step: expected less than 2 over the Hessian's largest"):
        end["w"].sum().backward()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solution": {}}, "solution: expected weights and hyperparameters"),
        ({"solution": {"w": 1}}, "solution.w: expected a tensor"),
        ({"hyper": {}}, "solution: expected weights and hyperparameters"),
        ({"loss": None}, "loss: expected a function"),
        ({"method": "CG"}, "method: expected one of cg, neumann"),
        ({"iterations": 0}, "iterations: expected an integer >= 1"),
        ({"damping": -1}, "damping: expected a number >= 0"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    arguments = {
        "loss": quadratic([1.0]),
        "solution": {"w": torch.zeros(1)},
        "hyper": {"a": torch.ones(1)},
    }
    with pytest.raises(ValueError, match=message):
        implicit_solution(**arguments | changes)
