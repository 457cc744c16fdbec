"""Parts of a computation whose inner values are computed again for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Run = Callable[..., tuple[Tensor, ...]]


def rerun_for_backward(run: Run, *tensors: Tensor) -> tuple[Tensor, ...]:
    """``run(*tensors)``, of which only inputs and outputs are kept.

    ``torch.utils.checkpoint`` is the same for functions that do not differentiate themselves. A
    step of a learned optimizer does: of a stretch of 32 steps, every inner gradient made
    PyTorch 2.13 run the stretch again, 50 times the time.

    Args:
        run: A function without side effects that depends on nothing differentiable but its
            arguments.
        *tensors: Its arguments.

    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> (y,) = rerun_for_backward(lambda x: (x * x * x,), x)
    >>> y.backward()
    >>> x.grad
    tensor(12.)
    """
    outputs: tuple[Tensor, ...] = _Rerun.apply(run, *tensors)
    return outputs


class _Rerun(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: Run, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.save_for_backward(*tensors)
        # An output that is an input would lose its own gradient.
        return tuple(
            value.clone() if any(value is each for each in tensors) else value
            for value in run(*tensors)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        needed = ctx.needs_input_grad[1:]
        inputs = [
            value.detach().requires_grad_(need)
            for value, need in zip(ctx.saved_tensors, needed, strict=True)
        ]
        with torch.enable_grad():
            outputs = ctx.run(*inputs)
        pairs = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if output.requires_grad
        ]
        found = torch.autograd.grad(
            [output for output, _ in pairs],
            [value for value in inputs if value.requires_grad],
            [gradient for _, gradient in pairs],
            allow_unused=True,
        )
        rest = iter(found)
        return (None, *(next(rest) if need else None for need in needed))
