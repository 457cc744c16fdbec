"""``automl-zero ops``: the op table."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from automl_zero.cli._custom_ops import OpsOption, run_ops_files
from automl_zero.cli._output import out, print_json
from automl_zero.ops import Op, known_ops

_KIND_NAMES = {"s": "scalar", "v": "vector", "m": "matrix"}


def ops(
    files: OpsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every op: its text in programs, its meaning in NumPy, its cost."""
    run_ops_files(files)
    if as_json:
        print_json([_data(op) for op in known_ops()])
        return
    table = Table(
        "id", "name", "text", "meaning", "cost", "",
        box=None, pad_edge=False, caption_justify="left",
        caption="cost: train budget, millions · c: inputs commute · r: draws random numbers"
        " · k: keeps part of its output · F: feature count",
    )  # fmt: skip
    table.columns[0].justify = table.columns[4].justify = "right"
    for name in (1, 2):
        table.columns[name].no_wrap = True
    for op in known_ops():
        flags = zip("crk", (op.commutative, op.random, op.keeps_output), strict=True)
        table.add_row(
            str(op.id),
            op.name,
            _text(op),
            op.numpy.replace("[", r"\["),
            f"{op.cost / 1e6:.1f}",
            "".join(letter for letter, is_set in flags if is_set),
        )
    out().print(table)


def _text(op: Op) -> str:
    """The op's text with typical registers, e.g. ``s2 = dot(v1, v0)``."""
    registers = {
        name: f"{kind}{number}" for name, kind, number in zip("ab", op.inputs, (1, 0), strict=False)
    }
    if op.output:
        registers["out"] = f"{op.output}2"
    constants = {role.name: role.name for role in op.constants}
    return op.text.format(**registers, **constants).replace("[", r"\[")


def _data(op: Op) -> dict[str, Any]:
    return {
        "id": op.id,
        "name": op.name,
        "inputs": [_KIND_NAMES[kind] for kind in op.inputs],
        "output": _KIND_NAMES.get(op.output),
        "text": op.text,
        "numpy": op.numpy,
        "cost": op.cost,
        "constants": [
            {"role": role.name, "field": field, "low": role.low, "high": role.high}
            for role, field in zip(op.constants, op.constant_fields, strict=True)
        ],
        "commutative": op.commutative,
        "random": op.random,
        "keeps_output": op.keeps_output,
    }
