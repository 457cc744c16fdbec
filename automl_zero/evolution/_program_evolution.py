"""Regularized evolution of programs, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import choice, integer, number
from automl_zero.config import COMBINATIONS
from automl_zero.evaluation import Precision, as_batch, as_programs, compile_batch, stack_programs
from automl_zero.evolution._program_space import ProgramSpace, program_from_bytes
from automl_zero.evolution._regularized_evolution import MAX_POPULATION
from automl_zero.evolution._search_space import evolution_stream
from automl_zero.evolution._statistics import Statistics
from automl_zero.kernels import _engine
from automl_zero.program import Program
from automl_zero.tasks import Task, TaskBatch

MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BestProgram:
    """The fittest program that an evolution has evaluated.

    Attributes:
        program: As found, dead code included.
        fitness: Combined over the tasks; evaluated in full, never an approximation.
        individual: Its number; the first individual is 0.
    """

    program: Program
    fitness: float
    individual: int


class ProgramEvolution:
    """Regularized evolution of programs on a task batch, in compiled code.

    For each individual: tournament, mutation, canonical form, cache; only what is not
    known yet is run. The same search as :class:`RegularizedEvolution` on a
    :class:`ProgramSpace`, with the same random numbers, thousands of times faster.

    Args:
        space: The programs.
        tasks: What fitness is measured on. Tasks run in lockstep, 8 at a time in float64
            and 16 in float32: a number divisible by that wastes nothing.
        population_size: Individuals alive; 1000 is the published demo's.
        tournament_size: Draws for one parent.
        seed: Fixes everything random in the search. The random ops of programs draw from
            the tasks' seeds.
        initial: Programs to start from, taken in turn until the population is full. None:
            random ones.
        combination: Fitness over several tasks: ``"mean"``, or ``"median"`` (the upper one).
        max_abs_error: An error beyond this ends an evaluation with fitness 0.
        max_cost: Train budget: live code that costs more gets fitness 0 unrun; the unit is
            that of :func:`automl_zero.evaluation.program_cost`.
        precision: ``"float32"`` is up to twice as fast, with other roundings.
        canonical_bytes: Memory of the cache of fitness by canonical form; 0 switches it
            off. It changes no result. The default holds a million programs.
        fec: Functional equivalence cache: first run the examples of a probe, and take the
            fitness of a program with the same errors there. An approximation, so that an
            apparent best program is evaluated in full before it is recorded.
        fec_train: Training examples of the probe; 10, as in the original project.
        fec_valid: Validation examples of the probe.
        fec_bytes: Memory of that cache; both caches are emptied when it is full.

    Raises:
        ValueError: If an argument is wrong; names it.

    >>> from automl_zero.config import load_config
    >>> from automl_zero.tasks import TaskBatch, linear
    >>> space = ProgramSpace.from_config(load_config("linear"))
    >>> tasks = TaskBatch([linear(data_seed=seed, param_seed=seed) for seed in range(8)])
    >>> evolution = ProgramEvolution(space, tasks, seed=4)
    >>> evolution.run(50_000)
    >>> evolution.best.fitness > 0.999
    True
    """

    def __init__(
        self,
        space: ProgramSpace,
        tasks: TaskBatch | Task | Iterable[Task],
        *,
        population_size: int = 1000,
        tournament_size: int = 10,
        seed: int = 0,
        initial: Sequence[Program] = (),
        combination: str = "mean",
        max_abs_error: float = 100.0,
        max_cost: float = np.inf,
        precision: Precision = "float64",
        canonical_bytes: int = 32 * MEGABYTE,
        fec: bool = False,
        fec_train: int = 10,
        fec_valid: int = 10,
        fec_bytes: int = 16 * MEGABYTE,
    ) -> None:
        if not isinstance(space, ProgramSpace):
            raise ValueError(f"space: expected a ProgramSpace, received {type(space).__name__}")
        batch = as_batch(tasks)
        self.space = space
        self.tasks = batch
        self.population_size = integer("population_size", population_size, 1, MAX_POPULATION)
        options = {
            "population_size": self.population_size,
            "tournament_size": integer("tournament_size", tournament_size, 1, 2**31 - 1),
            "combination": COMBINATIONS.index(choice("combination", combination, COMBINATIONS)),
            "max_abs_error": _positive("max_abs_error", max_abs_error),
            "max_cost": _positive("max_cost", max_cost),
            "fec_train": integer("fec_train", fec_train, 1, batch.train_count) if fec else 0,
            "fec_valid": integer("fec_valid", fec_valid, 1, batch.valid_count) if fec else 0,
            "canonical_bytes": integer("canonical_bytes", canonical_bytes, 0, 2**48),
            "fec_bytes": integer("fec_bytes", fec_bytes, _MIN_FEC_BYTES, 2**48) if fec else 0,
            "canonical_flags": 0,
            "run_flags": 0,
        }
        key = evolution_stream(integer("seed", seed, 0, 2**64 - 1)).state
        self._compiled = _engine.CompiledEvolution(
            space.compiled,
            compile_batch(batch, precision),
            options,
            key,
            [_arrays(space, index, program) for index, program in enumerate(initial)],
        )

    def run(self, count: int) -> None:
        """Create ``count`` more individuals, the initial population included.

        Other Python threads run meanwhile.

        Raises:
            RuntimeError: If another thread is running this evolution.
        """
        self._compiled.run(integer("count", count, 0, 2**63 - 1))

    @property
    def individuals(self) -> int:
        """Individuals created so far."""
        return int(self._compiled.statistics["individuals"])

    @property
    def best_individual(self) -> int:
        """Number of the best program; -1 before any."""
        best = self._compiled.best
        return best[1] if best else -1

    @property
    def best_fitness(self) -> float:
        """Fitness of the best program; 0 before any."""
        best = self._compiled.best
        return best[0] if best else 0.0

    @property
    def best(self) -> BestProgram | None:
        """The best program so far, the first on ties; None before any."""
        best = self._compiled.best
        if best is None:
            return None
        fitness, individual, code, sizes = best
        return BestProgram(program_from_bytes(code, sizes), fitness, individual)

    @property
    def fitnesses(self) -> NDArray[np.float64]:
        """Fitness of the individuals alive, by slot; apparent ones if ``fec`` is on."""
        return np.array(self._compiled.fitnesses)

    def population(self) -> list[Program]:
        """The programs alive, by slot of the ring."""
        count = len(self._compiled.fitnesses)
        return [program_from_bytes(*self._compiled.program(slot)) for slot in range(count)]

    @property
    def counters(self) -> dict[str, Any]:
        """The counts of :class:`Statistics` alone, by name: quick to read."""
        return self._compiled.statistics

    @property
    def statistics(self) -> Statistics:
        """Counts, and the population's fitness."""
        return Statistics.from_counters(
            self._compiled.statistics,
            self._compiled.fitnesses,
            unique=self._compiled.unique,
            best=self.best_fitness,
        )


# Room for the few entries without which the kernels would switch the cache off.
_MIN_FEC_BYTES: Final = 4096


def _positive(name: str, value: float) -> float:
    if number(name, value, 0) == 0:
        raise ValueError(f"{name}: expected a positive number, received {value}")
    return float(value)


def _arrays(space: ProgramSpace, index: int, program: Program) -> tuple[Any, Any]:
    try:
        space.check(program)
    except ValueError as error:
        raise ValueError(f"initial[{index}]: {error}") from None
    raw, offsets = stack_programs(as_programs(program))
    return raw, offsets[0]
