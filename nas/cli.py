"""``automl-zero nas``: search for architectures, go on, report, export.

Index:
    app     the commands, an entry point of the group ``automl_zero.commands``
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_zero._config_values import parse_override
from automl_zero._number_text import seconds_text
from automl_zero.cli._output import (
    RunFailure,
    err,
    json_text,
    print_plain,
    require_writable,
    write_whole,
)
from automl_zero.cli._progress import ProgressDisplay
from automl_zero.cli._search import QuietOption, StopOnInterrupt, warnings_as_lines

if TYPE_CHECKING:
    from nas import SearchConfig, SearchOutcome, SearchProgress
    from nas.spaces import Architecture, ChoiceSpace

INTERRUPTED = 130

app = typer.Typer(name="nas", help="Search for network architectures.", add_completion=False)

WorkersOption = Annotated[
    int, typer.Option(min=1, help="Worker processes, at most --batch; the result is the same.")
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Write the result as JSON.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of space, strategy or objective, as strategy.population_size=20; may be "
        "repeated.",
    ),
]


@app.command("search")
def search(
    space: Annotated[str, typer.Argument(help="The search space: nas-bench-201, darts, ...")],
    strategy: Annotated[
        str, typer.Option(help="How to search: regularized-evolution, reinforce, nsga2, ...")
    ] = "regularized-evolution",
    objective: Annotated[
        str,
        typer.Option(help="What architectures are worth: table, or training (needs torch)."),
    ] = "table",
    data: Annotated[
        str | None,
        typer.Option(help="What the objective is about: a data set or a file."),
    ] = None,
    evaluations: Annotated[int, typer.Option(min=1, help="Architectures to evaluate.")] = 100,
    batch: Annotated[
        int, typer.Option(min=1, help="Evaluations at the same time; changes the result.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything random.")] = 0,
    settings: SetOption = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for checkpoints, events and results."),
    ] = None,
    out: OutOption = None,
    workers: WorkersOption = 1,
    quiet: QuietOption = False,
) -> int:
    """Search for an architecture and print the best one.

    Ctrl-C ends the search with the best one so far; with --run it can go on later. Trials that
    ran then are evaluated again.
    """
    from nas import SearchConfig

    config = SearchConfig(
        space=space,
        strategy=strategy,
        objective=objective,
        data=data,
        evaluations=evaluations,
        batch=batch,
        seed=seed,
        **_options(settings or []),
    )
    return _search_and_print(config, f"search {space}", out, quiet, run_dir=run, workers=workers)


@app.command("resume")
def resume(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the run.")],
    out: OutOption = None,
    workers: WorkersOption = 1,
    quiet: QuietOption = False,
) -> int:
    """Go on with a run from its last checkpoint, as if it had never been interrupted.

    A finished run prints its result again. The number of workers may be another.
    """
    return _search_and_print(
        _config_of(run), f"resume {run}", out, quiet, run_dir=run, workers=workers, resume=True
    )


@app.command("report")
def report(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")
    ] = Path("report.html"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say what was written.")] = False,
) -> None:
    """Write a report of a run as one HTML page that works offline.

    It shows the course of the search, the best architectures, and the Pareto front of several
    objectives. Runs that go on or were interrupted are shown as far as they are.
    """
    from automl_zero.evolution.runs import Run
    from nas.report import write_report

    opened = Run.open(run)
    require_writable(out)
    try:
        write_report(opened, out)
    except ImportError as error:
        raise RunFailure(str(error)) from None
    if not quiet:
        err().print(f"written: {out}", markup=False, soft_wrap=True)


@app.command("export")
def export(
    found: Annotated[
        str,
        typer.Argument(metavar="RUN|ARCH", help="The folder of a run, or an architecture's text."),
    ],
    space: Annotated[str, typer.Option(help="The space of an architecture given as text.")] = (
        "nas-bench-201"
    ),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Width, depth, classes, in_channels or stem_stride of the network, as "
            "classes=100; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; standard output if left out."),
    ] = None,
) -> None:
    """Write the network of an architecture as Python source that needs PyTorch alone."""
    if out is not None:
        require_writable(out)
    searched, architecture = _architecture(found, space)
    skeleton = {".".join(path): value for path, value in map(parse_override, settings or [])}
    try:
        from nas.networks import export_source
    except ImportError as error:
        raise RunFailure(str(error)) from None
    try:
        source = export_source(searched, architecture, **skeleton)
    except TypeError as error:
        raise ValueError(f"--set: expected settings of a network: {error}") from None
    if out is None:
        print(source, end="")
        return
    write_whole(out, source)
    err().print(f"written: {out}", markup=False, soft_wrap=True)


def _search_and_print(
    config: SearchConfig, title: str, out: Path | None, quiet: bool, **options: Any
) -> int:
    """Search, print what was found and write it where it was asked for; the exit code."""
    if out is not None:
        require_writable(out)
    with (
        warnings_as_lines(),
        StopOnInterrupt() as stop,
        ProgressDisplay(err(), title, quiet, _progress_lines) as display,
    ):
        try:
            outcome = config.run(on_progress=display.update, should_stop=stop.is_asked, **options)
        except (ImportError, RuntimeError) as error:
            raise RunFailure(str(error)) from error
    details = _details(config, outcome)
    _print_outcome(outcome, details)
    if out is not None:
        write_whole(out, json_text({**outcome.to_data(), "details": details}) + "\n")
        if not quiet:
            err().print(f"written: {out}", markup=False, soft_wrap=True)
    if outcome.stopped_by != "interrupted":
        return 0
    if options["run_dir"] is not None:
        line = f"interrupted; to go on: automl-zero nas resume {options['run_dir']}"
        err().print(line, markup=False, soft_wrap=True)
    return INTERRUPTED


def _print_outcome(outcome: SearchOutcome, details: dict[str, float]) -> None:
    best = outcome.best
    print_plain(outcome.text)
    budget = "" if best.budget is None else f" · budget {best.budget}"
    print_plain(f"value {values_text(best.values)}{budget} · found by trial {best.number}")
    for name, value in details.items():
        print_plain(f"{name} {value:g}")
    if len(best.values) > 1:
        print_plain("Pareto front")
        for trial in outcome.front:
            text = outcome.space.to_text(trial.architecture)
            print_plain(f"  {values_text(trial.values)}  {text}")
    print_plain(f"search: {len(outcome.trials)} trials in {seconds_text(outcome.seconds)}")


def values_text(values: tuple[float, ...]) -> str:
    """Values of one or more objectives."""
    return ", ".join(f"{value:.6g}" for value in values)


def _details(config: SearchConfig, outcome: SearchOutcome) -> dict[str, float]:
    """What the objective tells of the best architecture beside its value, if anything."""
    _, objective, _ = config.make()
    details = getattr(objective, "details", None)
    return {} if details is None else dict(details(outcome.best.architecture))


def _progress_lines(progress: SearchProgress, waited: float) -> list[str]:
    """For :class:`ProgressDisplay`."""
    parts = [f"{progress.told} of {progress.evaluations} trials"]
    if progress.best is not None:
        parts.append(f"best {values_text(progress.best.values)}")
    parts.append(seconds_text(progress.seconds + waited))
    if progress.seconds_left is not None:
        parts.append(f"{seconds_text(max(progress.seconds_left - waited, 0.0))} left")
    return [" · ".join(parts), *([progress.best_text] if progress.best_text else [])]


def _options(settings: list[str]) -> dict[str, dict[str, Any]]:
    """Settings by section, as :class:`SearchConfig` takes them."""
    sections: dict[str, dict[str, Any]] = {"space": {}, "strategy": {}, "objective": {}}
    for text in settings:
        (section, *names), value = parse_override(text)
        if section not in sections or not names:
            raise ValueError(
                f"--set: expected space., strategy. or objective.KEY=VALUE, received {text!r}"
            )
        table = sections[section]
        for name in names[:-1]:
            table = table.setdefault(name, {})
        table[names[-1]] = value
    return {f"{section}_options": options for section, options in sections.items()}


def _config_of(run: Path) -> SearchConfig:
    from automl_zero.evolution.runs import Run
    from nas import SearchConfig

    return SearchConfig.of_run(Run.open(run))


def _architecture(found: str, space: str) -> tuple[ChoiceSpace, Architecture]:
    """Space and architecture of a run's best, or of a text."""
    from automl_zero.evolution.runs import Run
    from nas import SearchConfig

    if not Path(found).is_dir():
        searched = SearchConfig(space=space).make_space()
        return searched, searched.from_text(found)
    searched = _config_of(Path(found)).make_space()
    best = Run.open(found).best
    if best is None:
        raise ValueError(f"run: expected one with a best architecture, received {found}")
    try:
        return searched, searched.from_data(best.get("architecture"))
    except ValueError as error:
        raise ValueError(f"{Path(found, 'best.json')}: {error}") from None
