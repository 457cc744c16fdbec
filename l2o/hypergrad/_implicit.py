"""Hyperparameter gradients at a minimum, whatever led there: the implicit function theorem."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

from automl_zero._config_values import choice, integer, number
from l2o.hypergrad._training import Tensors, _tensors

InnerLoss: TypeAlias = Callable[[Tensors, Tensors], torch.Tensor]
_Product: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def implicit_solution(
    loss: InnerLoss,
    solution: Mapping[str, torch.Tensor],
    hyper: Mapping[str, torch.Tensor],
    *,
    method: str = "cg",
    iterations: int = 100,
    tolerance: float = 1e-8,
    damping: float = 0.0,
    step: float = 0.1,
) -> Tensors:
    """The weights that minimise a training loss, differentiable by its hyperparameters.

    ``backward`` of anything computed from them solves ``H q = dw`` with Hessian-vector
    products and gives ``-q`` times the mixed second derivative (Bengio 2000; Pedregosa 2016
    with conjugate gradients; Lorraine, Vicol & Duvenaud 2020 with a Neumann series). It needs
    no training steps, but a minimum: the result is only as exact as the gradient is small there.

    Args:
        loss: ``loss(weights, hyper)``, the whole training loss, a scalar.
        solution: Its minimum for ``hyper``, by name.
        hyper: Hyperparameters, by name.
        method: ``"cg"``, conjugate gradients: exact on a positive definite Hessian in as many
            iterations as it has different eigenvalues. ``"neumann"``: the series
            ``step * sum_k (I - step H)^k``; converges for ``step`` below 2 over the largest
            eigenvalue.
        iterations: Hessian-vector products at most.
        tolerance: Relative residual at which to stop.
        damping: Added to the Hessian's diagonal, for those that are singular.
        step: Of the Neumann series.

    Returns:
        The same weights, by name, as functions of ``hyper``.

    Raises:
        ValueError: If an argument is wrong; from ``backward``, if the Hessian is not positive
            definite or the series diverges.

    Warns:
        RuntimeWarning: From ``backward``, if the tolerance was not reached.

    Example:
        >>> decay = torch.tensor(0.5, requires_grad=True)
        >>> def loss(weights, hyper):  # its minimum is 3 / (1 + decay)
        ...     return (weights["w"] - 3) ** 2 + hyper["decay"] * weights["w"] ** 2
        >>> end = implicit_solution(loss, {"w": torch.tensor(2.0)}, {"decay": decay})
        >>> end["w"].backward()
        >>> round(decay.grad.item(), 4)  # -3 / (1 + decay)**2
        -1.3333
    """
    names, weights = _tensors("solution", solution)
    hyper_names, hypers = _tensors("hyper", hyper)
    if not names or not hyper_names:
        raise ValueError("solution: expected weights and hyperparameters, received none")
    if not callable(loss):
        raise ValueError(f"loss: expected a function, received {loss!r}")
    settings = {
        "method": choice("method", method, ("cg", "neumann")),
        "iterations": integer("iterations", iterations, 1),
        "tolerance": number("tolerance", tolerance, 0.0),
        "damping": number("damping", damping, 0.0),
        "step": number("step", step, 0.0),
    }

    def named_loss(own: list[torch.Tensor], others: list[torch.Tensor]) -> torch.Tensor:
        return loss(dict(zip(names, own, strict=True)), dict(zip(hyper_names, others, strict=True)))

    ends: tuple[torch.Tensor, ...] = _Solution.apply(
        named_loss, settings, len(names), *(each.detach() for each in weights), *hypers
    )
    return dict(zip(names, ends, strict=True))


class _Solution(torch.autograd.Function):
    """Forward: the weights as they are. Backward: the implicit function theorem."""

    @staticmethod
    def forward(ctx: Any, loss: Any, settings: dict[str, Any], count: int, *rest: Any) -> Any:
        ctx.loss, ctx.settings, ctx.count = loss, settings, count
        ctx.save_for_backward(*rest)
        return tuple(each.clone() for each in rest[:count])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *end_gradients: torch.Tensor) -> Any:
        weights = [each.detach().requires_grad_() for each in ctx.saved_tensors[: ctx.count]]
        needed = ctx.needs_input_grad[3 + ctx.count :]
        hypers = [
            each.detach().requires_grad_(need)
            for each, need in zip(ctx.saved_tensors[ctx.count :], needed, strict=True)
        ]
        moving = [each for each in hypers if each.requires_grad]
        with torch.enable_grad():
            gradients = torch.autograd.grad(
                ctx.loss(weights, hypers), weights, create_graph=True, materialize_grads=True
            )
            flat = torch.cat([each.reshape(-1) for each in gradients])

        def products(vector: torch.Tensor, by: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
            if not flat.requires_grad:  # a loss without curvature
                return tuple(torch.zeros_like(each) for each in by)
            return torch.autograd.grad(flat, by, vector, retain_graph=True, materialize_grads=True)

        def hessian(vector: torch.Tensor) -> torch.Tensor:
            second = torch.cat([each.reshape(-1) for each in products(vector, weights)])
            return second + ctx.settings["damping"] * vector

        right = torch.cat([each.reshape(-1) for each in end_gradients])
        limits = {name: ctx.settings[name] for name in ("iterations", "tolerance")}
        if ctx.settings["method"] == "cg":
            solved = conjugate_gradients(hessian, right, **limits)
        else:
            solved = _neumann(hessian, right, **limits, step=ctx.settings["step"])
        mixed = iter(products(-solved, moving))
        d_hypers = [next(mixed) if each.requires_grad else None for each in hypers]
        return (None, None, None, *(None for _ in weights), *d_hypers)


def conjugate_gradients(
    product: _Product, right: torch.Tensor, *, iterations: int = 100, tolerance: float = 1e-8
) -> torch.Tensor:
    """Solve ``A x = right`` for a positive definite ``A`` (Hestenes & Stiefel 1952).

    Args:
        product: ``A`` times a vector ``[n]``.
        right: Right-hand side ``[n]``.
        iterations: Products at most.
        tolerance: Relative residual at which to stop.

    Raises:
        ValueError: If ``A`` shows a direction without positive curvature.

    Warns:
        RuntimeWarning: If the tolerance was not reached.

    Example:
        >>> matrix = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
        >>> x = conjugate_gradients(lambda v: matrix @ v, torch.tensor([1.0, 2.0]))
        >>> torch.allclose(matrix @ x, torch.tensor([1.0, 2.0]))
        True
    """
    x = torch.zeros_like(right)
    residual, direction = right.clone(), right.clone()
    goal = float(right @ right) * tolerance**2
    squared = float(right @ right)
    for _ in range(iterations):
        if squared <= goal:
            return x
        image = product(direction)
        curvature = float(direction @ image)
        if not curvature > 0:
            raise ValueError(
                "loss: expected a positive definite Hessian at the solution, received curvature "
                f"{curvature:.3g} (damping adds to it)"
            )
        length = squared / curvature
        x = x + length * direction
        residual = residual - length * image
        before, squared = squared, float(residual @ residual)
        direction = residual + squared / before * direction
    if squared > goal:
        _warn(squared, float(right @ right), iterations)
    return x


def _neumann(
    product: _Product, right: torch.Tensor, *, iterations: int, tolerance: float, step: float
) -> torch.Tensor:
    """``step * sum_k (I - step A)^k right``."""
    term, total = right, right.clone()
    goal = float(right @ right) * tolerance**2
    squared = float(right @ right)
    for _ in range(iterations):
        if squared <= goal:
            return step * total
        term = term - step * product(term)
        total = total + term
        squared = float(term @ term)
        if not squared < 1e12 * float(right @ right):
            raise ValueError(
                f"step: expected less than 2 over the Hessian's largest eigenvalue, received {step}"
            )
    if squared > goal:
        _warn(squared, float(right @ right), iterations)
    return step * total


def _warn(squared: float, first: float, iterations: int) -> None:
    warnings.warn(
        f"implicit gradient: relative residual {(squared / first) ** 0.5:.2g} after {iterations} "
        "iterations; more of them, or damping, make it smaller",
        RuntimeWarning,
        stacklevel=3,
    )
