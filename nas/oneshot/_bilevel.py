"""The gradient of the validation loss through one step of training: what DARTS descends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

Tensors = Sequence[torch.Tensor]
Loss = Callable[[Tensors, Tensors], torch.Tensor]
"""A loss as a function of weights and of architecture parameters."""


def unrolled_gradient(
    train_loss: Loss,
    valid_loss: Loss,
    weights: Tensors,
    architecture: Tensors,
    *,
    rate: float,
    momentum: float = 0.0,
    velocity: Tensors | None = None,
    weight_decay: float = 0.0,
    exact: bool = False,
    epsilon: float = 0.01,
) -> list[torch.Tensor]:
    """Gradient of ``valid_loss(w', a)`` in the architecture ``a``.

    ``w' = w - rate * (momentum * velocity + grad_w train_loss(w, a) + weight_decay * w)`` are the
    weights after one step, which depend on ``a`` too (Liu et al. 2019, equations 5 to 8). That
    part needs the mixed second derivative of the training loss times a vector. DARTS takes a
    finite difference of two first derivatives, at weights ``epsilon`` away along the vector;
    ``exact`` lets autograd differentiate twice, which takes more memory.

    Args:
        train_loss: Loss on training data.
        valid_loss: Loss on validation data.
        weights: Leaf tensors.
        architecture: Leaf tensors.
        rate: Learning rate of the step.
        momentum: Of the step.
        velocity: Momentum's sum of earlier gradients; None: there is none yet.
        weight_decay: Of the step.
        exact: Whether to differentiate twice instead.
        epsilon: Length of the finite difference in weight space; 0.01 as published.

    Returns:
        One gradient per architecture tensor.

    >>> w = torch.tensor(1.0, dtype=torch.double, requires_grad=True)
    >>> a = torch.tensor(3.0, dtype=torch.double, requires_grad=True)
    >>> fit = lambda w, a: (w[0] * a[0]) ** 2 / 2   # w' = w - 0.1 * w * a ** 2 = 0.1
    >>> score = lambda w, a: w[0] ** 2              # d/da = 2 w' * (-0.2 * w * a) = -0.12
    >>> for exact in (False, True):
    ...     gradient, = unrolled_gradient(fit, score, [w], [a], rate=0.1, exact=exact)
    ...     print(f"{gradient:.6f}")
    -0.120000
    -0.120000
    """
    loss = train_loss(weights, architecture)
    gradients = _gradients(loss, weights, create_graph=exact)
    moved = []
    for number, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
        change = gradient + weight_decay * weight
        if velocity is not None:
            change = change + momentum * velocity[number]
        moved.append(weight - rate * change)
    if exact:
        return _gradients(valid_loss(moved, architecture), architecture)
    leaves = [weight.detach().requires_grad_() for weight in moved]
    both = _gradients(valid_loss(leaves, architecture), [*architecture, *leaves])
    direct, vector = both[: len(architecture)], both[len(architecture) :]
    length = torch.stack([(part * part).sum() for part in vector]).sum().sqrt()
    if float(length) == 0.0:
        return direct
    small = epsilon / length
    sides = []
    for sign in (1.0, -1.0):
        shifted = [w.detach() + sign * small * v for w, v in zip(weights, vector, strict=True)]
        sides.append(_gradients(train_loss(shifted, architecture), architecture))
    return [
        part - rate * (plus - minus) / (2 * small)
        for part, plus, minus in zip(direct, *sides, strict=True)
    ]


def _gradients(
    loss: torch.Tensor, inputs: Tensors, create_graph: bool = False
) -> list[torch.Tensor]:
    """Zeros for an input that plays no part."""
    return list(
        torch.autograd.grad(
            loss, list(inputs), create_graph=create_graph, allow_unused=True, materialize_grads=True
        )
    )
