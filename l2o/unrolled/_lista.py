"""ISTA with learned weights: LISTA, LISTA-CP and LISTA-CPSS."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from automl_zero._config_values import boolean
from l2o.unrolled._solver import (
    State,
    SupportSchedule,
    UnrolledSolver,
    lipschitz,
    per_layer,
    select_support,
    soft_threshold,
)


class LISTA(UnrolledSolver):
    """``x ← soft(B_k y + S_k x, θ_k)``: all weights learned (Gregor & LeCun 2010, eq. 6).

    Weights start at those of ISTA with penalty 0.4, thresholds are learned as logarithms, so
    that they stay positive.

    Args:
        dictionary: A, ``(m, n)``.
        layers: How many.

    Example:
        >>> from l2o.unrolled import SparseCoding
        >>> problem = SparseCoding(20, 40)
        >>> y, _ = problem.sample(3, "test")
        >>> LISTA(problem.dictionary, layers=4)(y).shape
        torch.Size([4, 3, 40])
    """

    def __init__(self, dictionary: Tensor, layers: int = 16) -> None:
        super().__init__(dictionary, layers)
        a, scale = self.dictionary, lipschitz(dictionary)
        identity = torch.eye(a.shape[1], dtype=a.dtype)
        self.inputs = per_layer(a.T / scale, layers, a)
        # The first layer sees codes of zero: it has no use for S.
        self.codes = per_layer(identity - a.T @ a / scale, layers, a)
        self.log_thresholds = per_layer(math.log(0.4 / scale), layers, a)

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """``soft(B y + S x, θ)``."""
        values = y @ self.inputs[index].T + state[0] @ self.codes[index].T
        return (soft_threshold(values, self.log_thresholds[index].exp()),)


class LISTACP(UnrolledSolver):
    """LISTA with coupled weights: ``x ← soft(x + W_kᵀ(y - A x), θ_k)`` (Chen et al. 2018, eq. 12).

    Args:
        dictionary: A, ``(m, n)``.
        layers: How many.
        tied: One W for all layers, n m weights instead of n m a layer (TiLISTA).

    Example:
        >>> solver = LISTACP(torch.eye(3), layers=2, tied=True)
        >>> len(solver.shared_parameters())
        1
    """

    def __init__(self, dictionary: Tensor, layers: int = 16, *, tied: bool = False) -> None:
        super().__init__(dictionary, layers)
        a, scale = self.dictionary, lipschitz(dictionary)
        self.tied = boolean("tied", tied)
        if tied:
            self.weight = nn.Parameter(a.T / scale)
            self.log_steps = per_layer(0.0, layers, a)
        else:
            self.weights = per_layer(a.T / scale, layers, a)
        self.log_thresholds = per_layer(math.log(0.4 / scale), layers, a)

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """``soft(x + W(y - A x), θ)``."""
        (x,) = state
        if self.tied:
            change = self.log_steps[index].exp() * (self.residual(x, y) @ self.weight.T)
        else:
            change = self.residual(x, y) @ self.weights[index].T
        return (self.shrink(index, x + change, self.log_thresholds[index].exp()),)

    def shrink(self, index: int, values: Tensor, threshold: Tensor) -> Tensor:
        """The nonlinearity of a layer."""
        return soft_threshold(values, threshold)

    def settings(self) -> dict[str, Any]:
        """See the base class."""
        return super().settings() | {"tied": self.tied}


class LISTACPSS(LISTACP):
    """LISTA-CP with support selection (Chen et al. 2018, eq. 16).

    The largest entries, a share that grows with the layer, are not thresholded: thresholding
    biases entries that are surely in the support.

    Args:
        dictionary: A, ``(m, n)``.
        layers: How many.
        tied: One W for all layers.
        support_step: Share of entries more in each layer; 0.012 in the paper.
        support_most: The largest share, a bit above the density of the codes; 0.13 in the paper.

    Example:
        >>> LISTACPSS(torch.eye(3), layers=2)(torch.ones(1, 3)).shape
        torch.Size([2, 1, 3])
    """

    def __init__(
        self,
        dictionary: Tensor,
        layers: int = 16,
        *,
        tied: bool = False,
        support_step: float = 0.012,
        support_most: float = 0.13,
    ) -> None:
        super().__init__(dictionary, layers, tied=tied)
        self.support = SupportSchedule(support_step, support_most)

    def shrink(self, index: int, values: Tensor, threshold: Tensor) -> Tensor:
        """Soft thresholding with support selection."""
        return select_support(values, threshold, self.support(index))

    def settings(self) -> dict[str, Any]:
        """See the base class."""
        share = {"support_step": self.support.step, "support_most": self.support.most}
        return super().settings() | share
