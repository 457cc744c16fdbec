"""Learned approximate message passing, and LISTA with gates."""

from __future__ import annotations

import math

from torch import Tensor

from l2o.unrolled._solver import State, UnrolledSolver, lipschitz, per_layer, soft_threshold


class LAMP(UnrolledSolver):
    """Approximate message passing with learned weights (Borgerding et al. 2017, eqs. 15 to 17).

    ``v ← y - A x + (|x|₀/m) v``, ``x ← soft(x + B_k v, α_k |v|/√m)``. The Onsager term in v keeps
    the error of ``x + B v`` near Gaussian.

    Args:
        dictionary: A, ``(m, n)``.
        layers: How many.

    Example:
        >>> import torch
        >>> LAMP(torch.eye(3), layers=2)(torch.ones(1, 3)).shape
        torch.Size([2, 1, 3])
    """

    def __init__(self, dictionary: Tensor, layers: int = 16) -> None:
        super().__init__(dictionary, layers)
        self.weights = per_layer(dictionary.T, layers, dictionary)
        self.log_thresholds = per_layer(math.log(1.2), layers, dictionary)

    def begin(self, y: Tensor) -> State:
        """Codes and residual of zero."""
        return (*super().begin(y), y.new_zeros(y.shape))

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """New residual, then new codes."""
        x, before = state
        m = self.dictionary.shape[0]
        onsager = (x != 0).sum(dim=1, keepdim=True) / m
        residual = self.residual(x, y) + onsager * before
        spread = residual.norm(dim=1, keepdim=True) / math.sqrt(m)
        threshold = self.log_thresholds[index].exp() * spread
        return soft_threshold(x + residual @ self.weights[index].T, threshold), residual


class GLISTA(UnrolledSolver):
    """LISTA-CP with gain and overshoot gates (Wu et al. 2020, sections 3.1 and 3.2).

    Soft thresholding makes codes too small. The gain gate enlarges them before a step,
    ``x̂ = (1 + μ_k θ_{k-1} exp(-ν_k |x|)) x``, and the overshoot gate goes beyond it,
    ``x ← x + o_k (soft(x̂ + W_kᵀ(y - A x̂), θ_k) - x)``. The paper's overshoot gate depends on the
    entry; this one is a number of the layer.

    Args:
        dictionary: A, ``(m, n)``.
        layers: How many.

    Example:
        >>> import torch
        >>> GLISTA(torch.eye(3), layers=2)(torch.ones(1, 3)).shape
        torch.Size([2, 1, 3])
    """

    def __init__(self, dictionary: Tensor, layers: int = 16) -> None:
        super().__init__(dictionary, layers)
        scale = lipschitz(dictionary)
        self.weights = per_layer(dictionary.T / scale, layers, dictionary)
        self.log_thresholds = per_layer(math.log(0.4 / scale), layers, dictionary)
        self.log_gains = per_layer(0.0, layers, dictionary)
        self.log_slopes = per_layer(0.0, layers, dictionary)
        self.log_overshoots = per_layer(0.0, layers, dictionary)

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """Gain, step, overshoot."""
        (x,) = state
        gained = x
        if index > 0:
            size = self.log_gains[index].exp() * self.log_thresholds[index - 1].exp()
            gained = x + size * (-self.log_slopes[index].exp() * x.abs()).exp() * x
        moved = gained + self.residual(gained, y) @ self.weights[index].T
        shrunk = soft_threshold(moved, self.log_thresholds[index].exp())
        return (x + self.log_overshoots[index].exp() * (shrunk - x),)
