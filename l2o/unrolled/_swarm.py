"""A swarm of particles moved by one learned recurrent network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key

Objective = Callable[[Tensor], Tensor]
FEATURES: Final = 6
_TINY: Final = 1e-12


class Rastrigin:
    """Shifted Rastrigin functions: ``sum((x - s)^2 - 10 cos(2 pi (x - s)) + 10)``, minimum 0 at s.

    Args:
        count: How many functions.
        size: Coordinates, n.
        shift: Each coordinate of s is uniform in [-shift, shift]. A shift keeps an optimizer that
            always walks to 0 from being good.
        seed: Of the shifts.
        key: Names the draw: other names, other functions.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> functions = Rastrigin(3, 10)
        >>> functions(functions.minimum[:, None]).squeeze().tolist()
        [0.0, 0.0, 0.0]
    """

    def __init__(
        self, count: int, size: int = 10, *, shift: float = 2.0, seed: int = 0, key: str = "test"
    ) -> None:
        integer("count", count, 1)
        integer("size", size, 1)
        number("shift", shift, 0.0, 1e3)
        generator = torch.Generator().manual_seed(stream_key(seed, "rastrigin", key))
        #: s, ``(count, n)``.
        self.minimum = (2 * torch.rand(count, size, generator=generator) - 1) * shift

    def __call__(self, x: Tensor) -> Tensor:
        """Values at ``x``, ``(..., count, points, n)``: shape ``(..., count, points)``."""
        away = x - self.minimum[:, None]
        return (away.square() + 10 * (1 - torch.cos(2 * torch.pi * away))).sum(-1)


@dataclass(frozen=True, slots=True)
class SwarmResult:
    """What a swarm found.

    Attributes:
        best: Least value ever seen, ``(..., problems)``.
        position: Where, ``(..., problems, n)``.
        history: Least value after each step, ``(steps, ..., problems)``.
    """

    best: Tensor
    position: Tensor
    history: Tensor


class LearnedSwarm(nn.Module):
    """A learned particle swarm: one LSTM for all coordinates of all particles.

    A small variant of Cao, Chen, Wang & Shen, "Learning to Optimize in Swarms", NeurIPS 2019.
    As there, a coordinatewise LSTM sees gradient, momentum, velocity and attraction to the other
    particles, weighted by attention over them. Different are: the attention has two learned
    numbers (how much value and distance count) instead of a network; there is no attention over
    the features; the pulls towards the best points of the particle and of the swarm are features
    of their own; and training is by evolution strategies, because on a function with many
    minima the gradient through the steps points into the nearest one.

    Args:
        particles: How many, k.
        hidden: Units of the LSTM.
        low: Of the box in which particles start.
        high: Of the box; its width is also the unit of distance.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> swarm = LearnedSwarm(particles=4)
        >>> result = swarm.minimize(Rastrigin(2, 3), problems=2, size=3, steps=20)
        >>> result.best.shape, result.history.shape
        (torch.Size([2]), torch.Size([20, 2]))
    """

    def __init__(
        self,
        particles: int = 10,
        hidden: int = 8,
        *,
        low: float = -5.0,
        high: float = 5.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.particles = integer("particles", particles, 1)
        self.hidden = integer("hidden", hidden, 1)
        self.low = number("low", low, -1e9, 1e9)
        self.high = number("high", high, -1e9, 1e9)
        if not self.low < self.high:
            raise ValueError(f"high: expected a number above {low}, received {high}")
        generator = torch.Generator().manual_seed(stream_key(seed, "swarm-weights"))
        gates = torch.randn(4 * hidden, FEATURES + hidden, generator=generator)
        self.gates = nn.Parameter(gates / (FEATURES + hidden) ** 0.5)
        self.gate_bias = nn.Parameter(torch.zeros(4 * hidden))
        self.out = nn.Parameter(0.01 * torch.randn(hidden, generator=generator))
        # The start is a swarm that follows its momentum and the best points, as swarms do.
        self.linear = nn.Parameter(torch.tensor([-0.02, -0.05, 0.6, 0.1, 0.2, 0.2]))
        #: How much value and distance count in the attention.
        self.attention = nn.Parameter(torch.tensor([1.0, 1.0]))

    def forward(self, features: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the network: the moves in widths of the box, and the next state.

        Args:
            features: ``(rows, 6)``, a row per coordinate.
            h: ``(rows, hidden)``.
            c: ``(rows, hidden)``.
        """
        gates = torch.cat([features, h], 1) @ self.gates.T + self.gate_bias
        enter, forget, cell, leave = gates.chunk(4, 1)
        c = torch.sigmoid(forget + 1) * c + torch.sigmoid(enter) * torch.tanh(cell)
        h = torch.sigmoid(leave) * torch.tanh(c)
        return 0.5 * torch.tanh(2 * (features @ self.linear + h @ self.out)), h, c

    def minimize(
        self, objective: Objective, problems: int, size: int, *, steps: int = 100, seed: int = 0
    ) -> SwarmResult:
        """Minimize functions; each step is one gradient of every particle.

        Args:
            objective: From points ``(..., problems, particles, n)`` to values without the last
                axis, differentiable.
            problems: How many functions it is.
            size: Coordinates, n.
            steps: Evaluations of each particle.
            seed: Of the starts, uniform in the box.
        """
        integer("steps", steps, 1)
        weights = {name: value.detach()[None] for name, value in self.named_parameters()}
        result = self._run(weights, objective, problems, size, steps, seed)
        return SwarmResult(result.best[0], result.position[0], result.history[:, 0])

    def _run(
        self,
        weights: Mapping[str, Tensor],
        objective: Objective,
        problems: int,
        size: int,
        steps: int,
        seed: int,
    ) -> SwarmResult:
        """The same for several sets of weights at once, ``(sets, ...)``, from equal starts."""
        sets, width = len(next(iter(weights.values()))), self.high - self.low
        generator = torch.Generator().manual_seed(stream_key(seed, "swarm-start"))
        start = torch.rand(problems, self.particles, size, generator=generator)
        x = (self.low + width * start).expand(sets, -1, -1, -1).contiguous()
        momentum, velocity = torch.zeros_like(x), torch.zeros_like(x)
        rows = problems * self.particles * size
        h = c = torch.zeros(sets, rows, self.hidden)
        own_best = torch.full(x.shape[:3], torch.inf)
        own_point = x
        scale = torch.zeros(*x.shape[:2], 1, 1)
        best, point = own_best[..., 0], x[..., 0, :]
        history = []
        move = vmap(lambda params, *inputs: functional_call(self, params, inputs))
        for step in range(steps):
            value, gradient = _value_and_gradient(objective, x)
            better = value < own_best
            own_best = torch.where(better, value, own_best)
            own_point = torch.where(better[..., None], x, own_point)
            best, leader = own_best.min(-1)
            where = leader[..., None, None].expand(-1, -1, 1, size)
            point = own_point.gather(2, where).squeeze(2)
            history.append(best)
            # Gradients in units of their running root mean square over swarm and coordinates.
            square = gradient.square().mean((-1, -2), keepdim=True)
            scale = 0.9 * scale + 0.1 * square
            gradient = gradient / (scale / (1 - 0.9 ** (step + 1)) + _TINY).sqrt()
            momentum = 0.9 * momentum + 0.1 * gradient
            pull = self._attraction(weights["attention"], x, own_point, own_best)
            parts = (
                gradient,
                momentum,
                velocity / width,
                pull / width,
                (own_point - x) / width,
                (point[..., None, :] - x) / width,
            )
            features = torch.stack(parts, -1).reshape(sets, rows, FEATURES)
            moves, h, c = move(dict(weights), features, h, c)
            velocity = width * moves.reshape(x.shape)
            x = x + velocity
        return SwarmResult(best, point, torch.stack(history))

    def _attraction(self, weight: Tensor, x: Tensor, points: Tensor, values: Tensor) -> Tensor:
        """To the best points of all particles, the more to the lower and the nearer ones."""
        spread = values.std(-1, keepdim=True, correction=0) + _TINY
        low = (values.amin(-1, keepdim=True) - values) / spread
        distance = torch.cdist(x, points) / ((self.high - self.low) * x.shape[-1] ** 0.5)
        value_weight, distance_weight = weight.abs().view(-1, 2, 1, 1, 1).unbind(1)
        scores = value_weight * low[..., None, :] - distance_weight * distance
        return scores.softmax(-1) @ points - x


def train_swarm(
    swarm: LearnedSwarm,
    draw: Callable[[int], tuple[Objective, int, int]],
    *,
    iterations: int = 100,
    pairs: int = 12,
    steps: int = 100,
    noise: float = 0.03,
    lr: float = 0.003,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train a swarm by evolution strategies with antithetic noise (Salimans et al. 2017).

    A set of weights is judged by the ranks of its mean of the least values, so functions of any
    height may be trained on. All sets of an iteration see equal functions and starts.

    Args:
        swarm: Changed in place.
        draw: From an iteration to objective, count of problems and of coordinates.
        iterations: Updates.
        pairs: Of weights with opposite noise, in an iteration.
        steps: Of the swarm.
        noise: Standard deviation of the noise of the weights.
        lr: Of Adam.
        seed: Of the noise and the starts.
        progress: Called with the iteration and its mean value.

    Returns:
        The mean of the least values of all sets of weights, for each iteration.

    Raises:
        ValueError: If an argument is out of its range.
    """
    for name, count in (("iterations", iterations), ("pairs", pairs), ("steps", steps)):
        integer(name, count, 1)
    number("noise", noise, 1e-9, 1e3)
    parameters = dict(swarm.named_parameters())
    optimizer = torch.optim.Adam(parameters.values(), lr=number("lr", lr, 0.0, 1e3))
    generator = torch.Generator().manual_seed(stream_key(seed, "swarm-noise"))
    history = []
    for iteration in range(iterations):
        objective, problems, size = draw(iteration)
        drawn = {
            name: torch.randn(pairs, *value.shape, generator=generator)
            for name, value in parameters.items()
        }
        weights = {
            name: torch.cat([value.detach() + sign * noise * drawn[name] for sign in (1, -1)])
            for name, value in parameters.items()
        }
        key = stream_key(seed, "swarm-train", iteration)
        result = swarm._run(weights, objective, problems, size, steps, key)
        # The mean over the steps too: early descent is worth something.
        losses = result.best.mean(-1) + 0.1 * result.history.mean((0, -1))
        losses = losses.nan_to_num(torch.inf, torch.inf, torch.inf)
        ranks = losses.argsort().argsort().float() / (2 * pairs - 1) - 0.5
        slope = (ranks[:pairs] - ranks[pairs:]) / (2 * noise)
        for name, value in parameters.items():
            value.grad = torch.tensordot(slope, drawn[name], 1) / pairs
        optimizer.step()
        history.append(float(result.best.mean()))
        if progress is not None:
            progress(iteration, history[-1])
    optimizer.zero_grad(set_to_none=True)
    return history


def restarted_adam(
    objective: Objective,
    problems: int,
    size: int,
    *,
    restarts: int = 10,
    steps: int = 100,
    lr: float = 0.1,
    low: float = -5.0,
    high: float = 5.0,
    seed: int = 0,
) -> Tensor:
    """Least value that Adam sees from several starts, ``(problems,)``: the rival of a swarm.

    With as many restarts as a swarm has particles it takes as many gradients.

    Args:
        objective: As for :meth:`LearnedSwarm.minimize`.
        problems: How many functions.
        size: Coordinates.
        restarts: Starts, uniform in the box.
        steps: From each start.
        lr: Learning rate.
        low: Of the box.
        high: Of the box.
        seed: Of the starts, which are those of a swarm with this seed.
    """
    generator = torch.Generator().manual_seed(stream_key(seed, "swarm-start"))
    x = low + (high - low) * torch.rand(problems, restarts, size, generator=generator)
    point = nn.Parameter(x)
    optimizer = torch.optim.Adam([point], lr=lr)
    best = torch.full((problems,), torch.inf)
    for _ in range(steps):
        value, point.grad = _value_and_gradient(objective, point.detach())
        best = torch.minimum(best, value.amin(-1))
        optimizer.step()
    return best


def _value_and_gradient(objective: Objective, x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = objective(x)
        if value.shape != x.shape[:-1]:
            raise ValueError(
                f"objective: expected values of the shape {list(x.shape[:-1])}, "
                f"received {list(value.shape)}"
            )
        (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient
