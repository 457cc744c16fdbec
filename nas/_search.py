"""A whole search for architectures: from space, objective and strategy to the result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from os import PathLike
from typing import Any

from automl_zero._config_values import integer, number, toml_text
from automl_zero.evolution._run_directory import (
    CHECKPOINT_SECONDS,
    INTERRUPTED,
    describe,
    run_directory,
)
from automl_zero.evolution.executors import ProcessExecutor, SerialExecutor
from nas._search_loop import SearchLoop
from nas._trials import Objective, SearchOutcome, SearchProgress
from nas.spaces import ChoiceSpace
from nas.strategies import Strategy

RUN_KIND = "architecture search"


def search(
    space: ChoiceSpace,
    objective: Objective,
    strategy: Strategy,
    evaluations: int,
    *,
    batch: int = 1,
    run_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    workers: int = 1,
    on_progress: Callable[[SearchProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    config: dict[str, Any] | None = None,
) -> SearchOutcome:
    """Search for architectures: evaluate what the strategy asks for, and tell it.

    The result depends on the arguments up to ``batch``, and on nothing else: not on the
    number of workers or their speed, nor on interruptions. ``batch`` trials are outstanding at
    any time, and the strategy is told in the order in which it was asked.

    With ``run_dir``, what was found is on disk: checkpoints, the log of all trials, the best
    one (see :mod:`automl_zero.evolution.runs`). After a kill or Ctrl-C the same call with
    ``resume=True``, and a strategy made anew, goes on where the last checkpoint was. Trials
    that ran then are evaluated again, those that had ended are not.

    Args:
        space: Where to search.
        objective: What an architecture is worth: called with the space, the architecture and
            the budget (None if the strategy sets none); a finite number, or a tuple of such for
            several objectives, all maximised. It must be pure. It is sent to worker processes,
            lambdas and closures included. A training that diverges is worth the lowest number
            there is, not NaN.
        strategy: Fresh, made for ``space``.
        evaluations: Trials.
        batch: Outstanding trials. 1 suits strategies best, for each of them then knows all
            values before. With n workers take at least n, better 2 n where times differ, for
            the first trial of a batch may be the slowest.
        run_dir: The run directory, new or empty unless it is resumed. None: nothing is kept.
        resume: Go on with the run in ``run_dir``.
        executor: Runs the evaluations. None: as many processes as ``workers``.
        workers: Processes; 1 is this thread. Without meaning if there is an executor.
        on_progress: Called about ten times a second, while evaluations are as quick.
        should_stop: Polled between trials; once it says yes the search ends, as interrupted.
        checkpoint_seconds: Least time between two checkpoints; 0 makes one after each step.
        config: More settings to keep in the run directory, as those of an objective; they become
            its ``config.toml``.

    Raises:
        ValueError: If an argument is not as said, the run is one of other arguments, or the
            values are not those that the strategy takes.
        RuntimeError: If the objective raises or gives no finite numbers; names the trial.
        CallLost: If three workers died on one trial.

    >>> import nas
    >>> from nas.spaces import ChoiceSpace, Decision
    >>> from nas.strategies import Reinforce
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("conv", "pool")) for i in range(6)])
    >>> def objective(space, architecture, budget):
    ...     return architecture.count(0) - architecture[-1]
    >>> outcome = nas.search(space, objective, Reinforce(space, seed=1), evaluations=60)
    >>> outcome.best.architecture, outcome.best.value
    ((0, 0, 0, 0, 0, 0), 6.0)
    """
    integer("evaluations", evaluations, 1)
    integer("batch", batch, 1)
    integer("workers", workers, 1)
    number("checkpoint_seconds", checkpoint_seconds, 0)
    if executor is None and workers > batch:
        raise ValueError(
            f"workers: expected at most batch, which is {batch}, received {workers}: there is no "
            "more to do at the same time"
        )
    if getattr(strategy, "space", space) is not space:
        raise ValueError("strategy: expected one made for the same space, received another")
    data = {
        "space": describe(space),
        "objective": getattr(objective, "__qualname__", type(objective).__qualname__),
        "strategy": describe(strategy),
        "evaluations": evaluations,
        "batch": batch,
        "settings": config,
    }
    with contextlib.ExitStack() as stack:
        if executor is None and workers > 1:
            executor = ProcessExecutor(workers)
            stack.callback(executor.kill)  # what still runs is not wanted any more
        elif executor is None:
            executor = SerialExecutor()
        directory = run_directory(
            run_dir,
            resume=resume,
            kind=RUN_KIND,
            config=data,
            config_text=toml_text(config) if config else None,
            seed=getattr(strategy, "seed", None),
            executor=executor,
        )
        run, ended = stack.enter_context(directory)
        loop = SearchLoop(
            space,
            objective,
            strategy,
            evaluations=evaluations,
            batch=batch,
            executor=executor,
            run=run,
            on_progress=on_progress,
            should_stop=should_stop,
            checkpoint_seconds=checkpoint_seconds,
        )
        reason = loop.run_to_end()
        assert loop.state.best is not None  # there is a trial even after an interruption
        outcome = SearchOutcome(
            best=loop.state.best,
            trials=tuple(loop.state.trials),
            space=space,
            seconds=loop.seconds,
            stopped_by=reason,
            run=run,
        )
        ended.append(reason)
        if run is not None and reason != INTERRUPTED:
            if run.result is None:
                run.write_result(outcome.to_data())
            run.finish()
        return outcome
