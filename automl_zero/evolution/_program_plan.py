"""The search for programs that a configuration describes, as the search loop sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.config import ExperimentConfig
from automl_zero.custom_ops import digests_of
from automl_zero.evaluation import compile_batch, stack_programs
from automl_zero.evolution._initial_programs import initial_programs
from automl_zero.evolution._lineage import Improvement
from automl_zero.evolution._program_epoch import ProgramEpoch, epoch_individuals, op_names
from automl_zero.evolution._program_space import ProgramSpace
from automl_zero.evolution._search_plan import Limits
from automl_zero.evolution._statistics import Statistics
from automl_zero.evolution._task_sets import task_set
from automl_zero.kernels import _engine
from automl_zero.program import Program
from automl_zero.streams import stream_key
from automl_zero.tasks import Task, TaskBatch

SELECT_MARGIN: Final = 0.05
"""A candidate is evaluated on the selection tasks unless its search fitness is this much
below the best candidate's. Most experiments of the demo get stuck far below and so never
make their 100 selection tasks, which takes 42 ms of 270."""


class ProgramPlan:
    """A :class:`~automl_zero.evolution._search_plan.SearchPlan` of programs.

    Args:
        config: The experiment.

    Raises:
        ValueError: If a program file is missing or damaged.
    """

    kind = "program search"
    statistics_type = Statistics
    select_margin = SELECT_MARGIN
    finalists = 1

    def __init__(self, config: ExperimentConfig) -> None:
        stop, experiments = config.stop, config.experiments
        self.config = config
        self.space = ProgramSpace.from_config(config)
        self.seed = config.seed
        self.islands = config.islands
        self.epoch_individuals = epoch_individuals(config)
        self.limits = Limits(
            individuals=stop.individuals or None,
            train_steps=stop.train_steps or None,
            fitness=stop.fitness or None,
            stagnation=stop.stagnation or None,
            seconds=stop.seconds or None,
            experiments=experiments.maximum or None,
            sufficient_fitness=experiments.sufficient_fitness,
        )
        self._initial = initial_programs(config)
        self._op_names = op_names(config, self._initial)

    def config_data(self) -> dict[str, Any]:
        """The configuration, and what the files and the user's own ops it names are.

        The time limit is left out: it may differ from session to session.
        """
        data = self.config.to_data()
        del data["stop"]["seconds"]
        ops = digests_of(self._op_names)
        return {
            "config": data,
            "inputs": _input_digests(self.config),
            # Runs without ops of the user's own look as they always did.
            **({"custom_ops": ops} if ops else {}),
        }

    def config_text(self) -> str:
        """The configuration as TOML."""
        return self.config.to_toml()

    def epoch_function(self, seed: int) -> ProgramEpoch:
        """The epochs of the experiment with this seed."""
        return ProgramEpoch(self.config, seed, self._initial)

    def judge(self, seed: int) -> Callable[[Improvement[Any]], float]:
        """Mean fitness on the experiment's selection tasks."""
        tasks = task_set(self.config.tasks.select, stream_key(seed, "select"))
        judge = Judge(tasks, self.config)
        return lambda item: float(np.mean(judge.task_fitness(Program.parse(item.genome))))

    def final_tasks(self) -> list[Task]:
        """The tasks that nothing is chosen by."""
        return task_set(self.config.tasks.final, stream_key(self.config.seed, "final"))

    def genome_text(self, genome: Any) -> str:
        """The program text, which is the genome's plain data."""
        return str(genome)

    def check_genome(self, genome: Any) -> None:
        """Make sure that it is the text of a program of this space."""
        self.space.from_data(genome)


class Judge:
    """Fitness of single programs on tasks compiled once: in float64, without any cache."""

    def __init__(self, tasks: list[Task] | tuple[Task, ...], config: ExperimentConfig) -> None:
        batch = TaskBatch(tasks)
        self._batch = compile_batch(batch)
        self._train_steps = float(batch.train_count * batch.epochs)
        self._max_abs_error = config.evaluation.max_abs_error
        self._count = len(batch)

    def task_fitness(self, program: Program) -> NDArray[np.float64]:
        """Fitness on each task."""
        raw, offsets = stack_programs([program])
        fitness = np.zeros((1, self._count))
        stops = np.zeros((1, self._count, 3), np.int32)
        train_steps = np.zeros((1, self._count), np.int64)
        _engine.evaluate_programs(
            self._batch,
            raw,
            offsets,
            fitness,
            stops,
            train_steps,
            self._max_abs_error,
            self._train_steps,
            np.inf,
        )
        return fitness[0]


def _input_digests(config: ExperimentConfig) -> dict[str, str]:
    """BLAKE2 of each file that the configuration names."""
    sets = [getattr(config.tasks, part) for part in _TASK_SETS]
    names = {name for item in sets for name in getattr(item, "sources", ())}
    if not isinstance(config.population.initial, str):
        names |= set(config.population.initial)
    found = {}
    for name in sorted(names):
        if Path(name).is_file():
            with open(name, "rb") as file:
                found[name] = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    return found


_TASK_SETS: Final = ("search", "select", "final")
