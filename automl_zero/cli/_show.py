"""``automl-zero show``: what a run is, how far it is, and what it found."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from automl_zero._number_text import count_text, seconds_text
from automl_zero.annotate import annotate
from automl_zero.cli._output import err, out, print_plain
from automl_zero.cli._runs import individuals_of

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run
    from automl_zero.program import Program
    from automl_zero.report._run_data import RunData

_IMPROVEMENTS: Final = 12
_QUICK_WORK: Final = 2e9
"""Elements of an ablation that takes less than a second."""


def show(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")],
) -> None:
    """Show a run: where it stands, its best program, and how that came to be."""
    from automl_zero.evolution.runs import Run

    opened = Run.open(run)
    _print_summary(opened)
    _print_islands(opened)
    _print_improvements(opened)
    _print_best(opened)


def _print_summary(run: Run) -> None:
    epochs, trials = run.events("epoch"), run.events("trial").num_rows
    result = run.result
    lines = {
        "run": str(run.path),
        "kind": run.kind,
        "status": run.status
        if result is None
        else f"{run.status}: {result.get('stopped_by', 'a limit')} reached",
        "created": f"{run.created}, automl-zero {run.versions['automl_zero']}",
        "sessions": f"{len(run.sessions)}, {seconds_text(run.seconds)} in all",
    }
    if trials:  # a search without islands
        lines["trials"] = count_text(trials)
    else:
        experiments = max(epochs["experiment"].to_pylist(), default=0)
        lines["individuals"] = (
            f"{count_text(individuals_of(epochs))} in {experiments} experiments"
        )
    width = max(map(len, lines))
    for name, text in lines.items():
        print_plain(f"{name:<{width}}  {text}")


def _print_islands(run: Run) -> None:
    """The islands of the latest experiment."""
    epochs = run.events("epoch").to_pylist()
    if not epochs:
        return
    experiment = epochs[-1]["experiment"]
    latest = {row["island"]: row for row in epochs if row["experiment"] == experiment}
    table = Table(
        "island", "epochs", "individuals", "best", "mean", "different", "immigrants",
        box=None, pad_edge=False, title=f"\nExperiment {experiment}", title_justify="left",
    )  # fmt: skip
    for column in table.columns:
        column.justify = "right"
    for island, row in sorted(latest.items()):
        table.add_row(
            str(island),
            str(row["epoch"]),
            count_text(row["individuals"]),
            _number(row["fitness"]),
            _number(row.get("mean_fitness")),
            str(row.get("unique_in_population", "-")),
            str(row.get("immigrants", "-")),
        )
    out().print(table)


def _print_improvements(run: Run) -> None:
    """The latest improvements of the experiment that brought the best."""
    best = run.best
    rows = run.events("improvement").to_pylist()
    if best is None or not rows:
        return
    rows = [row for row in rows if row["experiment"] == best["experiment"]]
    table = Table(
        "island", "individual", "generation", "fitness", "parent's", "mutation",
        box=None, pad_edge=False, title_justify="left",
        title=f"\nImprovements of experiment {best['experiment']}"
        + (f", the last {_IMPROVEMENTS} of {len(rows)}" if len(rows) > _IMPROVEMENTS else ""),
    )  # fmt: skip
    for column in table.columns[:-1]:
        column.justify = "right"
    for row in rows[-_IMPROVEMENTS:]:
        table.add_row(
            str(row["island"]),
            str(row["individuals"]),
            str(row["generation"]),
            _number(row["fitness"], 6),
            _number(row["parent_fitness"], 6),
            row["mutation"] or "-",
        )
    out().print(table)


def _print_best(run: Run) -> None:
    from automl_zero.report._run_data import RunData

    data = RunData(run)
    if data.best is None:
        found = run.best or {}
        if "text" in found:
            print_plain(f"\nbest  {found['text']}\n\nfitness: {_number(found.get('fitness'), 5)}")
        return
    if data.program is not None and data.simplified is not None:
        out().print("\n[bold]Program as found[/bold]")
        print_plain(annotate(data.program))
        _print_simplified(data, data.simplified)
    else:
        text = data.text_of(data.best.genome)
        print_plain(f"\nbest\n{text}" if "\n" in text else f"\nbest  {text}")
    parts = [f"search {_number(data.best.fitness, 5)}"]
    if data.has_selection:
        parts.append(f"selection {_number(data.best.select_fitness, 5)}")
    values, final = data.final_fitness, data.result.get("final_fitness")
    if not len(values) and isinstance(final, float):
        parts.append(f"final {_number(final, 5)}")
    if len(values):
        parts.append(
            f"final {_number(data.result.get('final_fitness'), 5)} (mean of {len(values)} unseen "
            f"tasks, lowest {float(values.min()):.5f}, highest {float(values.max()):.5f})"
        )
    print_plain("\nfitness: " + " · ".join(parts))
    for problem in data.problems:
        err().print(f"automl-zero: warning: {problem}", markup=False, soft_wrap=True)


def _print_simplified(data: RunData, program: Program) -> None:
    """The simplified program; beside its lines what they are worth, if that is quick to say."""
    from automl_zero.report._program_view import measured_effects, program_lines

    title, effects = "Simplified", {}
    with contextlib.suppress(ValueError, MemoryError):
        effects = measured_effects(data, program, _QUICK_WORK)
        title = "Simplified, with the change of the search fitness without each line"
    out().print(f"\n[bold]{title}[/bold]")
    lines = program_lines(program, effects)
    width = max((len(line.code) for line in lines), default=0)
    for line in lines:
        worth = "" if line.effect is None else f"{line.effect:+.3f}"
        comment = "  ".join(filter(None, (worth, line.comment)))
        print_plain(f"{line.code:<{width}}  # {comment}" if comment else line.code)


def _number(value: Any, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"
