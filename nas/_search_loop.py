"""The loop of a search: ask, evaluate, tell, log, checkpoint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from automl_zero.evolution._run_directory import (
    INTERRUPTED,
    POLL_SECONDS,
    clock_part,
    newest_checkpoint,
    read_clock,
)
from automl_zero.evolution.executors import CallLost, OrderedCalls
from automl_zero.evolution.runs import EventLog, Run
from nas._search_state import SearchState, checked_value, checkpoint_parts, read_parts
from nas._trials import FinishedTrial, Objective, SearchProgress, Value, trial_data
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies import Strategy, Trial

PROGRESS_SECONDS: Final = 0.1
EVALUATIONS: Final = "evaluations"


class SearchLoop:
    """Runs a search to its end, on any executor, into a run directory or without one.

    ``batch`` trials are outstanding, and they are told in the order in which they were asked
    for: so the strategy's calls are the same on any number of workers.
    """

    def __init__(
        self,
        space: ChoiceSpace,
        objective: Objective,
        strategy: Strategy,
        *,
        evaluations: int,
        batch: int,
        executor: Executor,
        run: Run | None,
        on_progress: Callable[[SearchProgress], None] | None,
        should_stop: Callable[[], bool] | None,
        checkpoint_seconds: float,
    ) -> None:
        self._space = space
        self._objective = objective
        self._strategy = strategy
        self._evaluations = evaluations
        self._batch = batch
        self._run = run
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._checkpoint_seconds = checkpoint_seconds
        self._calls: OrderedCalls[Value] = OrderedCalls(executor)
        self._events: EventLog | None = None
        self._ahead: list[Value | None] = []
        self._ended: tuple[int, int] | None = None  # trials told and known at the last checkpoint
        self._is_consistent = True
        self._seconds_before = 0.0
        self.state = SearchState()
        self._start = self._last_checkpoint = time.monotonic()
        self._next_progress = self._start + PROGRESS_SECONDS
        self._begin()
        self._told_before = len(self.state.trials)

    @property
    def seconds(self) -> float:
        """Time that the run has taken, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._start

    def run_to_end(self) -> str:
        """Search until all trials are told; ``"interrupted"`` if it was asked to stop before.

        Raises:
            RuntimeError: If the objective fails or workers die on it; names the trial.
        """
        try:
            while len(self.state.trials) < self._evaluations:
                # One trial there is always: the result is the best.
                if self.state.trials and self._should_stop is not None and self._should_stop():
                    return INTERRUPTED
                self._step()
                self._maybe_progress()
                if time.monotonic() - self._last_checkpoint >= self._checkpoint_seconds:
                    self._checkpoint_what_is_new()
            return EVALUATIONS
        finally:
            # After an error or Ctrl-C too; a full disk keeps the older ones.
            with contextlib.suppress(OSError):
                if self._is_consistent:
                    self._checkpoint()
            self._calls.close()
            if self._events is not None:
                with contextlib.suppress(OSError):
                    self._events.close()

    def _begin(self) -> None:
        if self._run is None:
            return
        checkpoint = newest_checkpoint(self._run)
        if checkpoint is None:
            self._events = self._run.create_events()
            return
        try:
            self.state, self._ahead = read_parts(checkpoint.parts, self._strategy, self._space)
            self._seconds_before, offset = read_clock(checkpoint.parts.get("clock", b""))
        except ValueError as error:
            where = f"{self._run.path}: checkpoint {checkpoint.position}"
            raise ValueError(f"{where}: {error}") from None
        if self._run.result is None:  # else there is nothing more to log
            self._events = self._run.resume_events(offset)

    # One step ----------------------------------------------------------------------

    def _step(self) -> None:
        """Submit a trial, ask for one, or wait for the value of the first."""
        state = self.state
        if len(self._calls) < len(state.outstanding):
            self._submit(state.outstanding[len(self._calls)])
        elif len(state.outstanding) < self._batch and state.asked < self._evaluations:
            self._is_consistent = False
            state.outstanding.append(self._strategy.ask())
            self._is_consistent = True
        elif self._calls.wait(POLL_SECONDS):
            self._tell(state.outstanding[0])

    def _submit(self, trial: Trial) -> None:
        known = self._ahead[len(self._calls)] if len(self._calls) < len(self._ahead) else None
        if known is not None:
            self._calls.put(known)
            return
        self._calls.submit(
            self._name(trial), _evaluate, self._objective, self._space, trial.architecture,
            trial.budget,
        )  # fmt: skip

    def _tell(self, trial: Trial) -> None:
        value = self._value(trial)
        self._is_consistent = False
        del self._ahead[:1]
        try:
            self._strategy.tell(trial, value)
        except ValueError as error:
            raise ValueError(f"{self._name(trial)}: {error}") from error
        finished = FinishedTrial(trial.number, trial.architecture, value, trial.budget)
        is_best = self.state.take(finished)
        self._log(finished)
        self._is_consistent = True
        if is_best and self._run is not None:
            text = self._space.to_text(finished.architecture)
            self._run.write_best(f"{text}\n", trial_data(self._space, finished))

    def _value(self, trial: Trial) -> Value:
        try:
            return self._calls.take()
        except CallLost:
            raise
        except Exception as error:
            raise RuntimeError(
                f"objective: it failed on {self._name(trial)}: {type(error).__name__}: {error}"
            ) from error

    def _name(self, trial: Trial) -> str:
        budget = "" if trial.budget is None else f" with budget {trial.budget}"
        return f"trial {trial.number}, {self._space.to_text(trial.architecture)}{budget}"

    # Telling -----------------------------------------------------------------------

    def _log(self, trial: FinishedTrial) -> None:
        if self._events is None:
            return
        several = {"values": list(trial.value)} if isinstance(trial.value, tuple) else {}
        self._events.append(
            "trial",
            experiment=None,
            epoch=None,
            island=None,
            individuals=len(self.state.trials),
            fitness=trial.values[0],
            seconds=self.seconds,
            number=trial.number,
            architecture=self._space.to_text(trial.architecture),
            budget=trial.budget,
            **several,
        )

    def _maybe_progress(self) -> None:
        now = time.monotonic()
        if self._on_progress is None or now < self._next_progress:
            return
        state, done = self.state, len(self.state.trials) - self._told_before
        left = None
        if done:
            left = (now - self._start) / done * (self._evaluations - len(state.trials))
        best = state.best
        self._on_progress(
            SearchProgress(
                told=len(state.trials),
                evaluations=self._evaluations,
                outstanding=len(state.outstanding),
                best=best,
                best_text="" if best is None else self._space.to_text(best.architecture),
                seconds=self.seconds,
                seconds_left=left,
            )
        )
        self._next_progress = time.monotonic() + PROGRESS_SECONDS

    def _checkpoint_what_is_new(self) -> None:
        known = sum(value is not None for value in self._calls.results())
        ended = len(self.state.trials), known
        if ended != self._ended:
            self._ended = ended
            self._checkpoint()

    def _checkpoint(self) -> None:
        if self._run is None or self._events is None:
            return
        results = self._calls.results()
        ahead = results + self._ahead[len(results) :]
        parts = checkpoint_parts(self.state, self._strategy, self._space, ahead)
        parts["clock"] = clock_part(self.seconds, self._events.flush())
        self._run.checkpoints.write(len(self.state.trials), parts)
        self._last_checkpoint = time.monotonic()


def _evaluate(
    objective: Objective, space: ChoiceSpace, architecture: Architecture, budget: int | None
) -> Value:
    return checked_value(objective(space, architecture, budget))
