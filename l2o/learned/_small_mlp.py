"""A small network for every coordinate, on running averages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import torch
from torch import Tensor, nn

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key
from l2o.learned._layout import Layout
from l2o.learned._network import LearnedOptimizerNetwork, State

TIME_SCALES: Final = (1, 3, 10, 30)
"""Steps at which the time features change their sign.

Those of Metz et al. 2020 go on to 100,000. Features that hardly move while a network is trained do
what they like later: trained on 4,000 steps, learning rates rose tenfold and more until 10,000.
"""

# Smallest factor of the linear decay, in the last steps and after them.
_LAST: Final = 0.01
# The rate goes with this power of the number of steps: the best one of Adam on an MLP for MNIST
# falls from 0.03 for 100 steps to 0.008 for 10,000 (scripts/measure_learned.py).
_LENGTH_POWER: Final = -0.25
_BASE_LENGTH: Final = 100
# What the network adds to Adam goes with this power of the number of steps: trained on 100 steps,
# it does harm in full measure at 10,000. A tenth of it lowers the loss there from 0.069 to 0.065
# (scripts/measure_learned.py).
_SHARE_POWER: Final = -0.5

# Coordinates that go through the network together when no gradient is wanted. Of 4k to 256k, 16k
# was the fastest for a million coordinates: what a step computes on the way stays in the cache.
_CHUNK: Final = 16_384
_SMALLEST: Final = 1e-16
_LOG_RANGE: Final = 10.0


class SmallMLP(LearnedOptimizerNetwork):
    """A network of two small layers for every coordinate, around Adam.

    In the manner of ``small_fc_lopt`` (Metz et al. 2022, "Practical tradeoffs between memory,
    compute, and performance in learned optimizers"): a direction times the exponential of a
    magnitude, from running averages and the time. As in STAR (Harrison et al., NeurIPS 2022) the
    direction is Adam's plus what the network adds. As VeLO (Metz et al. 2022) it knows how many
    steps there will be. An untrained network is Adam with rate ``lr``, less where there are more
    than 100 steps, which decays linearly to a hundredth. Where there are more, what the network
    adds counts less: it can be trained on short optimizations and used in long ones.

    Inputs of a coordinate, none of which depends on the gradients' scale: gradient and momenta
    over the root of the second moment; the parameter over its tensor's root mean square; the
    logarithm of the second moment relative to the tensor's mean. Inputs of a tensor, which enter
    as biases and so cost nothing per coordinate: time in four scales and as a share of all steps;
    logarithms of the share that is left, of signal to noise of each momentum, of the parameters'
    size, of the number of coordinates and of how far the gradients' size has fallen from its
    largest. None of them grows with the number of steps.

    Args:
        hidden: Units of each of the two layers. 8 keep a step within thirty times Adam's.
        lr: First rate of the untrained network for 100 steps.
        decays: Of the momenta; the first is Adam's.
        square_decay: Of the second moment.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = SmallMLP(lr=0.1), Layout([(10,)])
        >>> parameters = torch.ones(4, 10)
        >>> state = network.initial_state(parameters, layout)
        >>> update, state = network(2 * parameters, parameters, state, layout)
        >>> bool(torch.allclose(update, torch.tensor(-0.1)))  # Adam's first step
        True
    """

    kind: ClassVar[str] = "small_mlp"
    reads_length: ClassVar[bool] = True

    def __init__(
        self,
        *,
        hidden: int = 8,
        lr: float = 0.01,
        decays: Sequence[float] = (0.9, 0.99, 0.999),
        square_decay: float = 0.999,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.hidden = integer("hidden", hidden, 1)
        self.lr = number("lr", lr, 1e-8)
        self.decays = [number("decays", decay, 0.0, 0.99999) for decay in decays]
        if not self.decays:
            raise ValueError("decays: expected at least one, received none")
        self.square_decay = number("square_decay", square_decay, 0.0, 0.99999)
        self.seed = integer("seed", seed, 0)
        count = len(self.decays)
        self._scales: Tensor
        self._decays: Tensor
        self.register_buffer("_scales", torch.tensor(TIME_SCALES).float(), persistent=False)
        self.register_buffer("_decays", torch.tensor(self.decays).float(), persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, self.kind))
            self.first = nn.Linear(count + 3, hidden)
            self.context = nn.Linear(count + 5 + len(TIME_SCALES), hidden + 2, bias=False)
            self.second = nn.Linear(hidden, hidden)
            self.last = nn.Linear(hidden, 2)
        with torch.no_grad():
            self.last.weight.zero_()
            self.last.bias.zero_()
            self.context.weight[hidden:].zero_()

    def state_levels(self) -> Mapping[str, str]:
        """Averages of every coordinate; steps and largest gradient of every tensor."""
        momenta = dict.fromkeys(self._momenta(), "coordinate")
        own = {"square": "coordinate", "step": "tensor", "largest": "tensor"}
        return momenta | own | {"total_steps": "problem"}

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """Zeros, and no known end."""
        own = parameters.new_zeros(len(parameters), len(layout))
        averages = {name: torch.zeros_like(parameters) for name in (*self._momenta(), "square")}
        total = parameters.new_full((len(parameters),), math.inf)
        return averages | {"step": own, "largest": own.clone(), "total_steps": total}

    def forward(
        self,
        gradients: Tensor,
        parameters: Tensor,
        state: State,
        layout: Layout,
        loss: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """See the base class."""
        momenta = [
            state[name].lerp(gradients, 1 - decay)
            for name, decay in zip(self._momenta(), self.decays, strict=True)
        ]
        weight = 1 - self.square_decay
        square = torch.addcmul(
            self.square_decay * state["square"], gradients, gradients, value=weight
        )
        step = state["step"] + 1
        corrections = 1 - self._decays ** step.unsqueeze(-1)  # [P, T, momenta]
        correction = 1 - self.square_decay**step
        mean = layout.mean(square) / correction
        largest = torch.maximum(state["largest"], mean)
        noise = [layout.mean(each.square()) for each in momenta]
        size = layout.mean(parameters.square())
        total = state["total_steps"].unsqueeze(1).expand_as(step)
        left = (1 - (step - 1) / total).clamp_min(_LAST)
        length = torch.where(total.isfinite(), (total / _BASE_LENGTH).clamp_min(1.0), 1.0).log()
        context = self._context(noise, corrections, mean, largest, size, step, left, layout)
        # What a coordinate's inputs are divided by, for its tensor; the logarithm of its rate, and
        # how much of what the network adds counts.
        schedule = left.log() + _LENGTH_POWER * length
        share = (_SHARE_POWER * length).exp()
        divisors = torch.cat(
            [corrections, torch.stack([correction, size, mean, schedule, share], -1)], -1
        )
        arrays = (gradients, parameters, square, *momenta)
        if torch.is_grad_enabled() or layout.total <= _CHUNK:
            spread = layout.spread(torch.cat([context, divisors], -1)).movedim(-1, 1)
            update = self._update(arrays, spread)
        else:
            update = self._in_chunks(arrays, torch.cat([context, divisors], -1), layout)
        following = dict(zip(self._momenta(), momenta, strict=True))
        own = {"square": square, "step": step, "largest": largest}
        return update, following | own | {"total_steps": state["total_steps"]}

    def _momenta(self) -> list[str]:
        return [f"momentum{index}" for index in range(len(self.decays))]

    def _context(
        self,
        noise: list[Tensor],
        corrections: Tensor,
        mean: Tensor,
        largest: Tensor,
        size: Tensor,
        step: Tensor,
        left: Tensor,
        layout: Layout,
    ) -> Tensor:
        """Biases of the first layer and of the outputs, ``[P, T, hidden + 2]``."""
        floor = mean + _SMALLEST
        signal = torch.stack(noise, -1) / corrections.square() / floor.unsqueeze(-1)
        counts = mean.new_tensor(layout.sizes).log() / _LOG_RANGE
        times = [1 - left, left.log() / _LOG_RANGE]
        inputs = [
            _log(signal),
            _log(size).unsqueeze(-1),
            counts.expand_as(mean).unsqueeze(-1),
            _log(floor / (largest + _SMALLEST)).unsqueeze(-1),
            torch.stack(times, -1),
            torch.tanh(step.unsqueeze(-1) / self._scales - 1),
        ]
        # The layers' own biases are added here, where a tensor has one value, not at coordinates.
        biases = torch.cat([self.first.bias, self.last.bias])
        result: Tensor = self.context(torch.cat(inputs, -1)) + biases
        return result

    def _in_chunks(self, arrays: tuple[Tensor, ...], contexts: Tensor, layout: Layout) -> Tensor:
        """The update without a graph, in pieces of one tensor each."""
        update = torch.empty_like(arrays[0])
        start = 0
        for index, size in enumerate(layout.sizes):
            context = contexts[:, index, :, None]
            for first in range(start, start + size, _CHUNK):
                part = slice(first, min(first + _CHUNK, start + size))
                update[:, part] = self._update([each[:, part] for each in arrays], context)
            start += size
        return update

    def _update(self, arrays: Sequence[Tensor], context: Tensor) -> Tensor:
        """``[P, n]`` of coordinates whose context is ``[P, values, n]``, or ``[P, values, 1]``."""
        gradients, parameters, square, *momenta = arrays
        hidden = self.hidden
        bias, shift = context[:, :hidden], context[:, hidden : hidden + 2]
        *corrections, correction, size, mean, schedule, share = context[:, hidden + 2 :].unbind(1)
        corrected = square / correction
        scale = (corrected + _SMALLEST).rsqrt()
        steps = [each * scale / value for each, value in zip(momenta, corrections, strict=True)]
        inputs = [
            (gradients * scale).clamp(-_LOG_RANGE, _LOG_RANGE),
            *steps,
            parameters * (size + _SMALLEST).rsqrt(),
            _log((corrected + _SMALLEST) / (mean + _SMALLEST)),
        ]
        # Features before coordinates: each is written as one row, none has to be interleaved.
        values = torch.stack(inputs, 1)
        values = _affine(self.first, values, bias).relu()
        values = _affine(self.second, values, self.second.bias[None, :, None]).relu()
        outputs = share.unsqueeze(1) * _affine(self.last, values, shift)
        direction, magnitude = outputs.unbind(1)
        magnitude = magnitude + schedule
        # A coordinate that never had a gradient stays where it is.
        direction = torch.where(square > 0, steps[0] + direction, 0.0)
        return -self.lr * magnitude.clamp(-_LOG_RANGE, _LOG_RANGE).exp() * direction


def _log(ratio: Tensor) -> Tensor:
    """Logarithm within ±10, divided by 10."""
    return (ratio + 1e-8).log().clamp(-_LOG_RANGE, _LOG_RANGE) / _LOG_RANGE


def _affine(layer: nn.Linear, values: Tensor, bias: Tensor) -> Tensor:
    """A layer's weights on ``[P, features, n]``, and a bias ``[P or 1, units, n or 1]``."""
    # Not matmul: for weights that want a gradient it transposes the values, ten times the time.
    return torch.baddbmm(bias, layer.weight.expand(len(values), -1, -1), values)
