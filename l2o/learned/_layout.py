"""Which coordinates of a flat vector belong to which tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Layout:
    """Tensors laid side by side in one vector, for any number of problems at once.

    Learned optimizers see the parameters of ``P`` problems as one tensor ``[P, N]``; a layout
    knows which of the ``N`` coordinates make up which of the ``T`` tensors.

    Args:
        shapes: Shape of each tensor, without the axis of problems.

    Raises:
        ValueError: If there is no tensor, or an empty one.

    Example:
        >>> layout = Layout([(2, 3), (3,)])
        >>> layout.total, len(layout)
        (9, 2)
        >>> flat = layout.flatten([torch.ones(2, 3), torch.zeros(3)])
        >>> flat.shape
        torch.Size([1, 9])
        >>> layout.mean(flat)
        tensor([[1., 0.]])
        >>> [part.shape for part in layout.unflatten(flat)]
        [torch.Size([1, 2, 3]), torch.Size([1, 3])]
    """

    def __init__(self, shapes: Iterable[Sequence[int]]) -> None:
        self.shapes = tuple(torch.Size(shape) for shape in shapes)
        self.sizes = tuple(shape.numel() for shape in self.shapes)
        if not self.sizes or 0 in self.sizes:
            raise ValueError(
                "shapes: expected tensors that are not empty, received "
                f"{[list(shape) for shape in self.shapes]}"
            )
        self.total = sum(self.sizes)

    @classmethod
    def of(cls, tensors: Iterable[Tensor]) -> Layout:
        """The layout of the tensors of one problem."""
        return cls(tensor.shape for tensor in tensors)

    def __len__(self) -> int:
        return len(self.sizes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and other.shapes == self.shapes

    def __hash__(self) -> int:
        return hash(self.shapes)

    def __repr__(self) -> str:
        return f"Layout({[tuple(shape) for shape in self.shapes]})"

    def flatten(self, tensors: Sequence[Tensor]) -> Tensor:
        """``[P, N]`` of tensors ``[P, *shape]``, or ``[1, N]`` of tensors ``[*shape]``.

        Raises:
            ValueError: If number or shapes are not those of the layout.
        """
        if len(tensors) != len(self):
            raise ValueError(f"tensors: expected {len(self)}, received {len(tensors)}")
        rows = []
        for index, (tensor, shape) in enumerate(zip(tensors, self.shapes, strict=True)):
            if tensor.shape == shape:
                rows.append(tensor.reshape(1, -1))
            elif tensor.shape[1:] == shape:
                rows.append(tensor.reshape(len(tensor), -1))
            else:
                raise ValueError(
                    f"tensors[{index}]: expected shape {list(shape)}, with an axis of problems in "
                    f"front or without, received {list(tensor.shape)}"
                )
        return rows[0] if len(rows) == 1 else torch.cat(rows, 1)

    def unflatten(self, flat: Tensor) -> list[Tensor]:
        """Views ``[P, *shape]`` of each tensor's part of ``[P, N]``."""
        parts = flat.split(self.sizes, 1)
        return [
            part.reshape(len(flat), *shape) for part, shape in zip(parts, self.shapes, strict=True)
        ]

    def mean(self, values: Tensor) -> Tensor:
        """Mean over each tensor's coordinates: ``[P, N, ...]`` to ``[P, T, ...]``."""
        if len(self) == 1:
            return values.mean(1, keepdim=True)
        return torch.stack([part.mean(1) for part in values.split(self.sizes, 1)], 1)

    def spread(self, values: Tensor) -> Tensor:
        """Each tensor's value at all its coordinates: ``[P, T, ...]`` to ``[P, N, ...]``."""
        parts = [
            values[:, index : index + 1].expand(-1, size, *values.shape[2:])
            for index, size in enumerate(self.sizes)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def select(self, tensors: Sequence[int]) -> tuple[Layout, Tensor]:
        """The layout of some of the tensors, and the indices ``[n]`` of their coordinates.

        Args:
            tensors: Indices of the tensors, in the order wanted.
        """
        starts = [0]
        for size in self.sizes:
            starts.append(starts[-1] + size)
        chosen = Layout(self.shapes[index] for index in tensors)
        return chosen, torch.cat([torch.arange(starts[i], starts[i + 1]) for i in tensors])
