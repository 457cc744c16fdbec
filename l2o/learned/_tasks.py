"""Distributions of functions to minimise: quadratics and Rastrigin's function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from automl_zero._config_values import integer, number
from automl_zero.streams import Stream
from l2o.learned._layout import Layout
from l2o.learned._problems import Problems


class Quadratics:
    """``|W x - y|^2`` with standard normal ``W`` and ``y`` (Andrychowicz et al. 2016, 3.1).

    Args:
        dimension: Coordinates of ``x``, rows of ``W``; 10 as published.
        start_scale: Standard deviation of the starting points; 0.01 as in the authors' code.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> problems = Quadratics(10).sample(100, Stream(1))
        >>> problems.losses(problems.start).shape
        torch.Size([100])
    """

    def __init__(self, dimension: int = 10, start_scale: float = 0.01) -> None:
        self.dimension = integer("dimension", dimension, 1)
        self.start_scale = number("start_scale", start_scale, 0.0)

    def settings(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "kind": "quadratics",
            "dimension": self.dimension,
            "start_scale": self.start_scale,
        }

    def sample(self, count: int, stream: Stream) -> Problems:
        """``count`` problems, float32."""
        n = self.dimension
        data = {
            "matrix": normal(stream, count, n, n),
            "target": normal(stream, count, n),
        }
        start = self.start_scale * normal(stream, count, n)
        return Problems(Layout([(n,)]), start, _quadratic, data)


class Rastrigin:
    """``|A x - b|^2 - 10 c . cos(2 pi x) + 10 n``: many minima (Cao et al., NeurIPS 2019, 4).

    ``A``, ``b`` and ``c`` are standard normal, a function for each problem.

    Args:
        dimension: Coordinates ``n``; 10 as published.
        amplitude: Of the waves; 10 as published.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> problems = Rastrigin(2).sample(3, Stream(1))
        >>> problems.start.shape
        torch.Size([3, 2])
    """

    def __init__(self, dimension: int = 10, amplitude: float = 10.0) -> None:
        self.dimension = integer("dimension", dimension, 1)
        self.amplitude = number("amplitude", amplitude, 0.0)

    def settings(self) -> dict[str, Any]:
        """The arguments."""
        return {"kind": "rastrigin", "dimension": self.dimension, "amplitude": self.amplitude}

    def sample(self, count: int, stream: Stream) -> Problems:
        """``count`` problems, float32, that start at standard normal points."""
        n = self.dimension
        data = {
            "matrix": normal(stream, count, n, n),
            "target": normal(stream, count, n),
            "waves": normal(stream, count, n),
        }

        def loss(tensors: Sequence[Tensor], data: Mapping[str, Tensor]) -> Tensor:
            waves = data["waves"] @ torch.cos(2 * math.pi * tensors[0])
            return _quadratic(tensors, data) + self.amplitude * (n - waves)

        return Problems(Layout([(n,)]), normal(stream, count, n), loss, data)


def normal(stream: Stream, *shape: int) -> Tensor:
    """Standard normal numbers, float32."""
    return torch.from_numpy(stream.normal(shape)).float()


def _quadratic(tensors: Sequence[Tensor], data: Mapping[str, Tensor]) -> Tensor:
    return (data["matrix"] @ tensors[0] - data["target"]).square().sum()
