"""Local search climbs to the top of every hill, whatever the order of the answers."""

import pytest

from nas.spaces import ChoiceSpace, Decision
from nas.strategies import LocalSearch
from tests.nas.toy import SPACE, value

SMALL = ChoiceSpace([Decision(f"layer {i}", ("a", "b")) for i in range(3)])


def run(strategy, objective, count):
    told = []
    for _ in range(count):
        trial = strategy.ask()
        told.append((trial.architecture, objective(trial.architecture)))
        strategy.tell(trial, told[-1][1])
    return told


@pytest.mark.parametrize("seed", range(5))
def test_a_climb_ends_when_all_neighbors_of_its_top_are_known(seed):
    top, height, known, starts = None, None, set(), 0
    for architecture, found in run(LocalSearch(SPACE, seed=seed), value, 200):
        if top is None or architecture not in SPACE.neighbors(top):
            assert top is None or known.issuperset(SPACE.neighbors(top))
            if starts == 1:
                assert max(map(value, SPACE.neighbors(top))) < height
            top, height, starts = architecture, found, starts + 1
        elif found > height:
            top, height = architecture, found
        known.add(architecture)
    assert starts > 1


def test_no_key_is_asked_for_twice_while_there_are_others():
    keys = [SMALL.key(item) for item, _ in run(LocalSearch(SMALL, seed=3), sum, SMALL.size)]
    assert len(set(keys)) == SMALL.size


def test_a_late_answer_that_is_worse_than_where_it_came_from_moves_nothing():
    strategy = LocalSearch(SMALL, seed=1)
    start = strategy.ask()
    strategy.tell(start, 5.0)
    neighbors = [strategy.ask() for _ in range(3)]
    assert {item.architecture for item in neighbors} == set(SMALL.neighbors(start.architecture))
    other = strategy.ask()  # all neighbors are asked for: a new climb
    strategy.tell(neighbors[0], 4.0)
    strategy.tell(other, 1.0)
    strategy.tell(neighbors[1], 3.0)
    following = strategy.ask()
    assert following.architecture in SMALL.neighbors(other.architecture)
