"""One epoch of an island of programs."""

from __future__ import annotations

import hashlib
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from automl_zero.config import ExperimentConfig
from automl_zero.custom_ops import digests_of, pickled_ops, register_pickled_ops
from automl_zero.evolution._initial_programs import max_cost
from automl_zero.evolution._program_evolution import MEGABYTE, ProgramEvolution
from automl_zero.evolution._program_space import ProgramSpace
from automl_zero.evolution._task_sets import task_set
from automl_zero.evolution.islands import EpochResult, Migrant
from automl_zero.program import Program
from automl_zero.streams import stream_key
from automl_zero.tasks import TaskBatch

_LOOK_SECONDS: Final = 0.05
"""Between looks at the clock and at pending signals, which wait while compiled code runs."""

_CACHE_BYTES_PER_INDIVIDUAL: Final = 64
"""Memory of a cache that an epoch cannot fill: 32 bytes an entry, at most half of it used."""


class ProgramEpoch:
    """Epochs of the islands of one experiment: an
    :class:`~automl_zero.evolution.islands.EpochFunction`.

    The first call in a process makes the experiment's search tasks; they, the population's
    memory and the caches' are used again by later calls.

    Args:
        config: The experiment.
        seed: Of this experiment among those of its run. The first island draws from it, the
            others from seeds derived from it.
        initial: Programs to start from; none: random ones.

    >>> from automl_zero.config import load_config
    >>> epoch = ProgramEpoch(load_config("linear"), seed=4)
    >>> first = epoch(0, None, [], individuals=2000, emigrants=1)
    >>> second = epoch(0, first.state, [], individuals=2000, emigrants=1)
    >>> second.individuals, second == epoch(0, first.state, [], individuals=2000, emigrants=1)
    (4000, True)
    """

    def __init__(
        self, config: ExperimentConfig, seed: int, initial: Sequence[Program] = ()
    ) -> None:
        self.config = config
        self.seed = seed
        self.initial = tuple(initial)
        names = op_names(config, self.initial)
        self._op_digests = digests_of(names)
        self._op_functions = pickled_ops(names) if self._op_digests else b""
        parts = pickle.dumps(
            (config, seed, [str(program) for program in self.initial], self._op_digests)
        )
        self._key = hashlib.blake2b(parts, digest_size=16).digest()
        self._pickled: bytes | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # It is sent with every epoch and is always the same: pickled once here, and read once
        # in each worker. Programs go as text, to be read when their ops are declared.
        if self._pickled is None:
            initial = tuple(map(str, self.initial))
            self._pickled = pickle.dumps(
                (self.config, self.seed, initial, self._op_digests, self._op_functions)
            )
        return _same_function, (self._key, self._pickled)

    def __call__(
        self,
        island: int,
        state: bytes | None,
        immigrants: Sequence[Migrant],
        *,
        individuals: int,
        emigrants: int = 0,
        deadline: float | None = None,
    ) -> EpochResult:
        """As :class:`~automl_zero.evolution.islands.EpochFunction`."""
        with _borrowed(self) as evolution:
            evolution.island = island
            if state is None:
                seed = self.seed if island == 0 else stream_key(self.seed, "island", island)
                evolution.reset(seed)
            else:
                evolution.restore(state)
            space = evolution.space
            for migrant in immigrants:
                evolution.immigrate(space.from_data(migrant.genome), migrant.birth)
            _run(evolution, individuals, deadline)
            return EpochResult(
                state=evolution.state(),
                individuals=evolution.individuals,
                improvements=tuple(
                    item.with_genomes(space.to_data) for item in evolution.take_improvements()
                ),
                emigrants=tuple(
                    Migrant(space.to_data(program), fitness, birth)
                    for program, fitness, birth in evolution.fittest(emigrants)
                ),
                statistics=evolution.statistics,
            )

    def check_state(self, state: bytes) -> None:
        """As :meth:`ProgramEvolution.check_state`."""
        with _borrowed(self) as evolution:
            evolution.check_state(state)

    def evolution(self) -> ProgramEvolution:
        """A new evolution on the experiment's search tasks: what the epochs run."""
        config = self.config
        population, evaluation, cache = config.population, config.evaluation, config.cache
        # More than an epoch can fill would only cost page faults and emptying.
        most = _CACHE_BYTES_PER_INDIVIDUAL * epoch_individuals(config)
        canonical = min(int(cache.canonical_megabytes * MEGABYTE), max(most, MEGABYTE))
        return ProgramEvolution(
            ProgramSpace.from_config(config),
            TaskBatch(task_set(config.tasks.search, stream_key(self.seed, "search"))),
            population_size=population.size,
            tournament_size=population.tournament_size,
            attempts=population.attempts,
            seed=self.seed,
            initial=self.initial,
            combination=evaluation.combination,
            max_abs_error=evaluation.max_abs_error,
            max_cost=max_cost(config),
            must_learn=evaluation.must_learn,
            precision=evaluation.precision,
            canonical_bytes=canonical if cache.canonical else 0,
            fec=cache.fec,
            fec_train=cache.fec_train,
            fec_valid=cache.fec_valid,
            fec_bytes=min(int(cache.fec_megabytes * MEGABYTE), max(most, MEGABYTE)),
            hurdle_tasks=config.hurdle.tasks,
            hurdle_percentile=config.hurdle.percentile,
        )

    @property
    def key(self) -> bytes:
        """Different for functions that do not do the same."""
        return self._key


def op_names(config: ExperimentConfig, programs: Sequence[Program]) -> set[str]:
    """Names of the ops that a search may meet: those of its space and its first programs."""
    names = {name for component in config.components.values() for name in component.op_names}
    bodies = [body for program in programs for _, body in program.items()]
    return names | {instruction.op.name for body in bodies for instruction in body}


_functions: dict[bytes, ProgramEpoch] = {}  # the latest ones that were sent here
_MOST_FUNCTIONS: Final = 4


def _same_function(key: bytes, pickled: bytes) -> ProgramEpoch:
    """The function that was sent, read only if it is new here."""
    function = _functions.get(key)
    if function is None:
        config, seed, initial, digests, functions = pickle.loads(pickled)
        if digests_of(digests) != digests:
            register_pickled_ops(functions)
        function = ProgramEpoch(config, seed, tuple(map(Program.parse, initial)))
        while len(_functions) >= _MOST_FUNCTIONS:
            _functions.pop(next(iter(_functions)), None)
        _functions[key] = function
    return function


def epoch_individuals(config: ExperimentConfig) -> int:
    """Individuals that an island creates in an epoch."""
    return config.islands.epoch or 10 * config.population.size


def _run(evolution: ProgramEvolution, individuals: int, deadline: float | None) -> None:
    """Create individuals, in pieces between which Ctrl-C is noticed; the size of the pieces
    changes no result."""
    piece = 1
    while individuals > 0:
        started = time.perf_counter()
        count = min(piece, individuals)
        evolution.run(count)
        individuals -= count
        seconds = max(time.perf_counter() - started, 1e-6)
        piece = max(1, min(int(count * _LOOK_SECONDS / seconds), 4 * count))
        if deadline is not None and time.time() >= deadline:
            return


# Evolutions that no epoch uses at the moment, those of the latest experiment only.
_idle: list[tuple[bytes, ProgramEvolution]] = []
_lock = threading.Lock()


@contextmanager
def _borrowed(function: ProgramEpoch) -> Iterator[ProgramEvolution]:
    """An evolution of this function that no other thread uses meanwhile."""
    with _lock:
        _idle[:] = [item for item in _idle if item[0] == function.key]
        evolution = _idle.pop()[1] if _idle else None
    if evolution is None:
        evolution = function.evolution()
    try:
        yield evolution
    finally:
        with _lock:
            _idle.append((function.key, evolution))
