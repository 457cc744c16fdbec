"""The progress line of a search: live in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

if TYPE_CHECKING:
    from automl_zero.evolution import Progress

PLAIN_SECONDS = 5.0
"""A plain line at most this often: a log should stay readable."""


class ProgressDisplay:
    """Shows a search's progress on a console while the ``with`` block runs.

    Args:
        console: Where to show it.
        title: What is searched.
        quiet: Show nothing.
    """

    def __init__(self, console: Console, title: str, quiet: bool = False) -> None:
        self._console = console
        self._title = title
        self._quiet = quiet
        self._live: Live | None = None
        self._spinner = Spinner("dots", text=title)
        self._last_line = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        if not self._quiet:
            if self._console.is_terminal:
                self._live = Live(self._spinner, console=self._console, transient=True)
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

    def update(self, progress: Progress) -> None:
        """Show the state of the search."""
        if self._live is not None:
            self._spinner.update(text=f"{self._title}: {progress_text(progress)}")
        elif not self._quiet and time.monotonic() - self._last_line >= PLAIN_SECONDS:
            self._last_line = time.monotonic()
            self._print(progress_text(progress))

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def progress_text(progress: Progress) -> str:
    """One line: experiment, individuals, speed, fitness, hit rates, time."""
    parts = [
        f"experiment {progress.experiment}",
        f"{count_text(progress.individuals)} individuals",
        f"{count_text(progress.individuals_per_second)}/s",
        f"best {progress.best_fitness:.4f}",
        f"mean {progress.mean_fitness:.4f}",
        f"known {progress.canonical_hit_rate:.0%} + FEC {progress.fec_hit_rate:.0%}",
        seconds_text(progress.seconds),
    ]
    return " · ".join(parts)


def count_text(number: float) -> str:
    """A count in three digits: ``1.24M``.

    >>> count_text(950), count_text(1_240_000)
    ('950', '1.24M')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def seconds_text(seconds: float) -> str:
    """A time for people.

    >>> seconds_text(3.21), seconds_text(200)
    ('3.2 s', '3 min 20 s')
    """
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
