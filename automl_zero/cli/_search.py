"""Running a search from the command line: the one place that knows the search's interface."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_zero.cli._output import err
from automl_zero.cli._progress import ProgressDisplay
from automl_zero.config import ExperimentConfig

if TYPE_CHECKING:
    from automl_zero.evolution import SearchResult

WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Worker processes. Default: one per core, but no more than islands; the result "
        "is the same.",
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run on a Ray cluster: its address, 'auto', or 'local'.",
    ),
]
TensorBoardOption = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="Write TensorBoard scalars into DIR."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


@dataclass(frozen=True)
class Place:
    """Where a search runs and what it writes beside its result.

    Attributes:
        workers: Worker processes; None: as many as cores and islands allow.
        ray: Address of a Ray cluster.
        run_dir: The run directory.
        resume: Whether to go on with the run in it.
        tensorboard: Folder of TensorBoard scalars.
    """

    workers: int | None = None
    ray: str | None = None
    run_dir: Path | None = None
    resume: bool = False
    tensorboard: Path | None = None


def run_search(
    config: ExperimentConfig, title: str, *, quiet: bool = False, place: Place | None = None
) -> SearchResult:
    """Search for programs with a progress display; see :func:`run_with_display`.

    Args:
        config: The experiment.
        title: What the progress display calls it.
        quiet: Show no progress.
        place: Where it runs.
    """
    from automl_zero.evolution import ProgramSearch

    result: SearchResult = run_with_display(
        ProgramSearch(config).run, config.islands.count, title, quiet=quiet, place=place
    )
    return result


def run_with_display(
    run: Callable[..., Any],
    islands: int,
    title: str,
    *,
    quiet: bool = False,
    place: Place | None = None,
    **options: Any,
) -> Any:
    """Search with a progress display; Ctrl-C ends it early with the best so far.

    Args:
        run: The ``run`` of a search: of programs, or of anything else.
        islands: How many it has: there need be no more workers.
        title: What the progress display calls it.
        quiet: Show no progress.
        place: Where it runs.
        options: Further arguments of ``run``.
    """
    place = place or Place()
    with (
        warnings_as_lines(),
        contextlib.ExitStack() as stack,
        StopOnInterrupt() as stop,
        ProgressDisplay(err(), title, quiet) as display,
    ):
        executor = _executor(place, islands, stack)
        callbacks: list[Any] = []
        if place.tensorboard is not None:
            from automl_zero.evolution import TensorBoardCallback

            callbacks.append(stack.enter_context(TensorBoardCallback(place.tensorboard)))
        return run(
            place.run_dir,
            resume=place.resume,
            executor=executor,
            on_progress=display.update,
            callbacks=callbacks,
            should_stop=stop.is_asked,
            **options,
        )


def tell_how_to_resume(run_dir: Path | None) -> None:
    """After Ctrl-C: the command that goes on with the run."""
    if run_dir is not None:
        err().print(
            f"interrupted; to go on: automl-zero resume {run_dir}", markup=False, soft_wrap=True
        )


def _executor(place: Place, islands: int, stack: contextlib.ExitStack) -> Executor | None:
    """The executor that was asked for; it ends with the stack. None: this thread."""
    if place.ray is not None:
        from automl_zero.evolution.executors import RayExecutor

        address = None if place.ray == "local" else place.ray
        return stack.enter_context(RayExecutor(address))
    workers = place.workers if place.workers is not None else min(_cores(), islands)
    if workers == 1:
        return None
    from automl_zero.evolution.executors import ProcessExecutor

    executor = ProcessExecutor(workers)
    # Epochs that still run are not wanted any more.
    stack.callback(executor.kill)
    return executor


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show warnings as plain lines on standard error."""

    def show(message: Warning | str, *rest: Any) -> None:
        err().print(f"automl-zero: warning: {message}", markup=False, soft_wrap=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


class StopOnInterrupt:
    """Turns the first Ctrl-C into a wish to stop; a second one interrupts as usual."""

    def __init__(self) -> None:
        self._asked = False
        self._previous: Any = None

    def is_asked(self) -> bool:
        """True after Ctrl-C."""
        return self._asked

    def __enter__(self) -> StopOnInterrupt:
        # Signals can only be caught in the main thread; elsewhere there is nothing to catch.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
