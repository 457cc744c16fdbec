"""Optimization as a function that can be differentiated by the optimizer's weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call

from automl_zero._config_values import integer
from l2o.learned._network import LearnedOptimizerNetwork, State
from l2o.learned._problems import Problems
from l2o.learned._stretches import rerun_for_backward

Weights = dict[str, Tensor]
Step = tuple[Tensor, Tensor, State]


@dataclass(frozen=True, slots=True, eq=False)
class Unrolled:
    """What :func:`unroll` gives.

    Args:
        losses: ``[steps + 1, P]``: before the first step, after each.
        parameters: ``[P, N]``, after the last step.
        state: The network's, after the last step.
        gradient_norms: Squares of the gradients' norms before each step, ``[steps, P]``;
            differentiable if second derivatives were asked for.
    """

    losses: Tensor
    parameters: Tensor
    state: State
    gradient_norms: Tensor


def unroll(
    network: LearnedOptimizerNetwork,
    problems: Problems,
    steps: int,
    *,
    parameters: Tensor | None = None,
    state: State | None = None,
    first_step: int = 0,
    second_derivatives: bool = False,
    checkpoint_every: int | None = None,
) -> Unrolled:
    """Optimize problems with a network; losses, parameters and state are differentiable.

    The result depends on the network's weights, on ``parameters`` and on ``state``; under
    ``torch.no_grad`` it is just optimization.

    Args:
        network: The optimizer.
        problems: What to optimize.
        steps: How many steps.
        parameters: Where to begin, ``[P, N]``; None: at the problems' start.
        state: The network's state there; None: its initial one, of an optimization that ends
            with these steps.
        first_step: Which minibatch is the first.
        second_derivatives: Differentiate the problems' gradients as well. Without it they are
            taken as constants where they enter the network, as in Andrychowicz et al. 2016:
            cheaper, and usually no worse.
        checkpoint_every: Keep what the backward pass needs of this many steps only; the others
            are run again when their turn comes (Chen et al. 2016). The memory is that of
            ``checkpoint_every`` steps and one parameters and state for each such stretch, so
            about the root of ``steps`` needs the least. None keeps everything.

    Returns:
        Losses, parameters and state.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> from automl_zero.streams import Stream
        >>> from l2o.learned import CoordinatewiseLSTM, Quadratics
        >>> network, problems = CoordinatewiseLSTM(hidden=4), Quadratics(3).sample(5, Stream(1))
        >>> done = unroll(network, problems, 20, checkpoint_every=5)
        >>> done.losses.shape
        torch.Size([21, 5])
        >>> done.losses[1:].mean().backward()  # the meta-gradient
    """
    integer("steps", steps, 1)
    integer("first_step", first_step, 0)
    every = steps if checkpoint_every is None else integer("checkpoint_every", checkpoint_every, 1)
    parameters = problems.start if parameters is None else parameters
    if state is None:
        state = network.begin(parameters, problems.layout, first_step + steps)
    names = list(state)
    keep_all = checkpoint_every is None or not torch.is_grad_enabled()
    weights = {} if keep_all else dict(network.named_parameters())

    def step_once(step: int, parameters: Tensor, state: State, weights: Weights | None) -> Step:
        loss, gradients = loss_and_gradients(problems, parameters, step, second_derivatives)
        inputs = (gradients, parameters, state, problems.layout, loss)
        update, state = network(*inputs) if weights is None else functional_call(
            network, weights, inputs
        )  # fmt: skip
        seen = torch.stack([loss, gradients.square().sum(1)])
        return seen, parameters + update, state

    def stretch(first: int, count: int, *values: Tensor) -> tuple[Tensor, ...]:
        own = dict(zip(weights, values, strict=False))
        parameters, *rest = values[len(own) :]
        state, seen = dict(zip(names, rest, strict=True)), []
        for step in range(first, first + count):
            each, parameters, state = step_once(step, parameters, state, own)
            seen.append(each)
        return torch.stack(seen), parameters, *(state[name] for name in names)

    seen = []
    if keep_all:
        for step in range(first_step, first_step + steps):
            each, parameters, state = step_once(step, parameters, state, None)
            seen.append(each[None])
    else:
        for first in range(first_step, first_step + steps, every):
            count = min(every, first_step + steps - first)
            inputs = (*weights.values(), parameters, *(state[name] for name in names))
            each, parameters, *rest = rerun_for_backward(partial(stretch, first, count), *inputs)
            state = dict(zip(names, rest, strict=True))
            seen.append(each)
    losses, norms = torch.cat(seen).unbind(1)
    last, _ = loss_and_gradients(problems, parameters, first_step + steps, second_derivatives)
    return Unrolled(torch.cat([losses, last[None]]), parameters, state, norms)


def loss_and_gradients(
    problems: Problems, parameters: Tensor, step: int, second_derivatives: bool = False
) -> tuple[Tensor, Tensor]:
    """Losses ``[P]`` and their gradients ``[P, N]``.

    Args:
        problems: The problems.
        parameters: ``[P, N]``.
        step: Which minibatch.
        second_derivatives: The gradients can be differentiated too.
    """
    if second_derivatives and torch.is_grad_enabled():
        inputs = parameters if parameters.requires_grad else parameters.detach().requires_grad_()
        losses = problems.losses(inputs, step)
        (gradients,) = torch.autograd.grad(losses.sum(), inputs, create_graph=True)
        return losses, gradients
    inputs = parameters.detach().requires_grad_()
    with torch.enable_grad():
        losses = problems.losses(inputs, step)
        (gradients,) = torch.autograd.grad(losses.sum(), inputs)
    losses = losses.detach()
    if torch.is_grad_enabled() and parameters.requires_grad:
        # The losses' graph is not needed again: their gradients by the parameters are known.
        losses = losses + (gradients * (parameters - parameters.detach())).sum(1)
    return losses, gradients
