"""Functions that the written sources call; an export carries copies of those it needs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from automl_zero.export._numpy_runtime import mix64


def tensor_seed(seed: int, position: int) -> int:
    """Key of the draws of one tensor: its position among all tensors tells it from the others."""
    key = seed % 2**64
    for number in (int.from_bytes(b"tensor", "little"), position):
        key = mix64((key + 0x9E3779B97F4A7C15 * (number + 1)) % 2**64)
    return key


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
    with np.errstate(all="ignore"):
        numbers = draw(first, second, tuple(shape), seed, component, ordinal, int(step))
    return torch.as_tensor(numbers).to(x)


def run_together(updates: Sequence[Any]) -> list[Any]:
    """Run updates side by side; each norm that they yield comes back as the norm of all.

    Args:
        updates: Generators that yield the norms of their tensors; what is no generator has
            run already.

    Returns:
        What each of them returns.
    """
    replies: list[Tensor | None] = [None] * len(updates)
    while True:
        norms, results = [], []
        for update, reply in zip(updates, replies, strict=True):
            if not isinstance(update, Generator):
                results.append(update)
                continue
            try:
                norms.append(update.send(reply))
            except StopIteration as stop:
                results.append(stop.value)
        if not norms:
            return results
        device = norms[0][0].device
        parts = [norm.to(device, torch.float64) for group in norms for norm in group]
        total = torch.linalg.vector_norm(torch.stack(parts))
        replies = [total] * len(updates)
