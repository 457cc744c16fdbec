"""All islands of an experiment, their epochs spread over an executor.

Epochs run in whatever order workers become free. They are *committed*, that is given to the
caller, in one order only: epoch by epoch, and island by island within an epoch. So whatever
the caller does with them depends on no worker. An island may be some epochs ahead of what
was committed; those are lost when the caller stops, and computed again when it goes on.
"""

from __future__ import annotations

import heapq
import json
import queue
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from typing import Any, Final

from automl_zero._config_values import integer, number
from automl_zero.config import IslandsConfig
from automl_zero.evolution._lineage import Birth
from automl_zero.evolution.executors import capacity, is_worker_loss
from automl_zero.evolution.islands._epoch import EpochFunction, EpochResult, Migrant
from automl_zero.evolution.islands._migration import sources

_Key = tuple[int, int]  # epoch and island

RUN_AHEAD: Final = 3
"""Epochs that an island may be ahead of the last committed one: enough that no worker waits
for a slow island of an uneven lot, few enough that little is lost at the end."""

MAX_LOSSES: Final = 3
"""So many workers may die on one epoch; then it is the epoch that kills them."""


class EpochLost(RuntimeError):
    """Workers died again and again on the same epoch."""


@dataclass(frozen=True, slots=True)
class CommittedEpoch:
    """An epoch whose turn has come.

    Attributes:
        island: Number of the island.
        epoch: Number of the island's epoch; the first is 1.
        result: What the epoch gave back.
    """

    island: int
    epoch: int
    result: EpochResult


@dataclass(slots=True)
class _Front:
    """How far an island has come."""

    epochs: int = 0
    individuals: int = 0
    state: bytes | None = None


class Archipelago:
    """Islands that evolve side by side.

    Args:
        function: One epoch of one island.
        config: How many islands, and who sends individuals to whom.
        executor: Runs the epochs; a process pool, a cluster, or this thread.
        seed: Of random migration.
        epoch: Individuals that an island creates in an epoch.
        individuals: Individuals of all islands together; None: no limit.
        deadline: ``time.time()`` at which epochs stop early; None: never.

    Raises:
        ValueError: If a number is out of range.

    >>> from automl_zero.evolution import BitStringSpace, GenomeEpoch
    >>> from automl_zero.evolution.executors import SerialExecutor
    >>> function = GenomeEpoch(BitStringSpace(8), lambda bits: bits.count("1"), seed=1)
    >>> islands = Archipelago(
    ...     function, IslandsConfig(count=2), SerialExecutor(), epoch=150, individuals=600
    ... )
    >>> while (committed := islands.next()) is not None:
    ...     print(committed.island, committed.epoch, committed.result.statistics.best_fitness)
    0 1 8.0
    1 1 8.0
    0 2 8.0
    1 2 8.0
    """

    def __init__(
        self,
        function: EpochFunction,
        config: IslandsConfig,
        executor: Executor,
        *,
        seed: int = 0,
        epoch: int,
        individuals: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self._function = function
        self._config = config
        self._executor = executor
        self._seed = seed
        self._epoch = integer("epoch", epoch, 1)
        self._deadline = deadline
        count = config.count
        share, rest = divmod(individuals, count) if individuals is not None else (2**62, 0)
        self._limits = [share + (island < rest) for island in range(count)]
        self._committed = [_Front() for _ in range(count)]
        self._latest = [_Front() for _ in range(count)]
        self._finished: dict[_Key, EpochResult] = {}
        self._emigrants: dict[_Key, tuple[Migrant, ...]] = {}
        self._futures: dict[Future[EpochResult], _Key] = {}
        self._done: queue.SimpleQueue[Future[EpochResult]] = queue.SimpleQueue()
        self._losses: Counter[_Key] = Counter()
        running = capacity(executor)
        # Twice as many as run at once: a worker that is done finds its next epoch waiting.
        self._most = count if running is None else 1 if running == 1 else 2 * running
        self.is_draining = False
        self._line_up()

    def _line_up(self) -> None:
        """Make the queues anew: of turns to commit, and of islands that may run."""
        fronts = enumerate(self._committed)
        self._turns = [
            (front.epochs + 1, island)
            for island, front in fronts
            if front.individuals < self._limits[island]
        ]
        heapq.heapify(self._turns)
        self._idle = list(self._turns)
        self._waiting: dict[_Key, list[_Key]] = {}
        self._individuals = sum(front.individuals for front in self._committed)

    @property
    def individuals(self) -> int:
        """Individuals of all committed epochs."""
        return self._individuals

    @property
    def is_idle(self) -> bool:
        """True if nothing runs and nothing that ran waits for its turn."""
        return not self._futures and not (self._turns and self._turns[0] in self._finished)

    def next(self, timeout: float | None = None) -> CommittedEpoch | None:
        """The next epoch in order.

        Args:
            timeout: Seconds to wait for it; None: as long as it takes.

        Returns:
            None if it is not there in time, or there is none any more (see
            :meth:`is_over`).

        Raises:
            EpochLost: If :data:`MAX_LOSSES` workers died on one epoch, or the executor
                takes no more epochs.
            Exception: What the epoch raised.
        """
        while self._turns:
            is_ready = self._turns[0] in self._finished
            if not is_ready or self._most > 1:
                self._submit()  # with one at a time, this runs an epoch: it would come too early
            if is_ready:
                return self._commit()
            if not self._futures:
                return None
            try:
                self._collect(self._done.get(timeout=timeout))
            except queue.Empty:
                return None
        return None

    def is_over(self) -> bool:
        """True if every island has created its share."""
        return not self._turns

    def drain(self) -> None:
        """Begin no further epoch; those that run are still committed if their turn comes."""
        self.is_draining = True
        for future in list(self._futures):
            if future.cancel():
                del self._futures[future]

    def close(self) -> None:
        """Give up whatever runs."""
        self.drain()
        self._futures.clear()

    # State -------------------------------------------------------------------------

    def parts(self) -> dict[str, bytes]:
        """The committed state: one part per island that has begun, and the rest as JSON."""
        data = {
            "fronts": [[front.epochs, front.individuals] for front in self._committed],
            "emigrants": [
                [epoch, island, [list(migrant) for migrant in migrants]]
                for (epoch, island), migrants in sorted(self._emigrants.items())
                if epoch <= self._committed[island].epochs
            ],
        }
        parts = {"archipelago": json.dumps(data).encode()}
        for island, front in enumerate(self._committed):
            if front.state is not None:
                parts[f"island {island}"] = front.state
        return parts

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Go on from a state of :meth:`parts`, of an archipelago with the same arguments.

        Raises:
            ValueError: If the state does not fit or could do harm; names the part.
        """
        try:
            data = json.loads(parts["archipelago"])
            fronts = [
                _Front(integer("epochs", epochs, 0), integer("individuals", individuals, 0))
                for epochs, individuals in data["fronts"]
            ]
            emigrants = {
                (integer("epoch", epoch, 1), integer("island", island, 0, len(fronts) - 1)): tuple(
                    _migrant(item) for item in migrants
                )
                for epoch, island, migrants in data["emigrants"]
            }
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"part 'archipelago': expected what parts() gave: {error}") from None
        if len(fronts) != len(self._committed):
            raise ValueError(
                f"part 'archipelago': expected {len(self._committed)} islands, "
                f"received {len(fronts)}"
            )
        for island, front in enumerate(fronts):
            if not front.epochs:
                continue
            name = f"island {island}"
            if name not in parts:
                raise ValueError(f"part {name!r}: expected its state, received none")
            front.state = parts[name]
            try:
                self._function.check_state(front.state)
            except ValueError as error:
                raise ValueError(f"part {name!r}: {error}") from None
        self._committed = fronts
        self._latest = [_Front(item.epochs, item.individuals, item.state) for item in fronts]
        self._emigrants = emigrants
        self._line_up()

    # Scheduling --------------------------------------------------------------------

    def _submit(self) -> None:
        while self._idle and len(self._futures) < self._most and not self.is_draining:
            epoch, island = self._idle[0]
            if epoch > self._turns[0][0] + RUN_AHEAD:
                return  # so are all the others, which are further on
            heapq.heappop(self._idle)
            missing = next(
                (key for key in self._senders(island) if key not in self._emigrants), None
            )
            if missing is None:
                self._start(epoch, island)
            else:
                self._waiting.setdefault(missing, []).append((epoch, island))

    def _start(self, epoch: int, island: int) -> None:
        front = self._latest[island]
        try:
            future = self._executor.submit(
                self._function,
                island,
                front.state,
                self._immigrants(island),
                individuals=min(self._epoch, self._limits[island] - front.individuals),
                emigrants=self._config.migrants if self._migrates_after(epoch) else 0,
                deadline=self._deadline,
            )
        except BrokenExecutor as error:
            raise EpochLost(
                f"island {island}, epoch {epoch}: the executor takes no more work: {error}"
            ) from error
        self._futures[future] = (epoch, island)
        # A queue, because concurrent.futures.wait looks at all futures each time: with 2,000
        # of them that takes longer than everything else here.
        future.add_done_callback(self._done.put)

    def _collect(self, future: Future[EpochResult]) -> None:
        if future not in self._futures:  # given up by draining
            return
        epoch, island = self._futures.pop(future)
        error = future.exception()
        if error is not None:
            if not is_worker_loss(error):
                raise error
            heapq.heappush(self._idle, (epoch, island))
            self._losses[epoch, island] += 1
            if self._losses[epoch, island] >= MAX_LOSSES:
                raise EpochLost(
                    f"island {island}, epoch {epoch}: {MAX_LOSSES} workers died on it, the last "
                    f"one so: {error}"
                ) from error
            return
        result = future.result()
        self._losses.pop((epoch, island), None)
        self._finished[epoch, island] = result
        self._latest[island] = _Front(epoch, result.individuals, result.state)
        if self._migrates_after(epoch):
            self._emigrants[epoch, island] = result.emigrants
            self._release((epoch, island))
        if result.individuals < self._limits[island]:
            heapq.heappush(self._idle, (epoch + 1, island))
        else:  # nobody need wait for epochs that it will not have
            for sender in [key for key in self._waiting if key[1] == island]:
                self._release(sender)

    def _release(self, sender: _Key) -> None:
        """Let islands run that waited for the emigrants of an epoch."""
        for waiting in self._waiting.pop(sender, ()):
            heapq.heappush(self._idle, waiting)

    def _commit(self) -> CommittedEpoch:
        epoch, island = heapq.heappop(self._turns)
        result = self._finished.pop((epoch, island))
        self._individuals += result.individuals - self._committed[island].individuals
        self._committed[island] = _Front(epoch, result.individuals, result.state)
        if result.individuals < self._limits[island]:
            heapq.heappush(self._turns, (epoch + 1, island))
        if self._turns and self._turns[0][0] > epoch:  # a round is over
            for key in [key for key in self._emigrants if key[0] < epoch]:
                del self._emigrants[key]
        return CommittedEpoch(island, epoch, result)

    # Migration ---------------------------------------------------------------------

    def _migrates_after(self, epoch: int) -> bool:
        islands = self._config.count
        return (
            islands > 1
            and self._config.migration != "none"
            and epoch % self._config.migration_interval == 0
        )

    def _senders(self, island: int) -> Iterable[_Key]:
        """Epoch and island of the emigrants that an island's next epoch takes in."""
        epoch = self._latest[island].epochs
        if epoch == 0 or not self._migrates_after(epoch):
            return ()
        found = sources(
            self._config.migration, island, self._config.count, seed=self._seed, epoch=epoch
        )
        # A time limit may have cut epochs short: then some islands have more of them.
        return [
            (epoch, other)
            for other in found
            if not self._is_complete(other) or self._latest[other].epochs >= epoch
        ]

    def _is_complete(self, island: int) -> bool:
        return self._latest[island].individuals >= self._limits[island]

    def _immigrants(self, island: int) -> list[Migrant]:
        return [migrant for key in self._senders(island) for migrant in self._emigrants[key]]


def _migrant(data: Any) -> Migrant:
    genome, fitness, birth = data
    return Migrant(genome, number("fitness", fitness, -1e308, 1e308), Birth.from_data(birth))
