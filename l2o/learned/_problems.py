"""Batches of optimization problems, run together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import vmap

from automl_zero.streams import Stream
from l2o.learned._layout import Layout

Loss = Callable[[Sequence[Tensor], Mapping[str, Tensor]], Tensor]
Draw = Callable[[int], Mapping[str, Tensor]]


class Problems:
    """``P`` problems of one shape, whose losses are computed together by ``torch.func.vmap``.

    Args:
        layout: Of the parameters of one problem.
        start: Where optimization begins, ``[P, N]``.
        loss: Loss of one problem, a scalar: takes its tensors and its data.
        data: What differs between problems, ``[P, ...]`` each.
        draw: Gives more data for a step, ``[P, ...]`` each: a minibatch. It must depend on the
            step alone. None where the loss is the same at every step.
        final: Loss of one problem at the end of optimization, as ``loss``; None takes ``loss``.
        final_data: Data of ``final`` beside ``data``, shared by all problems.

    Example:
        >>> target = torch.tensor([[1.0, 2.0], [0.0, 3.0]])  # two problems
        >>> problems = Problems(
        ...     Layout([(2,)]), torch.zeros(2, 2),
        ...     lambda tensors, data: (tensors[0] - data["target"]).square().sum(),
        ...     {"target": target},
        ... )
        >>> problems.losses(problems.start, step=0)
        tensor([5., 9.])
    """

    def __init__(
        self,
        layout: Layout,
        start: Tensor,
        loss: Loss,
        data: Mapping[str, Tensor],
        draw: Draw | None = None,
        final: Loss | None = None,
        final_data: Mapping[str, Tensor] | None = None,
    ) -> None:
        if start.ndim != 2 or start.shape[1] != layout.total or not len(start):
            raise ValueError(
                f"start: expected shape [problems, {layout.total}], received {list(start.shape)}"
            )
        for name, value in data.items():
            if not value.ndim or len(value) != len(start):
                raise ValueError(
                    f"data.{name}: expected {len(start)} problems, received {list(value.shape)}"
                )
        self.layout = layout
        self.start = start
        self._loss = loss
        self._data = dict(data)
        self._draw = draw
        self._final = final
        self._final_data = dict(final_data or {})
        self._rows: Tensor | None = None  # which drawn row is each problem's

    def __len__(self) -> int:
        return len(self.start)

    @property
    def data(self) -> Mapping[str, Tensor]:
        """What differs between problems, ``[P, ...]`` each; minibatches are not among it."""
        return MappingProxyType(self._data)

    def select(self, rows: Sequence[int]) -> Problems:
        """Some of the problems, repeated where an index is: copies see the same minibatches."""
        index = torch.as_tensor(rows)
        chosen = Problems(
            self.layout,
            self.start[index],
            self._loss,
            {name: value[index] for name, value in self._data.items()},
            self._draw,
            self._final,
            self._final_data,
        )
        chosen._rows = index if self._rows is None else self._rows[index]
        return chosen

    def starting_at(self, start: Tensor) -> Problems:
        """The same problems from other parameters.

        Args:
            start: ``[P, N]``.

        Raises:
            ValueError: If its shape is another.
        """
        if start.shape != self.start.shape:
            raise ValueError(
                f"start: expected shape {list(self.start.shape)}, received {list(start.shape)}"
            )
        moved = copy(self)
        moved.start = start
        return moved

    def losses(self, parameters: Tensor, step: int = 0) -> Tensor:
        """Loss of each problem, ``[P]``, differentiable.

        Args:
            parameters: ``[P, N]``.
            step: Which minibatch, counted from 0.
        """
        data = self._data
        if self._draw is not None:
            drawn = self._draw(step)
            if self._rows is not None:
                drawn = {name: value[self._rows] for name, value in drawn.items()}
            data = {**data, **drawn}

        def one(flat: Tensor, own: Mapping[str, Tensor]) -> Tensor:
            return self._loss(self._tensors(flat), own)

        result: Tensor = vmap(one)(parameters, data)
        return result

    def final_losses(self, parameters: Tensor) -> Tensor:
        """What counts in the end, ``[P]``: losses on data that no minibatch decides."""
        if self._final is None:
            return self.losses(parameters)
        final, shared = self._final, self._final_data
        # One after another: the data is large.
        return torch.stack(
            [
                final(
                    self._tensors(flat),
                    shared | {name: value[row] for name, value in self._data.items()},
                )
                for row, flat in enumerate(parameters)
            ]
        )

    def _tensors(self, flat: Tensor) -> list[Tensor]:
        parts = flat.split(self.layout.sizes)
        return [part.reshape(shape) for part, shape in zip(parts, self.layout.shapes, strict=True)]


class ProblemSource(Protocol):
    """A distribution of problems."""

    def sample(self, count: int, stream: Stream) -> Problems:
        """``count`` problems; the same stream, the same problems and minibatches."""

    def settings(self) -> dict[str, Any]:
        """Plain data that tells one distribution from another."""


class Mixture:
    """One of several distributions, drawn anew for each batch of problems.

    Args:
        sources: The distributions, all as probable.

    Raises:
        ValueError: If there is none.

    Example:
        >>> from l2o.learned import Quadratics, Rastrigin
        >>> Mixture([Quadratics(3), Rastrigin(3)]).sample(2, Stream(1)).start.shape
        torch.Size([2, 3])
    """

    def __init__(self, sources: Sequence[ProblemSource]) -> None:
        self.sources = tuple(sources)
        if not self.sources:
            raise ValueError("sources: expected at least one, received none")

    def settings(self) -> dict[str, Any]:
        """Those of the distributions."""
        return {"kind": "mixture", "sources": [source.settings() for source in self.sources]}

    def sample(self, count: int, stream: Stream) -> Problems:
        """``count`` problems of one of them."""
        return self.sources[stream.below(len(self.sources))].sample(count, stream)
