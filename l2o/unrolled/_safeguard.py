"""A learned solver that is never worse than FISTA."""

from __future__ import annotations

import torch
from torch import Tensor

from automl_zero._config_values import integer
from l2o.unrolled._classical import FistaSteps, LassoResult, lasso_objective
from l2o.unrolled._solver import UnrolledSolver


def safeguarded(
    solver: UnrolledSolver, y: Tensor, penalty: float, *, iterations: int = 1000
) -> LassoResult:
    """Solve the LASSO with a solver's layers where they help, and with steps of ISTA elsewhere.

    Safeguarded L2O (Heaton et al. 2020) accepts a learned step if it decreases a merit and takes a
    classical one otherwise. Here the merit is the objective, for each problem by itself, so the
    result holds on problems of any kind. The chain of accepted steps alone may fall behind FISTA,
    whose momentum it lacks; so FISTA runs beside it, and after every step the chain moves to
    FISTA's point if that is better. The objective is never above FISTA's, for two steps' cost.

    Args:
        solver: Its layers are used in turn, its last one from then on.
        y: Measurements, ``(batch, m)``.
        penalty: Weight of ``|x|₁``.
        iterations: Steps.

    Raises:
        ValueError: If the solver carries more than codes from layer to layer (LAMP).

    Example:
        >>> from l2o.unrolled import ALISTA
        >>> y = torch.tensor([[3.0, 0.5]])
        >>> safeguarded(ALISTA(torch.eye(2)), y, 1.0, iterations=5).codes
        tensor([[2., 0.]])
    """
    integer("iterations", iterations, 1)
    dictionary = solver.dictionary
    if len(solver.begin(y)) != 1:
        raise ValueError(f"solver: expected codes as its state, received {type(solver).__name__}")
    fista = FistaSteps(dictionary, y, penalty)
    x = fista.x
    objective = lasso_objective(dictionary, y, x, penalty)
    accepted = 0
    with torch.no_grad():
        for iteration in range(iterations):
            fista.step()
            plain = fista.gradient_step(x)  # never increases the objective
            (learned,) = solver.layer(min(iteration, solver.layers - 1), (x,), y)
            taken = torch.zeros(len(y), dtype=torch.bool)
            for candidate in (plain, fista.x, learned):
                value = lasso_objective(dictionary, y, candidate, penalty)
                better = value < objective
                x = torch.where(better[:, None], candidate, x)
                objective = torch.where(better, value, objective)
                taken = better
            accepted += int(taken.sum())
    return LassoResult(x, objective, accepted / (iterations * len(y)))
