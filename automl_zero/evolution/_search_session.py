"""One session of a search: from opening the run directory to the result in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol, TypeVar

from automl_zero.evolution._progress import EpochReport, Progress
from automl_zero.evolution._run_directory import INTERRUPTED, run_directory
from automl_zero.evolution._search_loop import SearchLoop
from automl_zero.evolution._search_plan import Candidate, SearchPlan
from automl_zero.evolution.executors import SerialExecutor
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
    workers = SerialExecutor() if executor is None else executor
    session = run_directory(
        run_dir,
        resume=resume,
        kind=plan.kind,
        config=plan.config_data(),
        config_text=plan.config_text(),
        seed=plan.seed,
        executor=workers,
        instruction_set=instruction_set,
    )
    with session as (run, ended):
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
