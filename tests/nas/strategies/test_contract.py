"""What holds for every strategy: ask, tell in any order, states that are exact."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.strategies import (
    ASHA,
    NSGA2,
    AskTellStrategy,
    BayesianOptimization,
    Hyperband,
    LocalSearch,
    MetaQNN,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    Trial,
)
from tests.nas.toy import SPACE, objective, two_objectives

Make = Callable[[int], AskTellStrategy]


def lstm(seed: int) -> AskTellStrategy:
    pytest.importorskip("torch")
    return Reinforce(SPACE, policy="lstm", hidden=8, seed=seed)


STRATEGIES: dict[str, Make] = {
    "random": lambda seed: RandomSearch(SPACE, seed=seed),
    "evolution": lambda seed: RegularizedEvolution(SPACE, seed=seed),
    "local": lambda seed: LocalSearch(SPACE, seed=seed),
    "bayesian": lambda seed: BayesianOptimization(SPACE, initial=5, seed=seed),
    "reinforce": lambda seed: Reinforce(SPACE, seed=seed),
    "lstm": lstm,
    "meta-qnn": lambda seed: MetaQNN(SPACE, trials=40, replay=5, seed=seed),
    "asha": lambda seed: ASHA(SPACE, max_budget=16, eta=2, seed=seed),
    "hyperband": lambda seed: Hyperband(SPACE, max_budget=9, seed=seed),
    "nsga2": lambda seed: NSGA2(SPACE, population_size=6, seed=seed),
}

every_strategy = pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)


def drive(
    strategy: AskTellStrategy, steps: int, order: random.Random, waiting: list[Trial]
) -> list[Trial]:
    """Ask, and tell in a random order; the trials that were asked for."""
    measure = two_objectives if isinstance(strategy, NSGA2) else objective
    asked = []
    for _ in range(steps):
        if not waiting or (len(waiting) < 5 and order.random() < 0.5):
            asked.append(strategy.ask())
            waiting.append(asked[-1])
        else:
            trial = waiting.pop(order.randrange(len(waiting)))
            strategy.tell(trial, measure(SPACE, trial.architecture, trial.budget))
    return asked


@every_strategy
def test_one_seed_gives_the_same_trials_and_another_one_others(make: Make) -> None:
    one, same, other = (drive(make(seed), 60, random.Random(1), []) for seed in (3, 3, 4))
    assert one == same
    assert [t.architecture for t in one] != [t.architecture for t in other]
    assert [trial.number for trial in one] == list(range(len(one)))
    for trial in one:
        assert SPACE.from_data(SPACE.to_data(trial.architecture)) == trial.architecture


@every_strategy
@given(cut=st.integers(0, 80), seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_a_restored_strategy_goes_on_as_if_nothing_had_been(
    make: Make, cut: int, seed: int
) -> None:
    whole, order, waiting = make(seed), random.Random(seed), []
    drive(whole, cut, order, waiting)
    state = json.loads(json.dumps(whole.state()))
    again = make(seed)
    again.restore(state)
    assert again.state() == whole.state()
    assert set(again.outstanding) == set(waiting)
    resumed_order, resumed_waiting = random.Random(), list(waiting)
    resumed_order.setstate(order.getstate())
    assert drive(whole, 50, order, waiting) == drive(again, 50, resumed_order, resumed_waiting)
    assert again.state() == whole.state()


@every_strategy
def test_only_outstanding_trials_with_finite_values_are_taken(make: Make) -> None:
    strategy = make(0)
    trial = strategy.ask()
    for value in (float("nan"), float("inf"), "good", None, True, (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="value: expected a finite number"):
            strategy.tell(trial, value)  # type: ignore[arg-type]
    stranger = Trial(trial.number, tuple(reversed(trial.architecture)), 99)
    for wrong in (stranger, Trial(7, trial.architecture, trial.budget), "trial"):
        with pytest.raises(ValueError, match="trial: expected one that was asked for"):
            strategy.tell(wrong, 1.0)  # type: ignore[arg-type]
    strategy.tell(trial, 1.0)
    with pytest.raises(ValueError, match="trial: expected one that was asked for"):
        strategy.tell(trial, 1.0)


@every_strategy
def test_a_damaged_state_names_the_field_and_changes_nothing(make: Make) -> None:
    strategy = make(1)
    drive(strategy, 60, random.Random(2), [])
    before = strategy.state()
    damages: tuple[Any, ...] = (None, "damaged", [["damaged"]], {"steps": -1}, -1)
    for field in before:
        for damage in damages:
            if field in ("baseline", "first_value", "height") and damage is None:
                continue  # None stands for "not known yet"
            damaged = {**json.loads(json.dumps(before)), field: damage}
            if field in ("baseline", "scale", "first_value", "height") and damage == -1:
                continue  # a number like any other
            with pytest.raises(ValueError, match=rf"state\.{field}: expected"):
                strategy.restore(damaged)
            assert strategy.state() == before
        with pytest.raises(ValueError, match=rf"state\.{field}: expected"):
            strategy.restore({key: value for key, value in before.items() if key != field})
    with pytest.raises(ValueError, match="state: expected a mapping"):
        strategy.restore([])  # type: ignore[arg-type]
    assert strategy.state() == before


def test_a_state_of_another_strategy_is_refused() -> None:
    with pytest.raises(ValueError, match=r"state\.strategy: expected 'ASHA', received 'MetaQNN'"):
        ASHA(SPACE).restore(MetaQNN(SPACE).state())
    with pytest.raises(ValueError, match=r"state\.rungs: .* expected 3 rungs, received 4"):
        ASHA(SPACE, max_budget=16).restore(ASHA(SPACE, max_budget=64).state())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RegularizedEvolution(SPACE, tournament_size=0), "tournament_size: expected"),
        (lambda: RegularizedEvolution(SPACE, population_size=0), "population_size: expected"),
        (lambda: BayesianOptimization(SPACE, initial=1), "initial: expected an integer >= 2"),
        (lambda: Reinforce(SPACE, policy="lstn"), r"policy: .* \(did you mean 'lstm'\?\)"),
        (lambda: Reinforce(SPACE, baseline_decay=2), "baseline_decay: expected a number in 0..1"),
        (lambda: Reinforce(SPACE, seed=-1), "seed: expected an integer"),
        (lambda: MetaQNN(SPACE, schedule=[]), "schedule: expected pairs"),
        (lambda: MetaQNN(SPACE, schedule=[(2.0, 5)]), "schedule: epsilon: expected a number"),
        (lambda: MetaQNN(SPACE, context=-1), "context: expected an integer >= 0"),
        (lambda: ASHA(SPACE, min_budget=9, max_budget=3), "max_budget: expected an integer >= 9"),
        (lambda: ASHA(SPACE, eta=1), "eta: expected an integer >= 2"),
        (lambda: Hyperband(SPACE, min_budget=0), "min_budget: expected an integer >= 1"),
        (lambda: NSGA2(SPACE, population_size=1), "population_size: expected an integer >= 2"),
        (lambda: NSGA2(SPACE, crossover=1.5), "crossover: expected a number in 0..1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
