"""Games of two players whose solutions are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

import torch
from torch import Tensor

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key

_MOST_DRAWS: Final = 1000


class Game(Protocol):
    """A batch of games ``min over x, max over y of f(x, y)``."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Values, ``(games,)``, at x ``(games, n)`` and y ``(games, m)``; differentiable."""

    def start(self) -> tuple[Tensor, Tensor]:
        """Where both players begin."""

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Euclidean distance to the nearest solution, ``(games,)``."""


class MatrixGames:
    """``x' A y``: an entry of A is 0 with probability 1/2, else uniform in [-1, 1].

    Shen et al. 2021, section 4. Both players are unconstrained and start standard normal. If A is
    singular, the solutions are a subspace: what counts is the distance to it. Games with a
    singular value in (0, ``least``) are drawn anew: on them no method that sees gradients comes
    near within 1,000 steps.

    Args:
        count: How many games.
        size: Rows and columns; 5 as published.
        least: See above.
        seed: Of the matrices and starts.
        key: Names the draw: other names, other games.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> games = MatrixGames(4)
        >>> x, y = games.start()
        >>> games(x, y).shape, bool((games.distance(0 * x, 0 * y) == 0).all())
        (torch.Size([4]), True)
    """

    def __init__(
        self, count: int, size: int = 5, *, least: float = 0.05, seed: int = 0, key: str = "test"
    ) -> None:
        integer("count", count, 1)
        integer("size", size, 1)
        number("least", least, 0.0, 0.5)
        integer("seed", seed, 0, 2**64 - 1)
        generator = torch.Generator().manual_seed(stream_key(seed, "matrix-games", key))
        kept: list[Tensor] = []
        while sum(map(len, kept)) < count:
            if len(kept) == _MOST_DRAWS:
                raise ValueError(
                    f"least: expected a number that games of size {size} reach, received {least}"
                )
            entries = 2 * torch.rand(count, size, size, generator=generator) - 1
            entries *= torch.rand(count, size, size, generator=generator) < 0.5
            values = torch.linalg.svdvals(entries)
            kept.append(entries[((values >= least) | (values < 1e-6)).all(1)])
        #: A, ``(games, size, size)``.
        self.matrix = torch.cat(kept)[:count]
        left, values, right = torch.linalg.svd(self.matrix)
        # Directions of singular value zero cost nothing.
        self._left = left * (values[:, None] >= 1e-6)
        self._right = right.mT * (values[:, None] >= 1e-6)
        self._start = tuple(torch.randn(count, size, generator=generator) for _ in range(2))

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.einsum("gi,gij,gj->g", x, self.matrix, y)

    def start(self) -> tuple[Tensor, Tensor]:
        """Standard normal points."""
        return self._start[0], self._start[1]

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """To the nearest pair with ``A y = 0`` and ``A' x = 0``."""
        parts = (x[:, None] @ self._left, y[:, None] @ self._right)
        return torch.cat(parts, -1).norm(dim=-1)[:, 0]


class SeesawGames:
    """``-b y sin(a pi x)``, a and b uniform in [0.9, 1]: Shen et al. 2021, section 4.

    Not convex in x. The solutions are ``y = 0`` with ``a x`` an integer. Players start uniform
    in [-0.5, 0.5].

    Args:
        count: How many games.
        seed: Of the numbers and starts.
        key: Names the draw.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> games = SeesawGames(4)
        >>> bool((games.distance(*games.start()) > 0).all())
        True
    """

    def __init__(self, count: int, *, seed: int = 0, key: str = "test") -> None:
        integer("count", count, 1)
        integer("seed", seed, 0, 2**64 - 1)
        generator = torch.Generator().manual_seed(stream_key(seed, "seesaw-games", key))
        #: a and b, ``(games, 1)`` each.
        self.frequency, self.height = (
            0.9 + 0.1 * torch.rand(count, 1, generator=generator) for _ in range(2)
        )
        self._start = tuple(torch.rand(count, 1, generator=generator) - 0.5 for _ in range(2))

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return (-self.height * y * torch.sin(self.frequency * math.pi * x))[:, 0]

    def start(self) -> tuple[Tensor, Tensor]:
        """Uniform points."""
        return self._start[0], self._start[1]

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """To the nearest zero of the sine, with y = 0."""
        turns = self.frequency * x
        return torch.cat([(turns - turns.round()) / self.frequency, y], 1).norm(dim=1)


def extragradient(game: Game, *, rate: float, steps: int = 1000) -> Tensor:
    """Distances to the solution under extragradient (Korpelevich 1976).

    Args:
        game: A batch of games.
        rate: Of both its gradient steps.
        steps: Moves; two gradients each.

    Returns:
        After each step, ``(steps, games)``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def move(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        x_slope, y_slope = _slopes(game, x, y)
        x_slope, y_slope = _slopes(game, x - rate * x_slope, y + rate * y_slope)
        return x - rate * x_slope, y + rate * y_slope

    return _played(game, move, rate, steps)


def optimistic(game: Game, *, rate: float, steps: int = 1000) -> Tensor:
    """Distances under optimistic gradient descent-ascent (Daskalakis et al. 2018).

    Arguments, result and errors as :func:`extragradient`; one gradient a step.
    """
    last: list[Tensor] = []

    def move(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        slopes = _slopes(game, x, y)
        before = last or slopes
        x = x - rate * (2 * slopes[0] - before[0])
        y = y + rate * (2 * slopes[1] - before[1])
        last[:] = slopes
        return x, y

    return _played(game, move, rate, steps)


def _played(
    game: Game,
    move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    rate: float,
    steps: int,
) -> Tensor:
    number("rate", rate, 1e-12, 1e6)
    integer("steps", steps, 1)
    x, y = game.start()
    distances = []
    for _ in range(steps):
        x, y = move(x, y)
        distances.append(game.distance(x, y))
    return torch.stack(distances)


def _slopes(game: Game, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x, y = (point.detach().requires_grad_() for point in (x, y))
    x_slope, y_slope = torch.autograd.grad(game(x, y).sum(), (x, y))
    return x_slope, y_slope
