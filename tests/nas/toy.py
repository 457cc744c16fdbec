"""A small problem for strategies: additive with interactions, so that there is much to learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from automl_zero.evolution import evolution_stream
from nas.spaces import Architecture, ChoiceSpace, Decision
from nas.strategies import Strategy

SPACE = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c", "d")) for i in range(8)])

_random = np.random.default_rng(5)
_SINGLE = _random.normal(size=(8, 4))
_PAIR = 0.5 * _random.normal(size=(7, 4, 4))


def value(architecture: Architecture) -> float:
    """What an architecture is worth; about normal, with standard deviation 3."""
    single = sum(_SINGLE[i, option] for i, option in enumerate(architecture))
    pairs = zip(architecture, architecture[1:], strict=False)
    return float(single + sum(_PAIR[i, a, b] for i, (a, b) in enumerate(pairs)))


def objective(space: ChoiceSpace, architecture: Architecture, budget: int | None) -> float:
    """:func:`value`, and worse by less the longer the training."""
    return value(architecture) - (0.0 if budget is None else 2.0 / budget)


def two_objectives(
    space: ChoiceSpace, architecture: Architecture, budget: int | None
) -> tuple[float, float]:
    """The value, and a price of the options."""
    return value(architecture), -float(sum(architecture))


def best_found(strategy: Strategy, trials: int) -> float:
    """The best value after so many trials, told one by one."""
    best = -np.inf
    for _ in range(trials):
        trial = strategy.ask()
        found = value(trial.architecture)
        strategy.tell(trial, found)
        best = max(best, found)
    return float(best)


def mean_of_random(trials: int, seeds: int = 20) -> float:
    """What random search finds in so many trials, on average."""
    found = []
    for seed in range(seeds):
        stream = evolution_stream(seed)
        found.append(max(value(SPACE.draw(stream)) for _ in range(trials)))
    return float(np.mean(found))


def mean_of(make: Callable[[int], Any], trials: int, seeds: int = 5) -> float:
    """What strategies with different seeds find, on average."""
    return float(np.mean([best_found(make(seed), trials) for seed in range(seeds)]))
