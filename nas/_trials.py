"""Trials that are done, and what a search says while it runs and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automl_zero.evolution.runs import Run
from nas.objectives import pareto_front
from nas.spaces import Architecture, ChoiceSpace

Value = float | tuple[float, ...]
"""Of one objective, or of several; higher is better."""

Objective = Callable[[ChoiceSpace, Architecture, int | None], Value]
"""What an architecture is worth: called with the space, the architecture and the budget."""


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """A trial with its value.

    Attributes:
        number: 0 for the first trial of a search.
        architecture: What was evaluated.
        value: What the objective gave.
        budget: What the strategy granted; None: it sets none.
    """

    number: int
    architecture: Architecture
    value: Value
    budget: int | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """The value as a tuple, also of one objective."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def is_better_than(self, other: FinishedTrial | None) -> bool:
        """With more budget; with the same, by the first objective.

        Values of short trainings say little beside those of long ones, whatever they are.
        """
        if other is None:
            return True
        return (self.budget or 0, self.values[0]) > (other.budget or 0, other.values[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """Where a running search stands.

    Attributes:
        told: Trials whose values the strategy knows.
        evaluations: Trials of the whole search.
        outstanding: Trials that wait or run.
        best: The best trial; None before any.
        best_text: Its architecture.
        seconds: Time that the run has taken, earlier sessions included.
        seconds_left: At the speed of this session; None before its first trial.
    """

    told: int
    evaluations: int
    outstanding: int
    best: FinishedTrial | None
    best_text: str
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        best: The best trial: of those with the largest budget the one with the highest (first)
            value; the first on ties.
        trials: All trials, in order.
        space: Where it searched.
        seconds: Wall-clock time, earlier sessions included.
        stopped_by: ``"evaluations"`` or ``"interrupted"``.
        run: The run directory; None if there is none.
    """

    best: FinishedTrial
    trials: Sequence[FinishedTrial] = field(repr=False)
    space: ChoiceSpace = field(repr=False)
    seconds: float
    stopped_by: str
    run: Run | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The best architecture as text."""
        return self.space.to_text(self.best.architecture)

    @property
    def front(self) -> list[FinishedTrial]:
        """The trials that no other trial dominates, by their first objective, best first.

        Only trials with the largest budget count; of trials with equal values, the first.
        """
        return front_of(self.trials)

    @property
    def best_so_far(self) -> list[float]:
        """After each trial, the first value of the best one until then."""
        found: list[float] = []
        best: FinishedTrial | None = None
        for trial in self.trials:
            if best is None or trial.is_better_than(best):
                best = trial
            found.append(best.values[0])
        return found

    def to_data(self) -> dict[str, Any]:
        """The result as plain data, without the run directory."""
        front = self.front if len(self.best.values) > 1 else [self.best]
        return {
            "best": trial_data(self.space, self.best),
            "front": [trial_data(self.space, trial) for trial in front],
            "trials": len(self.trials),
            "seconds": self.seconds,
            "stopped_by": self.stopped_by,
        }


def front_of(trials: Sequence[FinishedTrial]) -> list[FinishedTrial]:
    """See :attr:`SearchOutcome.front`."""
    largest = max((trial.budget or 0 for trial in trials), default=0)
    first = {trial.values: trial for trial in reversed(trials) if (trial.budget or 0) == largest}
    if not first:
        return []
    different = list(first.values())
    front = [different[row] for row in pareto_front(np.array(list(first)))]
    return sorted(front, key=lambda trial: trial.values, reverse=True)


def trial_data(space: ChoiceSpace, trial: FinishedTrial) -> dict[str, Any]:
    """A trial for people and programs: what ``best.json`` and the result hold.

    ``fitness`` is what lists of runs show of any search.
    """
    return {
        "fitness": trial.values[0],
        "number": trial.number,
        "architecture": space.to_data(trial.architecture),
        "text": space.to_text(trial.architecture),
        "value": list(trial.value) if isinstance(trial.value, tuple) else trial.value,
        "budget": trial.budget,
    }
