"""The coordinatewise LSTM: learning to learn by gradient descent by gradient descent."""

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

# Coordinates that go through together when no gradient is wanted: what a layer computes on the way
# then stays in the cache.
_CHUNK: Final = 2_048


class LSTMStack(nn.Module):
    """Layers of LSTM cells on ``[..., features]``, without a loop over time.

    Args:
        features: Inputs of the first layer.
        hidden: Units of every layer.
        layers: How many.

    Example:
        >>> stack = LSTMStack(2, 20, 2)
        >>> state = {name: torch.zeros(7, 20) for name in stack.names()}
        >>> output, state = stack(torch.ones(7, 2), state)
        >>> output.shape
        torch.Size([7, 20])
    """

    def __init__(self, features: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.hidden = hidden
        sources = [features] + [hidden] * (layers - 1)
        # Inputs and hidden units in one matrix: one product instead of two and their sum.
        self.gates = nn.ModuleList(nn.Linear(each + hidden, 4 * hidden) for each in sources)

    def names(self) -> list[str]:
        """Names of the state's entries, each ``[..., hidden]``."""
        return [f"{kind}{layer}" for layer in range(len(self.gates)) for kind in ("hidden", "cell")]

    def forward(self, inputs: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        """Output of the last layer, and the next state."""
        if torch.is_grad_enabled() or inputs.shape[-2] <= _CHUNK:
            return self._step(inputs, state)
        pieces = [
            self._step(part, dict(zip(state, parts, strict=True)))
            for part, *parts in zip(
                inputs.split(_CHUNK, -2),
                *(value.split(_CHUNK, -2) for value in state.values()),
                strict=True,
            )
        ]
        outputs = torch.cat([output for output, _ in pieces], -2)
        return outputs, {
            name: torch.cat([piece[name] for _, piece in pieces], -2) for name in self.names()
        }

    def _step(self, inputs: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
        following: State = {}
        for layer, gates in enumerate(self.gates):
            values = gates(torch.cat([inputs, state[f"hidden{layer}"]], -1))
            squashed, candidate = values.split([3 * self.hidden, self.hidden], -1)
            entry, forget, output = squashed.sigmoid().chunk(3, -1)
            cell = forget * state[f"cell{layer}"] + entry * candidate.tanh()
            inputs = output * cell.tanh()
            following[f"hidden{layer}"], following[f"cell{layer}"] = inputs, cell
        return inputs, following


def log_gradient(gradients: Tensor, p: float) -> Tensor:
    """Logarithm and sign of gradients, ``[..., 2]``: Andrychowicz et al. 2016, appendix A.

    ``(log|g| / p, sign(g))`` where ``|g| >= exp(-p)``, else ``(-1, exp(p) g)``.

    >>> log_gradient(torch.tensor([1.0, -1e-9]), 10.0)
    tensor([[ 0.0000e+00,  1.0000e+00],
            [-1.0000e+00, -2.2026e-05]])
    """
    smallest = math.exp(-p)
    size = gradients.abs()
    # log of 1 where the other branch counts: its gradient must not be infinite times 0.
    large = size >= smallest
    logarithm = torch.where(large, size, torch.ones_like(size)).log() / p
    first = torch.where(large, logarithm, torch.full_like(size, -1.0))
    second = (gradients * math.exp(p)).clamp(-1.0, 1.0)
    return torch.stack([first, second], -1)


class CoordinatewiseLSTM(LearnedOptimizerNetwork):
    """One small LSTM for every coordinate (Andrychowicz et al., NIPS 2016).

    All coordinates share the weights; each has its own state.

    Args:
        hidden: Units of a layer; 20 as published.
        layers: LSTM layers; 2 as published.
        p: Of :func:`log_gradient`; 10 as published. None feeds the gradients as they are.
        output_scale: Factor of the output; 0.1 as in the authors' code, so that an untrained
            network makes small steps.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = CoordinatewiseLSTM(), Layout([(10,)])
        >>> parameters = torch.ones(4, 10)  # four problems
        >>> state = network.initial_state(parameters, layout)
        >>> update, state = network(2 * parameters, parameters, state, layout)
        >>> update.shape, state["hidden0"].shape
        (torch.Size([4, 10]), torch.Size([4, 10, 20]))
    """

    kind: ClassVar[str] = "coordinatewise_lstm"

    def __init__(
        self,
        *,
        hidden: int = 20,
        layers: int = 2,
        p: float | None = 10.0,
        output_scale: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.hidden = integer("hidden", hidden, 1)
        self.layers = integer("layers", layers, 1)
        self.p = None if p is None else number("p", p, 1.0)
        self.output_scale = number("output_scale", output_scale, 0.0)
        self.seed = integer("seed", seed, 0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, self.kind))
            self.stack = LSTMStack(1 if p is None else 2, hidden, layers)
            self.head = nn.Linear(hidden, 1)

    def state_levels(self) -> Mapping[str, str]:
        """Hidden units and cells of every layer, of every coordinate."""
        return dict.fromkeys(self.stack.names(), "coordinate")

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """Zeros."""
        start = parameters.new_zeros(*parameters.shape, self.hidden)
        return {name: start.clone() for name in self.stack.names()}

    def forward(
        self,
        gradients: Tensor,
        parameters: Tensor,
        state: State,
        layout: Layout,
        loss: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """See the base class."""
        p = self.p
        inputs = gradients.unsqueeze(-1) if p is None else log_gradient(gradients, p)
        outputs, following = self.stack(inputs, state)
        return self.output_scale * self.head(outputs).squeeze(-1), following
