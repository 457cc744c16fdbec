"""``automl-zero configs``: the shipped experiments."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from automl_zero._config_values import choice
from automl_zero.cli._output import out, print_plain
from automl_zero.config import CONFIG_FOLDER, config_names, load_config


def configs(
    name: Annotated[str | None, typer.Argument(help="Print this experiment's TOML file.")] = None,
) -> None:
    """List the shipped experiments, or print one to start your own from."""
    names = config_names()
    if name is None:
        table = Table("name", "what it does", box=None, pad_edge=False)
        for known in names:
            table.add_row(known, load_config(known).description)
        out().print(table)
        return
    choice("name", name, names)
    print_plain((CONFIG_FOLDER / f"{name}.toml").read_text(encoding="utf-8").rstrip())
