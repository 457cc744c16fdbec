"""Whole searches of other genomes than programs: the same islands, runs and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl_zero.config import IslandsConfig
from automl_zero.evolution import BitStringSpace, EpochReport, GenomeSearch, Progress
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.runs import Run

ISLANDS = IslandsConfig(count=3, epoch=50, migration_interval=2, migrants=2)


def search(**options: Any) -> GenomeSearch[str]:
    settings: dict[str, Any] = {
        "individuals": 1200,
        "population_size": 20,
        "tournament_size": 3,
        "seed": 4,
        "islands": ISLANDS,
        "fitness": lambda bits: bits.count("1"),
        **options,
    }
    return GenomeSearch(BitStringSpace(64), **settings)


def same(one: Any, other: Any) -> bool:
    names = ("genome", "fitness", "birth", "experiments", "statistics", "stopped_by")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def log(run: Run) -> Any:
    return run.events().drop_columns(["seconds"])


def checkpoint_parts(run: Run) -> dict[int, dict[str, bytes]]:
    """Everything but the clock, by position."""
    folder = run.checkpoints
    found = {}
    for path in sorted((run.path / "checkpoints").iterdir()):
        checkpoint = folder.read(path)
        parts = {name: part for name, part in checkpoint.parts.items() if name != "clock"}
        found[checkpoint.position] = parts
    return found


def test_a_lambda_is_searched_in_processes_as_in_this_thread(tmp_path: Path) -> None:
    bonus = 3  # a closure

    def fitness(bits: str) -> float:
        return bits.count("1") + bonus * bits.startswith("111")

    serial = search(fitness=fitness).run(tmp_path / "serial", checkpoint_seconds=0)
    with ProcessExecutor(2) as executor:
        parallel = search(fitness=fitness).run(
            tmp_path / "parallel", executor=executor, checkpoint_seconds=0
        )
    assert same(serial, parallel)
    assert serial.run is not None and parallel.run is not None
    assert log(serial.run) == log(parallel.run)
    assert checkpoint_parts(serial.run) == checkpoint_parts(parallel.run)
    assert len(checkpoint_parts(serial.run)) == 3


def test_attempts_keep_a_search_diverse_and_resumable(tmp_path: Path) -> None:
    def small(attempts: int) -> GenomeSearch[str]:
        return GenomeSearch(
            BitStringSpace(6), lambda bits: bits.count("1"), individuals=600, seed=1,
            population_size=12, attempts=attempts, islands=IslandsConfig(count=2, epoch=50),
        )  # fmt: skip

    alike, different = small(1).run(), small(20).run(tmp_path / "whole")
    assert alike.statistics.unique_in_population < different.statistics.unique_in_population
    reports: list[EpochReport] = []
    small(20).run(
        tmp_path / "parts", callbacks=[reports.append], should_stop=lambda: len(reports) == 3
    )
    assert same(different, small(20).run(tmp_path / "parts", resume=True))


def interrupted_after(epochs: int, folder: Path) -> Any:
    """Two experiments, stopped after so many epochs."""
    reports: list[EpochReport] = []
    result = search(experiments=2).run(
        folder, callbacks=[reports.append], should_stop=lambda: len(reports) >= epochs
    )
    assert len(reports) == epochs
    return result


def test_an_interrupted_search_that_is_resumed_ends_the_same(tmp_path: Path) -> None:
    whole = search(experiments=2).run(tmp_path / "whole")
    for stop in (1, 2, 5, 23, 24, 25, 40):
        folder = tmp_path / f"{stop}"
        first = interrupted_after(stop, folder)
        assert first.stopped_by == "interrupted"
        assert Run.open(folder).status == "interrupted"
        second = search(experiments=2).run(folder, resume=True)
        assert same(whole, second)
        assert whole.run is not None and second.run is not None
        assert log(whole.run) == log(second.run)
        assert checkpoint_parts(whole.run)[48] == checkpoint_parts(second.run)[48]


def test_callbacks_get_every_epoch_in_order_and_progress_tells_the_rest() -> None:
    reports: list[EpochReport] = []
    seen: list[Progress] = []
    result = search(experiments=2).run(callbacks=[reports.append], on_progress=seen.append)
    assert [(it.experiment, it.epoch, it.island) for it in reports] == [
        (experiment, epoch, island)
        for experiment in (1, 2)
        for epoch in range(1, 9)
        for island in range(3)
    ]
    assert [item.individuals for item in reports] == list(range(50, 2401, 50))
    assert result.statistics.individuals == 2400
    assert max(item.best_fitness for item in reports) == result.fitness


@pytest.mark.parametrize(
    ("limit", "stopped_by"),
    [
        ({"sufficient_fitness": 40}, "sufficient fitness"),
        ({"stagnation": 150, "individuals": None}, "stagnation"),
        ({"individuals": 100}, "individuals"),
        ({"seconds": 0.0, "individuals": None}, "seconds"),
    ],
    ids=str,
)
def test_each_limit_ends_a_run_and_is_named(limit: dict[str, Any], stopped_by: str) -> None:
    result = search(**limit).run()
    assert result.stopped_by == stopped_by
    assert result.fitness == result.genome.count("1")


def test_a_time_limit_ends_a_long_epoch() -> None:
    result = search(seconds=0.1, individuals=None, islands=IslandsConfig(epoch=10**9)).run()
    assert result.stopped_by == "seconds"
    assert result.seconds < 5


def test_more_time_lets_a_run_go_on(tmp_path: Path) -> None:
    first = search(seconds=0.05, individuals=None).run(tmp_path / "run")
    assert Run.open(tmp_path / "run").status == "finished"
    again = search(seconds=0.05, individuals=None).run(tmp_path / "run", resume=True)
    assert again.statistics.individuals == first.statistics.individuals
    more = search(seconds=0.3, individuals=None).run(tmp_path / "run", resume=True)
    assert more.statistics.individuals > first.statistics.individuals
    assert more.seconds >= 0.3


def test_a_finished_run_gives_its_result_again(tmp_path: Path) -> None:
    first = search().run(tmp_path / "run")
    again = search().run(tmp_path / "run", resume=True)
    assert same(first, again)
    assert first.run is not None and again.run is not None
    assert log(first.run) == log(again.run)


def test_a_run_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    search().run(tmp_path / "run", should_stop=lambda: True)
    with pytest.raises(ValueError, match="population_size"):
        search(population_size=21).run(tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match="islands.migrants"):
        search(islands=IslandsConfig(count=3, epoch=50, migration_interval=2)).run(
            tmp_path / "run", resume=True
        )
    with pytest.raises(ValueError, match="length"):
        GenomeSearch(
            BitStringSpace(32), lambda bits: 0.0, individuals=1200, population_size=20,
            tournament_size=3, seed=4, islands=ISLANDS,
        ).run(tmp_path / "run", resume=True)  # fmt: skip


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    search().run(tmp_path / "run", should_stop=lambda: True)
    with pytest.raises(ValueError, match="resume"):
        search().run(tmp_path / "run")
    with pytest.raises(ValueError, match="run: expected the folder of a run"):
        search().run(tmp_path / "other", resume=True)
    with pytest.raises(ValueError, match="resume: expected a run_dir"):
        search().run(resume=True)


def test_a_failing_fitness_function_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    calls = 0

    def fitness(bits: str) -> float:
        nonlocal calls
        calls += 1
        if calls == 700:
            raise OSError("the disk is away")
        return bits.count("1")

    with pytest.raises(RuntimeError, match="fitness: the function failed on .*disk is away"):
        search(fitness=fitness).run(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.status == "interrupted"
    assert "disk is away" in run.sessions[-1]["reason"]
    assert same(search(fitness=fitness).run(tmp_path / "run", resume=True), search().run())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "high", None])
def test_a_fitness_that_is_no_finite_number_is_an_error(value: Any) -> None:
    with pytest.raises(RuntimeError, match="fitness: "):
        search(fitness=lambda bits: value).run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"individuals": None}, "individuals, stagnation, seconds: expected at least one limit"),
        ({"individuals": 0}, "individuals: expected an integer >= 1"),
        ({"stagnation": 1.5}, "stagnation: expected an integer"),
        ({"seconds": -1}, "seconds: expected a number"),
        ({"sufficient_fitness": "high"}, "sufficient_fitness: expected a number"),
        ({"experiments": 0}, "experiments: expected an integer"),
        ({"population_size": 0}, "population_size: expected an integer"),
        ({"attempts": 0}, "attempts: expected an integer"),
        ({"seed": -1}, "seed: expected an integer"),
    ],
    ids=str,
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(**options)
