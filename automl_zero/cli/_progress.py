"""The progress of a search: live in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from automl_zero._number_text import count_text, seconds_text

if TYPE_CHECKING:
    from automl_zero.evolution import Progress

PLAIN_SECONDS = 5.0
"""A plain line at most this often: a log should stay readable."""

_MOST_ISLANDS: Final = 16
"""So many fit in two lines of a terminal; of more, the best are shown."""


class ProgressDisplay:
    """Shows a search's progress on a console while the ``with`` block runs.

    Args:
        console: Where to show it.
        title: What is searched.
        quiet: Show nothing.
        describe: What to say of a progress that was told some seconds ago: a line, and more
            lines that only a terminal shows.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        quiet: bool = False,
        describe: Callable[[Any, float], Sequence[str]] | None = None,
    ) -> None:
        self._console = console
        self._title = title
        self._quiet = quiet
        self._live: Live | None = None
        self._spinner = Spinner("dots")
        self._describe = describe or program_lines
        self._progress: Any = None
        self._updated = self._last_line = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        if not self._quiet:
            if self._console.is_terminal:
                self._live = Live(
                    get_renderable=self._render, console=self._console, transient=True
                )
                self._live.__enter__()
            else:
                self._print(self._title)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def update(self, progress: Any) -> None:
        """Show the state of the search."""
        self._progress, self._updated = progress, time.monotonic()
        if self._live is not None or self._quiet:
            return
        if self._updated - self._last_line >= PLAIN_SECONDS:
            self._last_line = self._updated
            self._print(self._describe(progress, 0.0)[0])

    def _render(self) -> RenderableType:
        """What the terminal shows; drawn several times a second, epochs may be longer."""
        if self._progress is None:
            self._spinner.update(text=self._title)
            return self._spinner
        waited = time.monotonic() - self._updated
        line, *more = self._describe(self._progress, waited)
        self._spinner.update(text=f"{self._title}: {line}")
        if not more:
            return self._spinner
        return Group(self._spinner, *(Text(f"  {text}", style="dim") for text in more))

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def program_lines(progress: Progress, waited: float) -> list[str]:
    """A search on islands: its line, and their fitnesses if there are several."""
    lines = [progress_text(progress, waited)]
    if len(progress.islands) != 1:
        lines.append(islands_text(progress))
    return lines


def progress_text(progress: Progress, waited: float = 0.0) -> str:
    """One line: experiment, individuals, speed, fitness, hit rates, diversity, time.

    Args:
        progress: The state.
        waited: Seconds since it was told.
    """
    statistics = progress.statistics
    parts = [
        f"experiment {progress.experiment}",
        f"{count_text(progress.individuals)} individuals",
        f"{count_text(progress.individuals_per_second)}/s",
        f"best {_fitness_text(progress.best_fitness)}",
        f"mean {_fitness_text(statistics.mean_fitness)}",
        _known_text(statistics),
        f"{count_text(statistics.unique_in_population)} different",
        seconds_text(progress.seconds + waited),
    ]
    if progress.seconds_left is not None:
        parts.append(f"{seconds_text(max(progress.seconds_left - waited, 0.0))} left")
    return " · ".join(parts)


def islands_text(progress: Progress) -> str:
    """The best fitness of each island, or of the best islands if there are many."""
    found = progress.islands
    if len(found) <= _MOST_ISLANDS:
        return "islands " + " ".join("-" if it is None else f"{it:.4f}" for it in found)
    ranked = sorted(
        ((fitness, island) for island, fitness in enumerate(found) if fitness is not None),
        key=lambda item: (-item[0], item[1]),
    )
    shown = " ".join(f"{island}: {fitness:.4f}" for fitness, island in ranked[:8])
    return f"best of {len(found)} islands {shown}"


def _known_text(statistics: Any) -> str:
    """How many individuals had not to be run."""
    if hasattr(statistics, "canonical_hit_rate"):
        return f"known {statistics.canonical_hit_rate:.0%} + FEC {statistics.fec_hit_rate:.0%}"
    text = f"known {statistics.known / max(statistics.individuals, 1):.0%}"
    if statistics.fec_hits or statistics.probe_failures:
        text += f" + FEC {statistics.fec_hit_rate:.0%}"
    if statistics.instructions:
        text += f" · redundant {statistics.redundant_share:.0%}"
    return text


def _fitness_text(fitness: float) -> str:
    return f"{fitness:.4f}" if math.isfinite(fitness) else "-"
