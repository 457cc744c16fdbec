"""Whole searches: experiments, limits, selection, and results that can be repeated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_zero.config import ExperimentConfig, config_names, load_config
from automl_zero.evaluation import evaluate
from automl_zero.evolution import (
    ProgramSearch,
    Progress,
    SearchResult,
    _program_epoch,
    _search_loop,
)
from automl_zero.tasks import TaskSpec

QUICK = (
    "tasks.select.count=8", "tasks.final.count=5", "islands.count=1", "islands.epoch=0",
    "hurdle.tasks=0",
)  # fmt: skip


def config(*overrides: str, name: str = "demo", limit: int = 3000) -> ExperimentConfig:
    return load_config(
        name, [*QUICK, f"stop.individuals={limit}", "experiments.maximum=1", *overrides]
    )


def same_results(one: SearchResult, other: SearchResult) -> bool:
    """All but the time."""
    names = set(SearchResult.__dataclass_fields__) - {"seconds"}
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_linear_regression_is_discovered() -> None:
    result = ProgramSearch(load_config("linear", ["seed=3"])).run()
    assert result.select_fitness > 0.9999
    assert result.final_fitness > 0.9999
    assert result.statistics.individuals < load_config("demo").stop.individuals


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_experiment_runs(name: str, tmp_path: Path) -> None:
    overrides = ["stop.seconds=0"]
    if name == "baseline" or name.startswith("image_pairs"):  # its data are not shipped
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (400, 4, 4), dtype=np.uint8)
        labels = np.arange(400) % 10
        data = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
        np.savez(tmp_path / "data.npz", **data)
        overrides += [
            f"tasks.*.data={tmp_path / 'data.npz'}",
            "tasks.*.train=40",
            "tasks.*.valid=20",
        ]
    counts = [] if name in ("nonlinear",) else ["tasks.search.count=2"]
    result = ProgramSearch(config(*overrides, *counts, name=name, limit=1200)).run()
    assert result.statistics.individuals == 1200
    assert 0 <= result.fitness <= 1
    assert len(result.final_tasks) == len(result.final_task_fitness)
    result.program.check(load_config(name).memory)


def test_the_same_configuration_gives_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's speed: chunks between looks at the clock do not matter."""
    overrides = ("experiments.maximum=3", "seed=5")
    first = ProgramSearch(config(*overrides)).run()
    search = ProgramSearch(config(*overrides))
    monkeypatch.setattr(_program_epoch, "_LOOK_SECONDS", 1e-5)
    assert same_results(first, search.run())
    monkeypatch.setattr(_program_epoch, "_LOOK_SECONDS", 1e5)
    assert same_results(first, search.run())
    assert not same_results(first, ProgramSearch(config("experiments.maximum=3", "seed=6")).run())


def test_progress_changes_nothing_and_tells_where_the_search_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Progress] = []
    plain = ProgramSearch(config("experiments.maximum=2")).run()
    monkeypatch.setattr(_search_loop, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(_search_loop, "PROGRESS_SHARE", 1e9)
    watched = ProgramSearch(config("experiments.maximum=2")).run(on_progress=seen.append)
    assert same_results(plain, watched)
    assert {item.experiment for item in seen} == {1, 2}
    individuals = [item.individuals for item in seen]
    assert individuals == sorted(individuals)
    assert individuals[-1] == 6000
    last = seen[-1]
    assert last.individuals_per_second > 0
    assert 0 < last.statistics.mean_fitness < last.best_fitness <= 1
    assert last.islands == [last.best_fitness]
    assert last.statistics == watched.statistics
    assert 0 < last.seconds <= watched.seconds


def test_a_result_is_what_evaluation_says() -> None:
    search = ProgramSearch(config("tasks.select.seed=3", "seed=2"))
    result = search.run()
    selected = evaluate(result.program, search.config.tasks.select.make(0))[0]
    assert result.select_fitness == selected.mean()
    final = evaluate(result.program, result.final_tasks)[0]
    assert result.final_task_fitness == tuple(final)
    assert result.final_fitness == final.mean()
    assert result.final_tasks == search.final_tasks


def test_each_experiment_has_fresh_tasks_and_a_fresh_population(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    make = TaskSpec.make

    def recording(self: TaskSpec, seed: int = 0, data: Any = None) -> Any:
        made.append(seed)
        return make(self, seed, data)

    monkeypatch.setattr(TaskSpec, "make", recording)
    result = ProgramSearch(config("experiments.maximum=3")).run()
    assert result.experiments == 3
    assert result.statistics.individuals == 9000
    # The final tasks, search tasks of each experiment, and selection tasks of those whose
    # best program was not far below the best candidate.
    assert len(made) == len(set(made))
    assert 5 <= len(made) <= 7


def test_the_latest_of_equally_good_candidates_is_kept() -> None:
    one, two = (
        ProgramSearch(
            config(f"experiments.maximum={count}", "evaluation.max_abs_error=1e-9", limit=1000)
        ).run()
        for count in (1, 2)
    )
    assert one.select_fitness == two.select_fitness == 0  # every program fails
    assert one.program != two.program


def test_a_sufficient_candidate_ends_the_run() -> None:
    result = ProgramSearch(
        config("experiments.maximum=9", "experiments.sufficient_fitness=0.01", limit=50_000)
    ).run()
    assert result.experiments == 1
    assert result.statistics.individuals == 10_000  # ten sweeps of the population: one check


def test_an_experiment_ends_at_each_of_its_limits() -> None:
    by_steps = ProgramSearch(config("stop.train_steps=1000", "stop.individuals=0")).run()
    assert by_steps.statistics.individuals == 10_000
    by_fitness = ProgramSearch(config("stop.fitness=0.05", limit=50_000)).run()
    assert by_fitness.statistics.individuals == 10_000
    by_number = ProgramSearch(config(limit=1234)).run()
    assert by_number.statistics.individuals == 1234


def test_a_limit_in_seconds_is_for_the_whole_run() -> None:
    start = time.perf_counter()
    result = ProgramSearch(
        config("stop.seconds=0.5", "experiments.maximum=0", "experiments.sufficient_fitness=1.0")
    ).run()
    assert 0.5 <= result.seconds <= time.perf_counter() - start < 3
    assert result.experiments > 1


def test_a_search_that_is_stopped_at_once_has_a_result() -> None:
    result = ProgramSearch(config("islands.epoch=50", limit=0, name="digits")).run(
        should_stop=lambda: True
    )
    assert result.stopped_by == "interrupted"
    assert result.statistics.individuals == 50  # one epoch
    assert result.experiments == 1
    assert 0 <= result.final_fitness <= 1


def test_a_wish_to_stop_is_heard_soon() -> None:
    start = time.perf_counter()
    result = ProgramSearch(config("stop.seconds=60", limit=0)).run(
        should_stop=lambda: time.perf_counter() - start > 0.3
    )
    assert result.seconds < 2


def test_experiments_start_from_initial_programs() -> None:
    result = ProgramSearch(config("population.initial=linear", limit=1000)).run()
    assert result.statistics.unique_in_population == 1
    assert result.final_fitness > 0.99
    assert any("dot(v1, v0)" in str(item) for item in result.program["predict"])


@pytest.mark.parametrize(
    "override",
    ["cache.canonical=false", "cache.canonical_megabytes=1"],
)
def test_the_canonical_cache_changes_no_result(override: str) -> None:
    base, other = ProgramSearch(config()).run(), ProgramSearch(config(override)).run()
    assert (base.program, base.fitness, base.select_fitness) == (
        other.program,
        other.fitness,
        other.select_fitness,
    )


def test_settings_reach_the_evolution() -> None:
    base = ProgramSearch(config()).run()
    for override in (
        "cache.fec=false",
        "evaluation.combination=median",
        "evaluation.precision=float32",
        "evaluation.max_abs_error=2.0",
        "population.tournament_size=2",
        "population.size=50",
        "population.attempts=3",
        "evaluation.must_learn=true",
    ):
        assert ProgramSearch(config(override)).run().statistics != base.statistics
    poor = ("evaluation.train_budget_factor=1e-9", "population.initial=linear")
    assert ProgramSearch(config(*poor)).run().statistics.over_budget > 0


def test_missing_data_are_told_before_the_search() -> None:
    with pytest.raises((ValueError, FileNotFoundError), match="nowhere.npz"):
        ProgramSearch(config("tasks.*.data=nowhere.npz", name="digits"))
