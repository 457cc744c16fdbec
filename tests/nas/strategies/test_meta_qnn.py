"""MetaQNN: its schedule, its update, and that it learns."""

from __future__ import annotations

import pytest

from nas.spaces import ChoiceSpace, Decision
from nas.strategies import MetaQNN
from tests.nas.toy import SPACE, mean_of, mean_of_random

PAIR = ChoiceSpace([Decision("a", "xy"), Decision("b", "xy")])


def epsilons(strategy: MetaQNN, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(strategy.epsilon)
        strategy.ask()
    return found


def test_epsilon_follows_the_papers_schedule() -> None:
    found = epsilons(MetaQNN(PAIR), 2800)
    changes = [i for i, (a, b) in enumerate(zip(found, found[1:], strict=False), 1) if a != b]
    assert changes == [1500, 1600, 1700, 1800, 1950, 2100, 2250, 2400, 2550]
    assert (found[0], found[-1]) == (1.0, 0.1)


def test_the_schedule_stretches_to_the_trials_of_a_search() -> None:
    found = epsilons(MetaQNN(PAIR, trials=270), 280)
    late = [epsilon for epsilon in (0.6, 0.5, 0.4, 0.3, 0.2, 0.1) for _ in range(15)]
    assert found == [1.0] * 150 + [0.9] * 10 + [0.8] * 10 + [0.7] * 10 + late + [0.1] * 10


def test_values_are_updated_from_the_end_by_equation_three() -> None:
    strategy = MetaQNN(PAIR, learning_rate=0.5, replay=1, initial_value=0.5, seed=1)
    trial = strategy.ask()
    strategy.tell(trial, 1.0)  # once for the trial, once for the replay of the only one
    a, b = trial.architecture
    last = first = 0.5
    for _ in range(2):
        last += 0.5 * (1.0 - last)
        first += 0.5 * (max(last, 0.5) - first)
    q = dict((tuple(state), values) for state, values in strategy.state()["q"])
    assert q[(0,)][a] == first and q[(0,)][1 - a] == 0.5
    assert q[(1, a)][b] == last and q[(1, a)][1 - b] == 0.5


def test_once_greedy_it_takes_the_best() -> None:
    strategy = MetaQNN(PAIR, schedule=[(1.0, 20), (0.0, 1)], seed=2)
    for _ in range(20):
        trial = strategy.ask()
        strategy.tell(trial, float(trial.architecture == (1, 0)))
    assert strategy.greedy() == (1, 0)
    assert {strategy.ask().architecture for _ in range(5)} == {(1, 0)}


@pytest.mark.parametrize("context", [0, 1, None])
def test_a_state_reaches_as_far_back_as_the_context(context: int | None) -> None:
    strategy = MetaQNN(SPACE, context=context, replay=1, seed=1)
    for _ in range(5):
        strategy.tell(strategy.ask(), 1.0)
    lengths = {len(state) - 1 for state, _ in strategy.state()["q"]}
    assert max(lengths) == (7 if context is None else context)


def test_it_beats_random_search() -> None:
    found = mean_of(lambda seed: MetaQNN(SPACE, trials=400, context=1, seed=seed), 400)
    assert found > mean_of_random(400)
