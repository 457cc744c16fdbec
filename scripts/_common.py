"""What the scripts share: arguments, the machine's name, rows of numbers.

A row is one measured number. Scripts print rows as a table and, with ``--json FILE``,
write them as a list of ``{"name", "value", "unit", "target"}``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from l2o.learned import MetaProgress


@dataclass(frozen=True, slots=True)
class Row:
    """One number: ``Row("import_seconds", 0.21, "s", "<= 0.3")``; target None if it has none."""

    name: str
    value: float | int | str
    unit: str = ""
    target: str | None = None


class ProgressLine:
    """Prints a meta-training's progress at its start, every half minute and at its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = -math.inf

    def __call__(self, state: MetaProgress) -> None:
        if state.iteration == state.iterations or time.monotonic() - self._told > 30:
            self._told = time.monotonic()
            print(f"  {self._name}: {state}", flush=True)


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with ``--quick`` and ``--json``, which every script understands."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small part, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    return parser


def machine_line() -> str:
    """Processor, usable cores, system and versions, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"machine: {_processor()}, {cores} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )


def print_rows(rows: list[Row]) -> None:
    """Print the rows as an aligned table."""
    cells = [("name", "value", "unit", "target")]
    cells += [(row.name, _number(row.value), row.unit, row.target or "") for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    for name, value, unit, target in cells:
        line = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  {target}"
        print(line.rstrip())


def write_json(rows: list[Row], path: Path | None) -> None:
    """Write the rows to ``path``, whole or not at all; None writes nothing."""
    if path is None:
        return
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    partial.replace(path)


def _number(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value


def _processor() -> str:
    """The processor's name: Linux tells it in /proc/cpuinfo only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
