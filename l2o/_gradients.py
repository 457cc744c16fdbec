"""What the optimizers of this package ask of gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def has_gradient(param: Tensor) -> bool:
    """Whether there is something to do for a parameter.

    Raises:
        ValueError: If its gradient is sparse.
    """
    if param.grad is None or param.numel() == 0:
        return False
    if param.grad.layout != torch.strided:
        raise ValueError(
            f"params: expected dense gradients, received one of layout {param.grad.layout} (for "
            "an embedding: sparse=False)"
        )
    return True
