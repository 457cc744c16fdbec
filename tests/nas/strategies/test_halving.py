"""ASHA and Hyperband: who is promoted, and that it pays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.strategies import ASHA, Hyperband, Trial
from tests.nas.toy import SPACE, mean_of_random, value


def test_asha_promotes_the_best_of_a_rung_as_soon_as_there_are_enough() -> None:
    strategy = ASHA(SPACE, min_budget=2, max_budget=18, eta=3, seed=1)
    assert strategy.budgets == (2, 6, 18)
    trials = [strategy.ask() for _ in range(4)]
    assert {trial.budget for trial in trials} == {2}
    for trial, found in zip(trials[:3], (0.1, 0.9, 0.5), strict=True):
        strategy.tell(trial, found)
    promoted = strategy.ask()
    assert (promoted.budget, promoted.architecture) == (6, trials[1].architecture)
    assert strategy.ask().budget == 2  # nobody else is among the best third
    strategy.tell(trials[3], 0.3)
    assert strategy.ask().budget == 2  # of four still one may go on, and that one did
    strategy.tell(strategy.outstanding[-1], 0.95)
    late = strategy.ask()  # a new best is promoted although another was before
    assert (late.budget, strategy.ask().budget) == (6, 2)


def test_asha_looks_for_promotions_in_the_highest_rung_first() -> None:
    strategy = ASHA(SPACE, max_budget=4, eta=2, seed=1)
    low = [strategy.ask() for _ in range(4)]
    for number, trial in enumerate(low):
        strategy.tell(trial, float(number))
    middle = [strategy.ask(), strategy.ask()]
    assert [trial.budget for trial in middle] == [2, 2]
    for trial in [strategy.ask() for _ in range(4)]:
        strategy.tell(trial, 9.0)  # two more could be promoted from the lowest rung
    for number, trial in enumerate(middle):
        strategy.tell(trial, float(number))
    top = strategy.ask()
    assert (top.budget, top.architecture) == (4, middle[1].architecture)


def test_hyperbands_brackets_are_those_of_the_paper() -> None:
    """Table 1 of the JMLR paper, R = 81 and eta = 3, with its formula's n."""
    brackets = Hyperband(SPACE, max_budget=81).brackets
    assert brackets[0] == ((81, 1), (27, 3), (9, 9), (3, 27), (1, 81))
    assert [bracket[0] for bracket in brackets] == [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]


def test_a_rung_of_hyperband_waits_while_the_next_bracket_begins() -> None:
    strategy = Hyperband(SPACE, max_budget=3, eta=3, seed=1)
    assert strategy.brackets == (((3, 1), (1, 3)), ((2, 3),))
    first = [strategy.ask() for _ in range(3)]
    second = [strategy.ask() for _ in range(2)]
    assert [trial.budget for trial in first + second] == [1, 1, 1, 3, 3]
    for trial, found in zip(first, (1.0, 3.0, 2.0), strict=True):
        strategy.tell(trial, found)
    promoted = strategy.ask()
    assert (promoted.budget, promoted.architecture) == (3, first[1].architecture)
    for trial in (promoted, *second):
        strategy.tell(trial, 1.0)
    assert [strategy.ask().budget for _ in range(3)] == [1, 1, 1]  # it begins again


def best_for_budget(strategy: Any, budget: int) -> float:
    """The best full value after so much budget; short trainings tell it with noise."""
    noise = np.random.default_rng(9)
    best, spent = -np.inf, 0
    waiting: list[Trial] = []
    while spent < budget:
        waiting.append(strategy.ask())
        spent += waiting[-1].budget or 0
        if len(waiting) == 4:  # four workers, of which any may end first
            trial = waiting.pop(int(noise.integers(4)))
            found = value(trial.architecture)
            best = max(best, found) if trial.budget == strategy.budgets_of_test else best
            strategy.tell(trial, found + noise.normal() / (trial.budget or 1))
    return float(best)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: ASHA(SPACE, max_budget=16, seed=seed),
        lambda seed: Hyperband(SPACE, max_budget=16, eta=4, seed=seed),
    ],
    ids=["asha", "hyperband"],
)
def test_it_beats_random_search_with_the_same_budget(make: Callable[[int], Any]) -> None:
    found = []
    for seed in range(8):
        strategy = make(seed)
        strategy.budgets_of_test = 16
        found.append(best_for_budget(strategy, 16 * 40))
    assert np.mean(found) > mean_of_random(40)


def test_most_trials_of_asha_are_short() -> None:
    strategy = ASHA(SPACE, max_budget=64, seed=1)
    counts: Counter[int | None] = Counter()
    for _ in range(500):
        trial = strategy.ask()
        counts[trial.budget] += 1
        strategy.tell(trial, value(trial.architecture))
    assert counts[1] > 2 * counts[4] > 4 * counts[16] > 8 * counts[64] > 0
