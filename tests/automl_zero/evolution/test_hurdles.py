"""Hurdles: cheap tasks first, and nothing else about a search changes by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from automl_zero.config import load_config
from automl_zero.evaluation import evaluate
from automl_zero.evolution import ProgramEvolution, ProgramSpace
from automl_zero.tasks import TaskBatch, regression_tasks

SPACE = ProgramSpace.from_config(load_config("demo"))
TASKS = TaskBatch(regression_tasks("linear", 12, features=4, train=40, valid=20, seed=5))
FIRST = 4


def evolution(**options: Any) -> ProgramEvolution:
    settings = {"population_size": 100, "seed": 3, "hurdle_tasks": FIRST, **options}
    return ProgramEvolution(SPACE, TASKS, **settings)


def combined(task_fitness: np.ndarray) -> float:
    """In the order of the compiled loop: rounding shows."""
    return float(np.cumsum(task_fitness)[-1] / len(task_fitness))


def test_the_fitness_is_that_of_all_tasks_or_of_the_first_ones() -> None:
    searched = evolution()
    searched.run(5000)
    kinds = set()
    for program, fitness in zip(searched.population(), searched.fitnesses, strict=True):
        found = evaluate(program, TASKS)[0]
        full, first = combined(found), combined(found[:FIRST])
        assert fitness in (full, first)
        kinds.add("full" if fitness == full else "first")
    assert kinds == {"full", "first"}


def test_the_best_program_is_evaluated_in_full() -> None:
    searched = evolution(hurdle_percentile=100)
    searched.run(20_000)
    best = searched.best
    assert best is not None
    assert best.fitness == combined(evaluate(best.program, TASKS)[0])
    for item in searched.take_improvements():
        assert item.fitness == combined(evaluate(item.genome, TASKS)[0])


def test_hurdles_save_evaluations() -> None:
    without, low, high = (
        evolution(**options)
        for options in (
            {"hurdle_tasks": 0},
            {"hurdle_percentile": 10},
            {"hurdle_percentile": 75},
        )
    )
    for searched in (without, low, high):
        searched.run(10_000)
    assert without.statistics.hurdle_stops == 0
    assert 0 < low.statistics.hurdle_stops < high.statistics.hurdle_stops
    assert high.statistics.evaluations < low.statistics.evaluations
    assert high.statistics.evaluations < without.statistics.evaluations


@pytest.mark.parametrize("canonical_bytes", [0, 128, 4096])
@pytest.mark.parametrize("fec_bytes", [0, 4096, 1 << 20], ids=["no_fec", "tiny_fec", "fec"])
@pytest.mark.parametrize("combination", ["mean", "median"])
def test_the_canonical_cache_changes_no_bit(
    canonical_bytes: int, fec_bytes: int, combination: str
) -> None:
    options: dict[str, Any] = {"combination": combination}
    if fec_bytes:
        options |= {"fec": True, "fec_bytes": fec_bytes, "fec_train": 2, "fec_valid": 1}
    cached, other = evolution(**options), evolution(canonical_bytes=canonical_bytes, **options)
    for _ in range(4):
        for searched in (cached, other):
            searched.run(3000)
        assert cached.fitnesses.tobytes() == other.fitnesses.tobytes()
        assert cached.population() == other.population()
        assert cached.best == other.best
    assert cached.statistics.canonical_hits > other.statistics.canonical_hits


def test_a_restored_evolution_has_the_hurdle_of_its_state() -> None:
    searched, other = evolution(), evolution()
    searched.run(2050)
    state = searched.state()
    for one in (searched, other):
        one.restore(state)
        one.run(1000)
    assert searched.state() == other.state()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"hurdle_tasks": 12}, "hurdle_tasks: expected an integer in 0..11, received 12"),
        ({"hurdle_tasks": -1}, "hurdle_tasks: expected an integer in 0..11, received -1"),
        ({"hurdle_percentile": 101}, "hurdle_percentile: expected a number in 0..100"),
    ],
)
def test_a_hurdle_that_cannot_be_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evolution(**option)


def test_a_configuration_sets_the_hurdle() -> None:
    config = load_config("demo", ["hurdle.tasks=2", "hurdle.percentile=75"])
    assert (config.hurdle.tasks, config.hurdle.percentile) == (2, 75.0)
    with pytest.raises(ValueError, match="hurdle.tasks: expected fewer than tasks.search.count"):
        load_config("demo", ["hurdle.tasks=10"])
