"""Regularized evolution of programs, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import boolean, choice, integer, number
from automl_zero.config import COMBINATIONS
from automl_zero.evaluation import Precision, as_batch, as_programs, compile_batch, stack_programs
from automl_zero.evolution._lineage import Birth, Improvement
from automl_zero.evolution._program_space import ProgramSpace, program_from_bytes
from automl_zero.evolution._program_state import check_state, load_state, save_state
from automl_zero.evolution._regularized_evolution import MAX_POPULATION
from automl_zero.evolution._search_space import evolution_stream
from automl_zero.evolution._statistics import OUTCOMES, Statistics
from automl_zero.kernels import _engine
from automl_zero.program import MAX_INSTRUCTIONS, SUPERVISED_COMPONENTS, Program
from automl_zero.tasks import Task, TaskBatch

MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BestProgram:
    """The fittest program that an evolution has evaluated.

    Attributes:
        program: As found, dead code included.
        fitness: Combined over the tasks; evaluated in full, never an approximation.
        birth: Where and when it was created.
    """

    program: Program
    fitness: float
    birth: Birth

    @property
    def individual(self) -> int:
        """Its number; the first individual of an island is 0."""
        return self.birth.number


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
        attempts: Mutations of a child at most: it is mutated again while its canonical form is
            that of an individual alive. 1: duplicates are let be.
        seed: Fixes everything random in the search. The random ops of programs draw from
            the tasks' seeds.
        initial: Programs to start from, taken in turn until the population is full. None:
            random ones.
        combination: Fitness over several tasks: ``"mean"``, or ``"median"`` (the upper one).
        max_abs_error: An error beyond this ends an evaluation with fitness 0.
        max_cost: Train budget: live code that costs more gets fitness 0 unrun; the unit is
            that of :func:`automl_zero.evaluation.program_cost`.
        must_learn: Programs that cannot learn (:func:`automl_zero.liveness.can_learn`) get
            fitness 0 unrun.
        precision: ``"float32"`` is up to twice as fast, with other roundings.
        canonical_bytes: Memory of the cache of fitness by canonical form; 0 switches it
            off. It changes no result. The default holds a million programs.
        fec: Functional equivalence cache: first run the examples of a probe, and take the
            fitness of a program with the same errors there. An approximation, so that an
            apparent best program is evaluated in full before it is recorded.
        fec_train: Training examples of the probe; 10, as in the original project.
        fec_valid: Validation examples of the probe.
        fec_bytes: Memory of that cache; both caches are emptied when it is full.
        hurdle_tasks: Run programs on so many tasks first, and on the others only those that
            take the hurdle; the fitness of the rest is that of the first tasks. An
            approximation, as ``fec``. 0: no hurdle. Tasks run in lockstep, so that a
            multiple of 8 (float32: 16) costs least.
        hurdle_percentile: The hurdle is this percentile of the population's fitness on the
            first tasks, found anew each time the population was renewed (So, Liang & Le,
            "The evolved transformer", ICML 2019).
        island: Number of the island that this is, for the births of its individuals.

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
        attempts: int = 1,
        seed: int = 0,
        initial: Sequence[Program] = (),
        combination: str = "mean",
        max_abs_error: float = 100.0,
        max_cost: float = np.inf,
        must_learn: bool = False,
        precision: Precision = "float64",
        canonical_bytes: int = 32 * MEGABYTE,
        fec: bool = False,
        fec_train: int = 10,
        fec_valid: int = 10,
        fec_bytes: int = 16 * MEGABYTE,
        hurdle_tasks: int = 0,
        hurdle_percentile: float = 25.0,
        island: int = 0,
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
            "attempts": integer("attempts", attempts, 1, 1000),
            "combination": COMBINATIONS.index(choice("combination", combination, COMBINATIONS)),
            "max_abs_error": _positive("max_abs_error", max_abs_error),
            "max_cost": _positive("max_cost", max_cost),
            "must_learn": int(boolean("must_learn", must_learn)),
            "fec_train": integer("fec_train", fec_train, 1, batch.train_count) if fec else 0,
            "fec_valid": integer("fec_valid", fec_valid, 1, batch.valid_count) if fec else 0,
            "canonical_bytes": integer("canonical_bytes", canonical_bytes, 0, 2**48),
            "fec_bytes": integer("fec_bytes", fec_bytes, _MIN_FEC_BYTES, 2**48) if fec else 0,
            "hurdle_percentile": number("hurdle_percentile", hurdle_percentile, 0, 100),
            "canonical_flags": 0,
            "run_flags": 0,
        }
        first = integer("hurdle_tasks", hurdle_tasks, 0, len(batch) - 1)
        halves = [list(batch)[:first], list(batch)[first:]] if first else []
        key = evolution_stream(integer("seed", seed, 0, 2**64 - 1)).state
        self._compiled = _engine.CompiledEvolution(
            space.compiled,
            compile_batch(batch, precision),
            options,
            key,
            [_arrays(space, f"initial[{index}]", item) for index, item in enumerate(initial)],
            integer("island", island, 0, 2**31 - 1),
            *(compile_batch(TaskBatch(half), precision) for half in halves),
        )

    def run(self, count: int) -> None:
        """Create ``count`` more individuals, the initial population included.

        Other Python threads run meanwhile.

        Raises:
            RuntimeError: If another thread is running this evolution.
        """
        self._compiled.run(integer("count", count, 0, 2**63 - 1))

    def immigrate(self, program: Program, birth: Birth) -> None:
        """Put a program of another island in the place of the oldest.

        It is evaluated here and counts as immigrant, not as individual.

        Raises:
            ValueError: If the program cannot live in this space.
        """
        code, offsets = _arrays(self.space, "program", program)
        largest = max(len(body) for _, body in program.items())
        if largest > self._compiled.capacity:
            raise ValueError(
                f"program: expected at most {self._compiled.capacity} instructions in a "
                f"function, received {largest}"
            )
        self._compiled.immigrate(code, offsets, birth._asdict())

    def take_improvements(self) -> list[Improvement[Program]]:
        """The new best programs that were created here since the last call."""
        return [_improvement(item) for item in self._compiled.take_improvements()]

    def fittest(self, count: int) -> list[tuple[Program, float, Birth]]:
        """The fittest programs alive of those evaluated on all tasks; ties by birth.

        Of programs that are equal, the first only.
        """
        if count == 0:
            return []
        compiled = self._compiled
        fitnesses = compiled.fitnesses
        births = [_birth(compiled.birth(slot)) for slot in range(len(fitnesses))]
        order = sorted(range(len(fitnesses)), key=lambda slot: (-fitnesses[slot], births[slot]))
        found: dict[tuple[bytes, tuple[int, ...]], tuple[float, Birth]] = {}
        for slot in order:
            if len(found) == count:
                break
            if compiled.is_full(slot):
                found.setdefault(compiled.program(slot), (fitnesses[slot], births[slot]))
        return [(program_from_bytes(*arrays), *rest) for arrays, rest in found.items()]

    def reset(self, seed: int) -> None:
        """Start anew under another seed: no individual, empty caches."""
        self._compiled.reset(evolution_stream(integer("seed", seed, 0, 2**64 - 1)).state)

    def state(self) -> bytes:
        """Everything but the caches.

        Arrow data; some 50 kB for 1,000 programs of 20 instructions.
        """
        return save_state(self._compiled)

    def restore(self, state: bytes) -> None:
        """Go on from a state of :meth:`state`, of an evolution made with the same arguments.

        The caches are filled with what the population tells and nothing else, and
        improvements not taken are dropped. So two evolutions that are restored from one
        state go on alike to the last bit, counts included.

        Raises:
            RuntimeError: If another thread is running this evolution.
        """
        load_state(self._compiled, state)

    def check_state(self, state: bytes) -> None:
        """Make sure that a state that comes from a file can be restored safely.

        Raises:
            ValueError: If not; names the field.
        """
        room = self._compiled.capacity
        largest = {name: min(room, MAX_INSTRUCTIONS) for name in SUPERVISED_COMPONENTS}
        check_state(state, self.space.memory, self.population_size, largest)

    @property
    def island(self) -> int:
        """Number of the island, for the births of individuals to come."""
        return int(self._compiled.island)

    @island.setter
    def island(self, value: int) -> None:
        self._compiled.island = integer("island", value, 0, 2**31 - 1)

    @property
    def individuals(self) -> int:
        """Individuals created so far."""
        return int(self._compiled.statistics["individuals"])

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
        fitness, birth, code, sizes = best
        return BestProgram(program_from_bytes(code, sizes), fitness, _birth(birth))

    @property
    def fitnesses(self) -> NDArray[np.float64]:
        """Fitness of the individuals alive, by slot; apparent ones if ``fec`` is on."""
        return np.array(self._compiled.fitnesses)

    def population(self) -> list[Program]:
        """The programs alive, by slot of the ring."""
        count = len(self._compiled.fitnesses)
        return [program_from_bytes(*self._compiled.program(slot)) for slot in range(count)]

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


def _birth(fields: Mapping[str, int]) -> Birth:
    return Birth(**fields)


def _improvement(item: Mapping[str, Any]) -> Improvement[Program]:
    born = Improvement(
        program_from_bytes(*item["program"]),
        item["fitness"],
        _birth(item["birth"]),
        mutation=OUTCOMES[item["mutation"]],
    )
    if item["parent"] is None:
        return replace(born, mutation=None)
    return replace(
        born,
        parent=program_from_bytes(*item["parent_program"]),
        parent_birth=_birth(item["parent"]),
        parent_fitness=item["parent_fitness"],
    )


def _arrays(space: ProgramSpace, name: str, program: Program) -> tuple[Any, Any]:
    try:
        space.check(program)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    raw, offsets = stack_programs(as_programs(program))
    return raw, offsets[0]
