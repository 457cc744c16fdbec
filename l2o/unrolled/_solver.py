"""What all unrolled solvers are: a start, and layers that each improve the codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from automl_zero._config_values import integer, number

State = tuple[Tensor, ...]


def soft_threshold(values: Tensor, threshold: Tensor | float) -> Tensor:
    """Shrink values towards zero: ``sign(v) max(|v| - t, 0)``."""
    return values.sign() * (values.abs() - threshold).clamp_min(0)


def select_support(values: Tensor, threshold: Tensor | float, share: float) -> Tensor:
    """Soft thresholding that leaves the largest entries as they are (Chen et al. 2018, eq. 15).

    Args:
        values: ``(batch, n)``.
        threshold: Of the others.
        share: Part of the n entries that pass, if they are above the threshold.
    """
    count = round(share * values.shape[1])
    shrunk = soft_threshold(values, threshold)
    if count == 0:
        return shrunk
    sizes = values.detach().abs()
    least = sizes.topk(count, dim=1).values[:, -1:]
    return torch.where((sizes >= least) & (sizes > threshold), values, shrunk)


class UnrolledSolver(nn.Module):
    """Base class: ``forward`` runs the layers, training goes through them one by one.

    A parameter of every layer stands in an ``nn.ParameterList``, one that layers share is a plain
    parameter. Subclasses give ``layer``, and ``begin`` if they carry more than the codes.

    Args:
        dictionary: A, ``(m, n)``.
        layers: How many.

    Raises:
        ValueError: If the dictionary is no finite matrix, or an argument is out of its range.
    """

    dictionary: Tensor

    def __init__(self, dictionary: Tensor, layers: int = 16) -> None:
        super().__init__()
        if not isinstance(dictionary, Tensor) or dictionary.ndim != 2:
            raise ValueError(f"dictionary: expected a matrix (m, n), received {_told(dictionary)}")
        if not dictionary.is_floating_point() or not bool(dictionary.isfinite().all()):
            raise ValueError("dictionary: expected finite floating-point numbers")
        self.layers = integer("layers", layers, 1)
        self.register_buffer("dictionary", dictionary.detach().clone())

    def forward(self, y: Tensor, layers: int | None = None) -> Tensor:
        """Codes after each layer.

        Args:
            y: Measurements, ``(batch, m)``.
            layers: Run only the first ones; None runs all.

        Returns:
            ``(layers, batch, n)``; the last is the answer.
        """
        count = self.layers if layers is None else integer("layers", layers, 1, self.layers)
        if y.ndim != 2 or y.shape[1] != self.dictionary.shape[0]:
            raise ValueError(
                f"y: expected the shape (batch, {self.dictionary.shape[0]}), "
                f"received {list(y.shape)}"
            )
        state = self.begin(y)
        codes = []
        for index in range(count):
            state = self.layer(index, state, y)
            codes.append(state[0])
        return torch.stack(codes)

    def begin(self, y: Tensor) -> State:
        """The state before the first layer: codes of zero."""
        return (y.new_zeros(len(y), self.dictionary.shape[1]),)

    def layer(self, index: int, state: State, y: Tensor) -> State:
        """One layer: the new state, codes first."""
        raise NotImplementedError

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """``y - A x``, ``(batch, m)``."""
        return torch.addmm(y, x, self.dictionary.T, alpha=-1)

    def layer_parameters(self, index: int) -> list[nn.Parameter]:
        """What a layer has for itself."""
        lists = (part for part in self.children() if isinstance(part, nn.ParameterList))
        return [part[index] for part in lists if len(part) > index]

    def shared_parameters(self) -> list[nn.Parameter]:
        """What the layers share."""
        return list(self.parameters(recurse=False))

    def start_layer(self, index: int) -> None:
        """Give a layer the parameters of the layer before it, to train it from there."""
        if index > 0:
            pairs = zip(self.layer_parameters(index), self.layer_parameters(index - 1), strict=True)
            with torch.no_grad():
                for own, before in pairs:
                    own.copy_(before)

    def settings(self) -> dict[str, Any]:
        """Arguments of the class besides the dictionary, as plain data."""
        return {"layers": self.layers}


class SupportSchedule:
    """Share of entries that support selection lets pass: ``step`` more each layer, up to ``most``.

    Chen et al. 2018 use 1.2 % a layer and at most 13 % (for 10 % of codes that are not zero).
    """

    def __init__(self, step: float = 0.012, most: float = 0.13) -> None:
        self.step = number("support_step", step, 0.0, 1.0)
        self.most = number("support_most", most, 0.0, 1.0)

    def __call__(self, index: int) -> float:
        return min(self.step * (index + 1), self.most)


def per_layer(value: Tensor | float, layers: int, like: Tensor) -> nn.ParameterList:
    """A parameter of each layer, all with one start."""
    start = torch.as_tensor(value, dtype=like.dtype)
    return nn.ParameterList([nn.Parameter(start.clone()) for _ in range(layers)])


def lipschitz(dictionary: Tensor) -> float:
    """Largest eigenvalue of AᵀA: gradient steps of 1 over it decrease the error."""
    return float(torch.linalg.matrix_norm(dictionary.double(), 2) ** 2)


def _told(value: Any) -> str:
    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
