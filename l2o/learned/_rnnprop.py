"""RNNProp: an LSTM on what Adam sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key
from l2o.learned._coordinatewise_lstm import LSTMStack
from l2o.learned._layout import Layout
from l2o.learned._network import LearnedOptimizerNetwork, State


class RNNProp(LearnedOptimizerNetwork):
    """LSTM whose inputs and outputs do not depend on the gradients' scale (Lv et al., ICML 2017).

    Inputs of a coordinate are ``g / sqrt(v)`` and ``m / sqrt(v)``, with Adam's averages ``m``
    and ``v`` corrected for their start; the update is ``-output_scale * tanh(output)``. The
    random scaling of the paper, against scales that training never saw, is that of the tasks.

    Args:
        hidden: Units of a layer; 20 as published.
        layers: LSTM layers; 2 as published.
        beta1: Decay of ``m``; 0.95 as published.
        beta2: Decay of ``v``; 0.95 as published.
        output_scale: Largest change of a coordinate in a step; 0.1 as published.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = RNNProp(hidden=8), Layout([(10,)])
        >>> parameters = torch.ones(4, 10)
        >>> state = network.initial_state(parameters, layout)
        >>> update, state = network(2 * parameters, parameters, state, layout)
        >>> bool((update.abs() <= 0.1).all())
        True
    """

    kind: ClassVar[str] = "rnnprop"

    def __init__(
        self,
        *,
        hidden: int = 20,
        layers: int = 2,
        beta1: float = 0.95,
        beta2: float = 0.95,
        output_scale: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.hidden = integer("hidden", hidden, 1)
        self.layers = integer("layers", layers, 1)
        self.beta1 = number("beta1", beta1, 0.0, 0.9999)
        self.beta2 = number("beta2", beta2, 0.0, 0.9999)
        self.output_scale = number("output_scale", output_scale, 0.0)
        self.seed = integer("seed", seed, 0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, self.kind))
            self.features = nn.Linear(2, hidden)
            self.stack = LSTMStack(hidden, hidden, layers)
            self.head = nn.Linear(hidden, 1)

    def state_levels(self) -> Mapping[str, str]:
        """LSTM and averages of every coordinate; steps of every tensor."""
        own = (*self.stack.names(), "mean", "square")
        return dict.fromkeys(own, "coordinate") | {"step": "tensor"}

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """Zeros."""
        start = parameters.new_zeros(*parameters.shape, self.hidden)
        return {name: start.clone() for name in self.stack.names()} | {
            "mean": torch.zeros_like(parameters),
            "square": torch.zeros_like(parameters),
            "step": parameters.new_zeros(len(parameters), len(layout)),
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
        step = state["step"] + 1
        mean = self.beta1 * state["mean"] + (1 - self.beta1) * gradients
        square = self.beta2 * state["square"] + (1 - self.beta2) * gradients.square()
        corrected = layout.spread(1 - self.beta1**step)
        # 1e-16 under the root: Adam's 1e-8 outside it has an infinite derivative at 0.
        scale = (square / layout.spread(1 - self.beta2**step) + 1e-16).rsqrt()
        inputs = torch.stack([gradients * scale, mean / corrected * scale], -1)
        own = {name: state[name] for name in self.stack.names()}
        outputs, following = self.stack(nn.functional.elu(self.features(inputs)), own)
        update = -self.output_scale * self.head(outputs).squeeze(-1).tanh()
        return update, {**following, "mean": mean, "square": square, "step": step}
