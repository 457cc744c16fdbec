"""One experiment of the demo, to be run in steps."""

from __future__ import annotations

from typing import Final

from automl_zero import load_config
from automl_zero.evolution import ProgramEpoch, ProgramEvolution
from automl_zero.streams import stream_key

INDIVIDUALS: Final = load_config("demo").stop.individuals
"""Individuals of one experiment."""


def experiment_seed(run: int, number: int) -> int:
    """Seed of experiment ``number``, from 1, of the demo with seed ``run``."""
    return stream_key(run, "experiment", number)


def demo_evolution(seed: int) -> ProgramEvolution:
    """The evolution of an experiment of the demo, with the demo's settings, on tasks of its own."""
    return ProgramEpoch(load_config("demo", ["islands.epoch=250000"]), seed).evolution()
