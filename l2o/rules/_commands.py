"""``automl-zero l2o evolve``, ``configs`` and ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from automl_zero._config_values import choice
from automl_zero._number_text import count_text, seconds_text
from automl_zero.cli import _output
from automl_zero.cli._output import RunFailure, err, print_plain, require_writable
from automl_zero.cli._search import (
    Place,
    QuietOption,
    RayOption,
    TensorBoardOption,
    WorkersOption,
    run_with_display,
    tell_how_to_resume,
)

if TYPE_CHECKING:
    from l2o.rules import RuleSearchConfig, RuleSearchResult, StageResult

INTERRUPTED = 130


def evolve(
    config: Annotated[
        str, typer.Argument(help="A shipped search (see 'l2o configs') or a TOML file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for checkpoints, events and results."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the result: the rule's text for .txt, else JSON."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed, instead of the configuration's.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Time limit of the whole run, in seconds.")
    ] = None,
    workers: WorkersOption = None,
    ray: RayOption = None,
    tensorboard: TensorBoardOption = None,
    quiet: QuietOption = False,
) -> int:
    """Search for an update rule, send the best through the funnel, and print the winner.

    Ctrl-C finishes the epochs that run and ends the search with the best rule so far; a second
    one stops at once. With --run the search can go on later: automl-zero resume.
    """
    from l2o.rules import load_rule_config

    settings = list(overrides or [])
    if seed is not None:
        settings.append(f"seed={seed}")
    if seconds is not None:
        settings.append(f"stop.seconds={seconds!r}")
    loaded = load_rule_config(config, settings)
    place = Place(workers=workers, ray=ray, run_dir=run, tensorboard=tensorboard)
    return search_and_print(loaded, f"l2o evolve {config}", place, out, quiet)


def resume(run: Path, place: Place, seconds: float | None, out: Path | None, quiet: bool) -> int:
    """Go on with a run of this kind; the way of ``automl-zero resume``.

    Args:
        run: The folder.
        place: Where it runs.
        seconds: Time limit of the whole run; None: that of the run.
        out: Where the result is written.
        quiet: Show no progress.
    """
    from l2o.rules import load_rule_config

    settings = [] if seconds is None else [f"stop.seconds={seconds!r}"]
    loaded = load_rule_config(run / "config.toml", settings)
    return search_and_print(loaded, f"resume {run}", place, out, quiet)


def search_and_print(
    config: RuleSearchConfig, title: str, place: Place, out: Path | None, quiet: bool
) -> int:
    """Search, print what was found and write it where it was asked for; the exit code."""
    from l2o.rules import UpdateRuleSearch

    if out is not None:
        require_writable(out)
    result: RuleSearchResult = run_with_display(
        UpdateRuleSearch(config).run, config.islands.count, title, quiet=quiet, place=place
    )
    print_result(result)
    if out is not None:
        data = {"config": config.to_data(), **result.to_data()}
        is_text = out.suffix == ".txt"
        text = str(result.simplified) if is_text else _output.json_text(data)
        _output.write_whole(out, f"{text}\n")
        if not quiet:
            err().print(f"written: {out}", markup=False, soft_wrap=True)
    if not result.is_interrupted:
        return 0
    tell_how_to_resume(place.run_dir)
    return INTERRUPTED


def print_result(result: RuleSearchResult) -> None:
    """The rule, the stages of the funnel, and what the search cost."""
    title = _output.out()
    title.print("\n[bold]Rule as found[/bold]")
    print_plain(str(result.rule))
    if str(result.simplified) != str(result.rule):
        title.print("\n[bold]Simplified[/bold]")
        print_plain(str(result.simplified))
    if result.funnel is not None:
        for stage in result.funnel.stages:
            _print_stage(stage)
    final = "" if result.final_fitness is None else f" · final {result.final_fitness:.4f}"
    print_plain(
        f"\nfitness: search {result.fitness:.4f} · selection {result.select_fitness:.4f}{final} "
        "(0: as good as the tuned baseline)"
    )
    print_plain(
        f"best settings: learning rate {result.learning_rate:g}, "
        f"weight decay {result.weight_decay:g}"
    )
    counts = result.statistics
    rate = counts.individuals / result.seconds if result.seconds > 0 else 0.0
    print_plain(
        f"search: {count_text(counts.individuals)} individuals in {seconds_text(result.seconds)} "
        f"({count_text(rate)}/s), {count_text(counts.evaluations)} run in full"
    )


def _print_stage(stage: StageResult) -> None:
    table = Table(
        "rule", "score", "lowest", "passed", box=None, pad_edge=False, title_justify="left",
        title=f"\nStage {stage.name}",
    )  # fmt: skip
    for column in table.columns[1:3]:
        column.justify = "right"
    standings = sorted((*stage.rules, *stage.baselines), key=lambda item: -item.score)
    for item in standings:
        table.add_row(
            item.name,
            f"{item.score:+.4f}",
            f"{min(item.scores):+.4f}",
            "yes" if item.name in stage.passed else "" if item in stage.baselines else "no",
        )
    _output.out().print(table)


def configs(
    name: Annotated[str | None, typer.Argument(help="Print this search's TOML file.")] = None,
) -> None:
    """List the shipped searches for update rules, or print one to start your own from."""
    from l2o.rules import load_rule_config, rule_config_names
    from l2o.rules._config import RULE_CONFIG_FOLDER

    names = rule_config_names()
    if name is None:
        table = Table("name", "what it does", box=None, pad_edge=False)
        for known in names:
            table.add_row(known, load_rule_config(known).description)
        _output.out().print(table)
        return
    choice("name", name, names)
    print_plain((RULE_CONFIG_FOLDER / f"{name}.toml").read_text(encoding="utf-8").rstrip())


def report(
    run: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of a run or of a meta-training.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")
    ] = Path("report.html"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say what was written.")] = False,
) -> None:
    """Write a report of a search for update rules as one HTML page that works offline.

    Of a meta-training ('automl-zero l2o train --run DIR', or of l2o.maml), the page shows
    where it stands, its curves and its settings.

    Beside what 'automl-zero report' shows: the stages of the funnel, and loss curves of the
    found rule against tuned baselines on each task. The curves are computed anew, which takes
    some seconds.
    """
    from automl_zero.evolution.runs import Run
    from automl_zero.report import write_report
    from l2o.rules._report import rule_sections

    require_writable(out)
    try:
        if (run / "settings.json").exists() and not (run / "run.json").exists():
            from l2o._training_report import write_training_report

            write_training_report(run, out)
        else:
            opened = Run.open(run)
            write_report(opened, out, rule_sections(opened))
    except ImportError as error:
        raise RunFailure(str(error)) from None
    if not quiet:
        err().print(f"written: {out}", markup=False, soft_wrap=True)
