"""Iterative soft thresholding without learning: ISTA and FISTA."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_zero._config_values import integer, number
from l2o.unrolled._solver import lipschitz, soft_threshold


@dataclass(frozen=True, slots=True)
class LassoResult:
    """What a solver of the LASSO reached.

    Args:
        codes: ``(batch, n)``.
        objective: ``|y - A x|² / 2 + penalty |x|₁`` of each problem, ``(batch,)``.
        learned_share: Part of the steps that a learned solver made; 0 without one.
    """

    codes: Tensor
    objective: Tensor
    learned_share: float = 0.0


def lasso_objective(dictionary: Tensor, y: Tensor, x: Tensor, penalty: float) -> Tensor:
    """``|y - A x|² / 2 + penalty |x|₁`` of each problem, ``(batch,)``."""
    fit = (y - x @ dictionary.T).square().sum(dim=1) / 2
    return fit + penalty * x.abs().sum(dim=1)


def ista(dictionary: Tensor, y: Tensor, penalty: float, *, iterations: int = 1000) -> LassoResult:
    """Iterative soft thresholding (Daubechies et al. 2004) with the step 1/L.

    Args:
        dictionary: A, ``(m, n)``.
        y: Measurements, ``(batch, m)``.
        penalty: Weight of ``|x|₁``.
        iterations: Steps.

    Raises:
        ValueError: If an argument is out of its range, or shapes do not fit.

    Example:
        >>> ista(torch.eye(2), torch.tensor([[3.0, 0.5]]), 1.0, iterations=5).codes
        tensor([[2., 0.]])
    """
    return _iterate(dictionary, y, penalty, iterations, momentum=False)


def fista(dictionary: Tensor, y: Tensor, penalty: float, *, iterations: int = 1000) -> LassoResult:
    """ISTA with Nesterov's momentum (Beck & Teboulle 2009, section 4).

    Args:
        dictionary: A, ``(m, n)``.
        y: Measurements, ``(batch, m)``.
        penalty: Weight of ``|x|₁``.
        iterations: Steps.

    Raises:
        ValueError: If an argument is out of its range, or shapes do not fit.

    Example:
        >>> fista(torch.eye(2), torch.tensor([[3.0, 0.5]]), 1.0, iterations=5).codes
        tensor([[2., 0.]])
    """
    return _iterate(dictionary, y, penalty, iterations, momentum=True)


class FistaSteps:
    """FISTA one step at a time, for a batch.

    Args:
        dictionary: A, ``(m, n)``.
        y: Measurements, ``(batch, m)``.
        penalty: Weight of ``|x|₁``.
        momentum: False is ISTA.

    Raises:
        ValueError: If the penalty is negative, or ``y`` does not fit the dictionary.
    """

    def __init__(
        self, dictionary: Tensor, y: Tensor, penalty: float, *, momentum: bool = True
    ) -> None:
        number("penalty", penalty, 0.0)
        if y.ndim != 2 or y.shape[1] != dictionary.shape[0]:
            raise ValueError(
                f"y: expected the shape (batch, {dictionary.shape[0]}), received {list(y.shape)}"
            )
        scale = lipschitz(dictionary)
        # One product with n x n instead of two with m x n: m n > n n / 2 in sparse coding.
        self._gram = torch.eye(dictionary.shape[1], dtype=y.dtype) - (
            dictionary.T @ dictionary / scale
        )
        self._inputs = y @ dictionary / scale
        self._threshold = penalty / scale
        self._momentum = momentum
        self._time = 1.0
        self.x = torch.zeros_like(self._inputs)
        self._ahead = self.x

    def gradient_step(self, x: Tensor) -> Tensor:
        """One step of ISTA from anywhere."""
        return soft_threshold(x @ self._gram + self._inputs, self._threshold)

    def step(self) -> None:
        """Move ``x``."""
        x = self.gradient_step(self._ahead)
        if self._momentum:
            later = (1 + math.sqrt(1 + 4 * self._time**2)) / 2
            self._ahead = x + (self._time - 1) / later * (x - self.x)
            self._time = later
        else:
            self._ahead = x
        self.x = x


def _iterate(
    dictionary: Tensor, y: Tensor, penalty: float, iterations: int, momentum: bool
) -> LassoResult:
    integer("iterations", iterations, 1)
    steps = FistaSteps(dictionary, y, penalty, momentum=momentum)
    with torch.no_grad():
        for _ in range(iterations):
            steps.step()
        return LassoResult(steps.x, lasso_objective(dictionary, y, steps.x, penalty))
