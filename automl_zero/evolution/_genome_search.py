"""A whole search for genomes of any kind, evaluated by a Python function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Generic

from automl_zero._config_values import integer, number
from automl_zero.config import IslandsConfig
from automl_zero.evolution._genome_epoch import FEC_SIZE
from automl_zero.evolution._genome_plan import GenomePlan
from automl_zero.evolution._lineage import Birth
from automl_zero.evolution._population_statistics import PopulationStatistics
from automl_zero.evolution._progress import EpochReport, Progress
from automl_zero.evolution._run_directory import CHECKPOINT_SECONDS
from automl_zero.evolution._search_plan import Candidate, Limits
from automl_zero.evolution._search_session import Outcome, run_session
from automl_zero.evolution._search_space import Genome, SearchSpace
from automl_zero.evolution.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class GenomeResult(Generic[Genome]):
    """What a search found.

    Attributes:
        genome: The fittest.
        fitness: Its fitness.
        select_fitness: Its fitness by the judge; the same without one.
        birth: Island, number and generation.
        experiments: Experiments begun.
        seconds: Wall-clock time, earlier sessions included.
        statistics: Counts of all experiments; the population is that of the last one.
        stopped_by: ``"individuals"``, ``"stagnation"``, ``"seconds"``,
            ``"sufficient fitness"`` or ``"interrupted"``.
        data: The genome as plain data.
        finalists: The best candidates, the fittest by the judge first.
        run: The run directory; None if there is none.
    """

    genome: Genome
    fitness: float
    select_fitness: float
    birth: Birth
    experiments: int
    seconds: float
    statistics: PopulationStatistics = field(repr=False)
    stopped_by: str
    data: Any = field(repr=False)
    finalists: tuple[Candidate, ...] = field(default=(), repr=False)
    run: Run | None = field(default=None, repr=False)

    def to_data(self) -> dict[str, Any]:
        """The result as plain data, without the run directory."""
        return {
            "genome": self.data,
            "fitness": self.fitness,
            "select_fitness": self.select_fitness,
            "birth": list(self.birth),
            "experiments": self.experiments,
            "seconds": self.seconds,
            "statistics": self.statistics.to_data(),
            "stopped_by": self.stopped_by,
        }


class GenomeSearch(Generic[Genome]):
    """Islands of any genomes, on any executor, with checkpoints and a log.

    The same core as :class:`~automl_zero.evolution.ProgramSearch`, for whatever can be
    drawn, mutated, told apart and stored.

    Args:
        space: Draws and mutates genomes.
        fitness: Fitness of a genome, higher is better; a function of the genome alone. It
            is sent to worker processes, lambdas and closures included.
        individuals: Limit of one experiment, all islands together; None: no limit.
        stagnation: Individuals of one experiment without a better one; None: no limit.
        seconds: Limit of the whole run; the one limit that makes a result depend on the
            machine.
        sufficient_fitness: The run ends when a fitness is above this.
        experiments: How often the search starts afresh; None: until a limit ends the run.
        islands: Their number and how they exchange individuals.
        population_size: Individuals alive on an island.
        tournament_size: Draws for one parent.
        attempts: Mutations of a child at most: it is mutated again while an individual alive
            has its key. 1: duplicates are let be.
        seed: Fixes everything random.
        initial: Genomes to start from; none: random ones.
        cache_size: Fitnesses that an island remembers by key.
        probe: A short look at a genome before its fitness is measured: a text that tells what
            it does there, or a number, which then is its fitness, as of a genome that fails
            already. Genomes of one text share the fitness of the first of them, which is an
            approximation where they differ later. None: no probe.
        fec_size: Fitnesses that an island remembers by what the probe saw.
        judge: A second fitness, of the candidates alone: new best genomes of an island. The
            best by it is the result. None: the fitness itself.
        select_margin: A candidate so far below the best one's fitness is not judged.
        finalists: How many of the best candidates are kept for the result.

    Raises:
        ValueError: If a number is out of range, or there is no limit at all.

    >>> from automl_zero.evolution import BitStringSpace
    >>> search = GenomeSearch(
    ...     BitStringSpace(16), lambda bits: bits.count("1"), individuals=2000, seed=1,
    ...     islands=IslandsConfig(count=2, epoch=100),
    ... )
    >>> result = search.run()
    >>> result.genome, result.fitness, result.stopped_by
    ('1111111111111111', 16.0, 'individuals')
    """

    def __init__(
        self,
        space: SearchSpace[Genome],
        fitness: Callable[[Genome], float],
        *,
        individuals: int | None = None,
        stagnation: int | None = None,
        seconds: float | None = None,
        sufficient_fitness: float | None = None,
        experiments: int | None = 1,
        islands: IslandsConfig | None = None,
        population_size: int = 100,
        tournament_size: int = 10,
        attempts: int = 1,
        seed: int = 0,
        initial: Sequence[Genome] = (),
        cache_size: int = 0,
        probe: Callable[[Genome], str | float] | None = None,
        fec_size: int = FEC_SIZE,
        judge: Callable[[Genome], float] | None = None,
        select_margin: float = 0.0,
        finalists: int = 1,
    ) -> None:
        for name, value in (("individuals", individuals), ("stagnation", stagnation)):
            if value is not None:
                integer(name, value, 1)
        if seconds is not None:
            number("seconds", seconds, 0)
        if sufficient_fitness is not None:
            number("sufficient_fitness", sufficient_fitness, -1e308, 1e308)
        if experiments is not None:
            integer("experiments", experiments, 1)
        if individuals is None and stagnation is None and seconds is None:
            raise ValueError(
                "individuals, stagnation, seconds: expected at least one limit, received none"
            )
        self._plan = GenomePlan(
            space,
            fitness,
            {
                "population_size": population_size,
                "tournament_size": tournament_size,
                "attempts": attempts,
                "initial": tuple(initial),
                "cache_size": cache_size,
                "probe": probe,
                "fec_size": fec_size,
            },
            judge=judge,
            select_margin=number("select_margin", select_margin, 0),
            finalists=integer("finalists", finalists, 1, 10_000),
            seed=integer("seed", seed, 0, 2**64 - 1),
            islands=islands if islands is not None else IslandsConfig(),
            limits=Limits(
                individuals=individuals,
                stagnation=stagnation,
                seconds=seconds,
                experiments=experiments,
                sufficient_fitness=sufficient_fitness,
            ),
        )

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
    ) -> GenomeResult[Genome]:
        """Search until a limit; arguments and errors as :meth:`ProgramSearch.run`.

        On resuming, space and settings must be those of the run. The fitness function is
        known by its name alone: that it computes the same is up to the caller.

        Raises:
            RuntimeError: If the fitness function raises, or gives no finite number.
        """
        return run_session(
            self._plan,
            self._result,
            run_dir=run_dir,
            resume=resume,
            executor=executor,
            on_progress=on_progress,
            callbacks=callbacks,
            should_stop=should_stop,
            checkpoint_seconds=checkpoint_seconds,
        )

    def _result(self, outcome: Outcome) -> GenomeResult[Genome]:
        best = outcome.best
        return GenomeResult(
            genome=self._plan.space.from_data(best.genome),
            fitness=best.fitness,
            select_fitness=best.select_fitness,
            birth=best.birth,
            experiments=outcome.experiments,
            seconds=outcome.seconds,
            statistics=outcome.statistics,
            stopped_by=outcome.stopped_by,
            data=best.genome,
            finalists=outcome.finalists,
            run=outcome.run,
        )
