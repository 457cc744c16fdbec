"""Classifiers of image pairs, evolved: accuracy on pairs that the search never saw.

    python scripts/measure_image_search.py --data FOLDER     # an hour; can be resumed
    python scripts/measure_image_search.py --quick           # digits: about a minute

Runs the shipped searches on Fashion-MNIST, ``--minutes`` each start on ``--workers`` processes.
``linear``: ``image_pairs_from_linear``. ``empty``: a sixth of the time ``image_pairs_from_empty``,
short programs from nothing, then ``image_pairs_continued`` from what that selected. FOLDER holds
``fashion_mnist.npz`` and a ``cifar10*.npz``. Run directories are kept in ``--runs``: a search that
was interrupted goes on, and one that has had its time goes on with more ``--minutes``.

A search leaves many programs: each new best one of the run. ``CANDIDATES`` of them, evenly over the
run, are simplified, tuned and judged as ``measure_projected_binary.py`` tunes and judges the
hand-written programs, on the 36 search pairs of each data set. The best mean there wins, and loses
what it does not need: instructions without which it keeps its accuracy there but for 0.1 points.
Then that alone runs on the 100 final tasks of held-out pairs, beside the tuned hand-written ones.

``*_minus_*`` are differences on the same final tasks, mean +- standard error; ``both`` is the mean
of the data sets.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from measure_projected_binary import (
    final_accuracies,
    prepared,
    search_tasks,
    short_name,
    standard_error,
    tuned,
)

from automl_zero import ProgramSearch, evaluate, load_config
from automl_zero.config import ExperimentConfig
from automl_zero.evolution import hand_built_program
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.runs import Run
from automl_zero.inspection import pruned, simplify
from automl_zero.program import Program
from automl_zero.tasks import DataSet, TaskBatch

STARTS: Final = ("linear", "empty")
SHORT_SHARE: Final = 1 / 6
"""Of the time from empty programs that goes to short ones."""

BASELINES: Final = ("linear", "neural_net", "bilinear")

CANDIDATES: Final = 30

TOLERANCE: Final = 0.001


def image_files(folder: Path) -> list[str]:
    """Fashion-MNIST and CIFAR-10 in a folder.

    Raises:
        ValueError: If one of them is not there.
    """
    found = []
    for pattern in ("fashion_mnist.npz", "cifar10*.npz"):
        matches = sorted(folder.glob(pattern))
        if not matches:
            raise ValueError(f"--data: expected {pattern} in {folder}, received none")
        found.append(str(matches[0]))
    return found


def config_of(
    name: str, source: str, seed: int, minutes: float, quick: bool, more: Sequence[str] = ()
) -> ExperimentConfig:
    """A shipped search on a data set."""
    settings = [f"tasks.*.data={source}", f"seed={seed}", f"stop.seconds={60 * minutes}", *more]
    if quick:
        settings += [
            "tasks.*.train=200", "tasks.*.valid=60", "tasks.final.valid=30",
            "tasks.*.count=20", "islands.epoch=5000",
        ]  # fmt: skip
    return load_config(name, settings)


def evolved(start: str, source: str, options: argparse.Namespace, minutes: float) -> Run:
    """All the search from a start."""
    make = partial(config_of, source=source, seed=options.seed, quick=options.quick)
    folder = options.runs / f"from_{start}_{options.seed}"
    if start == "linear":
        return search(make("image_pairs_from_linear", minutes=minutes), folder, options.workers)
    short = folder.with_name(folder.name + "_short")
    config = make("image_pairs_from_empty", minutes=minutes * SHORT_SHARE)
    best = search(config, short, options.workers).best
    assert best is not None
    found = short / "found.txt"
    if not found.exists():  # what the second search began with, if it goes on
        found.write_text(best["genome"], encoding="utf-8")
    more = [f'population.initial=["{found}"]']
    config = make("image_pairs_continued", minutes=minutes * (1 - SHORT_SHARE), more=more)
    return search(config, folder, options.workers)


def search(config: ExperimentConfig, folder: Path, workers: int) -> Run:
    """Run the search, or go on with it, until its time is over."""
    with contextlib.ExitStack() as stack:
        executor = None
        if workers > 1:
            executor = ProcessExecutor(workers)
            stack.callback(executor.kill)
        resume = (folder / "run.json").exists()
        ProgramSearch(config).run(folder, resume=resume, executor=executor)
    return Run.open(folder)


def candidates(run: Run) -> list[Program]:
    """The selected program, and new best ones from all of the run, simplified.

    Evenly over the run, because a late gain may be a habit of the small search tasks.
    """
    texts = run.events("improvement")["genome"].to_pylist()
    places = np.linspace(len(texts) - 1, 0, CANDIDATES - 1).round().astype(int)
    chosen = [] if run.best is None else [run.best["genome"]]
    chosen += [texts[place] for place in places]
    return list(dict.fromkeys(simplify(Program.parse(text)) for text in chosen))


def judged(program: Program, data: DataSet) -> dict[str, Any]:
    """The program tuned on the search pairs, and its accuracy there."""
    tasks = search_tasks(data)
    best = tuned(program, tasks)
    return {"program": str(best), "search": float(np.mean(evaluate(best, tasks)))}


def shortest_text(tunings: list[Program], data_sets: list[DataSet]) -> str:
    """The best of a program's tunings on all data sets, without what it does not need.

    Tuned before, because at a bad learning rate lines that tame it seem to be needed.
    """
    batches = [TaskBatch(search_tasks(data)) for data in data_sets]

    def accuracy(program: Program) -> float:
        found = [evaluate(program, batch, precision="float32").mean() for batch in batches]
        return float(np.mean(found))

    return str(pruned(max(tunings, key=accuracy), accuracy, tolerance=TOLERANCE))


def final(judgement: dict[str, Any], data: DataSet, count: int) -> list[float]:
    """Accuracy of a tuned program on each final task."""
    return final_accuracies(data, Program.parse(judgement["program"]), count)


def difference_row(name: str, differences: np.ndarray[Any, Any], target: str | None) -> Row:
    """Mean and standard error of differences on the same tasks, in percent points."""
    unit = f"points +- {100 * standard_error(list(differences)):.2f}"
    return Row(name, 100 * float(differences.mean()), unit, target)


def main(arguments: list[str] | None = None) -> int:
    """Search, measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="image data (digits)")
    parser.add_argument("--runs", type=Path, default=Path("runs/image_search"), metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=30, help="of each search (30)")
    parser.add_argument("--workers", type=int, default=2, help="processes of a search (2)")
    parser.add_argument("--seed", type=int, default=0, help="of the searches (0)")
    parser.add_argument("--start", nargs="+", choices=STARTS, default=list(STARTS))
    options = parser.parse_args(arguments)
    minutes = min(options.minutes, 0.2) if options.quick else options.minutes
    count = 18 if options.quick else 100
    sources = ["digits"] if options.data is None else image_files(options.data)
    print(machine_line())
    print(f"settings: {minutes:g} minutes a search, {options.workers} processes, {count} tasks")
    known = ResultFile(options.results)
    data_sets = {short_name(source): prepared(source) for source in sources}

    def judge(program: Program, name: str) -> Any:
        return known.get(f"judged {name} {program}", partial(judged, program, data_sets[name]))

    programs = {name: hand_built_program(name) for name in BASELINES}
    for start in options.start:
        run = evolved(start, sources[0], options, minutes)
        best = max(
            candidates(run),
            key=lambda program: np.mean([judge(program, name)["search"] for name in data_sets]),
        )
        tunings = [Program.parse(judge(best, name)["program"]) for name in data_sets]
        shorten = partial(shortest_text, tunings, list(data_sets.values()))
        programs[f"from_{start}"] = Program.parse(known.get(f"short {best}", shorten))
    rows, finals = [], {}
    for label, program in programs.items():
        print(f"\n{label}:\n{program}", flush=True)
        for name, data in data_sets.items():
            judgement = judge(program, name)
            key = f"final {name} {count} {judgement['program']}"
            accuracies = known.get(key, partial(final, judgement, data, count))
            finals[label, name] = np.array(accuracies)
            unit = f"% +- {100 * standard_error(accuracies):.2f}"
            rows.append(Row(f"{name}_{label}", 100 * float(np.mean(accuracies)), unit))
    print()
    for label in (f"from_{start}" for start in options.start):
        for baseline in BASELINES:
            target = "> 0" if baseline in ("linear", "neural_net") and options.data else None
            all_differences = []
            for name in data_sets:
                differences = finals[label, name] - finals[baseline, name]
                all_differences.append(differences)
                rows.append(difference_row(f"{name}_{label}_minus_{baseline}", differences, None))
            both = np.mean(all_differences, axis=0)
            rows.append(difference_row(f"both_{label}_minus_{baseline}", both, target))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
