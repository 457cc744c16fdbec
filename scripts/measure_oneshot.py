"""One-shot methods on real images: what their cells are worth, and what they cost.

On CIFAR-10 at 16x16 pixels and Fashion-MNIST at 14x14 (`cifar10_20k.npz` and
`fashion_mnist.npz` in `--data FOLDER`), each method trains a supernet of 8 channels and 3 cells
for the same processor time; its cell is then trained from scratch, as are random cells and the
best cell of a regularized evolution that had the same time. On digits, accuracies with shared
weights are correlated with those of the table of all cells (`--digits FILE`, or the shipped one;
the results of an unfinished `make_digits_table.py` will do).

Tasks run on two processes of one thread each. `--results FILE` keeps finished ones.

    python scripts/measure_oneshot.py --data FOLDER --results oneshot.jsonl
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import _oneshot_tasks as tasks
import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from _timing import median_seconds

from nas.objectives import ImageData

DATA = ("cifar10", "fashion")
RANDOM_CELLS = 4
CORRELATED = ("random_sharing", "enas", "darts_first", "gdas")


def planned(options: Any) -> dict[str, Callable[[], Any]]:
    """All tasks by key. Searches take `seconds`; a training from scratch about half of that."""
    minutes = 0.6 if options.quick else options.minutes
    # 2 data sets x (8 methods + evolution) x (search + training) + random cells + digits
    seconds = round(2 * 60 * minutes / 35, 1)
    epochs = max(1, round(minutes / 2.4))
    train, held = (1500, 500) if options.quick else (6000, 2000)
    plan: dict[str, Callable[[], Any]] = {}
    settings = f"{minutes:g} minutes, seed {options.seed}"
    for name in DATA if options.data else ():
        data = (name, str(options.data), train, held)
        for method in tasks.METHODS:
            plan[f"{settings}: {name} {method}"] = partial(
                tasks.search_one_shot, method, data, seconds, epochs, options.seed
            )
        plan[f"{settings}: {name} evolution"] = partial(
            tasks.search_evolution, data, seconds, epochs, options.seed
        )
        for number in range(RANDOM_CELLS):
            plan[f"{settings}: {name} random {number}"] = partial(
                tasks.random_cell, data, epochs, 1000 * options.seed + number
            )
    if has_table(options.digits):
        count = 60 if options.quick else 300
        for method in CORRELATED:
            plan[f"{settings}: digits {method}"] = partial(
                tasks.digits_correlation, method, options.digits, seconds, count, options.seed
            )
    return plan


def has_table(path: str | None) -> bool:
    """Whether there is a table of digits; says so if not."""
    try:
        tasks.digits_accuracies(path)
    except FileNotFoundError:
        print("no table of digits: made by make_digits_table.py, given by --digits FILE")
        return False
    return True


def run(plan: dict[str, Callable[[], Any]], known: ResultFile, jobs: int) -> dict[str, Any]:
    """Do what is not known; results by the last words of the keys."""
    missing = {key: task for key, task in plan.items() if key not in known}
    start = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = {pool.submit(task): key for key, task in missing.items()}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                result = future.result()
                known.get(futures[future], lambda result=result: result)
                spent = time.monotonic() - start
                print(f"{done}/{len(missing)} after {spent:.0f} s: {futures[future]}", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {key.split(": ")[1]: known.get(key, dict) for key in plan}


def step_ratios(blocks: int) -> list[Row]:
    """Processor time of a step of DARTS against one of GDAS, at 8 channels and 3 cells."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    data = ImageData.split(rng.random((600, 3, 16, 16)), rng.integers(0, 10, 600))
    pieces = {
        method: tasks.make_trainer(method, data, 100_000, 0).step
        for method in ("gdas", "darts_first", "darts_second")
    }
    # Five steps to a block: a step of GDAS takes as long as the operations it draws.
    times = median_seconds(
        {name: partial(_repeat, step, 5) for name, step in pieces.items()}, blocks
    )
    return [
        Row("gdas_step_ms", 200 * times["gdas"], "ms"),
        Row("gdas_vs_darts_step_ratio", times["darts_first"] / times["gdas"], "", ">= 4"),
        Row("gdas_vs_darts_second_step_ratio", times["darts_second"] / times["gdas"]),
    ]


def _repeat(step: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        step()


def rows_of(results: dict[str, Any]) -> list[Row]:
    """Rows of what the tasks found."""
    rows = []
    for name in DATA:
        own = {key.split(" ", 1)[1]: item for key, item in results.items() if key.startswith(name)}
        randoms = [item["test"] for key, item in own.items() if key.startswith("random ")]
        if randoms:
            rows.append(Row(f"{name}_random_cells_mean", statistics.mean(randoms), "%"))
            rows.append(Row(f"{name}_random_cells_best", max(randoms), "%"))
        for key, item in own.items():
            if key.startswith("random "):
                continue
            rows.append(Row(f"{name}_{key}", item["test"], "%"))
            rows.append(Row(f"{name}_{key}_parameters", item["parameters"]))
            if item.get("history"):
                first, last = item["history"][0], item["history"][-1]
                rows.append(Row(f"{name}_{key}_skip_share_first", first["skip_share"]))
                rows.append(Row(f"{name}_{key}_skip_share_last", last["skip_share"]))
                rows.append(Row(f"{name}_{key}_eigenvalue_first", first["eigenvalue"]))
                rows.append(Row(f"{name}_{key}_eigenvalue_last", last["eigenvalue"]))
    for key, item in results.items():
        if key.startswith("digits "):
            label = key.replace(" ", "_")
            rows.append(Row(f"{label}_spearman", item["spearman"]))
            if item["derived_percentile"] is not None:
                rows.append(Row(f"{label}_derived_percentile", item["derived_percentile"], "%"))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="with the images; else none")
    parser.add_argument("--digits", metavar="FILE", help="table of digits (the shipped one)")
    parser.add_argument("--minutes", type=float, default=24, help="for all of it, on 2 cores (24)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each (2)")
    options = parser.parse_args(arguments)
    plan = planned(options)
    print(machine_line())
    print(f"settings: {next(iter(plan), 'no data: ').split(': ')[0]}, {options.jobs} processes")
    rows = step_ratios(3 if options.quick else 9)
    smooth, kinks = tasks.second_order_error(True), tasks.second_order_error(False)
    rows.append(Row("darts_second_order_error", smooth["error"], "", "<= 1e-4"))
    rows.append(Row("darts_first_order_error", smooth["first_order_error"]))
    rows.append(Row("darts_second_order_error_with_relu", kinks["error"]))
    results = run(plan, ResultFile(options.results), options.jobs)
    for key, item in results.items():
        if "cell" in item:
            print(f"{key}: {item['cell']}")
    rows += rows_of(results)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
