"""Functions that the written sources call; an export carries copies of those it needs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def with_element(x: Tensor, index: float, value: float) -> Tensor:
    """A copy of ``x`` whose element at ``floor(index * size)`` is ``value``."""
    flat = x.flatten().clone()
    flat[int(np.float32(flat.numel()) * np.float32(index))] = value
    return flat.view(x.shape)


def drawn(
    draw: Callable[..., Any],
    first: float,
    second: float,
    x: Tensor,
    shape: Sequence[int],
    seed: int,
    component: int,
    ordinal: int,
    step: float,
) -> Tensor:
    """Random numbers of a shape, on the device of ``x`` and of its dtype."""
    numbers = draw(first, second, tuple(shape), seed, component, ordinal, int(step))
    return torch.as_tensor(numbers).to(x)


def run_together(
    updates: Sequence[Generator[Sequence[Tensor], Tensor, Any]],
) -> list[Any]:
    """Run updates side by side; each norm that they yield comes back as the norm of all.

    Returns:
        What each of them returns.
    """
    replies: list[Tensor | None] = [None] * len(updates)
    while True:
        norms, results = [], []
        for update, reply in zip(updates, replies, strict=True):
            try:
                norms.append(next(update) if reply is None else update.send(reply))
            except StopIteration as stop:
                results.append(stop.value)
        if results or not updates:
            return results
        device = norms[0][0].device
        parts = [norm.to(device) for group in norms for norm in group]
        total = torch.linalg.vector_norm(torch.stack([part.double() for part in parts]))
        replies = [total] * len(updates)
