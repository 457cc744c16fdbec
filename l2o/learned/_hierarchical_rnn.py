"""Recurrent networks of coordinates, tensors and the problem."""

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

TIME_SCALES: Final = 4
INPUTS: Final = 3 * TIME_SCALES
_SMALLEST: Final = 1e-16
_LOG_RATES: Final = (math.log(1e-8), 0.0)


class BiasedGRU(nn.Module):
    """A GRU cell to whose gates another level's state adds a bias.

    Args:
        inputs: Features of the input.
        hidden: Units.
        above: Units of the level above; 0 if there is none.

    Example:
        >>> cell = BiasedGRU(3, 10, above=20)
        >>> cell(torch.ones(7, 3), torch.zeros(7, 10), cell.biases(torch.ones(1, 20))).shape
        torch.Size([7, 10])
    """

    def __init__(self, inputs: int, hidden: int, above: int = 0) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs, 3 * hidden)
        self.recurrent = nn.Linear(hidden, 3 * hidden)
        self.above = nn.Linear(above, 3 * hidden, bias=False) if above else None

    def biases(self, above: Tensor) -> Tensor:
        """Biases ``[..., 3 hidden]`` of a state of the level above."""
        if self.above is None:
            raise ValueError("above: expected no level above this one, received its state")
        result: Tensor = self.above(above)
        return result

    def forward(self, inputs: Tensor, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """The next hidden state."""
        from_inputs = self.gates(inputs)
        if bias is not None:
            from_inputs = from_inputs + bias
        reset, update, candidate = from_inputs.chunk(3, -1)
        own_reset, own_update, own_candidate = self.recurrent(hidden).chunk(3, -1)
        keep = (update + own_update).sigmoid()
        new = (candidate + (reset + own_reset).sigmoid() * own_candidate).tanh()
        return keep * hidden + (1 - keep) * new


def _clipped(log_rate: Tensor) -> Tensor:
    """Within bounds, but with the gradient of a number that is not clipped: it can come back."""
    finite = torch.where(log_rate.isfinite(), log_rate, 0.0)
    return log_rate.clamp(*_LOG_RATES).detach() + (finite - finite.detach())


class HierarchicalRNN(LearnedOptimizerNetwork):
    """The optimizer of "Learned optimizers that scale and generalize" (Wichrowska et al. 2017).

    A small GRU for every coordinate, one for every tensor, one for the problem; higher levels
    enter as biases of gates, lower ones as means. Inputs of a coordinate are its gradient
    averaged over four time scales, each twice the last one, over the root of its mean square;
    products of neighbouring scales; logarithms of the mean squares relative to their mean; and
    of the learning rate relative to the tensor's. The update is a direction of unit root mean
    square in each tensor, times the exponential of a learning rate of the coordinate's own,
    which moves with momentum. Decays come from the coordinate's state.

    Left out is the attended gradient (the paper's look-ahead), which needs the gradient at a
    point other than the parameters.

    Args:
        coordinate: Units of a coordinate's GRU; 10 as published.
        tensor: Units of a tensor's GRU; 20 as published.
        problem: Units of the problem's GRU; 20 as published.
        lr: Learning rate at the start; the paper draws 1e-6 to 1e-2.
        base_width: Inputs of a weight matrix up to which ``lr`` holds; with n inputs it starts
            with ``base_width / n`` of it, as step sizes of Adam carry over from small networks to
            wide ones (Yang et al. 2022, "Tensor programs V"). With one rate for all, what was
            trained on 64 inputs undid the pre-training of networks with 784 in ten steps.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = HierarchicalRNN(), Layout([(2, 3), (3,)])
        >>> parameters = torch.ones(4, 9)
        >>> state = network.initial_state(parameters, layout)
        >>> update, state = network(2 * parameters, parameters, state, layout)
        >>> update.shape, state["tensor"].shape, state["problem"].shape
        (torch.Size([4, 9]), torch.Size([4, 2, 20]), torch.Size([4, 20]))
    """

    kind: ClassVar[str] = "hierarchical_rnn"
    tensors_read_inputs: ClassVar[bool] = False
    """Whether a tensor's GRU also reads the mean of its coordinates' inputs."""

    def __init__(
        self,
        *,
        coordinate: int = 10,
        tensor: int = 20,
        problem: int = 20,
        lr: float = 1e-3,
        base_width: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.coordinate = integer("coordinate", coordinate, 1)
        self.tensor = integer("tensor", tensor, 1)
        self.problem = integer("problem", problem, 1)
        self.lr = number("lr", lr, 1e-8, 1.0)
        self.base_width = integer("base_width", base_width, 1)
        self.seed = integer("seed", seed, 0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, self.kind))
            self.coordinates = BiasedGRU(INPUTS, coordinate, above=tensor)
            read = coordinate + (INPUTS if self.tensors_read_inputs else 0)
            self.tensors = BiasedGRU(read, tensor, above=problem)
            self.problems = BiasedGRU(tensor, problem)
            self.direction = nn.Linear(coordinate, 1)
            self.from_gradients = nn.Linear(TIME_SCALES, 1, bias=False)
            # Logits of the decays of means, mean squares and log rates; change of the log rate.
            self.controls = nn.Linear(coordinate, 4)
        with torch.no_grad():
            # At first: descent along the averaged gradients, decays of 0.9, 0.99 and 0.99. With the
            # last at 0.9 learning rates drift ten times as fast, which truncated back-propagation
            # does not see.
            self.direction.weight.mul_(0.1)
            self.from_gradients.weight.fill_(-1.0 / TIME_SCALES)
            self.controls.weight.mul_(0.1)
            self.controls.bias.copy_(torch.tensor([2.2, 4.6, 4.6, 0.0]))

    def state_levels(self) -> Mapping[str, str]:
        """GRUs of each level; averages, decays and rates of every coordinate."""
        own = ("hidden", "means", "squares", "decays", "log_rate", "mean_log_rate")
        return dict.fromkeys(own, "coordinate") | {"tensor": "tensor", "problem": "problem"}

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """Zeros, but for decays and the learning rate."""
        count, total = parameters.shape
        inputs = parameters.new_tensor([math.prod(shape[1:]) for shape in layout.shapes])
        rates = math.log(self.lr) + (self.base_width / inputs).clamp_max(1.0).log()
        rate = layout.spread(rates.expand(count, -1)).contiguous()
        averages = parameters.new_zeros(count, total, TIME_SCALES)
        # Of a hidden state of zeros: not the network's weights, which may be differentiated.
        decays = self.controls.bias.detach()[:2].to(parameters).sigmoid()
        return {
            "hidden": parameters.new_zeros(count, total, self.coordinate),
            "means": averages,
            "squares": averages.clone(),
            "decays": decays.expand(count, total, 2).clone(),
            "log_rate": rate,
            "mean_log_rate": rate.clone(),
            "tensor": parameters.new_zeros(count, len(layout), self.tensor),
            "problem": parameters.new_zeros(count, self.problem),
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
        means, squares = self._averages(gradients, state)
        scaled = means * (squares + _SMALLEST).rsqrt()
        inputs = self._inputs(scaled, squares, state["log_rate"], layout)
        bias = self.coordinates.biases(state["tensor"])
        hidden = self.coordinates(inputs, state["hidden"], layout.spread(bias))
        above = self.tensors.biases(state["problem"]).unsqueeze(1)
        below = torch.cat([hidden, inputs], -1) if self.tensors_read_inputs else hidden
        tensor = self.tensors(layout.mean(below), state["tensor"], above)
        problem = self.problems(self._over_tensors(tensor, state), state["problem"])

        controls = self.controls(hidden)
        decays, momentum, change = controls.split([2, 1, 1], -1)
        log_rate = _clipped(state["mean_log_rate"] + change.squeeze(-1))
        keep = momentum.squeeze(-1).sigmoid()
        mean_log_rate = keep * state["mean_log_rate"] + (1 - keep) * log_rate
        direction = (self.direction(hidden) + self.from_gradients(scaled)).squeeze(-1)
        size = layout.spread(layout.mean(direction.square()))
        update = log_rate.exp() * direction * (size + _SMALLEST).rsqrt()
        return update, {
            "hidden": hidden,
            "means": means,
            "squares": squares,
            "decays": decays.sigmoid(),
            "log_rate": log_rate,
            "mean_log_rate": mean_log_rate,
            "tensor": tensor,
            "problem": problem,
        }

    def _over_tensors(self, tensor: Tensor, state: State) -> Tensor:
        """What the problem's GRU reads of the tensors' states, ``[P, units]``."""
        return tensor.mean(1)

    def _averages(self, gradients: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Gradients and their squares averaged over each time scale, ``[P, N, scales]``."""
        # decay ** (1 / 2 ** scale): each average looks back twice as far as the last one.
        powers = 0.5 ** torch.arange(TIME_SCALES, device=gradients.device, dtype=gradients.dtype)
        decay, square_decay = state["decays"].clamp(1e-3, 1 - 1e-6).unbind(-1)
        keep = (decay.log().unsqueeze(-1) * powers).exp()
        means = keep * state["means"] + (1 - keep) * gradients.unsqueeze(-1)
        keep = (square_decay.log().unsqueeze(-1) * powers).exp()
        squares = keep * state["squares"] + (1 - keep) * means.square()
        return means, squares

    def _inputs(self, scaled: Tensor, squares: Tensor, log_rate: Tensor, layout: Layout) -> Tensor:
        """The twelve inputs of a coordinate, ``[P, N, 12]``."""
        logs = (squares + _SMALLEST).log()
        relative = logs - logs.mean(-1, keepdim=True)
        rate = log_rate - layout.spread(layout.mean(log_rate))
        products = scaled[..., :-1] * scaled[..., 1:]
        return torch.cat([scaled, products, relative, rate.unsqueeze(-1)], -1)
