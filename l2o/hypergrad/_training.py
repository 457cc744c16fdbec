"""Training as a differentiable function of its hyperparameters, without a stored trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from l2o.hypergrad._fixed_point import as_fraction
from l2o.hypergrad._reversible_sgd import ReversibleSGD

Tensors: TypeAlias = dict[str, torch.Tensor]
TrainingLoss: TypeAlias = Callable[[Tensors, Tensors, int], torch.Tensor]


def reversible_sgd(
    loss: TrainingLoss,
    initial: Mapping[str, torch.Tensor],
    learning_rates: torch.Tensor,
    momentum: torch.Tensor | float = 0.9,
    hyper: Mapping[str, torch.Tensor] | None = None,
) -> Tensors:
    """Train with SGD and momentum; the weights at the end are differentiable.

    ``backward`` of anything computed from them gives the gradients by the initial weights,
    every step's learning rate and momentum, and the hyperparameters of the loss: training is
    run backwards from its end (Maclaurin, Duvenaud & Adams, ICML 2015, algorithm 2). Memory
    grows with the steps only by the bits that :class:`~l2o.hypergrad.ReversibleSGD` keeps. To
    learn an initial scale, make ``initial`` from it: ``{"w": scale * noise}``.

    A step is ``v = gamma v - (1 - gamma) g``, then ``w = w + alpha v``, in fixed point. The loss
    gets weights in the types of ``initial``: float64 makes hypergradients exact to rounding,
    float32 is faster.

    Args:
        loss: ``loss(weights, hyper, step)``, the training loss of a step, a scalar. It must
            give the same bits each time: minibatches by the step's number, no dropout.
        initial: Weights by name, on the CPU. Each name is a group with rates of its own.
        learning_rates: ``[steps]`` or ``[steps, groups]``, groups in the order of ``initial``.
        momentum: A number, ``[steps]`` or ``[steps, groups]``, in (0, 1); each is taken as the
            nearest fraction with a denominator up to 1,000.
        hyper: What else the loss depends on, by name: weight decays, augmentations, data.

    Returns:
        The weights after the last step, by name, in the types of ``initial``.

    Raises:
        ValueError: If an argument is wrong.
        TrainingDivergedError: If a number leaves the range of +-65,536.
        RuntimeError: From ``backward``, if the loss gave other gradients the second time.

    Example:
        >>> rates = torch.full((20,), 0.01, requires_grad=True)
        >>> start = {"w": torch.tensor([3.0])}
        >>> end = reversible_sgd(lambda weights, hyper, step: weights["w"].square().sum(),
        ...                      start, rates)
        >>> end["w"].square().sum().backward()
        >>> bool((rates.grad < 0).all())  # too slow: every step should be larger
        True
    """
    names, starts = _tensors("initial", initial)
    hyper_names, hypers = _tensors("hyper", hyper or {})
    if not names:
        raise ValueError("initial: expected weights, received none")
    for name, start in zip(names, starts, strict=True):
        if start.device.type != "cpu":
            raise ValueError(f"initial.{name}: expected a tensor on the CPU, on {start.device}")
    if not callable(loss):
        raise ValueError(f"loss: expected a function, received {loss!r}")
    if not isinstance(learning_rates, torch.Tensor) or not learning_rates.is_floating_point():
        raise ValueError("learning_rates: expected a floating-point tensor [steps] or with groups")
    steps = len(learning_rates) if learning_rates.ndim else 0
    if steps == 0:
        raise ValueError("learning_rates: expected at least one step, received none")
    rates = _schedule("learning_rates", learning_rates, steps, len(names))
    given = torch.as_tensor(momentum, dtype=torch.float64)
    momenta = _schedule("momentum", given, steps, len(names))
    if not bool(((momenta > 0) & (momenta < 1)).all()):
        raise ValueError("momentum: expected numbers above 0 and below 1, received others")

    types = [each.dtype for each in starts]

    def named_loss(weights: list[torch.Tensor], others: list[torch.Tensor], step: int) -> Any:
        cast = (each.to(own) for each, own in zip(weights, types, strict=True))
        value = loss(
            dict(zip(names, cast, strict=True)), dict(zip(hyper_names, others, strict=True)), step
        )
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise ValueError("loss: expected a function to a scalar tensor, received another")
        return value

    ends: tuple[torch.Tensor, ...] = _Training.apply(
        named_loss, len(names), rates, momenta, *(each.double() for each in starts), *hypers
    )
    return {name: end.to(start.dtype) for name, end, start in zip(names, ends, starts, strict=True)}


class _Training(torch.autograd.Function):
    """Forward: train. Backward: train in reverse, and collect gradients on the way."""

    @staticmethod
    def forward(ctx: Any, loss: Any, count: int, rates: Any, momenta: Any, *rest: Any) -> Any:
        starts, hypers = rest[:count], rest[count:]
        sgd = ReversibleSGD([start.detach().numpy() for start in starts])
        begun = sgd.state()
        needed = ctx.needs_input_grad[-len(hypers) :] if hypers else ()
        for step in range(len(rates)):
            _, _, gradients = _gradients(loss, sgd, hypers, needed, step)
            arrays = [gradient.detach().numpy() for gradient in gradients]
            sgd.step(arrays, rates[step].tolist(), momenta[step].tolist())
        ctx.loss, ctx.sgd, ctx.begun = loss, sgd, begun
        ctx.save_for_backward(rates, momenta, *hypers)
        return tuple(_aligned(each) for each in sgd.weights())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *end_gradients: torch.Tensor) -> Any:
        rates, momenta, *hypers = ctx.saved_tensors
        sgd = ctx.sgd.copy()  # backward may be called again
        d_weights = [each.clone() for each in end_gradients]
        d_velocities = [torch.zeros_like(each) for each in d_weights]
        d_rates, d_momenta = torch.zeros_like(rates), torch.zeros_like(momenta)
        needed = ctx.needs_input_grad[-len(hypers) :] if hypers else ()
        d_hypers = [torch.zeros_like(each) for each in hypers]
        for step in reversed(range(len(rates))):
            alphas = rates[step].tolist()
            # The momenta that training really had.
            gammas = [float(as_fraction(each)) for each in momenta[step].tolist()]
            for group, velocity in enumerate(sgd.velocities()):
                d_rates[step, group] = (d_weights[group] * torch.from_numpy(velocity)).sum()
                d_velocities[group] += alphas[group] * d_weights[group]
            sgd.undo_weights(alphas)
            weights, others, gradients = _gradients(ctx.loss, sgd, hypers, needed, step)
            arrays = [gradient.detach().numpy() for gradient in gradients]
            sgd.undo_velocity(arrays, momenta[step].tolist())
            pull = torch.zeros((), dtype=torch.float64)
            for group, velocity in enumerate(sgd.velocities()):
                moved = torch.from_numpy(velocity) + gradients[group].detach()
                d_momenta[step, group] = (d_velocities[group] * moved).sum()
                weighted = (1 - gammas[group]) * d_velocities[group]
                with torch.enable_grad():
                    pull = pull + (weighted * gradients[group]).sum()
            leaves = [*weights, *(each for each in others if each.requires_grad)]
            if pull.requires_grad:
                second = torch.autograd.grad(pull, leaves, materialize_grads=True)
            else:  # a loss that is linear in the weights
                second = tuple(torch.zeros_like(each) for each in leaves)
            for group, gamma in enumerate(gammas):
                d_weights[group] -= second[group]
                d_velocities[group] *= gamma
            rest = iter(second[len(gammas) :])
            for own, leaf in zip(d_hypers, others, strict=True):
                if leaf.requires_grad:
                    own -= next(rest)
        if any(not np.array_equal(a, b) for a, b in zip(sgd.state(), ctx.begun, strict=True)):
            raise RuntimeError(
                "loss: expected the same gradients in both directions, received others; it must "
                "not draw random numbers, keep state or depend on the number of threads"
            )
        known = (own if need else None for own, need in zip(d_hypers, needed, strict=True))
        return (None, None, d_rates, d_momenta, *d_weights, *known)


def _gradients(
    loss: Any, sgd: ReversibleSGD, hypers: Any, needed: tuple[bool, ...], step: int
) -> tuple[list[torch.Tensor], list[torch.Tensor], tuple[torch.Tensor, ...]]:
    """Weights and hyperparameters as leaves; the loss's gradients by the weights, with graph.

    Both directions come through here, so that both run the same kernels on the same bits.
    """
    weights = [_aligned(each).requires_grad_() for each in sgd.weights()]
    others = [each.detach().requires_grad_(need) for each, need in zip(hypers, needed, strict=True)]
    with torch.enable_grad():
        value = loss(weights, others, step)
        gradients = torch.autograd.grad(value, weights, create_graph=True, materialize_grads=True)
    return weights, others, gradients


def _aligned(array: NDArray[np.float64]) -> torch.Tensor:
    """A tensor in PyTorch's own memory: the bits of a product may depend on its alignment."""
    return torch.from_numpy(array).clone(memory_format=torch.contiguous_format)


def _tensors(
    argument: str, given: Mapping[str, torch.Tensor]
) -> tuple[list[str], list[torch.Tensor]]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{argument}: expected tensors by name, received {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{argument}.{name}: expected a tensor, received {value!r}")
        if argument != "hyper" and not value.is_floating_point():
            raise ValueError(f"{argument}.{name}: expected floating point, received {value.dtype}")
    return list(given), list(given.values())


def _schedule(name: str, values: torch.Tensor, steps: int, groups: int) -> torch.Tensor:
    """``[steps, groups]`` in float64, from fewer axes by repetition."""
    allowed = ((steps,), (steps, groups)) if name == "learning_rates" else (
        (), (steps,), (steps, groups),
    )  # fmt: skip
    if tuple(values.shape) not in allowed:
        raise ValueError(
            f"{name}: expected shape [{steps}] or [{steps}, {groups}], received "
            f"{list(values.shape)}"
        )
    values = values.double()
    if not bool(values.isfinite().all()):
        raise ValueError(f"{name}: expected finite numbers, received others")
    if values.ndim == 1:
        values = values[:, None]
    return values.expand(steps, groups)
