"""One experiment of the demo, to be run in steps."""

from __future__ import annotations

from typing import Final

from automl_zero import load_config
from automl_zero.evolution import ProgramEvolution, ProgramSpace
from automl_zero.streams import stream_key
from automl_zero.tasks import TaskBatch

INDIVIDUALS: Final = load_config("demo").stop.individuals
"""Individuals of one experiment."""

MEGABYTE: Final = 1 << 20


def experiment_seed(run: int, number: int) -> int:
    """Seed of experiment ``number``, from 1, of the demo with seed ``run``."""
    return stream_key(run, "experiment", number)


def demo_evolution(seed: int) -> ProgramEvolution:
    """The evolution of an experiment of the demo, with the demo's settings, on tasks of its own."""
    config = load_config("demo")
    tasks = config.tasks.search.make(stream_key(seed, "search"))
    return ProgramEvolution(
        ProgramSpace.from_config(config),
        TaskBatch(tasks),
        seed=seed,
        population_size=config.population.size,
        tournament_size=config.population.tournament_size,
        combination=config.evaluation.combination,
        max_abs_error=config.evaluation.max_abs_error,
        precision=config.evaluation.precision,
        canonical_bytes=int(config.cache.canonical_megabytes * MEGABYTE),
        fec=config.cache.fec,
        fec_train=config.cache.fec_train,
        fec_valid=config.cache.fec_valid,
        fec_bytes=int(config.cache.fec_megabytes * MEGABYTE),
    )
