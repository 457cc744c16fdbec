"""The core of every search: ask, tell, tournament, ageing, exact resumption."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from automl_zero.evolution import (
    BitStringSpace,
    Individual,
    RandomStream,
    RegularizedEvolution,
    evolution_stream,
)

SPACE = BitStringSpace(12)


def one_max(bits: str) -> float:
    return bits.count("1")


def evolution(**changes: Any) -> RegularizedEvolution[str]:
    return RegularizedEvolution(SPACE, **{"population_size": 10, "seed": 5, **changes})


def test_ask_and_tell_do_what_run_does() -> None:
    running, asking = evolution(), evolution()
    running.run(one_max, 300)
    for _ in range(300):
        individual = asking.ask()
        asking.tell(individual, one_max(individual.genome))
    assert asking.population == running.population
    assert asking.best == running.best
    assert asking.state() == running.state()


def test_the_rules_are_those_of_regularized_evolution() -> None:
    """A second implementation, as short as can be."""
    stream = evolution_stream(5)
    population: list[tuple[str, float]] = []
    for _ in range(10):
        genome = SPACE.draw(stream)
        population.append((genome, one_max(genome)))
    for number in range(200):
        slots = [stream.below(10) for _ in range(4)]
        winner = max(slots, key=lambda slot: population[slot][1])  # the first on ties
        genome = SPACE.mutate(population[winner][0], stream)
        population[number % 10] = (genome, one_max(genome))  # the oldest goes
    searched = evolution(tournament_size=4)
    searched.run(one_max, 210)
    assert [(item.genome, item.fitness) for item in searched.population] == population
    assert [item.number for item in searched.population] == list(range(200, 210))


def test_no_two_individuals_have_one_key_while_attempts_suffice() -> None:
    plain, distinct = (
        RegularizedEvolution(BitStringSpace(6), population_size=10, seed=5, attempts=attempts)
        for attempts in (1, 1000)
    )
    for searched in (plain, distinct):
        searched.run(one_max, 200)
        assert [item.number for item in searched.population] == list(range(190, 200))
    assert len({item.genome for item in distinct.population}) == 10
    assert len({item.genome for item in plain.population}) < 10


def test_attempts_end_where_every_genome_is_alive() -> None:
    searched: RegularizedEvolution[str] = RegularizedEvolution(
        BitStringSpace(1), population_size=4, attempts=3
    )
    searched.run(one_max, 100)
    assert {item.genome for item in searched.population} <= {"0", "1"}


def test_the_best_ever_is_kept_the_first_on_ties() -> None:
    searched = evolution(population_size=2, tournament_size=1)
    told = []
    for number in range(30):
        individual = searched.ask()
        searched.tell(individual, number % 7)
        told.append(individual)
    assert searched.best == Individual(6, told[6].genome, 6.0, told[6].generation)
    assert searched.best not in searched.population


def test_a_negative_best_is_kept_too() -> None:
    searched = evolution()
    searched.run(lambda bits: -1.0 - bits.count("0"), 50)
    assert searched.best is not None and searched.best.fitness is not None
    assert searched.best.fitness == max(-1.0 - x.genome.count("0") for x in searched.population)


def test_initial_genomes_are_taken_in_turn() -> None:
    searched = evolution(population_size=5, initial=["0" * 12, "1" * 12])
    searched.run(one_max, 5)
    assert [item.genome for item in searched.population] == ["0" * 12, "1" * 12] * 2 + ["0" * 12]
    searched.run(one_max, 1)
    assert searched.population[0].genome not in ("0" * 12, "1" * 12)


def test_several_individuals_may_be_outstanding_and_told_in_any_order() -> None:
    def search() -> RegularizedEvolution[str]:
        searched = evolution()
        waiting = [searched.ask() for _ in range(25)]  # more than the population holds
        for step in range(300):
            individual = waiting.pop(step * 7 % len(waiting))
            searched.tell(individual, one_max(individual.genome))
            waiting.append(searched.ask())
        return searched

    first, second = search(), search()
    assert first.state() == second.state()
    assert len(first.outstanding) == 25
    assert first.best is not None and first.best.fitness == 12


def test_the_order_of_telling_decides() -> None:
    searched = evolution(population_size=3)
    waiting = [searched.ask() for _ in range(3)]
    for individual in reversed(waiting):
        searched.tell(individual, 1.0)
    assert [item.number for item in searched.population] == [2, 1, 0]


@pytest.mark.parametrize("cache_size", [0, 20])
@pytest.mark.parametrize("attempts", [1, 5])
def test_resuming_is_exact(cache_size: int, attempts: int) -> None:
    """Also with individuals outstanding, and with the cache, whose hits are counted."""
    whole = evolution(cache_size=cache_size, attempts=attempts)
    whole.run(one_max, 123)
    lost = [whole.ask() for _ in range(3)]
    saved = json.dumps(whole.state(), allow_nan=False)

    resumed = evolution(cache_size=cache_size, attempts=attempts, seed=99)
    resumed.restore(json.loads(saved))
    assert resumed.state() == whole.state()
    assert list(resumed.outstanding) == lost
    for searched in (whole, resumed):
        for individual in searched.outstanding:
            searched.tell(individual, one_max(individual.genome))
        searched.run(one_max, 200)
    assert resumed.state() == whole.state()
    assert resumed.statistics == whole.statistics


def test_resuming_works_at_every_age() -> None:
    for count in (0, 1, 9, 10, 11):
        whole, resumed = evolution(), evolution()
        whole.run(one_max, count)
        resumed.restore(whole.state())
        for searched in (whole, resumed):
            searched.run(one_max, 30)
        assert resumed.state() == whole.state()


def test_the_cache_saves_evaluations_and_changes_nothing_else() -> None:
    evaluated: list[str] = []

    def counting(bits: str) -> float:
        evaluated.append(bits)
        return one_max(bits)

    plain, caching = evolution(), evolution(cache_size=1000)
    plain.run(one_max, 400)
    caching.run(counting, 400)
    assert caching.population == plain.population
    assert caching.best == plain.best
    assert len(evaluated) == len(set(evaluated)) == 400 - caching.statistics.known


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    searched = evolution(cache_size=3, initial=["000000000001"], population_size=2)
    searched.run(one_max, 40)
    assert len(searched.state()["cache"]) == 3
    assert searched.population[-1].fitness is not None


def test_statistics_describe_the_population() -> None:
    searched = evolution()
    assert searched.best is None
    assert math.isnan(searched.statistics.mean_fitness)
    searched.run(one_max, 100)
    searched.ask()
    found = searched.statistics
    fitness = sorted(item.fitness or 0.0 for item in searched.population)
    assert (found.individuals, found.outstanding, found.known) == (100, 1, 0)
    assert searched.best is not None
    assert found.best_fitness == searched.best.fitness >= fitness[-1]
    assert found.mean_fitness == pytest.approx(sum(fitness) / 10)
    assert found.percentile_fitness[2] == pytest.approx((fitness[4] + fitness[5]) / 2)
    assert found.unique_in_population == len({item.genome for item in searched.population})


@pytest.mark.parametrize("fitness", [math.nan, math.inf, -math.inf, None, "high"])
def test_a_fitness_that_is_no_finite_number_is_refused(fitness: Any) -> None:
    searched = evolution()
    individual = searched.ask()
    with pytest.raises(ValueError, match="fitness: expected a finite number, received"):
        searched.tell(individual, fitness)
    searched.tell(individual, 1.0)  # it is still outstanding


def test_only_what_was_asked_for_can_be_told_and_once() -> None:
    searched = evolution()
    individual = searched.ask()
    searched.tell(individual, 1.0)
    for stranger in (individual, Individual(7, "0" * 12), "0" * 12, None):
        with pytest.raises(ValueError, match="individual: expected one that was asked for"):
            searched.tell(stranger, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"population_size": 0},
        {"population_size": 1.5},
        {"tournament_size": 0},
        {"attempts": 0},
        {"cache_size": -1},
        {"seed": -1},
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))}: expected an integer"):
        evolution(**change)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "something else"),
        ("version", 1),
        ("population_size", 11),
        ("stream", -1),
        ("counts", [1, 2]),
        ("counts", [40, 30, 0, 0, 0, 0]),
        ("next_slot", 10),
        ("population", []),
        ("population", [[0, 0, 0, "1", 1.0]] * 10),
        ("population", [[0, 0, 0, "1" * 12, None]] * 10),
        ("population", "none"),
        ("outstanding", [[[0, 3, 0, "1" * 12, None], None]]),
        ("best", None),
        ("cache", [[1]]),
        ("cache", [["a", math.nan]]),
    ],
)
def test_a_damaged_state_is_refused_by_field_and_changes_nothing(field: str, value: Any) -> None:
    searched = evolution()
    searched.run(one_max, 30)
    before = searched.state()
    with pytest.raises(
        ValueError, match=f"state.{'outstanding' if value == [40, 30, 0, 0, 0, 0] else field}"
    ):
        searched.restore({**before, field: value})
    del before[field]
    with pytest.raises(ValueError, match=f"state.{field}"):
        searched.restore(before)
    assert searched.state() == {**before, field: searched.state()[field]}


def test_no_state_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="state.format: expected .* received 'list'"):
        evolution().restore([])  # type: ignore[arg-type]


def test_streams_draw_what_python_streams_draw() -> None:
    from automl_zero.streams import Stream

    fast, plain = RandomStream(123), Stream(123)
    assert [fast.uint64() for _ in range(4)] == plain.uint64(4).tolist()
    assert fast.below(10) == plain.below(10)
    assert fast.uniform() == plain.uniform()
    with pytest.raises(ValueError, match="bound"):
        fast.below(0)
