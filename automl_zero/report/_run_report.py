"""The report of a run as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from automl_zero._number_text import count_text, seconds_text
from automl_zero.report import _figures as figures
from automl_zero.report._baselines import baseline_fitness
from automl_zero.report._curves import redundancy
from automl_zero.report._dataflow_svg import dataflow_svg
from automl_zero.report._lineage import Step, lineage
from automl_zero.report._matplotlib import inline_svg
from automl_zero.report._page import markup, rendered, write_page
from automl_zero.report._program_view import made_tasks, measured_effects, program_lines
from automl_zero.report._run_data import RunData
from automl_zero.report._side_by_side import Row, side_by_side
from automl_zero.streams import stream_key

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run

MOST_STEPS: Final = 100
"""Improvements that a page shows; those of the largest gains."""

_MOST_LINEAGE: Final = 400_000
"""Letters of all genomes that a page compares."""

_MOST_BASELINE_NUMBERS: Final = 2_000_000
"""Of the training examples that baselines are trained on: some 20 seconds."""

_MOST_GENOME: Final = 50_000
"""Letters of a best genome that is shown as it is."""

_MOST_DRAWN: Final = 100
"""Instructions of a program whose dataflow is drawn; a larger picture would say nothing."""


class Figure(NamedTuple):
    """A drawing and what it says."""

    title: str
    svg: Any
    caption: str


class Table(NamedTuple):
    """A table of texts; the first column holds names."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """A part of a page that is about one kind of search.

    Attributes:
        title: Its heading.
        text: A paragraph.
        code: A program, or whatever is shown letter by letter; empty: nothing.
        tables: Tables below it.
        figures: Figures below those.
    """

    title: str
    text: str
    code: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


class ShownStep(NamedTuple):
    """An improvement with its diff."""

    step: Step
    rows: list[Row]


def write_report(run: Run, path: str | Path, sections: Sequence[Section] = ()) -> Path:
    """Write a report of a run as one HTML page, which needs no network and nothing beside it.

    It shows where the run stands, fitness, speed and diversity over time, what mutations
    brought, each improvement of the best experiment with what was changed, the best program
    with what its lines are worth, and how it compares to other models. Runs that are
    interrupted, still run or are damaged give a page of what there is.

    Whatever comes from the run directory is text in the page, never markup; and its content
    security policy lets browsers run only the script that belongs to it. A report of somebody
    else's run is safe to open.

    Making it takes some seconds: lines of the program are left out one by one, and, with
    scikit-learn, other models are trained on the final tasks.

    Args:
        run: The run.
        path: The file; replaced if it is there.
        sections: What else to show, before the configuration.

    Returns:
        The path.

    Raises:
        ImportError: Without matplotlib or Jinja, the extra ``report``.
        RunWriteError: If the file cannot be written.
    """
    return write_page(path, report_html(run, sections))


def report_html(run: Run, sections: Sequence[Section] = ()) -> str:
    """The page of :func:`write_report`.

    Raises:
        ImportError: Without matplotlib or Jinja, the extra ``report``.
    """
    data = RunData(run)
    steps, left_out = _shown_steps(data)
    values: dict[str, Any] = {
        "run": run,
        "data": data,
        "description": _description(data),
        "tiles": _tiles(data),
        "facts": _facts(data),
        "limits": _limits(data),
        "figures": _figure_list(data),
        "outcomes": _outcomes(data),
        "steps": steps,
        "steps_left_out": left_out,
        "program": _program(data),
        "final": _final(data),
        "sections": sections,
        "config_text": data.config_text or json.dumps(run.config, indent=2, ensure_ascii=False),
        "number": number_text,
        "seconds": seconds_text,
        "count": count_text,
    }
    # Last, because reading further may have found more.
    return rendered("report.html", **values, problems=data.problems)


def number_text(value: Any, digits: int = 4) -> str:
    """A number with so many decimals; a dash for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100:
        return f"{value:.{digits}f}".replace("-", "−")
    return "–"


def _description(data: RunData) -> str:
    config = data.run.config.get("config")
    text = config.get("description") if isinstance(config, dict) else None
    return text if isinstance(text, str) else data.run.kind


def _tiles(data: RunData) -> list[tuple[str, str]]:
    """The few numbers that matter."""
    total, best = data.epochs.total(), data.best
    tiles = []
    if best is not None:
        tiles.append(("search fitness", number_text(best.fitness)))
        if data.has_selection:
            tiles.append(("selection fitness", number_text(best.select_fitness)))
    if "final_fitness" in data.result:
        tiles.append(("final fitness", number_text(data.result["final_fitness"])))
    experiments = len(data.epochs.experiments)
    tiles += [
        ("individuals", count_text(total)),
        ("experiments" if experiments != 1 else "experiment", str(experiments)),
        ("time", seconds_text(data.seconds)),
    ]
    if data.seconds > 0:
        tiles.append(("individuals per second", count_text(total / data.seconds)))
    return tiles


def _facts(data: RunData) -> list[tuple[str, str]]:
    run = data.run
    stopped = data.result.get("stopped_by")
    facts = [
        ("status", f"{data.status}: {stopped} reached" if stopped else data.status),
        ("kind", run.kind),
        ("seed", "none" if run.seed is None else str(run.seed)),
        ("created", run.created[:19].replace("T", " ") + " UTC"),
        ("machine", _machine(run.machine)),
        ("versions", ", ".join(f"{name} {text}" for name, text in run.versions.items())),
    ]
    best = data.best
    if best is not None:
        where = f"experiment {best.experiment}, island {best.birth.island}"
        number = f"individual {best.birth.number:,}, generation {best.birth.generation:,}"
        facts.append(("best found by", f"{where}, {number}"))
    return facts


def _machine(machine: dict[str, Any]) -> str:
    texts = {
        "system": "{}", "processor": "{}", "cores": "{} cores", "instruction_set": "kernels {}",
    }  # fmt: skip
    found = [text.format(machine[name]) for name, text in texts.items() if machine.get(name)]
    return ", ".join(found) or "unknown"


def _limits(data: RunData) -> list[tuple[str, str]]:
    """What ends experiments and the run; what is not set is left out."""
    config = data.run.config
    inner = config.get("config")
    if not isinstance(inner, dict):
        found = config.get("limits")
        tables = {"": found}
    else:
        tables = {"stop.": inner.get("stop"), "experiments.": inner.get("experiments")}
        if data.config is not None:
            tables["stop."] = {**(inner.get("stop") or {}), "seconds": data.config.stop.seconds}
    return [
        (f"{prefix}{name}", f"{value:,}" if isinstance(value, int | float) else str(value))
        for prefix, table in tables.items()
        if isinstance(table, dict)
        for name, value in table.items()
        if value
    ]


def _figure_list(data: RunData) -> list[Figure]:
    if not len(data.epochs):
        return []
    several = len(data.epochs.experiments) > 1
    islands = len(np.unique(data.epochs.island)) > 1
    drawn: list[tuple[str, str, str, Callable[[Any], object]]] = [
        (
            "fitness",
            "Fitness over individuals",
            "Best search fitness so far"
            + (" of each experiment." if several else " of each island." if islands else "."),
            lambda ax: figures.plot_fitness(data, ax),
        ),
        (
            "time",
            "Fitness over time",
            "The same over the time of the run; experiments follow each other.",
            lambda ax: figures.plot_fitness(data, ax, over="seconds"),
        ),
        (
            "islands",
            f"Islands of experiment {data.experiment}",
            "Best search fitness so far of each island, and where the middle half of the "
            "populations is.",
            lambda ax: figures.plot_islands(data, ax),
        ),
        (
            "diversity",
            "Diversity",
            "Different individuals in a population: programs count by their canonical form.",
            lambda ax: figures.plot_diversity(data, ax),
        ),
        (
            "rates",
            "What was known already",
            "Share of the new individuals whose fitness a cache told.",
            lambda ax: figures.plot_rates(data, ax),
        ),
        (
            "throughput",
            "Speed",
            "Individuals of all islands per second.",
            lambda ax: figures.plot_throughput(data, ax),
        ),
        (
            "redundancy",
            "Cache hits and redundancy",
            "Share of the new individuals whose fitness a cache told"
            + (
                "."
                if redundancy(data) is None
                else ", and share of their instructions that have no effect."
            ),
            lambda ax: figures.plot_redundancy(data, ax),
        ),
    ]
    return [
        Figure(title, markup(inline_svg(name, title, draw)), caption)
        for name, title, caption, draw in drawn
    ]


def _outcomes(data: RunData) -> list[dict[str, Any]]:
    """Shares of each mutation type's children by what became of them."""
    rows = []
    for kind, counts in data.epochs.outcomes().items():
        children = counts["children"]
        shares = {name: counts[name] / children for name in ("better", "worse", "neutral")}
        shares["equal"] = max(1.0 - sum(shares.values()), 0.0)
        rows.append({"kind": kind, "children": children, "shares": shares})
    return rows


def _shown_steps(data: RunData) -> tuple[list[ShownStep], int]:
    """The improvements of the largest gains, and how many others there are."""
    steps = lineage(data)
    ranked = sorted(steps[:-1], key=lambda step: (not step.is_best, -step.gain))
    chosen, letters = [], 0
    for step in [*steps[-1:], *ranked][:MOST_STEPS]:  # the last one counts, whatever its gain
        letters += len(step.genome) + len(step.parent or "")
        if letters > _MOST_LINEAGE:
            break
        chosen.append(step)
    chosen.sort(key=lambda step: step.number)
    shown = [ShownStep(step, side_by_side(step.parent or "", step.genome)) for step in chosen]
    return shown, len(steps) - len(shown)


def _program(data: RunData) -> dict[str, Any] | None:
    """The best program, or the best genome of another kind."""
    if data.best is None:
        return None
    found, simplified = data.program, data.simplified
    if found is None or simplified is None:
        return {"genome": data.text_of(data.best.genome)[:_MOST_GENOME], "lines": []}
    note = ""
    try:
        effects = measured_effects(data, simplified)
    except (ValueError, MemoryError) as error:
        effects, note = {}, f"Not measured: {error}"
    lines = program_lines(simplified, effects)
    return {
        "genome": "",
        "lines": lines,
        "found": program_lines(found),
        "instructions": len(found),
        "remaining": len(simplified),
        "note": note,
        "largest": max((abs(line.effect or 0.0) for line in lines), default=0.0) or 1.0,
        "graph": markup(_dataflow(simplified)),
    }


def _dataflow(program: Any) -> str:
    """The program's dataflow graph as SVG; empty if it is too large."""
    instructions = sum(len(body) for _, body in program.items())
    return "" if instructions > _MOST_DRAWN else dataflow_svg(program)


def _final(data: RunData) -> dict[str, Any] | None:
    """The final evaluation against other models; None before there is one."""
    fitness = data.final_fitness
    if not len(fitness):
        return None
    baselines, note = _baselines(data)
    svg = inline_svg(
        "final", "Fitness on each final task",
        lambda ax: figures.plot_final(data, ax, baselines=baselines),
    )  # fmt: skip
    rows = [_summary("evolved program", fitness)]
    rows += [_summary(name, values) for name, values in baselines.items()]
    return {"rows": rows, "note": note, "svg": markup(svg), "tasks": len(fitness)}


def _baselines(data: RunData) -> tuple[dict[str, list[float]], str]:
    """Fitness of other models, or a sentence that says why there is none."""
    config = data.config
    if config is None:
        return {}, "No other models: the configuration of the run cannot be read."
    spec = config.tasks.final
    if spec.count * spec.train * (spec.features or 1) > _MOST_BASELINE_NUMBERS:
        return {}, "No other models: the final tasks are so large that training takes long."
    try:
        tasks: Sequence[Any] = made_tasks(spec, stream_key(config.seed, "final"))
        found = baseline_fitness(tasks)
    except (ValueError, MemoryError) as error:
        return {}, f"No other models: {error}"
    if found is None:
        return {}, "For a comparison with other models: pip install 'automl-zero[sklearn]'"
    if len(tasks) != len(data.final_fitness):
        return {}, f"No other models: {len(tasks)} tasks in the configuration."
    return found, ""


def _summary(name: str, values: Iterable[float]) -> dict[str, Any]:
    numbers = np.asarray(list(values))
    error = np.std(numbers, ddof=1) / np.sqrt(len(numbers)) if len(numbers) > 1 else 0.0
    return {
        "name": name,
        "mean": float(np.mean(numbers)),
        "error": float(error),
        "lowest": float(np.min(numbers)),
        "highest": float(np.max(numbers)),
    }
