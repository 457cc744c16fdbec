"""Hyperband: successive halving at several degrees of haste.

Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, "Hyperband: A novel bandit-based approach to
hyperparameter optimization" (JMLR 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from automl_zero._config_values import integer
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite
from nas.strategies._strategy import Trial


class Hyperband(AskTellStrategy):
    """Brackets of successive halving, from many short trainings to a few full ones.

    With ``R = max_budget / min_budget`` and ``s_max = floor(log_eta R)``, bracket s = s_max, ...,
    0 starts ``ceil((s_max + 1) / (s + 1) * eta**s)`` random architectures with the budget
    ``max_budget * eta**-s`` (algorithm 1 of the paper). When all of a rung are told, its best
    ``1/eta`` go on with eta times the budget. After bracket 0 it begins again.

    A rung waits for its last trial. Meanwhile the next bracket begins, so that there is always
    a trial to hand out; the oldest bracket that has one comes first.

    Args:
        space: Where to search.
        min_budget: Shortest training that tells something, in the objective's unit.
        max_budget: Full training.
        eta: One of so many goes on. 3 as in the paper.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.spaces import ChoiceSpace, Decision
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c")) for i in range(8)])
    >>> strategy = Hyperband(space, max_budget=9, seed=1)
    >>> strategy.brackets
    (((9, 1), (3, 3), (1, 9)), ((5, 3), (1, 9)), ((3, 9),))
    >>> budgets = []
    >>> for _ in range(22):
    ...     trial = strategy.ask()
    ...     budgets.append(trial.budget)
    ...     strategy.tell(trial, trial.architecture.count(2))
    >>> budgets
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 9, 3, 3, 3, 3, 3, 9, 9, 9, 9]
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        min_budget: int = 1,
        max_budget: int = 81,
        eta: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed)
        self.min_budget = integer("min_budget", min_budget, 1)
        self.max_budget = integer("max_budget", max_budget, min_budget)
        self.eta = integer("eta", eta, 2)
        self.brackets = _brackets(min_budget, max_budget, eta)
        self._open: list[_Bracket] = []
        self._begun = 0
        self._running: dict[int, tuple[int, int]] = {}  # by trial: bracket and architecture

    def _propose(self) -> tuple[Architecture, int | None]:
        bracket = next((item for item in self._open if item.waiting), None)
        if bracket is None:
            bracket = self._begin()
        index = bracket.waiting.pop(0)
        self._running[self._asked] = (bracket.number, index)
        return bracket.architectures[index], self._rungs(bracket)[bracket.rung][1]

    def _begin(self) -> _Bracket:
        count, _ = self.brackets[self._begun % len(self.brackets)][0]
        bracket = _Bracket(self._begun, [self.space.draw(self._stream) for _ in range(count)])
        bracket.waiting = list(range(count))
        self._open.append(bracket)
        self._begun += 1
        return bracket

    def _learn(self, trial: Trial, value: float) -> None:
        number, index = self._running.pop(trial.number)
        bracket = next(item for item in self._open if item.number == number)
        bracket.values[index] = value
        rungs = self._rungs(bracket)
        if len(bracket.values) < rungs[bracket.rung][0]:
            return
        bracket.rung += 1
        if bracket.rung == len(rungs):
            self._open.remove(bracket)
            return
        # Best first; of equals the one that was drawn first.
        ranked = sorted(bracket.values, key=lambda item: (-bracket.values[item], item))
        bracket.waiting = ranked[: rungs[bracket.rung][0]]
        bracket.values = {}

    def _rungs(self, bracket: _Bracket) -> tuple[tuple[int, int], ...]:
        return self.brackets[bracket.number % len(self.brackets)]

    def _own_state(self) -> dict[str, Any]:
        return {
            "begun": self._begun,
            "running": [[trial, *where] for trial, where in self._running.items()],
            "open": [
                [
                    item.number,
                    [self.space.to_data(architecture) for architecture in item.architectures],
                    item.rung,
                    item.waiting,
                    [list(pair) for pair in item.values.items()],
                ]
                for item in self._open
            ],
        }

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        begun = fields.read("begun", lambda value: integer("begun", value, 0))
        brackets = fields.read("open", lambda items: [self._bracket(item, begun) for item in items])
        sizes = {item.number: len(item.architectures) for item in brackets}
        running = fields.read(
            "running",
            lambda items: {
                integer("trial", trial, 0): (number, integer("index", index, 0, sizes[number] - 1))
                for trial, number, index in items
            },
        )
        outstanding = fields.read("outstanding", lambda items: {item[0] for item in items})
        if set(running) != outstanding:
            raise ValueError("state.running: expected the outstanding trials, received others")

        def apply() -> None:
            self._begun, self._open, self._running = begun, brackets, running

        return apply

    def _bracket(self, data: Any, begun: int) -> _Bracket:
        number, architectures, rung, waiting, values = data
        bracket = _Bracket(
            integer("bracket", number, 0, begun - 1),
            [self.space.from_data(item) for item in architectures],
        )
        rungs, last = self._rungs(bracket), len(architectures) - 1
        if last + 1 != rungs[0][0]:
            raise ValueError(f"expected {rungs[0][0]} architectures, received {last + 1}")
        bracket.rung = integer("rung", rung, 0, len(rungs) - 1)
        bracket.waiting = [integer("index", item, 0, last) for item in waiting]
        bracket.values = {integer("index", i, 0, last): finite(value) for i, value in values}
        return bracket


@dataclass(slots=True)
class _Bracket:
    """A bracket that has begun.

    Attributes:
        number: 0 for the first of the search.
        architectures: All that it started with.
        rung: Which rung it is at.
        waiting: Architectures of the rung that no trial has yet.
        values: Those of the rung that were told.
    """

    number: int
    architectures: list[Architecture]
    rung: int = 0
    waiting: list[int] = field(default_factory=list)
    values: dict[int, float] = field(default_factory=dict)


def _brackets(least: int, most: int, eta: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Of each bracket, how many architectures have which budget, rung by rung."""
    highest = 0
    while least * eta ** (highest + 1) <= most:
        highest += 1
    found = []
    for s in range(highest, -1, -1):
        count = -(-(highest + 1) * eta**s // (s + 1))  # rounded up
        rungs = [(count // eta**i, most // eta ** (s - i)) for i in range(s + 1)]
        found.append(tuple(rungs))
    return tuple(found)
