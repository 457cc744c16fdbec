"""Solvers with weights from a formula: ALISTA, and TISTA with its learned steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from automl_zero._config_values import number
from l2o.unrolled._solver import (
    State,
    SupportSchedule,
    UnrolledSolver,
    per_layer,
    select_support,
)


def analytic_weights(dictionary: Tensor) -> Tensor:
    """W that minimises ``|WᵀA|_F`` with ``w_jᵀ a_j = 1`` (Liu & Chen 2019, eq. 16), ``(m, n)``.

    In closed form: ``w_j = (AAᵀ)⁻¹a_j / (a_jᵀ(AAᵀ)⁻¹a_j)``.

    Raises:
        ValueError: If A does not have full row rank.

    Example:
        >>> bool(torch.allclose(analytic_weights(torch.eye(3)), torch.eye(3)))
        True
    """
    a = dictionary.double()
    if int(torch.linalg.matrix_rank(a)) < len(a):
        raise ValueError("dictionary: expected full row rank")
    inverse = torch.linalg.solve(a @ a.T, a)
    return (inverse / (a * inverse).sum(dim=0)).to(dictionary.dtype)


class ALISTA(UnrolledSolver):
    """``x ← select(x + γ_k Wᵀ(y - A x), θ_k)``: two learned numbers a layer (Liu & Chen 2019).

    W comes from :func:`analytic_weights`, the nonlinearity has support selection. Steps and
    thresholds are learned as logarithms: they stay positive, and a rate of the optimizer means
    the same for the first threshold and for the last, which is 1,000 times smaller.

    Args:
        dictionary: A, ``(m, n)``, of full row rank.
        layers: How many.
        support_step: Share of entries more in each layer that pass unchanged; 0.012 in the paper.
        support_most: The largest share; 0.13 in the paper.

    Example:
        >>> solver = ALISTA(torch.eye(3), layers=16)
        >>> sum(value.numel() for value in solver.parameters())
        32
    """

    weight: Tensor

    def __init__(
        self,
        dictionary: Tensor,
        layers: int = 16,
        *,
        support_step: float = 0.012,
        support_most: float = 0.13,
    ) -> None:
        super().__init__(dictionary, layers)
        self.support = SupportSchedule(support_step, support_most)
        self.register_buffer("weight", analytic_weights(dictionary))
        self.log_steps = per_layer(0.0, layers, dictionary)
        self.log_thresholds = per_layer(math.log(0.3), layers, dictionary)

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """One step along the weights, then support selection."""
        (x,) = state
        moved = x + self.log_steps[index].exp() * (self.residual(x, y) @ self.weight)
        return (select_support(moved, self.log_thresholds[index].exp(), self.support(index)),)

    def settings(self) -> dict[str, Any]:
        """See the base class."""
        share = {"support_step": self.support.step, "support_most": self.support.most}
        return super().settings() | share


class TISTA(UnrolledSolver):
    """Learned steps, and the best estimator for the prior as nonlinearity (Ito et al. 2019).

    ``r = x + γ_k A⁺(y - A x)``, then the mean of a Bernoulli-Gaussian code given r, whose error
    variance is estimated from the residual (equations 8 to 12). One learned number a layer.

    Args:
        dictionary: A, ``(m, n)``, of full row rank.
        layers: How many.
        density: Probability of an entry not to be zero.
        noise_std: Standard deviation of the measurements' noise.

    Example:
        >>> TISTA(torch.eye(3), layers=2)(torch.ones(1, 3)).shape
        torch.Size([2, 1, 3])
    """

    inverse: Tensor

    def __init__(
        self,
        dictionary: Tensor,
        layers: int = 16,
        *,
        density: float = 0.1,
        noise_std: float = 0.0,
    ) -> None:
        super().__init__(dictionary, layers)
        self.density = number("density", density, 1e-6, 1 - 1e-6)
        self.noise_std = number("noise_std", noise_std, 0.0)
        inverse = torch.linalg.pinv(dictionary.double())
        self.register_buffer("inverse", inverse.to(dictionary.dtype))
        self._energy = float(dictionary.double().square().sum())
        self._inverse_energy = float(inverse.square().sum())
        self.log_steps = per_layer(0.0, layers, dictionary)

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """A step along the pseudo-inverse, then the posterior mean."""
        (x,) = state
        (m, n), noise = self.dictionary.shape, self.noise_std**2
        step = self.log_steps[index].exp()
        residual = self.residual(x, y)
        power = residual.square().sum(dim=1, keepdim=True)
        error = ((power - m * noise) / self._energy).clamp_min(1e-9)
        variance = error / n * (n + (step * step - 2 * step) * m)
        variance = variance + step * step * noise * self._inverse_energy / n
        return (self._posterior_mean(x + step * (residual @ self.inverse.T), variance),)

    def _posterior_mean(self, r: Tensor, variance: Tensor) -> Tensor:
        total = variance + 1.0
        # log of the odds of "not zero" against "zero", given r.
        odds = math.log(self.density / (1 - self.density)) + 0.5 * (
            (variance / total).log() + r.square() / (variance * total)
        )
        return r / total * torch.sigmoid(odds)

    def settings(self) -> dict[str, Any]:
        """See the base class."""
        return super().settings() | {"density": self.density, "noise_std": self.noise_std}
