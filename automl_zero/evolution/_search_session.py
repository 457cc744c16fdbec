"""One session of a search: from opening the run directory to the result in it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeVar

from automl_zero.evolution._progress import EpochReport, Progress
from automl_zero.evolution._search_loop import INTERRUPTED, SearchLoop
from automl_zero.evolution._search_plan import Candidate, SearchPlan
from automl_zero.evolution.executors import SerialExecutor, capacity
from automl_zero.evolution.runs import Run


class Result(Protocol):
    """What a search gives back; goes into the run directory as plain data."""

    def to_data(self) -> dict[str, Any]:
        """As plain data."""


AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the loop of a search leaves.

    Attributes:
        best: The best candidate.
        finalists: The best candidates, the best one first.
        experiments: Experiments begun.
        seconds: Wall-clock time, earlier sessions included.
        statistics: Counts of all experiments.
        stopped_by: Why it ended.
        run: The run directory, if any.
    """

    best: Candidate
    finalists: tuple[Candidate, ...]
    experiments: int
    seconds: float
    statistics: Any
    stopped_by: str
    run: Run | None


def run_session(
    plan: SearchPlan,
    conclude: Callable[[Outcome], AnyResult],
    *,
    run_dir: str | PathLike[str] | None,
    resume: bool,
    executor: Executor | None,
    on_progress: Callable[[Progress], None] | None,
    callbacks: Iterable[Callable[[EpochReport], None]],
    should_stop: Callable[[], bool] | None,
    checkpoint_seconds: float,
    instruction_set: str = "",
) -> AnyResult:
    """Run a plan until its end or an interruption; ``conclude`` makes the result of it.

    Arguments, and what is raised, as of
    :meth:`automl_zero.evolution.ProgramSearch.run`.
    """
    if resume and run_dir is None:
        raise ValueError("resume: expected a run_dir to go on with, received none")
    workers = SerialExecutor() if executor is None else executor
    with _session(plan, run_dir, resume, workers, instruction_set) as (run, ended):
        if run is not None and (run.result or {}).get("stopped_by") == "seconds":
            run.reopen()
        loop = SearchLoop(
            plan,
            workers,
            run=run,
            on_progress=on_progress,
            callbacks=callbacks,
            should_stop=should_stop,
            checkpoint_seconds=checkpoint_seconds,
        )
        reason = loop.run_to_end()
        best = _best(loop.state.best, plan, run)
        result = conclude(
            Outcome(
                best=best,
                finalists=_finalists(best, loop.state.finalists),
                experiments=loop.state.experiment,
                seconds=loop.seconds,
                statistics=loop.statistics,
                stopped_by=reason,
                run=run,
            )
        )
        ended.append(reason)
        if run is not None and reason != INTERRUPTED:
            run.write_result(result.to_data())
            if reason != "seconds":  # with more time it can go on
                run.finish()
        return result


def _best(found: Candidate | None, plan: SearchPlan, run: Run | None) -> Candidate:
    """The best candidate; a better one that a kill left in its file counts too."""
    stored = None if run is None else run.best
    if stored is not None:
        candidate = Candidate.from_data(stored)
        if found is None or candidate.select_fitness > found.select_fitness:
            plan.check_genome(candidate.genome)
            return candidate
    if found is None:
        raise RuntimeError("a search without a single individual")
    return found


def _finalists(best: Candidate, others: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The best one, then the others below it."""
    return (best, *(item for item in others if item.select_fitness < best.select_fitness))


@contextlib.contextmanager
def _session(
    plan: SearchPlan,
    run_dir: str | PathLike[str] | None,
    resume: bool,
    executor: Executor,
    instruction_set: str,
) -> Iterator[tuple[Run | None, list[str]]]:
    """The locked run directory; what is put into the list is why the session ended."""
    ended: list[str] = []
    if run_dir is None:
        yield None, ended
        return
    if resume:
        run = Run.open(Path(run_dir))
        if run.kind != plan.kind:
            raise ValueError(f"run.json: kind: expected {plan.kind!r}, received {run.kind!r}")
        run.require_config(plan.config_data())
        for difference in run.differences_of_machine(instruction_set):
            warnings.warn(
                f"{run.path}: {difference}; results may differ", RuntimeWarning, stacklevel=5
            )
    else:
        run = Run.create(
            Path(run_dir),
            kind=plan.kind,
            config=plan.config_data(),
            config_text=plan.config_text(),
            seed=plan.seed,
            instruction_set=instruction_set,
        )
    with run.lock():
        run.begin_session(executor=type(executor).__name__, workers=capacity(executor))
        try:
            yield run, ended
        except BaseException as error:
            with contextlib.suppress(OSError):
                run.end_session(_reason(error))
            raise
        run.end_session(ended[0] if ended else "")


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return f"{type(error).__name__}: {error}"
