"""The trials of a run, read from its log: whatever can be read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.objectives import pareto_front

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run


@dataclass(frozen=True, slots=True)
class LoggedTrial:
    """A trial of the log; its architecture is somebody's text.

    Attributes:
        number: 0 for the first.
        text: The architecture.
        values: Of one or more objectives.
        budget: None if the strategy set none.
        seconds: When it was told, since the run began.
    """

    number: int
    text: str
    values: tuple[float, ...]
    budget: int | None
    seconds: float


def read_trials(run: Run) -> list[LoggedTrial]:
    """The trials in the log of a run; what is none of a search's events is left out.

    Raises:
        ValueError: If the log is damaged; names the file.
    """
    events = run.events("trial").to_pylist()
    return [trial for trial in map(_trial, events) if trial is not None]


def _trial(event: dict[str, Any]) -> LoggedTrial | None:
    number, text, budget = (event.get(name) for name in ("number", "architecture", "budget"))
    values = event.get("values") or [event.get("fitness")]
    if not isinstance(number, int) or not isinstance(text, str) or not isinstance(values, list):
        return None
    if not all(isinstance(item, int | float) and math.isfinite(item) for item in values):
        return None
    return LoggedTrial(
        number,
        text,
        tuple(map(float, values)),
        budget if isinstance(budget, int) else None,
        float(event.get("seconds") or 0.0),
    )


def full_trials(trials: list[LoggedTrial]) -> list[LoggedTrial]:
    """Those with the largest budget, whose values can be compared."""
    largest = max((trial.budget or 0 for trial in trials), default=0)
    return [trial for trial in trials if (trial.budget or 0) == largest]


def best_trials(trials: list[LoggedTrial], count: int) -> list[LoggedTrial]:
    """The best architectures, each with its best trial; by the first objective."""
    ranked = sorted(full_trials(trials), key=lambda trial: (-trial.values[0], trial.number))
    return list({trial.text: trial for trial in reversed(ranked)}.values())[::-1][:count]


def front_trials(trials: list[LoggedTrial]) -> list[LoggedTrial]:
    """The Pareto front; empty with a single objective."""
    full = full_trials(trials)
    if not full or len(full[0].values) < 2 or len({len(trial.values) for trial in full}) > 1:
        return []
    different = list({trial.values: trial for trial in reversed(full)}.values())
    front = [different[row] for row in pareto_front([trial.values for trial in different])]
    return sorted(front, key=lambda trial: trial.values, reverse=True)
