"""The compiled evolution of programs: the same search as the generic one, and its switches."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from automl_zero.kernels import _engine

from automl_zero.config import ComponentConfig, MutationConfig, MutationWeights, load_config
from automl_zero.evaluation import evaluate, program_cost
from automl_zero.evolution import (
    Birth,
    ProgramEvolution,
    ProgramSpace,
    RegularizedEvolution,
    Statistics,
    hand_built_program,
)
from automl_zero.liveness import can_learn
from automl_zero.program import MemorySizes, Program
from automl_zero.tasks import TaskBatch, regression_tasks

# Few registers and short functions: much of the code is live, and equivalent programs abound.
COMPONENT = ComponentConfig(ops="all", init_size=3, max_size=5)
EVERY_MUTATION = MutationConfig(
    probability=0.9,
    weights=MutationWeights(
        alter_param=3,
        randomize_instruction=2,
        randomize_component_function=1,
        identity=0.5,
        insert_instruction=1,
        remove_instruction=1,
        trade_instruction=1,
        randomize_algorithm=0.5,
    ),
)
ALL_OPS = ProgramSpace(
    MemorySizes(3, 2, 1),
    setup=COMPONENT,
    predict=COMPONENT,
    learn=COMPONENT,
    mutation=EVERY_MUTATION,
)
DEMO = ProgramSpace.from_config(load_config("demo"))
TASKS = TaskBatch(regression_tasks("linear", 3, features=4, train=20, valid=10, seed=1))
DEMO_TASKS = TaskBatch(regression_tasks("linear", 8, features=4, train=50, valid=50, seed=2))


def evolution(space: ProgramSpace = DEMO, tasks: Any = DEMO_TASKS, **options: Any) -> Any:
    return ProgramEvolution(space, tasks, **{"population_size": 100, "seed": 3, **options})


def same_search(one: ProgramEvolution, other: ProgramEvolution) -> bool:
    """Whether populations, fitnesses and best programs agree, to the bit."""
    return (
        one.fitnesses.tobytes() == other.fitnesses.tobytes()
        and one.population() == other.population()
        and one.best == other.best
    )


def combine(fitness: np.ndarray, combination: str) -> float:
    """In the order of the compiled loop: rounding shows."""
    if combination == "median":
        return float(np.sort(fitness)[len(fitness) // 2])
    return float(np.cumsum(fitness)[-1] / len(fitness))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"combination": "median", "canonical_bytes": 0},
        {"max_cost": program_cost(hand_built_program("linear"), 20), "max_abs_error": 1.0},
        {"initial": [hand_built_program("no_op"), hand_built_program("linear")]},
        {"precision": "float32", "canonical_bytes": 1024},
        {"attempts": 10},
        {"attempts": 3, "must_learn": True, "canonical_bytes": 0},
    ],
    ids=["random", "median", "budget", "initial", "float32", "attempts", "must_learn"],
)
@pytest.mark.parametrize("space", [ALL_OPS, DEMO], ids=["all_ops", "demo"])
def test_the_compiled_loop_is_regularized_evolution(
    space: ProgramSpace, options: dict[str, Any]
) -> None:
    if "initial" in options and space is ALL_OPS:
        space = ProgramSpace(MemorySizes(4, 3, 1), mutation=EVERY_MUTATION, **space.components)
    judged = {
        name: options[name]
        for name in ("precision", "max_cost", "max_abs_error")
        if name in options
    }

    def fitness(program: Program) -> float:
        if options.get("must_learn") and not can_learn(program):
            return 0.0
        found = evaluate(program, TASKS, **judged)[0]
        return combine(found, options.get("combination", "mean"))

    sizes = {"population_size": 40, "tournament_size": 5, "seed": 11}
    compiled = ProgramEvolution(space, TASKS, **sizes, **options)
    generic = RegularizedEvolution(
        space,
        **sizes,
        initial=options.get("initial", ()),
        attempts=options.get("attempts", 1),
    )
    for count in (1, 39, 160, 1800):
        compiled.run(count)
        generic.run(fitness, count)
        assert compiled.population() == [item.genome for item in generic.population]
        assert compiled.fitnesses.tolist() == [item.fitness for item in generic.population]
        assert compiled.best is not None and generic.best is not None
        assert compiled.best.program == generic.best.genome
        assert compiled.best.fitness == generic.best.fitness
        assert compiled.best.individual == generic.best.number
    assert compiled.statistics.unique_in_population == generic.statistics.unique_in_population
    assert compiled.statistics.percentile_fitness == generic.statistics.percentile_fitness
    assert compiled.statistics.evaluations > 50


@pytest.mark.parametrize("space", [ALL_OPS, DEMO], ids=["all_ops", "demo"])
@pytest.mark.parametrize("canonical_bytes", [0, 128, 4096], ids=["off", "one_set", "small"])
@pytest.mark.parametrize("fec_bytes", [0, 4096, 1 << 20], ids=["no_fec", "tiny_fec", "fec"])
@pytest.mark.parametrize("attempts", [1, 4])
def test_the_canonical_cache_changes_no_bit(
    space: ProgramSpace, canonical_bytes: int, fec_bytes: int, attempts: int
) -> None:
    fec = {"fec": True, "fec_bytes": fec_bytes, "fec_train": 3, "fec_valid": 2} if fec_bytes else {}
    fec |= {"attempts": attempts, "must_learn": attempts > 1}
    cached = evolution(space, TASKS, **fec)
    other = evolution(space, TASKS, canonical_bytes=canonical_bytes, **fec)
    for _ in range(4):
        cached.run(3000)
        other.run(3000)
        assert same_search(cached, other)
    clears = cached.statistics.cache_clears
    assert clears == other.statistics.cache_clears
    assert (clears > 5) == (fec_bytes == 4096)
    assert cached.statistics.canonical_hits > other.statistics.canonical_hits
    assert cached.statistics.evaluations <= other.statistics.evaluations


@pytest.mark.parametrize("fec", [False, True], ids=["no_fec", "fec"])
@pytest.mark.parametrize(
    "flags",
    [
        {"canonical_flags": _engine.KEEP_DEAD},
        {"canonical_flags": _engine.KEEP_NAMES},
        {"run_flags": _engine.NO_WIDE | _engine.NO_FUSION},
    ],
    ids=["dead_code_runs", "names_kept", "no_wide_no_fusion"],
)
def test_the_interpreters_switches_change_no_bit(
    flags: dict[str, int], fec: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = evolution(ALL_OPS, TASKS, fec=fec)
    make = _engine.CompiledEvolution

    def switched(space: Any, batch: Any, options: dict[str, Any], *rest: Any) -> Any:
        return make(space, batch, {**options, **flags}, *rest)

    monkeypatch.setattr(_engine, "CompiledEvolution", switched)
    other = evolution(ALL_OPS, TASKS, fec=fec)
    for _ in range(3):
        plain.run(2000)
        other.run(2000)
        assert same_search(plain, other)
    if flags != {"run_flags": _engine.NO_WIDE | _engine.NO_FUSION}:
        assert other.statistics.unchanged == 0


def test_the_best_is_recorded_only_after_full_evaluation() -> None:
    """A probe of one example finds many false equivalences; no best program is one."""
    false_ones = 0
    for seed in range(4):
        searched = evolution(
            ALL_OPS, TASKS, seed=seed, fec=True, fec_train=1, fec_valid=1, population_size=30
        )
        for _ in range(20):
            searched.run(500)
            best = searched.best
            assert best.fitness == combine(evaluate(best.program, TASKS)[0], "mean")
        true = [combine(row, "mean") for row in evaluate(searched.population(), TASKS)]
        false_ones += np.sum(searched.fitnesses != true)
    assert false_ones > 0


def test_the_same_seed_gives_the_same_search_however_it_is_cut() -> None:
    options = {"fec": True, "initial": [hand_built_program("linear")]}
    whole, parts, other = evolution(**options), evolution(**options), evolution(**options, seed=4)
    whole.run(5000)
    other.run(5000)
    for count in (1, 0, 99, 900, 4000):
        parts.run(count)
    assert same_search(whole, parts)
    assert whole.statistics == parts.statistics
    assert whole.population() != other.population()


def test_two_threads_search_as_one() -> None:
    alone, together = evolution(seed=1), [evolution(seed=1), evolution(seed=1)]
    alone.run(20_000)
    threads = [threading.Thread(target=item.run, args=(20_000,)) for item in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same_search(alone, item) for item in together)


def test_statistics_add_up() -> None:
    searched = evolution(fec=True, max_cost=3 * program_cost(hand_built_program("linear"), 50))
    searched.run(20_000)
    found = searched.statistics
    told = (
        found.unchanged
        + found.canonical_hits
        + found.fec_hits
        + found.probe_failures
        + found.over_budget
        + found.non_learners
        + found.evaluations
        - found.verifications
    )
    assert told == found.individuals == searched.individuals == 20_000
    assert sum(outcome.children for outcome in found.mutations.values()) == 20_000 - 100
    assert found.mutations["unmutated"].neutral == found.mutations["unmutated"].children > 0
    assert found.mutations["insert_instruction"].children == 0
    for outcome in found.mutations.values():
        assert outcome.neutral + outcome.better + outcome.worse <= outcome.children
    assert found.canonical_hit_rate == (found.unchanged + found.canonical_hits) / 20_000
    assert found.mean_fitness == pytest.approx(searched.fitnesses.mean())
    assert found.best_fitness == searched.best.fitness == searched.best_fitness
    assert 1 <= found.unique_in_population <= 100
    assert list(found.percentile_fitness) == sorted(found.percentile_fitness)


def test_statistics_of_two_runs_are_added() -> None:
    one, other = evolution(seed=1), evolution(seed=2)
    one.run(1000)
    other.run(500)
    total = one.statistics + other.statistics
    assert total.individuals == 1500
    assert total.train_steps == one.statistics.train_steps + other.statistics.train_steps
    assert total.mutations["alter_param"].children == sum(
        item.statistics.mutations["alter_param"].children for item in (one, other)
    )
    assert total.best_fitness == max(one.best.fitness, other.best.fitness)
    assert total.mean_fitness == other.statistics.mean_fitness
    assert Statistics() + one.statistics == one.statistics
    assert total.to_data()["mutations"]["alter_param"]["children"] > 0
    assert Statistics().canonical_hit_rate == 0


def test_nothing_is_there_before_the_first_individual() -> None:
    searched = evolution()
    assert searched.best is None
    assert searched.population() == []
    assert searched.statistics == Statistics()
    searched.run(0)
    assert searched.individuals == 0


def test_more_attempts_make_more_different_programs() -> None:
    one, ten = evolution(), evolution(attempts=10)
    for searched in (one, ten):
        searched.run(5000)
    found = ten.statistics
    assert found.unique_in_population > 2 * one.statistics.unique_in_population
    outcomes = found.mutations.values()
    assert sum(outcome.children for outcome in outcomes) == 4900
    assert sum(outcome.neutral for outcome in outcomes) < 500
    assert one.statistics.evaluations < found.evaluations


def test_after_a_reset_nothing_is_alive() -> None:
    fresh, reset = evolution(seed=8, attempts=6), evolution(attempts=6)
    reset.run(1000)
    reset.reset(8)
    for searched in (fresh, reset):
        searched.run(3000)
    assert same_search(fresh, reset)


def test_immigrants_count_as_alive() -> None:
    searched = evolution(attempts=20, population_size=20)
    searched.run(200)
    for number in range(15):
        searched.immigrate(hand_built_program("linear"), Birth(1, number, 0))
    searched.run(40)
    assert searched.statistics.unique_in_population == 20


def test_programs_that_cannot_learn_are_not_run() -> None:
    searched = evolution(must_learn=True)
    searched.run(3000)
    found = searched.statistics
    assert found.non_learners > 100
    for program, fitness in zip(searched.population(), searched.fitnesses, strict=True):
        assert can_learn(program) or fitness == 0
    assert can_learn(searched.best.program)


def test_over_budget_programs_are_not_run() -> None:
    searched = evolution(max_cost=1.0, initial=[hand_built_program("linear")])
    searched.run(150)
    found = searched.statistics
    assert found.over_budget > 0
    assert found.best_fitness == 0 or found.evaluations > 0
    free = evolution(max_cost=program_cost(hand_built_program("linear"), 50))
    free.run(1)
    assert free.statistics.over_budget <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population_size": 0}, "population_size: expected an integer in 1"),
        ({"tournament_size": 0}, "tournament_size: expected an integer in 1"),
        ({"attempts": 0}, "attempts: expected an integer in 1"),
        ({"must_learn": 1}, "must_learn: expected"),
        ({"seed": 2**64}, "seed: expected an integer in 0"),
        ({"combination": "maen"}, "combination: expected one of mean, median, received 'maen'"),
        ({"max_abs_error": 0}, "max_abs_error: expected a positive number, received 0"),
        ({"max_cost": float("nan")}, "max_cost: expected a number"),
        ({"precision": "float16"}, "precision: expected one of float64, float32"),
        ({"canonical_bytes": -1}, "canonical_bytes: expected an integer in 0"),
        ({"fec": True, "fec_train": 51}, "fec_train: expected an integer in 1..50, received 51"),
        ({"fec": True, "fec_valid": 0}, "fec_valid: expected an integer in 1..50, received 0"),
        ({"fec": True, "fec_bytes": 100}, "fec_bytes: expected an integer in 4096"),
        ({"initial": ["linear"]}, r"initial\[0\]: programs\[0\]: expected a Program"),
        (
            {"initial": [hand_built_program("linear"), hand_built_program("neural_net")]},
            r"initial\[1\]: predict\[0\] .*: expected registers of .*, received v3",
        ),
        ({"space": None}, "space: expected a ProgramSpace, received NoneType"),
        ({"tasks": []}, "tasks: expected at least one task, received none"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evolution(**options)


def test_a_bad_count_is_refused() -> None:
    with pytest.raises(ValueError, match="count: expected an integer in 0"):
        evolution().run(-1)
