"""A whole search for programs, as an experiment's configuration describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from automl_zero.config import ExperimentConfig
from automl_zero.evolution._lineage import Birth
from automl_zero.evolution._program_plan import Judge, ProgramPlan
from automl_zero.evolution._progress import EpochReport, Progress
from automl_zero.evolution._run_directory import CHECKPOINT_SECONDS
from automl_zero.evolution._search_session import Outcome, run_session
from automl_zero.evolution._statistics import Statistics
from automl_zero.evolution.runs import Run
from automl_zero.kernels import _engine
from automl_zero.program import Program
from automl_zero.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        program: The program of the best selection fitness.
        fitness: Its fitness on the search tasks of its experiment.
        select_fitness: Its mean fitness on the selection tasks.
        final_fitness: Its mean fitness on the final tasks, which nothing was chosen by.
        final_task_fitness: The same for each final task.
        final_tasks: Those tasks.
        birth: Island, number and generation of the program.
        experiments: Experiments begun.
        seconds: Wall-clock time, earlier sessions included.
        statistics: Counts of all experiments; the population is that of the last one.
        stopped_by: Which limit ended the run: ``"individuals"``, ``"train_steps"``,
            ``"fitness"``, ``"stagnation"``, ``"seconds"``, ``"sufficient fitness"``; or
            ``"interrupted"``.
        run: The run directory; None if there is none.
    """

    program: Program
    fitness: float
    select_fitness: float
    final_fitness: float
    final_task_fitness: tuple[float, ...] = field(repr=False)
    final_tasks: tuple[Task, ...] = field(repr=False)
    birth: Birth
    experiments: int
    seconds: float
    statistics: Statistics = field(repr=False)
    stopped_by: str
    run: Run | None = field(default=None, repr=False)

    @property
    def is_interrupted(self) -> bool:
        """True if the run can go on."""
        return self.stopped_by == "interrupted"

    def to_data(self) -> dict[str, Any]:
        """The result as plain data, without tasks and run directory."""
        return {
            "program": str(self.program),
            "fitness": self.fitness,
            "select_fitness": self.select_fitness,
            "final_fitness": self.final_fitness,
            "final_task_fitness": list(self.final_task_fitness),
            "birth": list(self.birth),
            "experiments": self.experiments,
            "seconds": self.seconds,
            "statistics": self.statistics.to_data(),
            "stopped_by": self.stopped_by,
        }


class ProgramSearch:
    """The search that a configuration describes, experiment after experiment.

    Each experiment evolves islands of programs on search tasks of its own. When an epoch has
    brought an island a new best program, that becomes a candidate and is evaluated on the
    selection tasks (unless it is far below the best candidate so far); the run ends when one
    is above ``experiments.sufficient_fitness``. The candidate of the best selection fitness,
    the latest on ties, is the result.

    The same configuration gives the same result, on any executor and however often it was
    interrupted and resumed, unless a limit in seconds ends the run.

    Args:
        config: The experiment.

    Raises:
        ValueError: If a program file or the data of the tasks are missing or damaged.

    >>> from automl_zero.config import load_config
    >>> result = ProgramSearch(load_config("linear", ["seed=3"])).run()
    >>> result.select_fitness > 0.9999, result.experiments, result.stopped_by
    (True, 1, 'sufficient fitness')
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config
        self._plan = ProgramPlan(config)
        self.final_tasks = tuple(self._plan.final_tasks())

    def run(
        self,
        run_dir: str | PathLike[str] | None = None,
        *,
        resume: bool = False,
        executor: Executor | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        callbacks: Iterable[Callable[[EpochReport], None]] = (),
        should_stop: Callable[[], bool] | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> SearchResult:
        """Search until a limit of the configuration.

        Args:
            run_dir: Folder for checkpoints, events and results; made if it is not there.
                None keeps nothing.
            resume: Go on with the run in ``run_dir``.
            executor: Runs the epochs: see :mod:`automl_zero.evolution.executors`. None: this
                thread.
            on_progress: Called about ten times a second while there is something new.
            callbacks: Called after each epoch, in the same order on any executor.
            should_stop: Polled; once it says yes the epochs that run are finished, and the
                run can be resumed.
            checkpoint_seconds: Least time between two checkpoints; a kill costs so much.

        Returns:
            The result. That of a run that is resumed after its end is computed anew.

        Raises:
            ValueError: If ``run_dir`` holds something already (without ``resume``), or no
                run, or one of another configuration, or a damaged one.
            RunWriteError: If ``run_dir`` cannot be written; what was written stays good.
            EpochLost: If workers die again and again on one epoch.
            MemoryError: If a population, its caches or tasks do not fit.
        """

        def conclude(outcome: Outcome) -> SearchResult:
            return self._result(outcome)

        return run_session(
            self._plan,
            conclude,
            run_dir=run_dir,
            resume=resume,
            executor=executor,
            on_progress=on_progress,
            callbacks=callbacks,
            should_stop=should_stop,
            checkpoint_seconds=checkpoint_seconds,
            instruction_set=_engine.ISA,
        )

    def _result(self, outcome: Outcome) -> SearchResult:
        best = outcome.best
        program = Program.parse(best.genome)
        fitness = Judge(self.final_tasks, self.config).task_fitness(program)
        return SearchResult(
            program=program,
            fitness=best.fitness,
            select_fitness=best.select_fitness,
            final_fitness=float(np.mean(fitness)),
            final_task_fitness=tuple(float(value) for value in fitness),
            final_tasks=self.final_tasks,
            birth=best.birth,
            experiments=outcome.experiments,
            seconds=outcome.seconds,
            statistics=outcome.statistics,
            stopped_by=outcome.stopped_by,
            run=outcome.run,
        )
