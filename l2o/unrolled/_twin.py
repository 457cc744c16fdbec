"""Learned minimax optimization: one LSTM for each player."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from automl_zero._config_values import choice, integer, number
from automl_zero.streams import stream_key
from l2o.unrolled._games import Game

_TINY: Final = 1e-30
_WINDOW: Final = 50
_ALLOWED_GROWTH: Final = 10.0
_ROUNDING: Final = 1e-5
STARTS: Final = {"momentum": (0.05, 2.0, 3.0), "extragradient": (0.6, 0.3, -4.0)}
"""Weight of the own gradient, of its change, and logit of the momentum, before training."""

_RANGE: Final = torch.tensor([0.2, 1.0, 2.0])
"""How far an LSTM may move each number of a step from its start."""


@dataclass(frozen=True, slots=True)
class TwinResult:
    """Where two players arrived.

    Attributes:
        x: Of the minimizing player, ``(games, n)``.
        y: Of the maximizing player, ``(games, m)``.
        distance: To the nearest solution after each step, ``(steps, games)``.
        fallen_back: Games whose players ended with the analytic step, ``(games,)``.
    """

    x: Tensor
    y: Tensor
    distance: Tensor
    fallen_back: Tensor


class _Player(nn.Module):
    """A coordinatewise LSTM: two gradients and the last move in, three numbers of a step out."""

    def __init__(self, hidden: int, start: tuple[float, float, float]) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4, hidden)
        self.out = nn.Linear(hidden, 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        #: Weight of the own gradient, of its change, logit of the momentum.
        self.base = nn.Parameter(torch.tensor(start))

    def forward(
        self,
        now: Tensor,
        change: Tensor,
        last: Tensor,
        state: tuple[Tensor, Tensor],
        slope: Tensor,
        trusted: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows = torch.stack([*_scaled(now), *_scaled(change)], -1).reshape(-1, 4)
        state = self.cell(rows, state)
        reply = torch.tanh(self.out(state[0])).reshape(*now.shape, 3) * trusted
        own, answer, momentum = (self.base + _RANGE * reply).unbind(-1)
        # The heavy ball on a quadratic is stable while answer < 2 (1 + momentum).
        step = own.clamp(0, 0.7) * now / slope + answer.clamp(0.2, 3) * change / slope.square()
        return step + 0.97 * torch.sigmoid(momentum) * last, state


class TwinOptimizer(nn.Module):
    """Two LSTMs that play against each other: Twin-L2O (Shen et al., ICLR 2021).

    Each player has its own coordinatewise LSTM, as there, fed with its own gradient as logarithm
    and sign. Unlike there, an LSTM does not give the step itself but three numbers of one, within
    bounds: weight of the own gradient, weight of how it changes when both players look ahead by
    a gradient step (extragradient, Korpelevich 1976), and momentum. Such a step shrinks with
    the gradients, which precision needs; and momentum on the change is what makes a game x'Ay
    converge as fast as its condition number allows, not the square of it (Azizian et al. 2020).
    Steps are measured by the game's own slope: the largest ratio so far of a change of the
    gradients to the move that made it, per game. A step takes two gradients of the game.

    A safeguard goes back to the analytic step, the same numbers without an LSTM, for a game whose
    gradients have grown tenfold over their least of the last 50 steps; it begins at the 50th.
    Games are float32, on the CPU.

    Args:
        hidden: Units of each LSTM; 20 as published.
        start: What training begins from: ``"momentum"``, for games that are linear in each
            player and badly conditioned, or ``"extragradient"``, for games that are not convex,
            where the former can come to rest away from a solution.
        look_ahead: First look-ahead of a game; later ones are half the inverse of its slope.
        seed: Of the initial weights; the global generator is left alone.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from l2o.unrolled import SeesawGames
        >>> games = SeesawGames(8)
        >>> result = TwinOptimizer(start="extragradient").solve(games, steps=100)
        >>> bool(result.distance[-1].mean() < 0.5 * result.distance[0].mean())
        True
    """

    def __init__(
        self, hidden: int = 20, *, start: str = "momentum", look_ahead: float = 0.1, seed: int = 0
    ) -> None:
        super().__init__()
        self.hidden = integer("hidden", hidden, 1)
        base = STARTS[choice("start", start, STARTS)]
        self.look_ahead = number("look_ahead", look_ahead, 1e-9, 1e3)
        integer("seed", seed, 0, 2**64 - 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(seed, "twin-weights"))
            self.minimizer = _Player(hidden, base)
            self.maximizer = _Player(hidden, base)

    def solve(self, game: Game, *, steps: int = 1000) -> TwinResult:
        """Play from the game's start.

        Args:
            game: A batch of games.
            steps: Moves of each player.

        Raises:
            ValueError: If ``steps`` is not positive, or the game is of another type.
        """
        integer("steps", steps, 1)
        with torch.no_grad():
            position = _Position(self, game)
            distances = []
            for _ in range(steps):
                position.step()
                distances.append(game.distance(position.x, position.y))
        fallen_back = position.trusted[:, 0, 0] == 0
        return TwinResult(position.x, position.y, torch.stack(distances), fallen_back)


class _Position:
    """Points, last moves, LSTM states of both players, and what is known of the games."""

    def __init__(self, twin: TwinOptimizer, game: Game) -> None:
        self.twin, self.game = twin, game
        self.x, self.y = (point.clone() for point in game.start())
        if self.x.dtype != torch.float32 or self.x.device.type != "cpu":
            raise ValueError(
                f"game: expected float32 on the CPU, received {self.x.dtype} on {self.x.device}"
            )
        self.x_move, self.y_move = torch.zeros_like(self.x), torch.zeros_like(self.y)
        zeros = [torch.zeros(point.numel(), twin.hidden) for point in (self.x, self.y)]
        self.x_state, self.y_state = (zeros[0], zeros[0]), (zeros[1], zeros[1])
        games = len(self.x)
        self.slope = torch.zeros(games, 1)
        self.trusted = torch.ones(games, 1, 1)
        self._sizes: list[Tensor] = []

    def step(self, training: bool = False) -> None:
        """Both move.

        In training the game's own gradients are differentiated too: around a saddle they turn the
        players, and only their answer to a move tells whether it came nearer.
        """
        x_slope, y_slope = self._slopes(self.x, self.y, training)
        look = torch.where(self.slope > 0, 0.5 / self.slope, self.twin.look_ahead)
        x_ahead, y_ahead = self._slopes(self.x - look * x_slope, self.y + look * y_slope, training)
        self._measure((x_slope, y_slope), (x_ahead - x_slope, y_ahead - y_slope), look)
        slope = self.slope.clamp_min(_TINY)
        self.x_move, self.x_state = self.twin.minimizer(
            x_slope, (x_ahead - x_slope) / look, self.x_move, self.x_state, slope, self.trusted
        )
        self.y_move, self.y_state = self.twin.maximizer(
            y_slope, (y_ahead - y_slope) / look, self.y_move, self.y_state, slope, self.trusted
        )
        self.x, self.y = self.x - self.x_move, self.y + self.y_move

    @torch.no_grad()
    def _measure(
        self, slopes: tuple[Tensor, Tensor], changes: tuple[Tensor, Tensor], look: Tensor
    ) -> None:
        """Update the games' slopes, and whose LSTMs are trusted."""
        size, change = (torch.cat(pair, 1).norm(dim=1, keepdim=True) for pair in (slopes, changes))
        ratio = (change / (look * size.clamp_min(_TINY))).nan_to_num(0.0, 0.0)
        self.slope = torch.maximum(self.slope, ratio)
        self._sizes = [*self._sizes[1 - _WINDOW :], size]
        least = torch.stack(self._sizes).amin(0)
        # Gradients as small as rounding leaves them say nothing.
        grown = (size > _ALLOWED_GROWTH * least) & (size > _ROUNDING * self.slope)
        if len(self._sizes) == _WINDOW:
            self.trusted = self.trusted * (~(grown | ~size.isfinite()))[:, :, None]

    def _slopes(self, x: Tensor, y: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x, y = (point if point.requires_grad else point.requires_grad_() for point in (x, y))
            value = self.game(x, y).sum()
            x_slope, y_slope = torch.autograd.grad(value, (x, y), create_graph=training)
        return x_slope, y_slope

    def detach(self) -> None:
        """Forget how the players came here."""
        self.x, self.y = self.x.detach(), self.y.detach()
        self.x_move, self.y_move = self.x_move.detach(), self.y_move.detach()
        self.x_state = (self.x_state[0].detach(), self.x_state[1].detach())
        self.y_state = (self.y_state[0].detach(), self.y_state[1].detach())


def train_twin(
    twin: TwinOptimizer,
    draw: Callable[[int], Game],
    *,
    iterations: int = 50,
    steps: int = 200,
    unroll: int = 20,
    lr: float = 5e-4,
    validation: Game | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train by truncated back-propagation of the log distance to the solution.

    The games of a training are those whose solutions are known. The loss is the mean over the
    steps of an unroll of the logarithm of the distance, so the last digits count like the first.
    A batch ends at a segment whose loss or gradient is not finite, which changes nothing.

    Args:
        twin: Changed in place.
        draw: From an iteration to games.
        iterations: Batches of games.
        steps: Moves in a batch.
        unroll: Moves between two updates.
        lr: Of Adam; ten times that for the numbers from which the LSTMs start.
        validation: Games that are played for 1,000 steps before the training and after every
            other iteration; the optimizer gets the weights of the least mean distance. Without
            them a training can end at a rate that is too high for one game in 100 that it did not
            see.
        progress: Called with the iteration and its mean distance at the end.

    Returns:
        The mean distance at the end of each iteration.

    Raises:
        ValueError: If an argument is out of its range.
    """
    for name, count in (("iterations", iterations), ("steps", steps), ("unroll", unroll)):
        integer(name, count, 1)
    number("lr", lr, 0.0, 1e3)
    bases = [twin.minimizer.base, twin.maximizer.base]
    others = [value for name, value in twin.named_parameters() if not name.endswith("base")]
    # The few numbers that an LSTM starts from may move faster than its weights.
    groups = [{"params": bases, "lr": 10 * lr}, {"params": others, "lr": lr}]
    optimizer = torch.optim.Adam(groups)
    history = []
    best, kept = math.inf, twin.state_dict()

    def judge() -> None:
        nonlocal best, kept
        if validation is not None:
            distance = float(twin.solve(validation).distance[-1].mean())
            if distance < best:  # not a number is never less
                best, kept = distance, {k: v.clone() for k, v in twin.state_dict().items()}

    judge()
    for iteration in range(iterations):
        game = draw(iteration)
        position = _Position(twin, game)
        for first in range(0, steps, unroll):
            logs = []
            for _ in range(min(unroll, steps - first)):
                position.step(training=True)
                logs.append((game.distance(position.x, position.y) + 1e-6).log())
            loss = torch.stack(logs).mean()
            if not bool(loss.isfinite()):
                break
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if not bool(nn.utils.clip_grad_norm_(twin.parameters(), 1.0).isfinite()):
                break
            optimizer.step()
            position.detach()
        if iteration % 2 == 1 or iteration == iterations - 1:
            judge()
        history.append(float(game.distance(position.x.detach(), position.y.detach()).mean()))
        if progress is not None:
            progress(iteration, history[-1])
    optimizer.zero_grad(set_to_none=True)
    if validation is not None:
        twin.load_state_dict(kept)
    return history


def _scaled(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithm and sign, as in Andrychowicz et al. 2016 with p = 10."""
    size = gradient.abs()
    large = size >= math.exp(-10)
    log = torch.where(large, size.clamp_min(1e-30).log() / 10, torch.full_like(size, -1.0))
    return log, torch.where(large, gradient.sign(), math.exp(10) * gradient)
