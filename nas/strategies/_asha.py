"""Asynchronous successive halving.

Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht & Talwalkar, "A system for massively
parallel hyperparameter tuning" (MLSys 2020): ASHA.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Any

from automl_zero._config_values import integer
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite
from nas.strategies._strategy import Trial

_Entry = tuple[float, int]
"""Value at a rung, and which architecture has it."""


class ASHA(AskTellStrategy):
    """Random architectures, of which the better ones get more and more budget, without waiting.

    Rung k has the budget ``min_budget * eta**k``. Whenever a trial is asked for (algorithm 2 of
    the paper), an architecture among the best ``1/eta`` of a rung that was not promoted yet is
    promoted, from the highest rung that has one; else a new random architecture starts in the
    lowest rung. So no worker ever waits for a rung to fill.

    An architecture is the same in all its trials: an objective may keep its weights and go on
    training them, or train from the start with the larger budget.

    Args:
        space: Where to search.
        min_budget: Of the lowest rung, in the objective's unit.
        max_budget: No rung has more. If it is no ``min_budget * eta**k``, the last rung is the
            largest one below.
        eta: One of so many is promoted, with so many times the budget. The paper takes 4.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.spaces import ChoiceSpace, Decision
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c")) for i in range(8)])
    >>> strategy = ASHA(space, min_budget=1, max_budget=16, eta=4, seed=1)
    >>> strategy.budgets
    (1, 4, 16)
    >>> counts = dict.fromkeys(strategy.budgets, 0)
    >>> for _ in range(210):
    ...     trial = strategy.ask()
    ...     counts[trial.budget] += 1
    ...     strategy.tell(trial, trial.architecture.count(2) - 1 / trial.budget)
    >>> counts
    {1: 160, 4: 40, 16: 10}
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        min_budget: int = 1,
        max_budget: int = 64,
        eta: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed)
        self.min_budget = integer("min_budget", min_budget, 1)
        self.max_budget = integer("max_budget", max_budget, min_budget)
        self.eta = integer("eta", eta, 2)
        self.budgets = _budgets(min_budget, max_budget, eta)
        self._architectures: list[Architecture] = []
        self._running: dict[int, tuple[int, int]] = {}  # by trial: rung and architecture
        self._rungs: list[list[_Entry]] = [[] for _ in self.budgets]
        self._promoted: list[set[int]] = [set() for _ in self.budgets]

    def _propose(self) -> tuple[Architecture, int | None]:
        rung, number = self._next()
        self._running[self._asked] = (rung, number)
        return self._architectures[number], self.budgets[rung]

    def _next(self) -> tuple[int, int]:
        for rung in range(len(self.budgets) - 2, -1, -1):
            entries = self._rungs[rung]
            for _, number in entries[: len(entries) // self.eta]:
                if number not in self._promoted[rung]:
                    self._promoted[rung].add(number)
                    return rung + 1, number
        self._architectures.append(self.space.draw(self._stream))
        return 0, len(self._architectures) - 1

    def _learn(self, trial: Trial, value: float) -> None:
        rung, number = self._running.pop(trial.number)
        # Best first; of equals the one that began first.
        insort(self._rungs[rung], (value, number), key=lambda entry: (-entry[0], entry[1]))

    def _own_state(self) -> dict[str, Any]:
        return {
            "architectures": [self.space.to_data(item) for item in self._architectures],
            "running": [[trial, *where] for trial, where in self._running.items()],
            "rungs": [[list(entry) for entry in rung] for rung in self._rungs],
            "promoted": [sorted(numbers) for numbers in self._promoted],
        }

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        architectures = fields.read(
            "architectures", lambda items: [self.space.from_data(item) for item in items]
        )
        rungs_count, last = len(self.budgets), len(architectures) - 1

        def known(number: Any) -> int:
            return integer("architecture", number, 0, last)

        def per_rung(items: Any) -> Any:
            if len(items) != rungs_count:
                raise ValueError(f"expected {rungs_count} rungs, received {len(items)}")
            return items

        running = fields.read(
            "running",
            lambda items: {
                integer("trial", trial, 0): (integer("rung", rung, 0, rungs_count - 1), known(item))
                for trial, rung, item in items
            },
        )
        outstanding = fields.read("outstanding", lambda items: {item[0] for item in items})
        if set(running) != outstanding:
            raise ValueError("state.running: expected the outstanding trials, received others")
        rungs = fields.read(
            "rungs",
            lambda items: [
                [(finite(value), known(number)) for value, number in rung]
                for rung in per_rung(items)
            ],
        )
        promoted = fields.read(
            "promoted", lambda items: [set(map(known, rung)) for rung in per_rung(items)]
        )

        def apply() -> None:
            self._architectures, self._running = architectures, running
            self._rungs, self._promoted = rungs, promoted

        return apply


def _budgets(least: int, most: int, eta: int) -> tuple[int, ...]:
    found = [least]
    while found[-1] * eta <= most:
        found.append(found[-1] * eta)
    return tuple(found)
