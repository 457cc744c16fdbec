"""The loop of every search: experiments of islands, limits, candidates, checkpoints."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any, Final

from automl_zero.evolution._lineage import Improvement
from automl_zero.evolution._progress import EpochReport, Progress
from automl_zero.evolution._run_directory import (
    CHECKPOINT_SECONDS,
    INTERRUPTED,
    POLL_SECONDS,
    clock_part,
    newest_checkpoint,
    read_clock,
)
from automl_zero.evolution._search_plan import Candidate, SearchPlan
from automl_zero.evolution._search_state import SearchState
from automl_zero.evolution.islands import Archipelago, CommittedEpoch
from automl_zero.evolution.runs import EventLog, Run
from automl_zero.streams import stream_key

PROGRESS_SECONDS: Final = 0.1
PROGRESS_SHARE: Final = 0.02
"""Most of the time that telling progress may take; with thousands of islands it comes less
often than every :data:`PROGRESS_SECONDS`."""


class SearchLoop:
    """Runs a plan to its end, on any executor, into a run directory or without one.

    Everything that decides the result happens in the order in which epochs are committed.

    Args:
        plan: The search.
        executor: Runs the epochs.
        run: Where checkpoints and events go; None: nowhere. Its lock is held by the caller.
        on_progress: Called about ten times a second, while there is something new.
        callbacks: Called after each epoch.
        should_stop: Polled; once it says yes no further epoch begins.
        checkpoint_seconds: Least time between two checkpoints; 0 makes one after each epoch.
    """

    def __init__(
        self,
        plan: SearchPlan,
        executor: Executor,
        *,
        run: Run | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        callbacks: Iterable[Callable[[EpochReport], None]] = (),
        should_stop: Callable[[], bool] | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self._plan = plan
        self._executor = executor
        self._run = run
        self._on_progress = on_progress
        self._callbacks = tuple(callbacks)
        self._should_stop = should_stop
        self._checkpoint_seconds = checkpoint_seconds
        self.state = SearchState(islands=[None] * plan.islands.count)
        self._events: EventLog | None = None
        self._parts: Mapping[str, bytes] = {}
        self._archipelago: Archipelago | None = None
        self._seed = plan.seed
        self._judge: Callable[[Improvement[Any]], float] | None = None
        self._is_consistent = True
        self._seconds_before = 0.0
        self._start = self._last_checkpoint = self._rate_since = time.monotonic()
        self._next_progress = self._start + PROGRESS_SECONDS
        self._last_individuals = 0
        self._rate = 0.0
        self._finished_individuals = 0
        self._begin()

    @property
    def seconds(self) -> float:
        """Time that the run has taken, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._start

    @property
    def statistics(self) -> Any:
        """Counts of all experiments; the population is that of the last one."""
        return self.state.statistics(self._plan.statistics_type)

    def run_to_end(self) -> str:
        """Run until a limit ends the run or it is interrupted.

        Returns:
            Which limit; :data:`INTERRUPTED` if it can go on.
        """
        try:
            reason = self.state.stopped_by
            while not reason:
                reason = self._run_experiment()
            self._checkpoint()
            return reason
        finally:
            if self._archipelago is not None:
                self._archipelago.close()
            # What an error or a second Ctrl-C left whole is kept; a full disk keeps the old.
            with contextlib.suppress(OSError):
                if self._is_consistent:
                    self._checkpoint()
            if self._events is not None:
                with contextlib.suppress(OSError):
                    self._events.close()

    # Beginning ---------------------------------------------------------------------

    def _begin(self) -> None:
        if self._run is None:
            return
        checkpoint = newest_checkpoint(self._run)
        if checkpoint is None:
            self._events = self._run.create_events()
            return
        where = f"{self._run.path}: checkpoint {checkpoint.position}"
        try:
            self._parts = checkpoint.parts
            self.state = SearchState.from_json(
                self._part("search"), self._plan.statistics_type
            )
            if len(self.state.islands) != self._plan.islands.count:
                raise ValueError(
                    f"part 'search': expected {self._plan.islands.count} islands, received "
                    f"{len(self.state.islands)}"
                )
            best = [] if self.state.best is None else [self.state.best]
            for candidate in (*best, *self.state.finalists):
                self._plan.check_genome(candidate.genome)
            self._seconds_before, offset = read_clock(self._part("clock"))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if self.state.totals is not None:
            self._finished_individuals = self.state.totals.individuals
        self._last_individuals = self.statistics.individuals
        if not self.state.stopped_by:  # else there is nothing more to log
            self._events = self._run.resume_events(offset)

    def _part(self, name: str) -> bytes:
        if name not in self._parts:
            raise ValueError(f"part {name!r}: expected it, received none")
        return self._parts[name]

    # One experiment ----------------------------------------------------------------

    def _run_experiment(self) -> str:
        """Run the experiment to its end; why the run ended, or an empty string."""
        plan, limits = self._plan, self._plan.limits
        seed = stream_key(plan.seed, "experiment", self.state.experiment)
        deadline = None
        if limits.seconds is not None:
            deadline = time.time() + max(limits.seconds - self.seconds, 0.0)
        archipelago = Archipelago(
            plan.epoch_function(seed),
            plan.islands,
            self._executor,
            seed=seed,
            epoch=plan.epoch_individuals,
            individuals=limits.individuals,
            deadline=deadline,
        )
        if "archipelago" in self._parts:
            try:
                archipelago.restore(self._parts)
            except ValueError as error:
                where = "checkpoint" if self._run is None else str(self._run.path)
                raise ValueError(f"{where}: {error}") from None
        self._parts = {}
        self._archipelago = archipelago
        self._seed, self._judge = seed, None
        stopped = ""
        while True:
            if not stopped:
                stopped = self._early_stop()
                if stopped:
                    archipelago.drain()
            committed = archipelago.next(POLL_SECONDS)
            if committed is not None:
                self._is_consistent = False
                reason = self._take_in(committed)
                self._maybe_progress()
                reason = reason or self._end_of_experiment(archipelago)
                self._is_consistent = True
                self._maybe_checkpoint()
                if reason == "experiment":
                    return ""
                if reason:
                    return reason
            elif archipelago.is_draining and archipelago.is_idle:
                return stopped
            else:
                self._maybe_progress()

    def _early_stop(self) -> str:
        """Why no further epoch may begin, if so. One there is always: the result is its best."""
        if not self.state.epochs:
            return ""
        if self._plan.limits.seconds is not None and self.seconds >= self._plan.limits.seconds:
            return "seconds"
        if self._should_stop is not None and self._should_stop():
            return INTERRUPTED
        return ""

    def _take_in(self, committed: CommittedEpoch) -> str:
        """Count, log and judge an epoch; why the run is over, or an empty string."""
        state, result = self.state, committed.result
        state.epochs += 1
        state.islands[committed.island] = result.statistics
        counts = result.statistics.to_data()
        fitness = counts.pop("best_fitness")
        self._log("epoch", committed, fitness=fitness, **counts)
        for improvement in result.improvements:
            if state.experiment_best is None or improvement.fitness > state.experiment_best:
                state.experiment_best = improvement.fitness
                assert self._archipelago is not None
                state.improved_at = self._archipelago.individuals
                self._log_improvement(committed, improvement)
        if result.improvements:
            self._consider(committed, result.improvements[-1])
        self._report_epoch(committed)
        sufficient = self._plan.limits.sufficient_fitness
        if (
            sufficient is not None
            and state.best is not None
            and state.best.select_fitness > sufficient
        ):
            state.stopped_by = "sufficient fitness"
        return state.stopped_by

    def _consider(self, committed: CommittedEpoch, improvement: Improvement[Any]) -> None:
        """Judge an island's new best individual unless it is far below the best candidate."""
        state, fitness = self.state, improvement.fitness
        searched = state.best_search_fitness
        if searched is not None and fitness < searched - self._plan.select_margin:
            return
        if self._judge is None:
            self._judge = self._plan.judge(self._seed)
        select_fitness = self._judge(improvement)
        state.best_search_fitness = fitness if searched is None else max(searched, fitness)
        is_best = state.best is None or select_fitness >= state.best.select_fitness
        self._log(
            "selection",
            committed,
            individuals=improvement.birth.number,
            fitness=select_fitness,
            search_fitness=fitness,
            is_best=is_best,
        )
        candidate = Candidate(
            genome=improvement.genome,
            fitness=fitness,
            select_fitness=select_fitness,
            birth=improvement.birth,
            experiment=state.experiment,
        )
        state.add_finalist(candidate, self._plan.finalists)
        if is_best:
            state.best = candidate
            self._write_best(candidate)

    def _write_best(self, best: Candidate) -> None:
        if self._run is None:
            return
        # After a kill, what was found since the last checkpoint is found again; until then
        # the better program stays in its file.
        stored = self._run.best
        if stored is None or best.select_fitness >= stored.get("select_fitness", -math.inf):
            self._run.write_best(self._plan.genome_text(best.genome), best.to_data())

    def _end_of_experiment(self, archipelago: Archipelago) -> str:
        """``"experiment"`` if the next one is to begin, or why the run is over."""
        state, limits = self.state, self._plan.limits
        individuals = archipelago.individuals
        if archipelago.is_over():
            reason = "individuals"
        elif limits.train_steps is not None and self._train_steps() >= limits.train_steps:
            reason = "train_steps"
        elif (
            limits.fitness is not None
            and state.experiment_best is not None
            and state.experiment_best >= limits.fitness
        ):
            reason = "fitness"
        elif (
            limits.stagnation is not None
            and individuals - state.improved_at >= limits.stagnation
        ):
            reason = "stagnation"
        else:
            return ""
        archipelago.close()
        if self._events is not None:
            self._events.append(
                "experiment",
                experiment=state.experiment,
                epoch=None,
                island=None,
                individuals=individuals,
                fitness=state.experiment_best,
                seconds=self.seconds,
                ended_by=reason,
            )
        if limits.experiments is not None and state.experiment >= limits.experiments:
            state.stopped_by = reason
            return reason
        state.begin_next_experiment(self._plan.statistics_type)
        self._finished_individuals = state.totals.individuals
        self._archipelago = None
        return "experiment"

    def _train_steps(self) -> int:
        """Of this experiment."""
        return sum(item.train_steps for item in self.state.islands if item is not None)

    # Telling -----------------------------------------------------------------------

    def _log(self, kind: str, committed: CommittedEpoch, **fields: Any) -> None:
        if self._events is not None:
            self._events.append(
                kind,
                experiment=self.state.experiment,
                epoch=committed.epoch,
                island=committed.island,
                seconds=self.seconds,
                **fields,
            )

    def _log_improvement(self, committed: CommittedEpoch, item: Improvement[Any]) -> None:
        text = self._plan.genome_text
        self._log(
            "improvement",
            committed,
            individuals=item.birth.number,
            fitness=item.fitness,
            genome=text(item.genome),
            generation=item.birth.generation,
            mutation=item.mutation,
            parent=None if item.parent is None else text(item.parent),
            parent_birth=None if item.parent_birth is None else list(item.parent_birth),
            parent_fitness=item.parent_fitness,
        )

    def _report_epoch(self, committed: CommittedEpoch) -> None:
        if not self._callbacks:
            return
        assert self._archipelago is not None
        report = EpochReport(
            experiment=self.state.experiment,
            island=committed.island,
            epoch=committed.epoch,
            individuals=self._finished_individuals + self._archipelago.individuals,
            statistics=committed.result.statistics,
            improvements=committed.result.improvements,
            best_fitness=self._best_fitness(),
            seconds=self.seconds,
        )
        for callback in self._callbacks:
            callback(report)

    def _best_fitness(self) -> float:
        best = self.state.experiment_best
        return -math.inf if best is None else best

    def _maybe_progress(self) -> None:
        now = time.monotonic()
        if self._on_progress is None or now < self._next_progress:
            return
        statistics = self.statistics
        created = statistics.individuals - self._last_individuals
        if created:
            self._rate = created / (now - self._rate_since)
            self._rate_since, self._last_individuals = now, statistics.individuals
        self._on_progress(
            Progress(
                experiment=self.state.experiment,
                individuals=statistics.individuals,
                individuals_per_second=self._rate,
                best_fitness=self._best_fitness(),
                islands=[
                    None if item is None else item.best_fitness for item in self.state.islands
                ],
                statistics=statistics,
                seconds=self.seconds,
                seconds_left=self._seconds_left(),
            )
        )
        pause = (time.monotonic() - now) / PROGRESS_SHARE
        self._next_progress = now + max(PROGRESS_SECONDS, pause)

    def _seconds_left(self) -> float | None:
        limits, found = self._plan.limits, []
        if limits.seconds is not None:
            found.append(max(limits.seconds - self.seconds, 0.0))
        if limits.individuals is not None and limits.experiments is not None and self._rate > 0:
            most = limits.individuals * limits.experiments
            found.append(max(most - self._last_individuals, 0) / self._rate)
        return min(found, default=None)

    # Checkpoints -------------------------------------------------------------------

    def _maybe_checkpoint(self) -> None:
        if time.monotonic() - self._last_checkpoint >= self._checkpoint_seconds:
            self._checkpoint()

    def _checkpoint(self) -> None:
        if self._run is None or self._events is None:
            return
        offset = self._events.flush()
        parts = {
            "search": self.state.to_json(),
            "clock": clock_part(self.seconds, offset),
        }
        if self._archipelago is not None:
            parts |= self._archipelago.parts()
        elif "archipelago" in self._parts:
            parts |= {
                name: data for name, data in self._parts.items() if name not in ("search", "clock")
            }
        self._run.checkpoints.write(self.state.epochs, parts)
        self._last_checkpoint = time.monotonic()
