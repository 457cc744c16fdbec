"""Architecture search on tables: how good after 100 evaluations, and how fast.

    python scripts/bench_nas_tabular.py --results tabular.jsonl        # can be resumed
    python scripts/bench_nas_tabular.py --quick                        # about one minute
    python scripts/bench_nas_tabular.py --data FOLDER ...              # with nb201_hw.csv.gz

On NAS-Bench-201, a search sees the validation accuracy after 12 epochs and chooses the
architecture where it is highest; rows are the mean test accuracy of the choice after 200 epochs,
with its standard error over seeds. ``random`` is random search, ``rea`` regularized evolution with
a population of 10 and tournaments of 3, ``best`` Bayesian optimization. ``table_best_*`` is the
highest test accuracy there is.

``ask_tell_per_s`` counts steps of regularized evolution on the table, lookups included.
``import_to_answer_s`` is a fresh process from its start to the choice of 100 evaluations,
``import_to_answer_mb`` its peak memory.

``hypervolume_share_*``: NSGA-II with 300 evaluations on validation accuracy against latency, on
CIFAR-10; the hypervolume of what it found over that of the whole table, both in units of the
columns' ranges with their worst values as reference. The latencies are of a file that is not
shipped: a Xeon 6226 (``help_gold_6226_ms``) and a Raspberry Pi 5 (``hw360_pi5_onnx_ms``).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # NumPy reads it once; its matrices here are small

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from nas.benchmarks import DATASETS, NasBench201, TabularBenchmark, load_nas_bench_201_hardware
from nas.objectives import hypervolume
from nas.spaces import ChoiceSpace
from nas.strategies import (
    NSGA2,
    BayesianOptimization,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
)

EVALUATIONS: Final = (50, 100)
BLOCK: Final = 10  # seeds to a result

STRATEGIES: Final[dict[str, Callable[[ChoiceSpace, int], Strategy]]] = {
    "random": lambda space, seed: RandomSearch(space, seed=seed),
    "rea": lambda space, seed: RegularizedEvolution(
        space, population_size=10, tournament_size=3, seed=seed
    ),
    "best": lambda space, seed: BayesianOptimization(space, seed=seed),
}

TARGETS: Final = {
    "random_cifar10_100": "93.76 +- 0.15", "random_cifar100_100": "71.28 +- 0.15",
    "random_imagenet16_100": "44.91 +- 0.15", "rea_cifar10_100": "93.91 +- 0.15",
    "rea_cifar100_100": "71.87 +- 0.15", "rea_imagenet16_100": "45.44 +- 0.15",
    "best_cifar10_100": ">= 94.26", "best_cifar100_100": ">= 72.35",
    "best_imagenet16_100": ">= 46.29", "best_cifar10_50": ">= 93.97",
    "best_cifar100_50": ">= 72.05", "best_imagenet16_50": ">= 45.65",
}  # fmt: skip

HARDWARE: Final = {"xeon": "help_gold_6226_ms", "pi5": "hw360_pi5_onnx_ms"}

ANSWER: Final = """
import nas
from nas.benchmarks import NasBench201
from nas.strategies import RegularizedEvolution
benchmark = NasBench201("cifar10")
strategy = RegularizedEvolution(benchmark.space, population_size=10, tournament_size=3, seed=0)
def objective(space, architecture, budget):
    return benchmark.validation(architecture)
outcome = nas.search(benchmark.space, objective, strategy, 100)
print(benchmark.test(outcome.best.architecture))
"""


@cache
def benchmark(dataset: str) -> NasBench201:
    """The table of a data set, read once in each process."""
    return NasBench201(dataset)


@cache
def hardware(path: Path) -> TabularBenchmark:
    """The latencies, read once."""
    return load_nas_bench_201_hardware(path)


def chosen(name: str, dataset: str, seed: int) -> list[float]:
    """Test accuracy of the choice after each of :data:`EVALUATIONS`."""
    table = benchmark(dataset)
    strategy = STRATEGIES[name](table.space, seed)
    best, best_value, found = None, -np.inf, []
    for count in range(1, max(EVALUATIONS) + 1):
        trial = strategy.ask()
        value = table.validation(trial.architecture)
        strategy.tell(trial, value)
        if value > best_value:
            best, best_value = trial.architecture, value
        if count in EVALUATIONS and best is not None:
            found.append(table.test(best))
    return found


def block(name: str, dataset: str, first: int) -> list[list[float]]:
    """The results of some seeds."""
    return [chosen(name, dataset, seed) for seed in range(first, first + BLOCK)]


def hypervolume_share(path: Path, column: str, seed: int, evaluations: int = 300) -> float:
    """Of the whole table's hypervolume, how much NSGA-II finds."""
    table = benchmark("cifar10")
    values = np.stack([table.values("cifar10_val_12"), -hardware(path).values(column)], axis=1)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / (high - low)
    strategy, seen = NSGA2(table.space, seed=seed), []
    for _ in range(evaluations):
        trial = strategy.ask()
        row = table.row(trial.architecture)
        strategy.tell(trial, (float(scaled[row, 0]), float(scaled[row, 1])))
        seen.append(row)
    return hypervolume(scaled[seen], (0.0, 0.0)) / hypervolume(scaled, (0.0, 0.0))


def ask_tell_per_s(steps: int) -> float:
    """Steps of regularized evolution a second."""
    table = benchmark("cifar10")
    strategy = RegularizedEvolution(table.space, population_size=10, tournament_size=3, seed=0)
    start = time.perf_counter()
    for _ in range(steps):
        trial = strategy.ask()
        strategy.tell(trial, table.validation(trial.architecture))
    return steps / (time.perf_counter() - start)


def answer_in_fresh_process() -> tuple[float, float]:
    """Seconds, and megabytes at the peak."""
    measure = (
        ANSWER + "import resource, sys\nassert 'torch' not in sys.modules\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", measure], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    unit = 1024 if sys.platform == "linux" else 1024**2
    return seconds, int(done.stdout.split()[-1]) / unit


def quality_rows(seeds: dict[str, int], known: ResultFile, jobs: int) -> list[Row]:
    """Rows of all strategies on all data sets."""
    wanted = {
        f"{name} {dataset} {first}": (name, dataset, first)
        for dataset in DATASETS
        for name in STRATEGIES
        for first in range(0, seeds[name], BLOCK)
    }
    with ProcessPoolExecutor(jobs) as pool:
        futures = {
            key: pool.submit(block, *what) for key, what in wanted.items() if key not in known
        }
        for done, (key, future) in enumerate(futures.items(), start=1):
            known.get(key, future.result)
            if done % 20 == 0:
                print(f"{done} of {len(futures)} blocks of {BLOCK} seeds", flush=True)
    rows = []
    for name in STRATEGIES:
        for dataset in DATASETS:
            found: list[Any] = []
            for first in range(0, seeds[name], BLOCK):
                found += known.get(f"{name} {dataset} {first}", dict)
            for index, count in enumerate(EVALUATIONS):
                values = [item[index] for item in found]
                row = f"{name}_{dataset}_{count}"
                error = statistics.stdev(values) / len(values) ** 0.5
                rows.append(
                    Row(row, round(statistics.mean(values), 3), f"% +- {error:.3f}",
                        TARGETS.get(row))
                )  # fmt: skip
    return rows


def hardware_rows(path: Path, seeds: int) -> list[Row]:
    """Rows of the searches for several objectives."""
    rows = []
    for name, column in HARDWARE.items():
        shares = [100 * hypervolume_share(path, column, seed) for seed in range(seeds)]
        unit = f"%, lowest of {seeds}: {min(shares):.1f}"
        rows.append(Row(f"hypervolume_share_{name}", statistics.mean(shares), unit, ">= 95"))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="with nb201_hw.csv.gz")
    parser.add_argument("--seeds", type=int, default=500, help="of random and rea (500)")
    parser.add_argument("--best-seeds", type=int, default=500, help="of best (500)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args(arguments)
    count, best_count = (100, 10) if options.quick else (options.seeds, options.best_seeds)
    seeds = {"random": count, "rea": count, "best": best_count}
    print(machine_line())
    print(f"settings: seeds {seeds}, {options.jobs} processes, speeds in one thread")
    steps, repeats = (20_000, 3) if options.quick else (100_000, 7)
    speed = statistics.median(ask_tell_per_s(steps) for _ in range(repeats))
    answers = [answer_in_fresh_process() for _ in range(repeats)]
    rows = [
        Row("ask_tell_per_s", speed, "1/s", ">= 50,000"),
        Row("import_to_answer_s", statistics.median(s for s, _ in answers), "s", "< 1"),
        Row("import_to_answer_mb", statistics.median(mb for _, mb in answers), "MB", "< 100"),
    ]
    if options.data:
        rows += hardware_rows(options.data / "nb201_hw.csv.gz", 5 if options.quick else 30)
    for dataset in DATASETS:
        best = benchmark(dataset).best(f"{dataset}_test_200")[1]
        rows.append(Row(f"table_best_{dataset}", round(best, 3), "%"))
    rows += quality_rows(seeds, ResultFile(options.results), options.jobs)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
