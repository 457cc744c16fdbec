"""Kill a search at any moment: resumed, it ends as if nothing had been, byte for byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_zero.evolution import SearchResult
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.runs import Run
from tests.automl_zero.evolution.test_genome_search import checkpoint_parts, log
from tests.killed_search import Victim, search

ROOT = Path(__file__).parents[3]

EPOCHS = 2 * 3 * 9
"""Of the whole search: experiments, islands, epochs of an island."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """The search, never interrupted."""
    return search(tmp_path_factory.mktemp("whole") / "run")


def assert_same_run(whole: SearchResult, folder: Path) -> None:
    run, expected = Run.open(folder), whole.run
    assert expected is not None
    assert (run.path / "best.txt").read_bytes() == (expected.path / "best.txt").read_bytes()
    assert run.best == expected.best
    assert log(run) == log(expected)
    assert checkpoint_parts(run) == checkpoint_parts(expected)
    ours, theirs = run.result, expected.result
    assert ours is not None and theirs is not None
    for name in set(theirs) - {"seconds"}:
        assert ours[name] == theirs[name], name


def require_readable(folder: Path, least: dict[str, float]) -> None:
    """After a kill: whatever is there can be read, and nothing found was lost."""
    if not (folder / "run.json").exists():
        return
    run = Run.open(folder)
    run.events()
    checkpoint, problems = run.checkpoints.newest()
    assert not problems
    position = 0 if checkpoint is None else checkpoint.position
    best = run.best
    fitness = -1.0 if best is None else best["select_fitness"]
    assert position >= least["position"] and fitness >= least["fitness"]
    least.update(position=position, fitness=fitness)


@pytest.mark.slow
def test_killed_at_random_moments(whole: SearchResult, tmp_path: Path) -> None:
    """On a fast machine a run ends before it was killed twenty times; then another begins."""
    moments = random.Random(20)
    kills = 0
    while kills < 20:
        folder = tmp_path / f"{kills}" / "run"
        folder.parent.mkdir()
        least = {"position": 0.0, "fitness": -1.0}
        with Victim(folder) as victim:
            # Longer and longer, so that a slow machine gets to the end too.
            while (answer := victim.run(moments.uniform(0.01, 0.12 + kills / 200))) == "killed":
                kills += 1
                require_readable(folder, least)
            assert answer == "ended 0"
        assert_same_run(whole, folder)


@pytest.mark.slow
def test_killed_in_the_middle_of_writing_each_kind_of_file(
    whole: SearchResult, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    least = {"position": 0.0, "fitness": -1.0}
    with Victim(folder) as victim:
        # Each number hits another write, rename or truncation: run.json, config, lock,
        # sessions, events, checkpoints, best, and on later starts the repairs.
        for calls in range(1, 23):
            assert victim.run(calls=calls) == "killed"
            require_readable(folder, least)
        assert least["position"] > 0
        assert victim.run() == "ended 0"
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_killed_at_the_very_end(whole: SearchResult, tmp_path: Path) -> None:
    """Between the last checkpoint and the finished run: result, sessions, Parquet."""
    folder = tmp_path / "run"
    least = {"position": 0.0, "fitness": -1.0}
    calls = 150
    with Victim(folder) as victim:
        assert victim.run(calls=calls) == "killed"
        calls = 8
        while (before := _position(folder)) < EPOCHS:  # to the last checkpoint, hardly further
            assert victim.run(calls=calls) == "killed"
            calls += _position(folder) == before
        for calls in range(1, 40):
            if victim.run(calls=calls) != "killed":
                break
            require_readable(folder, least)
        else:
            pytest.fail("it never ends")
        assert calls > 5
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_two_workers_make_the_same_run(whole: SearchResult, tmp_path: Path) -> None:
    with ProcessExecutor(2) as executor:
        search(tmp_path / "run", executor)
    assert_same_run(whole, tmp_path / "run")


@pytest.mark.slow
def test_workers_and_coordinator_killed_in_turn(whole: SearchResult, tmp_path: Path) -> None:
    """The whole process group is killed while two workers run; serial goes on; and so on."""
    folder = tmp_path / "run"
    program = (
        "import sys; from pathlib import Path; from tests.killed_search import Victim, search\n"
        "from automl_zero.evolution.executors import ProcessExecutor\n"
        "if __name__ == '__main__':\n"
        "    with ProcessExecutor(2) as executor: search(Path(sys.argv[1]), executor)\n"
    )
    for _ in range(3):
        before = _position(folder)
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], cwd=ROOT, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while _position(folder) < before + 3 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    search(folder)
    assert_same_run(whole, folder)


def _position(folder: Path) -> int:
    """Of the newest checkpoint."""
    names = [path.stem for path in (folder / "checkpoints").glob("[0-9]*.arrow")]
    return max(map(int, names), default=0)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(whole: SearchResult, tmp_path: Path) -> None:
    with ProcessExecutor(2) as executor:
        killed: list[int] = []

        def kill_one() -> bool:
            """Polled by the search: kills a worker now and then, never asks it to stop."""
            children = _children()
            if len(killed) < 3 and children and _position(tmp_path / "run") >= 5 * len(killed) + 1:
                killed.append(children[0])
                os.kill(children[0], signal.SIGKILL)
            return False

        from automl_zero.evolution import ProgramSearch
        from tests.killed_search import config

        ProgramSearch(config()).run(
            tmp_path / "run", executor=executor, checkpoint_seconds=0, should_stop=kill_one
        )
    assert killed
    assert_same_run(whole, tmp_path / "run")


def _children() -> list[int]:
    """Worker processes of this process."""
    import multiprocess

    return [child.pid for child in multiprocess.active_children() if child.pid is not None]
