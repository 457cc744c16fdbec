"""Make the table of all NAS-Bench-201 cells on scikit-learn's digits, and check it.

Trains the 6,466 cells that differ, each with several seeds, and writes validation and test
accuracies as Parquet for `nas.benchmarks.DigitsTable`. It takes about an hour on one core.
With `--results FILE` it can be interrupted at any time and goes on with the same command; the
cells come in random order, so a part of the table is a fair sample.

    python scripts/make_digits_table.py --results digits.jsonl --output digits.parquet --jobs 2

`--check N` trains N cells only and tells how well seeds agree.
"""

from __future__ import annotations

import itertools
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import _digits_training as digits
import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from automl_zero.streams import Stream, stream_key
from nas.spaces import Architecture, NasBench201Space

SPACE = NasBench201Space()


def all_cells() -> Iterator[Architecture]:
    """All cells, in the order of the space."""
    return itertools.product(*(range(len(d.options)) for d in SPACE.decisions))


def different_cells() -> list[Architecture]:
    """The first cell of each isomorphism class, in a fixed random order."""
    first: dict[str, Architecture] = {}
    for cell in all_cells():
        first.setdefault(SPACE.key(cell), cell)
    cells = list(first.values())
    order = Stream(stream_key(0, "digits table", "cells")).permutation(len(cells))
    return [cells[i] for i in order]


def train(seeds: tuple[int, ...], cell: Architecture) -> list[dict[str, float]]:
    """Accuracies of one cell, on one thread."""
    import torch

    torch.set_num_threads(1)
    return digits.train(cell, seeds, digits.Settings())


def train_all(
    cells: list[Architecture], seeds: tuple[int, ...], known: ResultFile, jobs: int
) -> list[list[dict[str, float]]]:
    """Train what is not known, on ``jobs`` processes; results in the order of ``cells``."""
    name = f"seeds {','.join(map(str, seeds))}"
    keys = [f"{name}: {SPACE.to_text(cell)}" for cell in cells]
    missing = [cell for cell, key in zip(cells, keys, strict=True) if key not in known]
    print(f"{len(cells)} cells, {len(cells) - len(missing)} known, {jobs} processes", flush=True)
    start, done = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        # A window, so that an interrupted run does not wait for thousands of tasks.
        for first in range(0, len(missing), 16 * jobs):
            part = missing[first : first + 16 * jobs]
            for cell, result in zip(part, pool.map(partial(train, seeds), part), strict=True):
                known.get(f"{name}: {SPACE.to_text(cell)}", lambda result=result: result)
                done += 1
            rate = (time.monotonic() - start) / done
            left = rate * (len(missing) - done) / 60
            print(f"{done}/{len(missing)}, {rate:.2f} s each, {left:.0f} min left", flush=True)
    return [known.get(key, dict) for key in keys]


def write_table(cells: list[Architecture], results: list[Any], path: Path) -> None:
    """The Parquet file: a row for each cell of the space, in its order; a column per seed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    by_key = {SPACE.key(cell): result for cell, result in zip(cells, results, strict=True)}
    rows = [by_key[SPACE.key(cell)] for cell in all_cells()]
    columns = {
        f"{part}_{entry['seed']}": np.array([row[index][part] for row in rows], np.float32)
        for part in ("validation", "test")
        for index, entry in enumerate(rows[0])
    }
    partial_path = path.with_name(path.name + ".partial")
    pq.write_table(pa.table(columns), partial_path, compression="zstd", compression_level=19)
    partial_path.replace(path)


def agreement(results: list[list[dict[str, float]]]) -> list[Row]:
    """How well seeds agree on the order of the cells, and validation with test."""
    from scipy.stats import spearmanr

    validation = np.array([[entry["validation"] for entry in item] for item in results])
    test = np.array([[entry["test"] for entry in item] for item in results])
    pairs = itertools.combinations(range(validation.shape[1]), 2)
    between = [float(spearmanr(validation[:, i], validation[:, j])[0]) for i, j in pairs]
    rows = [Row("cells", len(results))]
    if between:
        rows.append(Row("spearman_two_seeds", float(np.mean(between)), "", ">= 0.7"))
    together = float(spearmanr(validation.mean(1), test.mean(1))[0])
    rows.append(Row("spearman_validation_test", together))
    for percent in (0, 10, 50, 90, 100):
        value = float(np.percentile(validation.mean(1), percent))
        rows.append(Row(f"validation_percentile_{percent}", value, "%"))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Train, write the table, print how well seeds agree."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--seeds", default="0,1,2", help="trained side by side (0,1,2)")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each (1)")
    parser.add_argument("--check", type=int, metavar="N", help="only N cells, and no table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the Parquet file")
    options = parser.parse_args(arguments)
    seeds = tuple(int(seed) for seed in options.seeds.split(","))
    count = options.check or (30 if options.quick else None)
    cells = different_cells()[:count]
    print(machine_line())
    print(f"settings: seeds {seeds}, {digits.Settings()}")
    results = train_all(cells, seeds, ResultFile(options.results), options.jobs)
    if options.output and count is None:
        write_table(cells, results, options.output)
    rows = agreement(results)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
