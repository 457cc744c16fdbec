"""Running a search from the command line: the one place that knows the search's interface."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from automl_zero.cli._output import err
from automl_zero.cli._progress import ProgressDisplay
from automl_zero.config import ExperimentConfig

if TYPE_CHECKING:
    from automl_zero.evolution import SearchResult
    from automl_zero.tasks import Task


@dataclass(frozen=True)
class SearchRun:
    """A finished search.

    Attributes:
        result: What it found.
        final_tasks: The tasks of ``result.final_task_fitness``.
        is_interrupted: Whether Ctrl-C ended it.
    """

    result: SearchResult
    final_tasks: list[Task]
    is_interrupted: bool


def run_search(config: ExperimentConfig, title: str, *, quiet: bool = False) -> SearchRun:
    """Search with a progress display; Ctrl-C ends it early with the best program so far.

    Args:
        config: The experiment.
        title: What the progress display calls it.
        quiet: Show no progress.
    """
    from automl_zero.evolution import ProgramSearch

    search = ProgramSearch(config)
    with StopOnInterrupt() as stop, ProgressDisplay(err(), title, quiet) as display:
        result = search.run(on_progress=display.update, should_stop=stop.is_asked)
    return SearchRun(result, list(search.final_tasks), stop.is_asked())


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
