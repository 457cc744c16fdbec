"""What islands, processes and checkpoints cost.

    python scripts/bench_runs.py            # about six minutes
    python scripts/bench_runs.py --quick    # about one minute

``two_process_speedup`` is individuals per second on two worker processes over those on one,
in runs of the same length on workers that have started: the demo's search space on four
islands with migration, into a run directory. Runs of one and of two take turns; the median
of the ratios counts. Two cores of a virtual machine are not always two whole ones:
``two_independent_searches`` is the same ratio for two processes that have nothing to do with
each other, so the most that any scheduler could reach here.

``coordinator_overhead_percent`` is the processor time of the coordinating process in the runs
on two workers, events and checkpoints included, in percent of the wall-clock time.

``checkpoint_ms`` is the time for one island of 1,000 programs: taking its state and writing
it as a checkpoint that is on the disk; ``checkpoint_kb`` is the size of that file. The island
is one of the digits experiment, whose programs are longer than the demo's.

``island_kb_per_epoch`` is what travels from coordinator to worker and back in an epoch, and
``island_coordinator_ms`` the coordinator's processor time for it: a run of a thousand islands
takes a thousand times as much per round.

``speed_epochs_of_N`` is the demo's speed when its state is taken and restored, and its caches
are emptied, every N individuals; 1 is that of one epoch of 250,000, an experiment.

``scheduling_us_2000_islands`` is the time per epoch to decide what runs and whose turn it is,
with 2,000 islands and migration, epochs that take no time.

``rss_growth_mb`` is how much more memory the process of one run of ten million individuals
holds at its last epoch than after the first million, with a checkpoint every half second.
"""

from __future__ import annotations

import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from typing import Any, Final

from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero import load_config
from automl_zero.config import ExperimentConfig, IslandsConfig
from automl_zero.evolution import EpochReport, ProgramEpoch, ProgramSearch
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.islands import Archipelago, EpochResult
from automl_zero.evolution.runs import CheckpointFolder

ISLANDS: Final = 4
EPOCH: Final = 100_000

_MEMORY_PROGRAM: Final = """
import sys
sys.path.insert(0, {folder!r})
import bench_runs
print(*bench_runs.memory_of_a_long_run({individuals}))
"""


def config(individuals: int, *overrides: str) -> ExperimentConfig:
    """A search of the demo's space that ends after so many individuals and not before."""
    return load_config(
        "demo",
        [
            f"stop.individuals={individuals}",
            "experiments.maximum=1",
            "experiments.sufficient_fitness=1.0",
            f"islands.count={ISLANDS}",
            f"islands.epoch={EPOCH}",
            "islands.migration=ring",
            "islands.migration_interval=2",
            *overrides,
        ],
    )


def timed_run(individuals: int, executor: ProcessExecutor) -> tuple[float, float]:
    """Wall-clock seconds of a run, and processor seconds of this process meanwhile."""
    search = ProgramSearch(config(individuals))
    with tempfile.TemporaryDirectory() as folder:
        wall, processor = time.perf_counter(), time.process_time()
        search.run(Path(folder, "run"), executor=executor)
        return time.perf_counter() - wall, time.process_time() - processor


def independent_epochs(individuals: int, executor: ProcessExecutor) -> float:
    """Seconds of one long epoch in each worker at the same time."""
    epoch = ProgramEpoch(config(individuals), seed=1)
    start = time.perf_counter()
    wait(
        [
            executor.submit(epoch, island, None, [], individuals=individuals)
            for island in range(executor.workers)
        ]
    )
    return time.perf_counter() - start


def measure_speedup(individuals: int, rounds: int) -> list[Row]:
    """Two workers against one."""
    ratios, independent, overheads, rates = [], [], [], []
    with ProcessExecutor(1) as one, ProcessExecutor(2) as two:
        for executor in (one, two):  # start the workers
            timed_run(ISLANDS * EPOCH, executor)
        for _ in range(rounds):
            seconds_one, _ = timed_run(individuals, one)
            seconds_two, processor = timed_run(individuals, two)
            ratios.append(seconds_one / seconds_two)
            overheads.append(100 * processor / seconds_two)
            rates.append(individuals / seconds_two)
            share = individuals // 4
            alone, both = independent_epochs(share, one), independent_epochs(share, two)
            independent.append(2 * alone / both)
    return [
        Row("two_process_speedup", statistics.median(ratios), "", ">= 1.85"),
        Row("two_independent_searches", statistics.median(independent), ""),
        Row("two_process_individuals_per_s", statistics.median(rates), "1/s"),
        Row("coordinator_overhead_percent", statistics.median(overheads), "%", "<= 2"),
    ]


def measure_checkpoint(repeats: int) -> list[Row]:
    """One island's state, and what it is to write it."""
    experiment = load_config("digits")
    evolution = ProgramEpoch(experiment, seed=1).evolution()
    evolution.run(200_000)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = CheckpointFolder(Path(folder, "checkpoints"))
        for position in range(repeats):
            start = time.perf_counter()
            path = checkpoints.write(position, {"island 0": evolution.state()})
            seconds.append(time.perf_counter() - start)
        size = path.stat().st_size
    return [
        Row("checkpoint_ms", 1e3 * statistics.median(seconds), "ms", "<= 5"),
        Row("checkpoint_kb", size / 1e3, "kB", "<= 500"),
    ]


def measure_traffic(epochs: int) -> list[Row]:
    """What one epoch of one island costs its coordinator."""
    search = config(10**12, f"islands.epoch={EPOCH}")
    function = ProgramEpoch(search, seed=1)
    first = result = function(0, None, [], individuals=EPOCH, emigrants=1)
    while result.improvements:  # hardly an epoch of a long run has any
        result = function(0, result.state, [], individuals=EPOCH, emigrants=1)
    call = (function, (0, result.state, list(result.emigrants)), {"individuals": EPOCH})
    traffic = len(pickle.dumps(call)) + len(pickle.dumps(result))

    class Instant(ProcessExecutor):
        """Gives back what was computed before, so that only the coordinator works."""

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            known = first if args[1] is None else result
            return super().submit(_after_unpickling, known, fn, *args, **kwargs)

    reports: list[EpochReport] = []
    with tempfile.TemporaryDirectory() as folder, Instant(1) as executor:
        start = 0.0

        def count(report: EpochReport) -> None:
            nonlocal start
            reports.append(report)
            if len(reports) == 2 * ISLANDS:  # the worker has started, the log is open
                start = time.process_time()

        ProgramSearch(search).run(
            Path(folder, "run"),
            executor=executor,
            callbacks=[count],
            should_stop=lambda: len(reports) >= epochs,
        )
        seconds = time.process_time() - start
    return [
        Row("island_kb_per_epoch", traffic / 1e3, "kB"),
        Row("island_coordinator_ms", 1e3 * seconds / (len(reports) - 2 * ISLANDS), "ms"),
    ]


def measure_epochs(rounds: int) -> list[Row]:
    """What it costs to cut an experiment into epochs."""
    whole = 250_000
    lengths = (whole, 10_000, 20_000, 50_000)
    seconds: dict[int, list[float]] = {length: [] for length in lengths}
    for seed in range(rounds):
        for length in lengths:  # in turn, so that a disturbance meets all
            function = ProgramEpoch(load_config("demo", [f"islands.epoch={length}"]), seed)
            state = function(0, None, [], individuals=1).state
            start = time.process_time()
            created = 0
            while created < whole:
                count = min(length, whole - created)
                state = function(0, state, [], individuals=count).state
                created += count
            seconds[length].append(time.process_time() - start)
    base = statistics.median(seconds[whole])
    return [
        Row(f"speed_epochs_of_{length}", base / statistics.median(seconds[length]), "")
        for length in lengths[1:]
    ]


class _InstantExecutor(Executor):
    """Runs calls at once; many are on their way at the same time."""

    workers = 1000

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _InstantEpoch:
    """An epoch that only counts."""

    def __call__(
        self, island: int, state: bytes | None, immigrants: Any, *, individuals: int, **rest: Any
    ) -> EpochResult:
        created = int(state or b"0") + individuals
        return EpochResult(
            state=str(created).encode(), individuals=created, improvements=(), emigrants=(),
            statistics=None,
        )  # fmt: skip

    def check_state(self, state: bytes) -> None:
        """Nothing to check."""


def measure_scheduling(islands: int = 2000, epochs: int = 10) -> list[Row]:
    """What the coordinator does beside moving data."""
    settings = IslandsConfig(count=islands, migration="ring", migration_interval=2)
    archipelago = Archipelago(
        _InstantEpoch(), settings, _InstantExecutor(), epoch=10, individuals=10 * islands * epochs
    )
    start, count = time.process_time(), 0
    while archipelago.next() is not None:
        count += 1
    seconds = time.process_time() - start
    return [Row(f"scheduling_us_{islands}_islands", 1e6 * seconds / count, "us")]


def _after_unpickling(known: EpochResult, *call: Any, **options: Any) -> EpochResult:
    """What a worker does but for the epoch itself."""
    return known


def memory_of_a_long_run(individuals: int) -> tuple[float, float]:
    """Resident megabytes of this process after a tenth of a run, and at its end."""
    samples: list[float] = []

    def sample(report: EpochReport) -> None:
        if report.individuals >= individuals // 10:
            samples.append(_resident_megabytes())

    with tempfile.TemporaryDirectory() as folder:
        ProgramSearch(config(individuals, "islands.count=1")).run(
            Path(folder, "run"), callbacks=[sample], checkpoint_seconds=0.5
        )
    return samples[0], samples[-1]


def measure_memory(individuals: int) -> list[Row]:
    """Growth of a process of its own."""
    program = _MEMORY_PROGRAM.format(
        folder=str(Path(__file__).resolve().parent), individuals=individuals
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    early, late = map(float, done.stdout.split())
    return [
        Row("rss_growth_mb", late - early, "MB", "<= 1"),
        Row("long_run_rss_mb", late, "MB"),
    ]


def _resident_megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status: expected a line VmRSS, found none")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    options = parser.parse_args(arguments)
    quick = options.quick
    print(machine_line())
    individuals = 2_000_000 if quick else 16_000_000
    rounds = 1 if quick else 3
    long_run = 2_000_000 if quick else 10_000_000
    print(
        f"settings: {rounds} rounds of {individuals:,} individuals, {ISLANDS} islands, epochs of "
        f"{EPOCH:,}; memory over {long_run:,} individuals"
    )
    rows = measure_checkpoint(20 if quick else 100)
    rows += measure_traffic(200 if quick else 1000)
    rows += measure_epochs(3 if quick else 15)
    rows += measure_scheduling()
    rows += measure_memory(long_run)
    rows += measure_speedup(individuals, rounds)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
