"""Runs to make reports of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_zero import ProgramSearch, load_config
from automl_zero.config import IslandsConfig
from automl_zero.evolution import BitStringSpace, GenomeSearch
from automl_zero.evolution.runs import Run

HOSTILE = '</script></title></style><img src=x onerror="alert(1)"><!--'
"""Breaks out of wherever it is not escaped."""


def program_run(path: Path, *settings: str, **options: Any) -> Run:
    """A finished run of two islands and two experiments, in a second."""
    overrides = [
        "islands.count=2", "islands.epoch=1000", "stop.individuals=6000",
        "experiments.maximum=2", "tasks.select.count=5", "tasks.final.count=5", *settings,
    ]  # fmt: skip
    ProgramSearch(load_config("demo", overrides)).run(path, **options)
    return Run.open(path)


def genome_run(path: Path, **options: Any) -> Run:
    """A finished run of bit strings."""
    search = GenomeSearch(
        BitStringSpace(32), lambda bits: bits.count("1"), individuals=1200, population_size=20,
        tournament_size=3, seed=4, islands=IslandsConfig(count=2, epoch=100), **options,
    )  # fmt: skip
    search.run(path)
    return Run.open(path)


def hostile_run(path: Path) -> Run:
    """A run whose every text is :data:`HOSTILE`."""
    run = Run.create(
        path,
        kind=HOSTILE,
        config={"config": {"description": HOSTILE, "stop": {HOSTILE: HOSTILE}}, HOSTILE: HOSTILE},
        config_text=f'description = "{HOSTILE}"',
        instruction_set=HOSTILE,
    )
    with run.lock():
        run.begin_session(executor=HOSTILE, workers=HOSTILE)
        log = run.create_events()
        mutations = {HOSTILE: {"children": 3, "neutral": 1, "better": 1, "worse": 1}}
        for epoch in range(1, 4):
            place = {"experiment": 1, "epoch": epoch, "island": 0, "seconds": 1.0 * epoch}
            log.append(
                "epoch", **place, individuals=10 * epoch, fitness=0.1 * epoch,
                unique_in_population=HOSTILE, mutations=mutations,
            )  # fmt: skip
            log.append(
                "improvement", **place, individuals=epoch, fitness=0.1 * epoch,
                genome=f"{epoch} {HOSTILE}", generation=1, mutation=HOSTILE,
                parent=f"{HOSTILE}", parent_birth=[0, epoch - 1, 0], parent_fitness=0.0,
            )  # fmt: skip
        log.close()
        best = {"genome": HOSTILE, "fitness": 0.3, "select_fitness": 0.3}
        run.write_best(HOSTILE, {**best, "birth": [0, 3, 1], "experiment": 1})
        run.write_result({"stopped_by": HOSTILE, "final_task_fitness": [0.5, 0.25]})
        run.end_session(HOSTILE)
    return run
