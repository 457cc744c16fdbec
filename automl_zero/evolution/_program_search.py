"""A whole search as an experiment's configuration describes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.config import ExperimentConfig
from automl_zero.evaluation import compile_batch, stack_programs
from automl_zero.evolution._initial_programs import initial_programs, max_cost
from automl_zero.evolution._program_evolution import MEGABYTE, ProgramEvolution
from automl_zero.evolution._program_space import ProgramSpace
from automl_zero.evolution._statistics import Statistics
from automl_zero.kernels import _engine
from automl_zero.program import Program
from automl_zero.streams import stream_key
from automl_zero.tasks import Task, TaskBatch

if TYPE_CHECKING:
    from automl_zero.tasks import DataSet, TaskSpec

CHECK_SWEEPS: Final = 10
"""Limits and new best programs are looked at each time the population was renewed so often.
A count, not a time: so results do not depend on the machine's speed."""

SELECT_MARGIN: Final = 0.05
"""A candidate is evaluated on the selection tasks unless its search fitness is this much
below the best candidate's. Most experiments of the demo get stuck far below and so never
make their 100 selection tasks, which takes 42 ms of 270."""

_POLL_SECONDS: Final = 0.05  # between looks at the clock and at should_stop
_PROGRESS_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a running search stands; counts and rates over all experiments so far.

    Attributes:
        experiment: Number of the experiment that runs, from 1.
        individuals: Programs created.
        individuals_per_second: Lately.
        best_fitness: Best search fitness of this experiment.
        mean_fitness: Mean fitness of its population.
        canonical_hit_rate: Share of programs whose fitness their live code told.
        fec_hit_rate: Share of programs whose fitness the probe told.
        evaluations: Programs run in full.
        seconds: Wall-clock time since the start.
    """

    experiment: int
    individuals: int
    individuals_per_second: float
    best_fitness: float
    mean_fitness: float
    canonical_hit_rate: float
    fec_hit_rate: float
    evaluations: int
    seconds: float


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
        experiments: Experiments begun.
        seconds: Wall-clock time.
        statistics: Counts of all experiments; the population is that of the last one.
    """

    program: Program
    fitness: float
    select_fitness: float
    final_fitness: float
    final_task_fitness: tuple[float, ...] = field(repr=False)
    final_tasks: tuple[Task, ...] = field(repr=False)
    experiments: int
    seconds: float
    statistics: Statistics


class ProgramSearch:
    """The search that a configuration describes, experiment after experiment.

    Each experiment evolves a population on search tasks of its own. Its best program
    becomes a candidate whenever it has changed, and is evaluated on the selection tasks
    (unless it is far below the best candidate so far, see :data:`SELECT_MARGIN`); the run
    ends when one is above ``experiments.sufficient_fitness``. The candidate of the
    best selection fitness, the latest on ties, is the result.

    The same configuration gives the same result, unless a limit in seconds or
    ``should_stop`` ends the run.

    Args:
        config: The experiment.

    Raises:
        ValueError: If a program file or the data of the tasks are missing or damaged.

    >>> from automl_zero.config import load_config
    >>> result = ProgramSearch(load_config("linear", ["seed=3"])).run()
    >>> result.select_fitness > 0.9999, result.experiments
    (True, 1)
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config
        self.space = ProgramSpace.from_config(config)
        self._initial = initial_programs(config)
        self._max_cost = max_cost(config)
        self._data: dict[tuple[object, ...], DataSet] = {}
        self.final_tasks = tuple(self._make(config.tasks.final, stream_key(config.seed, "final")))

    def run(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search until a limit of the configuration.

        Args:
            on_progress: Called about ten times a second.
            should_stop: Polled twenty times a second or after each individual, whichever
                is rarer; once it says yes, the run ends with the best program so far.

        Raises:
            MemoryError: If a population, its caches or tasks do not fit.
        """
        run = _Run(self.config, on_progress, should_stop)
        limit, count = self.config.experiments.maximum, 0
        while not run.is_over and (not limit or count < limit):
            count += 1
            self._run_experiment(count, run)
        best = run.best
        if best is None:
            raise RuntimeError("a search without a single individual")
        fitness = _Judge(self.final_tasks, self.config).task_fitness(best.program)
        return SearchResult(
            program=best.program,
            fitness=best.fitness,
            select_fitness=best.select_fitness,
            final_fitness=float(np.mean(fitness)),
            final_task_fitness=tuple(float(value) for value in fitness),
            final_tasks=self.final_tasks,
            experiments=count,
            seconds=run.seconds,
            statistics=run.statistics,
        )

    def _run_experiment(self, number: int, run: _Run) -> None:
        seed = stream_key(self.config.seed, "experiment", number)
        evolution = self._evolution(seed)
        judge: _Judge | None = None
        stop = self.config.stop
        candidate = -1  # number of the last one
        while True:
            target = evolution.individuals + CHECK_SWEEPS * evolution.population_size
            if stop.individuals:
                target = min(target, stop.individuals)
            run.advance(evolution, target, number)
            if evolution.best_individual != candidate:
                candidate = evolution.best_individual
                if run.is_promising(evolution.best_fitness):
                    if judge is None:
                        tasks = self._make(self.config.tasks.select, stream_key(seed, "select"))
                        judge = _Judge(tasks, self.config)
                    run.consider(evolution, judge)
            if (
                run.is_over
                or (stop.individuals and evolution.individuals >= stop.individuals)
                or (stop.train_steps and evolution.counters["train_steps"] >= stop.train_steps)
                or (stop.fitness and evolution.best_fitness >= stop.fitness)
            ):
                break
        run.finish(evolution)

    def _evolution(self, seed: int) -> ProgramEvolution:
        population, evaluation = self.config.population, self.config.evaluation
        cache = self.config.cache
        tasks = self._make(self.config.tasks.search, stream_key(seed, "search"))
        return ProgramEvolution(
            self.space,
            TaskBatch(tasks),
            population_size=population.size,
            tournament_size=population.tournament_size,
            seed=seed,
            initial=self._initial,
            combination=evaluation.combination,
            max_abs_error=evaluation.max_abs_error,
            max_cost=self._max_cost,
            precision=evaluation.precision,
            canonical_bytes=int(cache.canonical_megabytes * MEGABYTE) if cache.canonical else 0,
            fec=cache.fec,
            fec_train=cache.fec_train,
            fec_valid=cache.fec_valid,
            fec_bytes=int(cache.fec_megabytes * MEGABYTE),
        )

    def _make(self, spec: TaskSpec, seed: int) -> list[Task]:
        """The tasks of a set; their data are read once."""
        if spec.kind != "projected_binary":
            return spec.make(seed)
        source = (spec.data, spec.label, spec.header, spec.test_fraction)
        if source not in self._data:
            self._data[source] = spec.load_data()
        return spec.make(seed, self._data[source])


@dataclass(frozen=True, slots=True)
class _Candidate:
    program: Program
    fitness: float
    select_fitness: float


class _Run:
    """What outlives an experiment: the best candidate, totals, the clock, the wish to stop."""

    def __init__(
        self,
        config: ExperimentConfig,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.best: _Candidate | None = None
        self._best_search_fitness = 0.0
        self.statistics = Statistics()
        self.is_over = False
        self._sufficient = config.experiments.sufficient_fitness
        self._limit = config.stop.seconds
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._start = self._last_progress = time.perf_counter()
        self._last_individuals = 0
        self._chunk = 1

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self._start

    def advance(self, evolution: ProgramEvolution, target: int, experiment: int) -> None:
        """Run until the evolution has ``target`` individuals or the run is to stop.

        The chunks between looks at the clock adapt to the speed; no result depends on them.
        """
        while evolution.individuals < target and not self.is_over:
            started = time.perf_counter()
            count = min(self._chunk, target - evolution.individuals)
            evolution.run(count)
            now = time.perf_counter()
            if count == self._chunk:
                aim = self._chunk * _POLL_SECONDS / max(now - started, 1e-6)
                self._chunk = int(min(max(aim, self._chunk / 4, 1), self._chunk * 4, 1e9))
            if (self._limit and now - self._start >= self._limit) or (
                self._should_stop is not None and self._should_stop()
            ):
                self.is_over = True
            if self._on_progress is not None and now - self._last_progress >= _PROGRESS_SECONDS:
                self._report(self._on_progress, evolution, experiment, now)

    def is_promising(self, fitness: float) -> bool:
        """Whether a program of this search fitness may become the best candidate."""
        return self.best is None or fitness >= self._best_search_fitness - SELECT_MARGIN

    def consider(self, evolution: ProgramEvolution, judge: _Judge) -> None:
        """Keep the best program if it is the best candidate so far; if it suffices, stop."""
        best = evolution.best
        if best is None:
            return
        select_fitness = judge.mean_fitness(best.program)
        self._best_search_fitness = max(self._best_search_fitness, best.fitness)
        if self.best is None or select_fitness >= self.best.select_fitness:
            self.best = _Candidate(best.program, best.fitness, select_fitness)
        if select_fitness > self._sufficient:
            self.is_over = True

    def finish(self, evolution: ProgramEvolution) -> None:
        """Add an experiment's counts to the totals."""
        self.statistics += evolution.statistics

    def _report(
        self,
        on_progress: Callable[[Progress], None],
        evolution: ProgramEvolution,
        experiment: int,
        now: float,
    ) -> None:
        current = evolution.statistics
        total = self.statistics + current
        rate = (total.individuals - self._last_individuals) / (now - self._last_progress)
        self._last_progress, self._last_individuals = now, total.individuals
        on_progress(
            Progress(
                experiment=experiment,
                individuals=total.individuals,
                individuals_per_second=rate,
                best_fitness=current.best_fitness,
                mean_fitness=current.mean_fitness,
                canonical_hit_rate=total.canonical_hit_rate,
                fec_hit_rate=total.fec_hit_rate,
                evaluations=total.evaluations,
                seconds=now - self._start,
            )
        )


class _Judge:
    """Fitness of single programs on tasks compiled once: in float64, without any cache."""

    def __init__(self, tasks: list[Task] | tuple[Task, ...], config: ExperimentConfig) -> None:
        batch = TaskBatch(tasks)
        self._batch = compile_batch(batch)
        self._train_steps = float(batch.train_count * batch.epochs)
        self._max_abs_error = config.evaluation.max_abs_error
        self._count = len(batch)

    def task_fitness(self, program: Program) -> NDArray[np.float64]:
        """Fitness on each task."""
        raw, offsets = stack_programs([program])
        fitness = np.zeros((1, self._count))
        stops = np.zeros((1, self._count, 3), np.int32)
        train_steps = np.zeros((1, self._count), np.int64)
        _engine.evaluate_programs(
            self._batch,
            raw,
            offsets,
            fitness,
            stops,
            train_steps,
            self._max_abs_error,
            self._train_steps,
            np.inf,
        )
        return fitness[0]

    def mean_fitness(self, program: Program) -> float:
        """Mean over the tasks."""
        return float(np.mean(self.task_fitness(program)))
