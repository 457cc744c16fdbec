"""Optimizers that nobody learned, on many problems at once: baselines, and teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor

from automl_zero._config_values import choice, number
from l2o.learned._layout import Layout
from l2o.learned._network import LearnedOptimizerNetwork, State

ANALYTIC: Final = ("sgd", "momentum", "rmsprop", "adam")
_EPSILON: Final = 1e-8


class AnalyticOptimizer(LearnedOptimizerNetwork):
    """Gradient descent, momentum, RMSprop or Adam, as PyTorch's optimizers compute them.

    It has no weights. As a network it can be unrolled on a batch of problems, which makes a
    grid of learning rates cheap, and be imitated.

    Args:
        method: ``"sgd"``, ``"momentum"`` (decay 0.9), ``"rmsprop"`` (0.99) or ``"adam"`` (0.9,
            0.999): PyTorch's defaults, with momentum 0.9 as usual.
        lr: The learning rate.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = AnalyticOptimizer("momentum", 0.1), Layout([(2,)])
        >>> parameters = torch.tensor([[1.0, -2.0]])
        >>> state = network.initial_state(parameters, layout)
        >>> network(2 * parameters, parameters, state, layout)[0]
        tensor([[-0.2000,  0.4000]])
    """

    kind: ClassVar[str] = "analytic"

    def __init__(self, method: str = "adam", lr: float = 0.001) -> None:
        super().__init__()
        self.method = choice("method", method, ANALYTIC)
        self.lr = number("lr", lr, 0.0)

    def state_levels(self) -> Mapping[str, str]:
        """Averages of every coordinate; Adam's steps of every tensor."""
        names = {"sgd": (), "momentum": ("mean",), "rmsprop": ("square",)}.get(
            self.method, ("mean", "square")
        )
        levels = dict.fromkeys(names, "coordinate")
        return levels | {"step": "tensor"} if self.method == "adam" else levels

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """Zeros."""
        steps = parameters.new_zeros(len(parameters), len(layout))
        return {
            name: torch.zeros_like(parameters) if level == "coordinate" else steps
            for name, level in self.state_levels().items()
        }

    def forward(
        self,
        gradients: Tensor,
        parameters: Tensor,
        state: State,
        layout: Layout,
        loss: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """See the base class."""
        if self.method == "sgd":
            return -self.lr * gradients, state
        if self.method == "momentum":
            mean = 0.9 * state["mean"] + gradients
            return -self.lr * mean, {"mean": mean}
        decay = 0.99 if self.method == "rmsprop" else 0.999
        square = decay * state["square"] + (1 - decay) * gradients.square()
        if self.method == "rmsprop":
            return -self.lr * gradients / (square.sqrt() + _EPSILON), {"square": square}
        mean = 0.9 * state["mean"] + 0.1 * gradients
        step = state["step"] + 1
        root = (square / layout.spread(1 - 0.999**step)).sqrt()
        update = -self.lr * mean / layout.spread(1 - 0.9**step) / (root + _EPSILON)
        return update, {"mean": mean, "square": square, "step": step}
