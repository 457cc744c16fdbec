"""``automl-zero l2o train`` and ``bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from automl_zero._config_values import choice
from automl_zero.cli import _output
from automl_zero.cli._output import RunFailure, err, print_plain, require_writable

if TYPE_CHECKING:
    from l2o.learned import MetaProgress, ProblemSource, Standing

INTERRUPTED = 130
TASKS = ("quadratics", "rastrigin", "logistic", "mlp")


def train(
    config: Annotated[
        str | None,
        typer.Argument(help="A shipped meta-training or a TOML file; none lists the shipped ones."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of checkpoints; one that is there goes on."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the network (safetensors)."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> int:
    """Meta-train a learned optimizer.

    Ctrl-C stops it; with --run, the same command goes on from the last checkpoint.
    """
    from l2o.learned import learned_config_names, load_learned_config, meta_train, save_network

    if config is None:
        table = Table("name", "what it does", box=None, pad_edge=False)
        for name in learned_config_names():
            table.add_row(name, load_learned_config(name).description)
        _output.out().print(table)
        return 0
    if out is not None:
        require_writable(out)
    loaded = load_learned_config(config, overrides or [])
    network, tasks = loaded.make_network(), loaded.make_tasks()
    validated = any(name.startswith("validat") for name in loaded.training)
    try:
        result = meta_train(
            network,
            tasks,
            validation=tasks if validated else None,
            folder=run,
            progress=None if quiet else _Lines(),
            **loaded.training,
        )
    except KeyboardInterrupt:
        if run is not None and not quiet:
            err().print(f"interrupted; the same command goes on with {run}", markup=False)
        return INTERRUPTED
    print_plain(
        f"{result.iteration:,} iterations, ended by {result.stopped_by}; meta-loss "
        f"{result.loss:.4f}, weights of iteration {result.best_iteration:,}"
    )
    if out is not None:
        origin = {"config": str(config), "tasks": tasks.settings(), **loaded.training}
        save_network(network, out, origin)
        if not quiet:
            err().print(f"written: {out}", markup=False, soft_wrap=True)
    return 0


def bench(
    network: Annotated[
        str, typer.Argument(help="A shipped learned optimizer (mlp, ...) or a file.")
    ],
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")] = "mlp",
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Images for logistic and mlp (npz); else the digits."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each optimization.")] = 100,
    problems: Annotated[int, typer.Option(min=1, help="How many problems.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the problems.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the loss curves (.svg, .png or .pdf)."),
    ] = None,
) -> None:
    """Set a learned optimizer beside tuned ones on problems it never saw."""
    from l2o.learned import compare
    from l2o.learned._optimizer import find_network

    choice("--task", task, TASKS)
    if plot is not None:
        choice("--plot", plot.suffix, (".svg", ".png", ".pdf"))
        require_writable(plot)
    loaded = find_network(network)
    standings = compare(loaded, _source(task, data), steps=steps, problems=problems, seed=seed)
    table = Table(
        "optimizer", "learning rate", "mean final loss", "median", box=None, pad_edge=False
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for each in standings:
        lr = "" if each.lr is None else f"{each.lr:.3g}"
        table.add_row(each.name, lr, f"{each.mean:.4g}", f"{each.median:.4g}")
    _output.out().print(table)
    if plot is not None:
        _write_plot(standings, plot, f"{network} on {task}, {problems} problems")


def _source(task: str, data: Path | None) -> ProblemSource:
    from l2o.learned import Classifiers, Quadratics, Rastrigin, logistic_regression, npz_examples

    if task in ("quadratics", "rastrigin"):
        if data is not None:
            raise ValueError(f"--data: expected none for {task}, received {data}")
        return Quadratics() if task == "quadratics" else Rastrigin()
    try:
        examples = None if data is None else npz_examples(data)
    except OSError as error:
        raise ValueError(f"--data: cannot read {data}: {error}") from None
    return Classifiers(examples) if task == "mlp" else logistic_regression(examples)


def _write_plot(standings: list[Standing], path: Path, title: str) -> None:
    """Median loss of each optimizer at each step."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RunFailure("--plot needs matplotlib: pip install 'automl-zero[report]'") from None
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for each in standings:
        axes.plot(each.losses.median(1).values, label=each.name)
    positive = all(bool((each.losses.median(1).values > 0).all()) for each in standings)
    axes.set(xlabel="step", ylabel="median loss", title=title)
    axes.set_yscale("log" if positive else "linear")
    axes.legend()
    figure.savefig(path)
    err().print(f"written: {path}", markup=False, soft_wrap=True)


class _Lines:
    """A progress line now and then."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, state: MetaProgress) -> None:
        if state.iteration == state.iterations or state.seconds - self._told > 10:
            self._told = state.seconds
            err().print(str(state), markup=False)
