"""What a search knows beside its strategy, and how a checkpoint keeps both."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl_zero._config_values import integer
from nas._trials import FinishedTrial, Value
from nas.spaces import ChoiceSpace
from nas.strategies import Strategy, Trial
from nas.strategies._ask_tell import finite


@dataclass(slots=True)
class SearchState:
    """The state of a search between two calls of its strategy.

    Attributes:
        trials: Told to the strategy.
        outstanding: Asked for and not told, in order.
        best: The best of those told.
    """

    trials: list[FinishedTrial] = field(default_factory=list)
    outstanding: deque[Trial] = field(default_factory=deque)
    best: FinishedTrial | None = None

    @property
    def asked(self) -> int:
        """Trials asked for so far."""
        return len(self.trials) + len(self.outstanding)

    def take(self, trial: FinishedTrial) -> bool:
        """Put the first outstanding trial to those told; whether it is the best one now."""
        self.outstanding.popleft()
        self.trials.append(trial)
        is_best = trial.is_better_than(self.best)
        if is_best:
            self.best = trial
        return is_best


def checkpoint_parts(
    state: SearchState, strategy: Strategy, space: ChoiceSpace, ahead: list[Value | None]
) -> dict[str, bytes]:
    """The parts of a checkpoint.

    Args:
        state: The search.
        strategy: Its strategy.
        space: Its space.
        ahead: Values of the outstanding trials, None where not known yet. They depend on the
            speed of workers, so they stand in a part of their own.
    """
    data = {
        "trials": [
            [item.number, space.to_data(item.architecture), item.value, item.budget]
            for item in state.trials
        ],
        "outstanding": [
            [item.number, space.to_data(item.architecture), item.budget]
            for item in state.outstanding
        ],
    }
    return {
        "search": json.dumps(data).encode(),
        "strategy": json.dumps(strategy.state()).encode(),
        "ahead": json.dumps(ahead).encode(),
    }


def read_parts(
    parts: Mapping[str, bytes], strategy: Strategy, space: ChoiceSpace
) -> tuple[SearchState, list[Value | None]]:
    """The search of :func:`checkpoint_parts`; restores the strategy.

    Raises:
        ValueError: If a part is missing or damaged; names it.
    """
    state = SearchState()
    name = "search"
    try:
        data = json.loads(_part(parts, name))
        for number, architecture, value, budget in data["trials"]:
            state.trials.append(
                FinishedTrial(
                    integer("number", number, 0),
                    space.from_data(architecture),
                    checked_value(tuple(value) if isinstance(value, list) else value),
                    _budget(budget),
                )
            )
            if state.trials[-1].is_better_than(state.best):
                state.best = state.trials[-1]
        for number, architecture, budget in data["outstanding"]:
            architecture = space.from_data(architecture)
            trial = Trial(integer("number", number, 0), architecture, _budget(budget))
            state.outstanding.append(trial)
        name = "ahead"
        ahead = [
            None
            if value is None
            else checked_value(tuple(value) if isinstance(value, list) else value)
            for value in json.loads(_part(parts, name))
        ]
        if len(ahead) > len(state.outstanding):
            raise ValueError(f"expected at most {len(state.outstanding)} values")
        name = "strategy"
        strategy.restore(json.loads(_part(parts, name)))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"part {name!r}: expected the state of a search: {error}") from None
    return state, ahead


def checked_value(value: Any) -> Value:
    """What an objective gave, as a float or a tuple of floats.

    Raises:
        ValueError: If it is neither, or not finite.
    """
    if isinstance(value, tuple) and value:
        return tuple(map(finite, value))
    return finite(value)


def _part(parts: Mapping[str, bytes], name: str) -> bytes:
    if name not in parts:
        raise ValueError("it is missing")
    return parts[name]


def _budget(value: Any) -> int | None:
    return None if value is None else integer("budget", value, 1)
