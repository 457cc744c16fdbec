"""Searches that are killed on purpose: what the tests of kills and resumes run.

    python -m tests.killed_search FOLDER

(or another module that ends with :func:`serve`) reads lines ``SECONDS CALLS`` and forks a child
for each, which begins or resumes the search in FOLDER and is killed after so many seconds, or in
the middle of its so-many-th call that writes a file: at a write after half of the data, at a
rename or truncation before it is done. 0 stands for never. It prints ``killed``, or how the child
ended. The imports are paid once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl_zero.config import ExperimentConfig, load_config
from automl_zero.evolution import ProgramSearch, SearchResult


def config() -> ExperimentConfig:
    """Two experiments of three islands with migration, caches and a hurdle."""
    return load_config(
        "demo",
        [
            "seed=5",
            "tasks.search.count=8",
            "tasks.select.count=5",
            "tasks.final.count=5",
            "islands.count=3",
            "islands.epoch=1500",
            "islands.migration_interval=2",
            "islands.migrants=3",
            "population.size=200",
            "population.attempts=4",
            "evaluation.must_learn=true",
            "hurdle.tasks=4",
            "stop.individuals=40000",
            "experiments.maximum=2",
            "experiments.sufficient_fitness=1.0",
        ],
    )


def search(folder: Path, executor: Any = None) -> SearchResult:
    """Begin the search in a folder or go on with it; a checkpoint after every epoch."""
    begun = (folder / "run.json").exists()
    return ProgramSearch(config()).run(
        folder, resume=begun, executor=executor, checkpoint_seconds=0
    )


def kill_at_call(number: int) -> None:
    """Have this process killed in the middle of its ``number``-th call that changes a file."""
    calls = 0

    def dies() -> bool:
        nonlocal calls
        calls += 1
        return calls == number

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    write, replace, truncate = os.write, os.replace, os.ftruncate

    def half_write(descriptor: int, data: Any) -> int:
        if dies():
            write(descriptor, bytes(data)[: len(data) // 2])
            die()
        return write(descriptor, data)

    def no_replace(*args: Any, **kwargs: Any) -> None:
        if dies():
            die()
        replace(*args, **kwargs)

    def no_truncate(*args: Any) -> None:
        if dies():
            die()
        truncate(*args)

    os.write, os.replace, os.ftruncate = half_write, no_replace, no_truncate


def serve(search: Callable[[Path], object]) -> None:
    """Fork a child that searches for each line of standard input."""
    folder = Path(sys.argv[1])
    # Whatever loads on first use is loaded before the first fork.
    search(folder.with_name("warm-up"))
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, calls = line.split()
        child = os.fork()
        if child == 0:
            try:
                if int(calls):
                    kill_at_call(int(calls))
                search(folder)
                os._exit(0)
            except BaseException as error:
                print(f"failed: {type(error).__name__}: {error}", flush=True)
                os._exit(1)
        if float(seconds):
            timer = threading.Timer(float(seconds), os.kill, (child, signal.SIGKILL))
            timer.start()
        _, status = os.waitpid(child, 0)
        if float(seconds):
            timer.cancel()
            timer.join()
        print("killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}", flush=True)


class Victim:
    """A process that runs a search again and again and lets it be killed."""

    def __init__(self, folder: Path, module: str = "tests.killed_search") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == "ready"

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, seconds: float = 0, calls: int = 0) -> str:
        assert self.process.stdin is not None
        print(seconds, calls, file=self.process.stdin, flush=True)
        return self.answer()

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *error: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


if __name__ == "__main__":
    serve(search)
