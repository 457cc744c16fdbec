"""The report of an architecture search as a page."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from automl_zero._number_text import count_text, seconds_text
from automl_zero.report._matplotlib import inline_svg
from automl_zero.report._page import markup, rendered, write_page
from nas._config import SearchConfig
from nas._search import RUN_KIND
from nas.report._figures import plot_front, plot_trials
from nas.report._run_trials import LoggedTrial, best_trials, front_trials, read_trials
from nas.spaces import ChoiceSpace, draw_cell

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run

MOST_SHOWN: Final = 20
"""Architectures of a table."""

_MOST_DRAWN: Final = 6
_MOST_LETTERS: Final = 2000
_TEMPLATES: Final = Path(__file__).parent / "templates"


class Shown(NamedTuple):
    """An architecture of the page."""

    trial: LoggedTrial
    values: str
    drawing: Any


def write_report(run: Run, path: str | Path) -> Path:
    """Write a report of a run as one HTML page, which needs no network and nothing beside it.

    It shows where the run stands, the value of every trial, the best architectures with
    pictures of the first, and the Pareto front of several objectives. Runs that are
    interrupted, still run or are damaged give a page of what there is.

    Whatever comes from the run directory is text in the page, never markup: a report of
    somebody else's run is safe to open.

    Args:
        run: A run of :func:`nas.search`.
        path: The file; replaced if it is there.

    Returns:
        The path.

    Raises:
        ValueError: If it is a run of another search.
        ImportError: Without matplotlib, Jinja or networkx, the extra ``report``.
        RunWriteError: If the file cannot be written.
    """
    return write_page(path, report_html(run))


def report_html(run: Run) -> str:
    """The page of :func:`write_report`.

    Raises:
        ValueError: If it is a run of another search.
        ImportError: Without matplotlib, Jinja or networkx, the extra ``report``.
    """
    if run.kind != RUN_KIND:
        raise ValueError(f"{run.path}: expected an {RUN_KIND}, received a {run.kind}")
    problems: list[str] = []

    def read(what: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return what()
        except ValueError as error:
            problems.append(str(error))
            return otherwise

    space = None
    if (run.path / "config.toml").exists():
        space = read(lambda: SearchConfig.of_run(run).make_space(), None)
    trials: list[LoggedTrial] = read(lambda: read_trials(run), [])
    front = front_trials(trials)
    return rendered(
        "architectures.html",
        folder=_TEMPLATES,
        run=run,
        status=run.status,
        tiles=_tiles(run, trials, front, read),
        facts=_facts(run, read),
        sessions=read(lambda: run.sessions, [])[-MOST_SHOWN:],
        figures=_figures(trials, front),
        best=_shown(best_trials(trials, MOST_SHOWN), space),
        front=_shown(front[:MOST_SHOWN], space, drawn=0),
        front_left_out=max(len(front) - MOST_SHOWN, 0),
        config_text=json.dumps(run.config, indent=2, ensure_ascii=False),
        seconds=seconds_text,
        problems=problems,
    )


def _tiles(
    run: Run,
    trials: list[LoggedTrial],
    front: list[LoggedTrial],
    read: Callable[[Callable[[], Any], Any], Any],
) -> list[tuple[str, str]]:
    """The few numbers that matter."""
    tiles = []
    best = best_trials(trials, 1)
    if best:
        tiles.append(("best value", _values(best[0].values)))
    planned = run.config.get("evaluations")
    of_all = f" of {planned}" if isinstance(planned, int) and planned > len(trials) else ""
    tiles += [
        ("trials", f"{len(trials)}{of_all}"),
        ("different architectures", count_text(len({trial.text for trial in trials}))),
    ]
    if front:
        tiles.append(("trials on the front", str(len(front))))
    tiles.append(("time", seconds_text(read(lambda: run.seconds, 0.0))))
    return tiles


def _facts(run: Run, read: Callable[[Callable[[], Any], Any], Any]) -> list[tuple[str, str]]:
    config = run.config
    result = read(lambda: run.result, None) or {}
    settings, space, named = (
        value if isinstance(value := config.get(name), dict) else {}
        for name in ("strategy", "space", "settings")
    )
    facts = [
        ("status", run.status),
        ("space", named.get("space") or space.get("class") or "unknown"),
        ("objective", named.get("objective") or config.get("objective") or "unknown"),
        ("strategy", named.get("strategy") or settings.get("class") or "unknown"),
        *((name, value) for name, value in settings.items() if name not in ("class", "seed")),
        ("outstanding trials", config.get("batch")),
        ("seed", run.seed if run.seed is not None else named.get("seed", "none")),
        ("created", run.created[:19].replace("T", " ") + " UTC"),
        ("ended by", result.get("stopped_by", "–")),
    ]
    return [(name, str(value)) for name, value in facts if value is not None]


def _figures(trials: list[LoggedTrial], front: list[LoggedTrial]) -> list[tuple[str, Any, str]]:
    """Title, picture and caption of each."""
    found = []
    if trials:
        svg = inline_svg("trials", "Value of every trial", lambda ax: plot_trials(trials, ax))
        found.append(("Trials", markup(svg), "Each trial, and the best so far."))
    if front:
        svg = inline_svg("front", "Pareto front", lambda ax: plot_front(trials, ax))
        found.append(
            ("Pareto front", markup(svg), "Higher is better in both. Blue: what nothing dominates.")
        )
    return found


def _shown(
    trials: list[LoggedTrial], space: ChoiceSpace | None, drawn: int = _MOST_DRAWN
) -> list[Shown]:
    return [
        Shown(
            replace(trial, text=trial.text[:_MOST_LETTERS]),
            _values(trial.values),
            _drawing(space, trial.text) if number < drawn else None,
        )
        for number, trial in enumerate(trials)
    ]


def _drawing(space: ChoiceSpace | None, text: str) -> Any:
    """A picture of an architecture; None if there is none for its space."""
    if space is not None:
        with contextlib.suppress(ValueError):
            return markup(draw_cell(space, space.from_text(text)))
    return None


def _values(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in values).replace("-", "−")
