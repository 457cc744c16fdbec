"""The commands ``automl-zero l2o ...``: update rules and learned optimizers.

:data:`app` is declared as an entry point, by which ``automl_zero.cli`` finds it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_zero.cli._output import err, require_writable, write_whole
from l2o.learned import _commands as learned
from l2o.rules import _commands as rules

app = typer.Typer(
    help="Update rules and learned optimizers: search, train, use.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _commands() -> None:
    """Update rules and learned optimizers: search, train, use."""


app.command("evolve")(rules.evolve)
app.command("configs")(rules.configs)
app.command("report")(rules.report)
app.command("train")(learned.train)
app.command("bench")(learned.bench)


@app.command("export")
def export(
    rule: Annotated[
        str, typer.Argument(help="A published rule (adamw, lion, ...), or a file with a rule.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; standard output if left out."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the class; by default that of the file: MyOptimizer."),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Default learning rate, instead of the file's.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Default weight decay, instead of the file's.")
    ] = None,
) -> None:
    """Write a rule as a PyTorch optimizer that runs without automl-zero."""
    if out is not None:
        require_writable(out)
    from l2o.optim import export_optimizer

    if name is None:
        words = "" if out is None else out.stem.replace("-", "_").replace(".", "_")
        name = "".join(word[:1].upper() + word[1:] for word in words.split("_"))
        name = name if name.isidentifier() else "FoundOptimizer"
    source = export_optimizer(rule, name, lr, weight_decay)
    if out is None:
        print(source, end="")
        return
    write_whole(out, source)
    err().print(f"written: {out}", markup=False, soft_wrap=True)
