"""NSGA-II: survival as pymoo has it, and that it finds the front."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from automl_zero.evolution import evolution_stream
from nas.objectives import crowding_distance, hypervolume, nondominated_fronts
from nas.strategies import NSGA2
from nas.strategies._nsga2 import survivors
from tests.nas.toy import SPACE, two_objectives


@pytest.mark.parametrize("objectives", [2, 3])
def test_survivors_are_pymoos(objectives: int) -> None:
    pytest.importorskip("pymoo")
    from pymoo.algorithms.moo.nsga2 import RankAndCrowdingSurvival
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem

    random = np.random.default_rng(objectives)
    for _ in range(5):
        values = random.random((40, objectives))
        population = Population.new(X=np.arange(40)[:, None], F=-values)
        kept = RankAndCrowdingSurvival().do(Problem(n_var=1, n_obj=objectives), population,
                                            n_survive=15)  # fmt: skip
        # Which of the equally crowded survive, pymoo leaves to chance.
        assert standing(values, survivors(values, 15)) == standing(
            values, kept.get("X")[:, 0].tolist()
        )


def standing(values: np.ndarray, rows: list[int]) -> list[tuple[int, float]]:
    """Front and crowding distance of rows, sorted."""
    found = []
    for rank, front in enumerate(nondominated_fronts(values)):
        distances = crowding_distance(values[front])
        found += [(rank, float(d)) for row, d in zip(front, distances, strict=True) if row in rows]
    return sorted(found)


def found_by(strategy: NSGA2, trials: int) -> list[tuple[float, float]]:
    found = []
    for _ in range(trials):
        trial = strategy.ask()
        found.append(two_objectives(SPACE, trial.architecture, None))
        strategy.tell(trial, found[-1])
    return found


def test_its_front_dominates_more_than_that_of_random_search() -> None:
    reference = (-15.0, -24.0)
    ours, random = [], []
    for seed in range(5):
        ours.append(hypervolume(found_by(NSGA2(SPACE, seed=seed), 300), reference))
        stream = evolution_stream(seed)
        drawn = [two_objectives(SPACE, SPACE.draw(stream), None) for _ in range(300)]
        random.append(hypervolume(drawn, reference))
    assert np.mean(ours) > np.mean(random) + 10
    assert min(ours) > max(random)


def test_no_architecture_is_asked_for_twice() -> None:
    strategy = NSGA2(SPACE, population_size=8, seed=2)
    asked = []
    for _ in range(200):
        trial = strategy.ask()
        asked.append(trial.architecture)
        strategy.tell(trial, two_objectives(SPACE, trial.architecture, None))
    assert len(set(asked)) == 200


def test_a_space_that_is_used_up_is_no_endless_loop() -> None:
    from nas.spaces import ChoiceSpace, Decision

    space = ChoiceSpace([Decision("a", "xy"), Decision("b", "xy")])
    strategy = NSGA2(space, population_size=2, seed=1)
    for _ in range(20):
        trial = strategy.ask()
        strategy.tell(trial, tuple(map(float, trial.architecture)))
    assert [item for item, _ in strategy.front()][:1] == [(1, 1)]


def test_one_objective_is_a_number_or_a_tuple_of_one() -> None:
    strategy = NSGA2(SPACE, population_size=4, seed=1)
    for number, kind in zip(range(40), itertools.cycle((float, lambda x: (x,))), strict=False):
        trial = strategy.ask()
        strategy.tell(trial, kind(number))
    assert strategy.front()[0][1] == (39.0,)


def test_the_number_of_objectives_must_stay() -> None:
    strategy = NSGA2(SPACE, seed=1)
    strategy.tell(strategy.ask(), (1.0, 2.0))
    with pytest.raises(ValueError, match="value: expected 2 objectives as before"):
        strategy.tell(strategy.ask(), (1.0, 2.0, 3.0))
    fresh = NSGA2(SPACE, seed=1)
    with pytest.raises(ValueError, match="value: expected at least one objective"):
        fresh.tell(fresh.ask(), ())
