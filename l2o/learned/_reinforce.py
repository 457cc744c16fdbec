"""The policy gradient of :class:`PolicyOptimizer`."""

from __future__ import annotations

import torch

from automl_zero.streams import Stream
from l2o.learned._policy import PolicyOptimizer
from l2o.learned._problems import Problems
from l2o.learned._unroll import loss_and_gradients

_SMALLEST = 1e-6


def reinforce(policy: PolicyOptimizer, problems: Problems, steps: int, stream: Stream) -> float:
    """Add the policy gradient of an episode to ``grad``; minus the mean return.

    REINFORCE (Williams 1992) with the reward ``log(loss before / loss after)`` of each step, the
    sum of later ones as an action's return, and two episodes on each problem, each of which is
    the other's baseline. It replaces the guided policy search of the paper, which fits a model
    of the dynamics to each problem.

    Args:
        policy: What is trained.
        problems: One or more.
        steps: Length of the episodes.
        stream: Where actions come from.

    Returns:
        The mean over problems of ``log(last loss / first loss)``, what falls in training.
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
        logs = (torch.stack(losses).abs().nan_to_num(posinf=1e30).clamp_max(1e30) + _SMALLEST).log()
        returns = (logs[:-1] - logs[-1]).view(steps, 2, count)
        advantages = returns - returns.flip(1)
        advantages = (advantages / (advantages.std() + _SMALLEST)).view(steps, -1)
    total = -(torch.stack(densities) * advantages).mean()
    total.backward()
    return float((logs[-1] - logs[0]).mean())
