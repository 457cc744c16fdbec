"""Whole searches: the same on any number of workers, after kills and interruptions."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import nas
from automl_zero.config import IslandsConfig
from automl_zero.evolution import GenomeSearch
from automl_zero.evolution.executors import CallLost, ProcessExecutor
from automl_zero.evolution.runs import Run
from nas import _search_loop
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies import ASHA, Hyperband, MetaQNN, RegularizedEvolution, Reinforce
from tests.killed_search import Victim
from tests.nas.killed_search import search
from tests.nas.toy import SPACE, objective, value


def log(run: Run) -> Any:
    return run.events().drop_columns(["seconds"])


def parts(run: Run) -> dict[int, dict[str, bytes]]:
    """What checkpoints hold beside the clock and what workers were quick to do."""
    folder = run.checkpoints
    return {
        position: {
            name: part
            for name, part in folder.read(folder._path(position)).parts.items()
            if name not in ("clock", "ahead")
        }
        for position in folder.positions()
    }


def assert_same_run(one: nas.SearchOutcome, folder: Path) -> None:
    run, expected = Run.open(folder), one.run
    assert expected is not None
    for name in ("best.txt", "best.json"):
        assert (run.path / name).read_bytes() == (expected.path / name).read_bytes()
    assert log(run) == log(expected)
    assert parts(run) == parts(expected)
    ours, theirs = run.result, expected.result
    assert ours is not None and theirs is not None
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    assert run.status == "finished"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> nas.SearchOutcome:
    """A search with two objectives, never interrupted."""
    return search(tmp_path_factory.mktemp("whole") / "run")


def test_an_outcome_tells_all_trials_the_best_and_the_front(whole: nas.SearchOutcome) -> None:
    assert [trial.number for trial in whole.trials] == list(range(40))
    assert whole.stopped_by == "evaluations"
    for trial in whole.trials:
        assert trial.values == (value(trial.architecture), -float(sum(trial.architecture)))
    assert whole.best.values[0] == max(trial.values[0] for trial in whole.trials)
    assert whole.best_so_far[-1] == whole.best.values[0]
    assert whole.best_so_far == sorted(whole.best_so_far)
    front = whole.front
    assert front[0].values == whole.best.values and len(front) > 2
    assert [trial.values[1] for trial in front] == sorted(t.values[1] for t in front)
    assert SPACE.from_text(whole.text) == whole.best.architecture


def test_the_run_directory_holds_log_best_and_result(whole: nas.SearchOutcome) -> None:
    run = whole.run
    assert run is not None and run.status == "finished" and run.seed == 5
    events = run.events("trial").to_pylist()
    assert [event["architecture"] for event in events] == [
        SPACE.to_text(trial.architecture) for trial in whole.trials
    ]
    assert [tuple(event["values"]) for event in events] == [t.value for t in whole.trials]
    assert (run.path / "best.txt").read_text().strip() == whole.text
    assert run.best == {
        "fitness": whole.best.values[0],
        "number": whole.best.number,
        "architecture": list(whole.best.architecture),
        "text": whole.text,
        "value": list(whole.best.values),
        "budget": None,
    }
    assert run.result is not None and run.result["best"] == run.best
    assert run.config["strategy"]["class"] == "NSGA2"
    assert run.config["strategy"]["population_size"] == 8
    assert run.config["space"]["decisions"] == [
        {"name": f"layer {i}", "options": ["a", "b", "c", "d"]} for i in range(8)
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(whole: nas.SearchOutcome, tmp_path: Path, workers: int) -> None:
    with ThreadPoolExecutor(workers) as executor:
        outcome = search(tmp_path / "run", executor=executor)
    assert outcome.trials == whole.trials and outcome.best == whole.best
    assert_same_run(whole, tmp_path / "run")


def slow_at_random(space: ChoiceSpace, architecture: Architecture, budget: int | None) -> float:
    time.sleep(random.random() / 200)
    return objective(space, architecture, budget)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ASHA(SPACE, max_budget=16, seed=1),
        lambda: Hyperband(SPACE, max_budget=9, seed=1),
        lambda: Reinforce(SPACE, seed=1),
        lambda: MetaQNN(SPACE, trials=80, replay=3, seed=1),
        lambda: RegularizedEvolution(SPACE, seed=1),
    ],
    ids=["asha", "hyperband", "reinforce", "meta-qnn", "regularized-evolution"],
)
def test_every_strategy_searches_the_same_on_several_workers(make: Any) -> None:
    serial = nas.search(SPACE, objective, make(), 80, batch=6)
    with ThreadPoolExecutor(4) as executor:
        parallel = nas.search(SPACE, slow_at_random, make(), 80, batch=6, executor=executor)
    assert parallel.trials == serial.trials and parallel.best == serial.best


def test_the_best_has_the_largest_budget() -> None:
    outcome = nas.search(SPACE, objective, ASHA(SPACE, max_budget=16, seed=2), 100)
    full = [trial for trial in outcome.trials if trial.budget == 16]
    assert full and outcome.best == max(full, key=lambda trial: trial.values[0])
    assert outcome.front == [outcome.best]


def test_lambdas_and_closures_go_to_worker_processes() -> None:
    bonus = 3.0

    def run(workers: int) -> nas.SearchOutcome:
        return nas.search(
            SPACE,
            lambda space, architecture, budget: value(architecture) + bonus,
            RegularizedEvolution(SPACE, seed=3),
            12,
            batch=4,
            workers=workers,
        )

    assert run(2).trials == run(1).trials


def die_once(path: Path) -> Any:
    def measured(space: ChoiceSpace, architecture: Architecture, budget: int | None) -> float:
        if not path.exists():
            path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return value(architecture)

    return measured


def test_a_killed_worker_costs_its_trial_only(tmp_path: Path) -> None:
    make = lambda: RegularizedEvolution(SPACE, seed=3)  # noqa: E731
    with ProcessExecutor(2) as executor:
        outcome = nas.search(
            SPACE, die_once(tmp_path / "died"), make(), 10, batch=2, executor=executor
        )
    assert (tmp_path / "died").exists()
    assert outcome.trials == nas.search(SPACE, objective, make(), 10, batch=2).trials


def test_a_trial_that_kills_every_worker_is_named() -> None:
    def deadly(space: ChoiceSpace, architecture: Architecture, budget: int | None) -> float:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0.0

    with (
        ProcessExecutor(1) as executor,
        pytest.raises(CallLost, match=r"trial 0, layer 0=.*: 3 workers died on it"),
    ):
        nas.search(SPACE, deadly, Reinforce(SPACE), 2, executor=executor)


# Errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: math.nan, "expected a finite number, received nan"),
        (lambda: "good", "expected a finite number, received 'good'"),
        (lambda: (1.0, math.inf), "expected a finite number, received inf"),
    ],
)
def test_an_objective_that_fails_is_named_with_its_trial(
    result: Any, expected: str, tmp_path: Path
) -> None:
    calls = []

    def failing(space: ChoiceSpace, architecture: Architecture, budget: int | None) -> Any:
        calls.append(architecture)
        return result() if len(calls) == 6 else value(architecture)

    message = rf"objective: it failed on trial 5, layer 0=.*{expected}"
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError, match=message):
        nas.search(SPACE, failing, Reinforce(SPACE), 9, batch=2, run_dir=folder)
    run = Run.open(folder)
    assert run.status == "interrupted" and len(run.events("trial")) == 5
    # Once it is mended, the search goes on.
    failing_is_mended = nas.search(
        SPACE, failing, Reinforce(SPACE), 9, batch=2, run_dir=folder, resume=True
    )
    expected_trials = nas.search(SPACE, objective, Reinforce(SPACE), 9, batch=2).trials
    assert failing_is_mended.trials == expected_trials


def test_values_that_the_strategy_does_not_take_are_named() -> None:
    with pytest.raises(ValueError, match=r"trial 0, .*: value: expected a finite number"):
        nas.search(SPACE, lambda *args: (1.0, 2.0), Reinforce(SPACE), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluations": 0}, "evaluations: expected an integer >= 1"),
        ({"batch": 0}, "batch: expected an integer >= 1"),
        ({"workers": 4}, "workers: expected at most batch, which is 3, received 4"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds: expected a number"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(None, **options)


def test_a_strategy_for_another_space_is_refused() -> None:
    with pytest.raises(ValueError, match="strategy: expected one made for the same space"):
        nas.search(ChoiceSpace(SPACE.decisions), objective, Reinforce(SPACE), 3)


def test_resuming_needs_the_run_of_the_same_search(
    whole: nas.SearchOutcome, tmp_path: Path
) -> None:
    assert whole.run is not None
    with pytest.raises(ValueError, match="evaluations: expected 40, received 61"):
        search(whole.run.path, evaluations=61)
    with pytest.raises(ValueError, match="resume: expected a run_dir"):
        nas.search(SPACE, objective, Reinforce(SPACE), 3, resume=True)
    bits = GenomeSearch(SPACE, value, individuals=20, population_size=5)
    bits.run(tmp_path / "other")
    with pytest.raises(ValueError, match="kind: expected 'architecture search'"):
        nas.search(SPACE, objective, Reinforce(SPACE), 3, run_dir=tmp_path / "other", resume=True)


def test_a_checkpoint_of_another_search_names_file_and_part(tmp_path: Path) -> None:
    def run(name: str, strategy: Any, **options: Any) -> nas.SearchOutcome:
        return nas.search(SPACE, objective, strategy, 9, run_dir=tmp_path / name, **options)

    run("one", Reinforce(SPACE), should_stop=lambda: True)
    one = Run.open(tmp_path / "one")
    checkpoint, _ = one.checkpoints.newest()
    assert checkpoint is not None
    for name, damage in (
        ("strategy", b"{}"), ("search", b"[]"), ("ahead", b"[1, 2, 3]"), ("search", b"{"),
    ):  # fmt: skip
        one.checkpoints.write(checkpoint.position, {**checkpoint.parts, name: damage})
        with pytest.raises(ValueError, match=rf"one: checkpoint 1: part '{name}'"):
            run("one", Reinforce(SPACE), resume=True)


# Interruptions ---------------------------------------------------------------------


def test_a_finished_run_gives_its_outcome_again(whole: nas.SearchOutcome) -> None:
    assert whole.run is not None
    again = search(whole.run.path)
    assert (again.trials, again.best, again.stopped_by) == (
        whole.trials, whole.best, "evaluations"
    )  # fmt: skip


def test_stopped_and_resumed_again_and_again_it_is_the_same_run(
    whole: nas.SearchOutcome, tmp_path: Path
) -> None:
    folder, asked = tmp_path / "run", 0

    def after_some() -> bool:
        nonlocal asked
        asked += 1
        return asked % 7 == 0

    outcome = search(folder, should_stop=after_some)
    assert outcome.stopped_by == "interrupted" and Run.open(folder).status == "interrupted"
    for _ in range(200):
        if outcome.stopped_by != "interrupted":
            break
        outcome = search(folder, should_stop=after_some)
    assert_same_run(whole, folder)
    assert len(Run.open(folder).sessions) > 5


def test_ctrl_c_leaves_a_run_that_goes_on(
    whole: nas.SearchOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_search_loop, "PROGRESS_SECONDS", 0.3)

    def interrupt(progress: nas.SearchProgress) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "run"
    interrupts = 0
    for _ in range(500):
        try:
            search(folder, on_progress=interrupt, should_stop=lambda: time.sleep(0.011) or False)
            break
        except KeyboardInterrupt:
            interrupts += 1
            run = Run.open(folder)
            assert run.status == "interrupted"
            assert run.sessions[-1]["reason"] == "interrupted"
    assert interrupts > 3
    assert_same_run(whole, folder)


def test_values_that_came_early_survive(tmp_path: Path) -> None:
    """Of three trials the first is slow: a resumed search does not evaluate the others again."""
    release, calls = threading.Event(), []

    def measured(space: ChoiceSpace, architecture: Architecture, budget: int | None) -> float:
        calls.append(architecture)
        if len(calls) == 2:  # the first trial of the second round
            release.wait(30)
        return value(architecture)

    def run(executor: Any, **options: Any) -> nas.SearchOutcome:
        return nas.search(
            SPACE, measured, Reinforce(SPACE), 5, batch=3, executor=executor,
            run_dir=tmp_path / "run", checkpoint_seconds=0, **options,
        )  # fmt: skip

    with ThreadPoolExecutor(3) as executor:
        outcome = run(executor, should_stop=lambda: len(calls) >= 4)
        release.set()
    assert outcome.stopped_by == "interrupted"
    known = Run.open(tmp_path / "run").checkpoints.newest()[0]
    assert known is not None
    early = sum(item is not None for item in json.loads(known.parts["ahead"]))
    assert early >= 1
    before = len(calls)
    with ThreadPoolExecutor(3) as executor:
        outcome = run(executor, resume=True)
    assert len(calls) - before == 5 - len(json.loads(known.parts["search"])["trials"]) - early
    assert outcome.trials == nas.search(SPACE, objective, Reinforce(SPACE), 5, batch=3).trials


def test_progress_tells_where_it_stands() -> None:
    seen: list[nas.SearchProgress] = []
    nas.search(
        SPACE, slow_at_random, Reinforce(SPACE), 150, batch=2, on_progress=seen.append
    )  # fmt: skip
    assert seen
    for progress in seen:
        assert 0 <= progress.told <= 150 and progress.evaluations == 150
        assert progress.outstanding <= 2
        if progress.best is not None:
            assert SPACE.from_text(progress.best_text) == progress.best.architecture


@pytest.mark.slow
def test_killed_in_the_middle_of_writing_each_kind_of_file(
    whole: nas.SearchOutcome, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with Victim(folder, "tests.nas.killed_search") as victim:
        # Each number hits another write, rename or truncation.
        for calls in range(1, 40):
            if victim.run(calls=calls) != "killed":
                break
            if (folder / "run.json").exists():
                Run.open(folder).events()
        for calls in range(7, 60):
            if victim.run(calls=calls) != "killed":
                break
        else:
            assert victim.run() == "ended 0"
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_killed_at_random_moments(whole: nas.SearchOutcome, tmp_path: Path) -> None:
    moments = random.Random(3)
    kills = 0
    for number in range(20):
        folder = tmp_path / f"{number}" / "run"
        folder.parent.mkdir()
        with Victim(folder, "tests.nas.killed_search") as victim:
            while victim.run(moments.uniform(0.01, 0.1 + kills / 200)) == "killed":
                kills += 1
        assert_same_run(whole, folder)
        if kills >= 10:
            break


# The core on architectures ---------------------------------------------------------


def test_islands_of_the_core_search_architectures_as_they_are(tmp_path: Path) -> None:
    def islands() -> GenomeSearch[Architecture]:
        return GenomeSearch(
            SPACE, value, individuals=400, population_size=20, tournament_size=5, seed=1,
            islands=IslandsConfig(count=2, epoch=50, migration_interval=2, migrants=2),
            cache_size=100,
        )  # fmt: skip

    result = islands().run(tmp_path / "run")
    with ThreadPoolExecutor(2) as executor:
        parallel = islands().run(executor=executor)
    assert (result.genome, result.fitness) == (parallel.genome, parallel.fitness)
    assert SPACE.from_data(list(result.genome)) == result.genome
    assert result.fitness == value(result.genome)
    other = GenomeSearch(ChoiceSpace(SPACE.decisions[1:]), value, individuals=400)
    with pytest.raises(ValueError, match=r"space\.decisions"):
        other.run(tmp_path / "run", resume=True)
    stream_best = nas.search(SPACE, objective, RegularizedEvolution(SPACE), 10).best.values[0]
    assert result.fitness > stream_best
