"""Islands on executors of every temper: one order, one result."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from automl_zero.config import IslandsConfig
from automl_zero.evolution import BitStringSpace, GenomeEpoch
from automl_zero.evolution.executors import SerialExecutor, WorkerLost
from automl_zero.evolution.islands import Archipelago, CommittedEpoch, EpochLost, EpochResult

BITS = GenomeEpoch(
    BitStringSpace(24), lambda bits: bits.count("1"), population_size=10, tournament_size=3, seed=1
)


class ShuffledExecutor(Executor):
    """Runs calls one by one in a thread, in any order but that of their submission."""

    def __init__(self, seed: int, workers: int = 3, fail: Callable[[int], Any] = lambda n: None):
        self.workers = workers
        self.submitted = 0
        self._random = random.Random(seed)
        self._fail = fail
        self._waiting: list[tuple[Future[Any], Any]] = []
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            self.submitted += 1
            self._waiting.append((future, (self.submitted, fn, args, kwargs)))
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and self._open:
                    self._changed.wait()
                if not self._waiting:
                    return
            time.sleep(0.0002)  # more calls may come: then there is something to shuffle
            with self._changed:
                index = self._random.randrange(len(self._waiting))
                future, (number, fn, args, kwargs) = self._waiting.pop(index)
            if not future.set_running_or_notify_cancel():
                continue
            error = self._fail(number)
            if error is not None:
                future.set_exception(error)
                continue
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as raised:
                future.set_exception(raised)


def archipelago(executor: Executor | None = None, **options: Any) -> Archipelago:
    settings: dict[str, Any] = {"epoch": 20, "individuals": 1000, "seed": 3, **options}
    islands = {
        name: settings.pop(name)
        for name in ("count", "migration", "migration_interval", "migrants")
        if name in settings
    }
    config = IslandsConfig(**{"count": 4, "migration_interval": 2, "migrants": 2, **islands})
    function = settings.pop("function", BITS)
    return Archipelago(function, config, executor or SerialExecutor(), **settings)


def all_of(islands: Archipelago) -> list[CommittedEpoch]:
    found = []
    while (committed := islands.next()) is not None:
        found.append(committed)
    return found


@pytest.mark.parametrize("migration", ["ring", "star", "random", "none"])
def test_the_order_and_the_results_are_the_same_on_any_executor(migration: str) -> None:
    expected = all_of(archipelago(migration=migration))
    assert [(item.epoch, item.island) for item in expected] == [
        (epoch, island) for epoch in range(1, 14) for island in range(4)
    ]
    assert sum(expected[-1 - i].result.individuals for i in range(4)) == 1000
    for seed in range(4):
        with ShuffledExecutor(seed) as executor:
            assert all_of(archipelago(executor, migration=migration)) == expected
    with ThreadPoolExecutor(2) as executor:
        assert all_of(archipelago(executor, migration=migration)) == expected


def test_migration_decides_the_result() -> None:
    found = {
        migration: all_of(archipelago(migration=migration))[-1].result.state
        for migration in ("ring", "star", "random", "none")
    }
    assert len(set(found.values())) == 4


def test_migrants_come_every_so_many_epochs_and_are_the_fittest() -> None:
    long = GenomeEpoch(
        BitStringSpace(200), BITS.fitness, population_size=10, tournament_size=3, seed=1
    )
    epochs = all_of(archipelago(migration="ring", migration_interval=3, function=long))
    by_epoch = {(item.epoch, item.island): item.result for item in epochs}
    for (epoch, _island), result in by_epoch.items():
        assert len(result.emigrants) == (2 if epoch % 3 == 0 else 0)
        received = result.statistics.immigrants
        assert received == 2 * ((epoch - 1) // 3)
        if result.emigrants:
            assert result.emigrants[0].fitness >= result.emigrants[1].fitness
            assert result.emigrants[0].genome != result.emigrants[1].genome
    parents = [
        (item.parent_birth.island, island)
        for (_, island), result in by_epoch.items()
        for item in result.improvements
        if item.parent_birth is not None
    ]
    assert any(born != island for born, island in parents)  # immigrants had children


def test_islands_differ() -> None:
    epochs = all_of(archipelago(migration="none"))
    assert len({item.result.state for item in epochs}) == len(epochs)


@pytest.mark.parametrize(
    ("individuals", "shares"), [(1000, [250] * 4), (1003, [251, 251, 251, 250]), (2, [1, 1, 0, 0])]
)
def test_individuals_are_shared_out(individuals: int, shares: list[int]) -> None:
    islands = archipelago(individuals=individuals)
    last = {item.island: item.result.individuals for item in all_of(islands)}
    assert [last.get(island, 0) for island in range(4)] == shares
    assert islands.is_over() and islands.individuals == individuals


def test_without_a_limit_there_is_no_end() -> None:
    islands = archipelago(individuals=None)
    for _ in range(50):
        assert islands.next() is not None
    assert not islands.is_over()
    islands.drain()
    assert islands.next() is None and islands.is_idle


@pytest.mark.parametrize("migration", ["ring", "star", "random", "none"])
@pytest.mark.parametrize("stop", [1, 2, 5, 8, 9, 11, 30])
def test_a_restored_archipelago_goes_on_as_if_it_had_not_stopped(migration: str, stop: int) -> None:
    expected = all_of(archipelago(migration=migration))
    with ShuffledExecutor(stop) as executor:
        first = archipelago(executor, migration=migration)
        begun = [first.next() for _ in range(stop)]
        parts = first.parts()
        first.close()
    plain = archipelago(migration=migration)
    for _ in range(stop):
        plain.next()
    assert parts == plain.parts()  # nothing in it of what ran ahead
    second = archipelago(migration=migration)
    second.restore(parts)
    assert [*begun, *all_of(second)] == expected
    assert second.parts() != parts


@pytest.mark.parametrize("migration", ["ring", "star", "random"])
def test_islands_with_more_epochs_than_others_wait_for_nobody(migration: str) -> None:
    """As after a time limit that cut their epochs short."""

    class Short(GenomeEpoch[str]):
        def __call__(self, island: int, *args: Any, individuals: int, **kw: Any) -> EpochResult:
            short = individuals if island != 1 else min(individuals, 7)
            return super().__call__(island, *args, individuals=short, **kw)

    short = Short(BITS.space, BITS.fitness, population_size=10, tournament_size=3, seed=1)
    options: dict[str, Any] = {
        "function": short, "migration": migration, "migration_interval": 1, "individuals": 400,
    }  # fmt: skip
    expected = all_of(archipelago(**options))
    assert sum(item.island == 1 for item in expected) == 15
    with ShuffledExecutor(5) as executor:
        islands = archipelago(executor, **options)
        assert all_of(islands) == expected
        assert islands.is_over()


def test_draining_finishes_what_runs_and_begins_nothing() -> None:
    with ShuffledExecutor(0) as executor:
        islands = archipelago(executor)
        found = [islands.next() for _ in range(6)]
        islands.drain()
        submitted = executor.submitted
        while (committed := islands.next()) is not None:
            found.append(committed)
        assert islands.is_idle
        assert executor.submitted == submitted
        assert found == all_of(archipelago())[: len(found)]


def test_a_time_limit_to_wait_for_an_epoch() -> None:
    release = threading.Event()

    class Slow(GenomeEpoch[str]):
        def __call__(self, *args: Any, **kwargs: Any) -> EpochResult:
            release.wait()
            return super().__call__(*args, **kwargs)

    slow = Slow(BITS.space, BITS.fitness, population_size=10, tournament_size=3, seed=1)
    with ThreadPoolExecutor(2) as executor:
        islands = archipelago(executor, function=slow)
        assert islands.next(timeout=0.01) is None
        assert not islands.is_over() and not islands.is_idle
        release.set()
        assert islands.next() == archipelago().next()
        islands.close()


# Workers that die ----------------------------------------------------------------------


def test_an_epoch_whose_worker_died_runs_again() -> None:
    lost = []

    def fail(number: int) -> Exception | None:
        if number % 5 == 2 and len(lost) < 10:
            lost.append(number)
            return WorkerLost("killed")
        return None

    with ShuffledExecutor(1, fail=fail) as executor:
        assert all_of(archipelago(executor)) == all_of(archipelago())
    assert len(lost) == 10


def test_three_deaths_on_one_epoch_end_the_search_and_say_where() -> None:
    class Deadly(GenomeEpoch[str]):
        def __call__(self, island: int, *args: Any, **kwargs: Any) -> EpochResult:
            if island == 2 and args[0] is not None:
                raise WorkerLost("ended by SIGKILL")
            return super().__call__(island, *args, **kwargs)

    deadly = Deadly(BITS.space, BITS.fitness, population_size=10, tournament_size=3, seed=1)
    for executor in (SerialExecutor(), ShuffledExecutor(0)):
        islands = archipelago(executor, function=deadly, migration="none")
        found = []
        with pytest.raises(EpochLost, match="island 2, epoch 2: 3 workers died on it.*SIGKILL"):
            while (committed := islands.next()) is not None:
                found.append(committed)
        islands.close()
        expected = all_of(archipelago(migration="none"))
        assert found == expected[: len(found)]
        executor.shutdown()


def test_an_executor_that_broke_ends_the_search() -> None:
    class Broken(SerialExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            raise BrokenExecutor("a process of the pool died")

    with pytest.raises(EpochLost, match="island 0, epoch 1: the executor takes no more work"):
        archipelago(Broken()).next()


def test_an_error_of_the_fitness_function_is_its_own() -> None:
    def fitness(bits: str) -> float:
        raise ZeroDivisionError("oh")

    function = GenomeEpoch(BITS.space, fitness)
    with pytest.raises(RuntimeError, match=r"fitness: the function failed on '[01]{24}': oh"):
        archipelago(function=function).next()


# What comes from a file ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("archipelago", b"{", "part 'archipelago': expected what parts"),
        ("archipelago", b"[]", "part 'archipelago': expected what parts"),
        ("archipelago", b'{"fronts": [[1, 20]], "emigrants": []}', "expected 4 islands"),
        ("archipelago", b'{"fronts": [[1, -1]], "emigrants": []}', "individuals: expected"),
        (
            "archipelago",
            b'{"fronts": [[1, 20]], "emigrants": [[1, 0, [["1", "high", [0, 0, 0]]]]]}',
            "fitness: expected a number",
        ),
        ("archipelago", b"[" * 100_000, "part 'archipelago': expected what parts"),
        ("island 1", b"{}", "part 'island 1': state.format"),
        ("island 1", b"\xff", "part 'island 1': expected JSON"),
        ("island 1", None, "part 'island 1': expected its state, received none"),
        ("archipelago", None, "part 'archipelago': expected what parts"),
    ],
    ids=str,
)
def test_a_damaged_state_is_refused_by_part(part: str, value: Any, message: str) -> None:
    islands = archipelago()
    for _ in range(6):
        islands.next()
    parts = islands.parts()
    if value is None:
        del parts[part]
    else:
        parts[part] = value
    with pytest.raises(ValueError, match=message):
        archipelago().restore(parts)
