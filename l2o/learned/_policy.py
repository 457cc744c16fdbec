"""An optimizer as a policy: learning to optimize by reinforcement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor, nn

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key
from l2o.learned._layout import Layout
from l2o.learned._network import LearnedOptimizerNetwork, State

_SMALLEST: Final = 1e-12


class PolicyOptimizer(LearnedOptimizerNetwork):
    """Steps as actions of a policy (Li & Malik, ICLR 2017, "Learning to optimize").

    The policy sees the last ``history`` gradients of a coordinate, over the root mean square of
    the newest in its tensor, and the last changes of the loss, relative to it. Its action is the
    coordinate's step; the reward is the loss's fall. Li & Malik trained theirs by guided policy
    search on problems of few dimensions, with a policy of the whole vector; this one is of a
    coordinate, so that it fits any problem, and is trained by policy gradient:
    :func:`reinforce`.

    In ``forward`` it takes its mean action. :meth:`density` is what training needs.

    Args:
        hidden: Units of the one hidden layer; 50 as published.
        history: Steps that are remembered; 25 published, 10 here, where a state is kept for each
            coordinate.
        step_size: Of an action of 1, the scale of the untrained policy's steps.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = PolicyOptimizer(history=3), Layout([(10,)])
        >>> parameters = torch.ones(4, 10)
        >>> state = network.initial_state(parameters, layout)
        >>> update, state = network(2 * parameters, parameters, state, layout, torch.ones(4))
        >>> update.shape
        torch.Size([4, 10])
    """

    kind: ClassVar[str] = "policy"
    reads_loss: ClassVar[bool] = True

    def __init__(
        self, *, hidden: int = 50, history: int = 10, step_size: float = 0.03, seed: int = 0
    ) -> None:
        super().__init__()
        self.hidden = integer("hidden", hidden, 1)
        self.history = integer("history", history, 1)
        self.step_size = number("step_size", step_size, 1e-8)
        self.seed = integer("seed", seed, 0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, self.kind))
            self.body = nn.Linear(2 * history, hidden)
            self.head = nn.Linear(hidden, 1)
            self.log_deviation = nn.Parameter(torch.tensor(-1.0))
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def state_levels(self) -> Mapping[str, str]:
        """Gradients of every coordinate; losses of the problem."""
        return {"gradients": "coordinate", "losses": "problem", "step": "problem"}

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """An empty history."""
        count = len(parameters)
        return {
            "gradients": parameters.new_zeros(*parameters.shape, self.history),
            "losses": parameters.new_zeros(count, self.history),
            "step": parameters.new_zeros(count),
        }

    def forward(
        self,
        gradients: Tensor,
        parameters: Tensor,
        state: State,
        layout: Layout,
        loss: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """See the base class.

        Raises:
            ValueError: Without a loss.
        """
        action, following = self.mean_action(gradients, state, layout, loss)
        return self.step_size * action, following

    def mean_action(
        self, gradients: Tensor, state: State, layout: Layout, loss: Tensor | None
    ) -> tuple[Tensor, State]:
        """The most probable action ``[P, N]``, and the next state."""
        if loss is None:
            raise ValueError("loss: expected that of each problem, received none")
        past = torch.cat([gradients.unsqueeze(-1), state["gradients"][..., :-1]], -1)
        values = loss.detach()[:, None]
        losses = torch.cat([values, state["losses"][:, :-1]], -1)
        count = state["step"] + 1
        known = torch.arange(self.history, device=loss.device) < count[:, None]
        changes = ((losses - values) / (values.abs() + _SMALLEST)).clamp(-1.0, 1.0) * known
        size = layout.spread(layout.mean(gradients.square())).unsqueeze(-1)
        scaled = (past * (size + _SMALLEST).rsqrt()).clamp(-5.0, 5.0)
        shared = changes.unsqueeze(1).expand(-1, gradients.shape[1], -1)
        hidden = torch.tanh(self.body(torch.cat([scaled, shared], -1)))
        # A linear share of the newest gradient: an untrained policy goes downhill.
        action = self.head(hidden).squeeze(-1) - scaled[..., 0]
        return action, {"gradients": past, "losses": losses, "step": count}

    def density(self, mean: Tensor, action: Tensor) -> Tensor:
        """Logarithm of the probability density of actions ``[P, N]``, summed: ``[P]``."""
        deviation = self.log_deviation.exp()
        each = -0.5 * ((action - mean) / deviation).square() - self.log_deviation
        return (each - 0.5 * math.log(2 * math.pi)).sum(1)
