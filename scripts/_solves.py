"""Searches repeated until they solve a problem, and what a solution costs on average."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Final

import numpy as np
from _results import ResultFile

from automl_zero import ProgramSearch, load_config

RESAMPLES: Final = 4000
"""Bootstrap samples; their intervals move by a percent between such numbers of them."""

Solve = dict[str, Any]
"""One run: counts, seconds, and whether it solved the problem."""


def solve(config: str, settings: Sequence[str], seed: int) -> Solve:
    """Experiments one after another, in one thread, until one suffices or none is left.

    ``programs_run`` are programs of which at least one example was run, ``evaluations`` those run
    on all examples, ``examples`` the training examples run, over all tasks.
    """
    search = ProgramSearch(load_config(config, [*settings, f"seed={seed}"]))
    start = time.process_time()
    result = search.run()
    seconds = time.process_time() - start
    found = result.statistics
    full = found.evaluations - found.verifications
    return {
        "individuals": found.individuals,
        "over_budget": found.over_budget,
        "programs_run": full + found.hurdle_stops + found.probe_failures + found.fec_hits,
        "evaluations": found.evaluations,
        "examples": found.train_steps,
        "seconds": seconds,
        "solved": result.stopped_by == "sufficient fitness",
    }


def per_solve(runs: Sequence[Solve], what: str) -> float:
    """Total over all runs, those without a solution included, by the number of solutions."""
    solved = sum(run["solved"] for run in runs)
    return sum(run[what] for run in runs) / solved if solved else float("inf")


def interval(runs: Sequence[Solve], what: str) -> tuple[float, float]:
    """95 % bootstrap interval of :func:`per_solve` over seeds."""
    return _percentiles(_resampled(runs, what, 0))


def ratio_interval(base: Sequence[Solve], runs: Sequence[Solve], what: str) -> tuple[float, float]:
    """95 % bootstrap interval of how many times as much ``base`` needs.

    Seeds are drawn independently: what one arm does with a seed says nothing about another.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return _percentiles(_resampled(base, what, 1) / _resampled(runs, what, 2))


def _resampled(runs: Sequence[Solve], what: str, seed: int) -> Any:
    drawn = np.random.default_rng(seed).integers(0, len(runs), (RESAMPLES, len(runs)))
    total = np.array([run[what] for run in runs], float)[drawn].sum(axis=1)
    solved = np.array([run["solved"] for run in runs], float)[drawn].sum(axis=1)
    with np.errstate(divide="ignore"):
        return total / solved


def _percentiles(values: Any) -> tuple[float, float]:
    known = values[~np.isnan(values)]  # infinite by infinite: neither arm solved anything
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5], method="nearest")
    return float(low), float(high)


@contextmanager
def solver(results: ResultFile, workers: int) -> Iterator[Callable[..., list[Solve]]]:
    """Gives a function of (name, config, settings) pairs and seeds that runs what is not known.

    Each run is one thread; with several workers, runs are spread over processes.
    """
    if workers == 1:
        yield lambda jobs: [results.get(key, lambda job=job: solve(*job)) for key, job in jobs]
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:

        def spread(jobs: Sequence[tuple[str, Any]]) -> list[Solve]:
            running = {key: pool.submit(solve, *job) for key, job in jobs if key not in results}
            return [
                results.get(key, lambda key=key: running[key].result()) for key, _ in jobs
            ]  # fmt: skip

        yield spread
