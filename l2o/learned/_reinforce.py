"""The policy gradient of :class:`PolicyOptimizer`."""

from __future__ import annotations

import torch

from automl_zero.streams import Stream
from l2o.learned._policy import PolicyOptimizer
from l2o.learned._problems import Problems
from l2o.learned._unroll import loss_and_gradients

_SMALLEST = 1e-6
_WORST = 10.0


def reinforce(policy: PolicyOptimizer, problems: Problems, steps: int, stream: Stream) -> float:
    """Add the policy gradient of an episode to ``grad``; the mean of last losses.

    REINFORCE (Williams 1992): the reward of a step is how far the loss falls, an action's return
    the sum of later rewards, and two episodes on each problem are each other's baseline. It
    replaces the guided policy search of the paper, which fits a model of the dynamics to each
    problem. Losses count relative to where they began, at most 10.

    Args:
        policy: What is trained.
        problems: One or more.
        steps: Length of the episodes.
        stream: Where actions come from.

    Returns:
        The mean over problems of the last loss, relative to the first one's size.
    """
    count = len(problems)
    twins = problems.select([*range(count), *range(count)])
    parameters = twins.start
    state = policy.initial_state(parameters, twins.layout)
    densities, losses = [], []
    for step in range(steps):
        with torch.no_grad():
            loss, gradients = loss_and_gradients(twins, parameters, step)
        losses.append(loss)
        mean, state = policy.mean_action(gradients, state, twins.layout, loss)
        noise = torch.from_numpy(stream.normal(tuple(mean.shape))).to(mean)
        action = (mean + policy.log_deviation.exp() * noise).detach()
        densities.append(policy.density(mean, action))
        parameters = parameters + policy.step_size * action
    with torch.no_grad():
        losses.append(twins.losses(parameters, steps))
        scale = losses[0].abs() + _SMALLEST
        relative = (torch.stack(losses) / scale).nan_to_num(nan=_WORST).clamp(-_WORST, _WORST)
        returns = (relative[:-1] - relative[-1]).view(steps, 2, count)
        advantages = returns - returns.flip(1)
        advantages = (advantages / (advantages.std() + _SMALLEST)).view(steps, -1)
    total = -(torch.stack(densities) * advantages).mean()
    total.backward()
    return float(relative[-1].mean())
