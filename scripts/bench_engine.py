"""How fast the engine is: searching, running programs, importing; and its memory.

    python scripts/bench_engine.py            # a few minutes
    python scripts/bench_engine.py --quick    # about one minute
    python scripts/bench_engine.py --markdown # the table as the README has it

Everything runs on one thread. Speeds are from processor time, so that other work on the
machine disturbs them less; ``demo_seconds_to_solution`` and ``import_seconds`` are
wall-clock time. A missed target is shown and is no failure.

``demo_individuals_per_s`` is the median over experiments of the demo, each with its own seed.
``*_us_per_task`` is the time of one program on one task, microseconds, with 10 tasks in
lockstep: finding the live code, training on 100 examples and validating on 100, without any
cache. ``linear`` and ``network`` are the hand-built linear model and two-layer network on
tasks where neither stops early; ``_8000`` is the network on two classes, 8,000 training and
1,000 validation examples; ``_f32`` is float32. ``random_det`` and ``random_all`` are programs
of random instructions over the deterministic or all ops, with the given sizes of setup,
predict and learn: the mean over 5 pools of 200, early stops included.

``original`` is what the published C++ program (google-research, commit 1d49f2c0d, g++ -O2,
100,000 programs/s after removing one avoidable reseeding) takes on this class of machine,
one core; its time to solution is a mean over ten seeds.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from _common import Row, argument_parser, machine_line, write_json
from _demo import INDIVIDUALS, demo_evolution
from _timing import median_seconds
from _workloads import ALL_OPS, DETERMINISTIC_OPS, LINEAR, NETWORK, TASKS, Workload, drawn_pool
from automl_zero.kernels import _engine

from automl_zero import load_config
from automl_zero.evolution import ProgramSearch

POOLS: Final = 5


@dataclass(frozen=True)
class Reference:
    """What a row is set beside."""

    target: str | None = None
    original: str = ""


REFERENCES: Final = {
    "demo_individuals_per_s": Reference(">= 1000000", "100,000"),
    "demo_seconds_to_solution_median": Reference("<= 3"),
    "demo_seconds_to_solution_mean": Reference(None, "73"),
    "linear_F4_us_per_task": Reference("<= 0.35", "2.13"),
    "linear_F8_us_per_task": Reference(None, "2.6"),
    "linear_F16_us_per_task": Reference("<= 0.9", "3.0"),
    "network_F4_us_per_task": Reference("<= 1.0", "6.1"),
    "network_F8_us_per_task": Reference(None, "11.7"),
    "network_F16_us_per_task": Reference("<= 4.5", "18.1"),
    "network_F16_8000_us_per_task": Reference("<= 300", "1,116"),
    "network_F16_8000_f32_us_per_task": Reference("<= 180"),
    "random_det_5_5_5_F4_us_per_task": Reference(None, "3.7"),
    "random_det_10_10_10_F4_us_per_task": Reference(None, "5.7"),
    "random_det_21_21_45_F4_us_per_task": Reference("<= 0.6", "12.0"),
    "random_det_5_5_5_F16_us_per_task": Reference(None, "14.4"),
    "random_det_10_10_10_F16_us_per_task": Reference(None, "22.3"),
    "random_det_21_21_45_F16_us_per_task": Reference("<= 5", "50.5"),
    "random_all_5_5_5_F4_us_per_task": Reference(None, "6.9"),
    "random_all_10_10_10_F4_us_per_task": Reference(None, "13.8"),
    "random_all_21_21_45_F4_us_per_task": Reference("<= 1.8", "36.6"),
    "random_all_5_5_5_F16_us_per_task": Reference(None, "55"),
    "random_all_10_10_10_F16_us_per_task": Reference(None, "105"),
    "random_all_21_21_45_F16_us_per_task": Reference("<= 30", "297"),
    "import_seconds": Reference("<= 0.3"),
    "demo_peak_rss_mb": Reference("<= 300"),
}


def row(name: str, value: float, unit: str) -> Row:
    """A row with its target."""
    return Row(name, value, unit, REFERENCES.get(name, Reference()).target)


# Searching -------------------------------------------------------------------------


def individuals_per_second(seed: int) -> float:
    """Speed of one experiment of the demo, from the initial population to its last individual."""
    evolution = demo_evolution(seed)
    start = time.thread_time()
    evolution.run(INDIVIDUALS)
    return INDIVIDUALS / (time.thread_time() - start)


def seconds_to_solution(seed: int) -> float:
    """Wall-clock time of the whole demo search: making tasks, experiments until the selected
    program suffices, and the final evaluation (some milliseconds)."""
    start = time.perf_counter()
    ProgramSearch(load_config("demo", [f"seed={seed}"])).run()
    return time.perf_counter() - start


def search_rows(quick: bool) -> list[Row]:
    """Speed and time to solution of the demo."""
    speeds = [individuals_per_second(seed) for seed in range(9 if quick else 31)]
    solved = [seconds_to_solution(seed) for seed in range(5 if quick else 20)]
    return [
        row("demo_individuals_per_s", statistics.median(speeds), "1/s"),
        row("demo_seconds_to_solution_median", statistics.median(solved), "s"),
        row("demo_seconds_to_solution_mean", statistics.mean(solved), "s"),
        row("demo_seconds_to_solution_longest", max(solved), "s"),
    ]


# Running programs ------------------------------------------------------------------


def workloads() -> dict[tuple[str, int], Workload]:
    """What to time, by row and by number of the pool."""
    found: dict[tuple[str, int], Workload] = {}
    for features in (4, 8, 16):
        found[f"linear_F{features}", 0] = Workload([LINEAR] * 100, features)
    for features in (4, 8, 16):
        found[f"network_F{features}", 0] = Workload([NETWORK] * 50, features, "two_layer_nn")
    long: dict[str, Any] = {"train": 8000, "valid": 1000, "labels": "binary"}
    found["network_F16_8000", 0] = Workload([NETWORK], 16, "two_layer_nn", **long)
    found["network_F16_8000_f32", 0] = Workload(
        [NETWORK], 16, "two_layer_nn", **long, precision="float32"
    )
    for kind, ops in (("det", DETERMINISTIC_OPS), ("all", ALL_OPS)):
        for features in (4, 16):
            for sizes in ((5, 5, 5), (10, 10, 10), (21, 21, 45)):
                name = f"random_{kind}_{'_'.join(map(str, sizes))}_F{features}"
                for pool in range(POOLS):
                    found[name, pool] = Workload(drawn_pool(ops, sizes, pool), features)
    return found


def program_rows(quick: bool) -> list[Row]:
    """Time of programs, by kind; the mean over a row's pools."""
    pieces = workloads()
    seconds = median_seconds(pieces, blocks=5 if quick else 15)
    values: dict[str, list[float]] = {}
    for (name, pool), piece in pieces.items():
        values.setdefault(name, []).append(seconds[name, pool] / piece.evaluations * 1e6)
    return [row(f"{name}_us_per_task", statistics.mean(v), "us") for name, v in values.items()]


# Fresh processes -------------------------------------------------------------------

IMPORT: Final = """
import time
start = time.perf_counter()
import automl_zero
automl_zero.evaluate
print(time.perf_counter() - start)
"""

# Peak memory of this process alone: what getrusage gives may be that of the parent before exec.
DEMO_MEMORY: Final = """
import resource, sys
from automl_zero import load_config
from automl_zero.evolution import ProgramSearch
ProgramSearch(load_config("demo", sys.argv[1:])).run()
try:
    lines = open("/proc/self/status").read().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kilobytes = peak / 1024 if sys.platform == "darwin" else peak
print(kilobytes / 1024)
"""


def in_fresh_process(code: str, arguments: list[str]) -> float:
    """The number that ``code`` prints in a new interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def process_rows(quick: bool) -> list[Row]:
    """Time to import the package and peak memory of a demo search."""
    imports = [in_fresh_process(IMPORT, []) for _ in range(5 if quick else 11)]
    # A million individuals: fitness is never above 1, so all experiments run to their ends.
    experiments = math.ceil(1_000_000 / INDIVIDUALS)
    settings = [f"experiments.maximum={experiments}", "experiments.sufficient_fitness=1"]
    memory = in_fresh_process(DEMO_MEMORY, settings)
    return [
        row("import_seconds", statistics.median(imports), "s"),
        row("demo_peak_rss_mb", memory, "MB"),
    ]


# Printing --------------------------------------------------------------------------


def number_text(value: float) -> str:
    """Three digits: ``1,070,000``, ``13.9``, ``0.300``."""
    if value >= 100:
        digits = len(str(int(value)))
        return f"{round(value, 3 - digits):,.0f}"
    return f"{value:#.3g}"


def cells(rows: list[Row]) -> list[tuple[str, str, str, str, str]]:
    """The table, header first."""
    lines = [("name", "value", "unit", "target", "original")]
    for item in rows:
        original = REFERENCES.get(item.name, Reference()).original
        target = (item.target or "").replace("1000000", "1,000,000")
        lines.append((item.name, number_text(float(item.value)), item.unit, target, original))
    return lines


def print_table(rows: list[Row]) -> None:
    """Print the rows aligned."""
    lines = cells(rows)
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for name, value, unit, target, original in lines:
        text = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  "
        print(f"{text}{target:<{widths[3]}}  {original:>{widths[4]}}".rstrip())


def print_markdown(rows: list[Row]) -> None:
    """Print the rows as a Markdown table."""
    header, *body = cells(rows)
    print("| " + " | ".join(header) + " |")
    print("|---|--:|---|---|--:|")
    for name, *rest in body:
        print("| " + " | ".join([f"`{name}`", *rest]) + " |")


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args(arguments)
    print(machine_line())
    print(
        f"settings: kernels {_engine.ISA}, one thread, {TASKS} tasks in lockstep, "
        f"{'quick' if options.quick else 'full'} run"
    )
    sections: list[Callable[[bool], list[Row]]] = [search_rows, program_rows, process_rows]
    rows = [item for section in sections for item in section(options.quick)]
    (print_markdown if options.markdown else print_table)(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
