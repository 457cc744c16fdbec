"""The probe, the judge and the finalists of searches of any genomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl_zero.config import IslandsConfig
from automl_zero.evolution import BitStringSpace, EpochReport, GenomeEpoch, GenomeSearch
from automl_zero.evolution._behaviour_cache import BehaviourCache
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.runs import Run

ISLANDS = IslandsConfig(count=3, epoch=50, migration_interval=2, migrants=2)


def ones(bits: str) -> float:
    return bits.count("1")


def probe(bits: str) -> str | float:
    """Genomes that begin with zeros fail; the others look alike in their first half."""
    return -1.0 if bits.startswith("000") else bits[: len(bits) // 2]


class SizedBits(BitStringSpace):
    """Bits of which the ones are live."""

    def sizes(self, genome: str) -> tuple[int, int]:
        return len(genome), genome.count("1")


def search(space: BitStringSpace | None = None, **options: Any) -> GenomeSearch[str]:
    settings: dict[str, Any] = {
        "individuals": 900,
        "population_size": 20,
        "tournament_size": 3,
        "seed": 4,
        "islands": ISLANDS,
        "fitness": ones,
        "probe": probe,
        "fec_size": 40,
        "cache_size": 30,
        **options,
    }
    return GenomeSearch(space or BitStringSpace(24), **settings)


def test_what_behaves_alike_is_measured_once() -> None:
    measured: list[str] = []

    def fitness(bits: str) -> float:
        measured.append(bits)
        return ones(bits)

    cached = BehaviourCache(fitness, probe, size=10)
    assert [cached(bits) for bits in ("1100", "1111", "0001", "1011")] == [2, 2, -1, 3]
    assert measured == ["1100", "1011"]
    assert (cached.hits, cached.failures) == (1, 1)


def test_the_oldest_behaviours_are_forgotten_first() -> None:
    cached = BehaviourCache(ones, lambda bits: bits, size=2)
    for bits in ("1", "11", "111", "1"):
        cached(bits)
    assert cached.hits == 0
    cached("111")
    assert cached.hits == 1


def test_a_restored_cache_goes_on_as_the_one_that_was_stored() -> None:
    cached = BehaviourCache(ones, probe, size=10)
    cached("1100"), cached("0001"), cached("1111")
    again = BehaviourCache(ones, probe, size=10)
    again.restore(json.loads(json.dumps(cached.state())))
    assert again.state() == cached.state()
    assert again("1101") == 2 and again.hits == 2


@pytest.mark.parametrize(
    "state",
    [None, {}, {"counts": [1, 2]}, {"counts": [-1, 0], "known": []},
     {"counts": [0, 0], "known": [["a", "b"]]}, {"counts": [0, 0], "known": [3]}],
    ids=str,
)  # fmt: skip
def test_a_damaged_state_is_refused(state: Any) -> None:
    with pytest.raises(ValueError, match="state.behaviour"):
        BehaviourCache(ones, probe, size=10).restore(state)
    epoch = GenomeEpoch(BitStringSpace(8), ones, probe=probe)
    data = json.loads(epoch(0, None, [], individuals=5).state)
    with pytest.raises(ValueError, match="state.behaviour"):
        epoch.check_state(json.dumps({**data, "behaviour": state}).encode())


def test_hits_and_failures_are_counted_and_logged(tmp_path: Path) -> None:
    result = search().run(tmp_path / "run")
    counts = result.statistics
    assert counts.fec_hits > 50 and counts.probe_failures > 5
    assert counts.evaluations == counts.individuals - counts.known - counts.fec_hits - (
        counts.probe_failures
    )
    assert result.run is not None
    rows = result.run.events("epoch").to_pylist()
    assert sum(row["fec_hits"] for row in rows[-3:]) == counts.fec_hits
    assert counts.instructions == 0 and counts.redundant_share != counts.redundant_share


def test_sizes_of_all_individuals_are_counted() -> None:
    counts = search(SizedBits(24)).run().statistics
    assert counts.instructions == 24 * counts.individuals
    assert 0 < counts.live_instructions < counts.instructions
    assert counts.redundant_share == 1 - counts.live_instructions / counts.instructions


def same(one: Any, other: Any) -> bool:
    names = ("genome", "fitness", "select_fitness", "birth", "statistics", "finalists")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def judge(bits: str) -> float:
    return -abs(ones(bits) - 15)


def test_workers_and_interruptions_change_nothing(tmp_path: Path) -> None:
    options: dict[str, Any] = {"space": SizedBits(24), "judge": judge, "finalists": 4}
    whole = search(**options).run(tmp_path / "whole", checkpoint_seconds=0)
    with ProcessExecutor(2) as executor:
        parallel = search(**options).run(executor=executor)
    assert same(whole, parallel)
    for stop in (1, 4, 9, 13):
        reports: list[EpochReport] = []
        folder = tmp_path / f"{stop}"
        first = search(**options).run(
            folder,
            callbacks=[reports.append],
            should_stop=lambda seen=reports, most=stop: len(seen) >= most,  # type: ignore[misc]
        )
        assert first.stopped_by == "interrupted"
        second = search(**options).run(folder, resume=True)
        assert same(whole, second)
        assert whole.run is not None and second.run is not None
        logs = [run.events().drop_columns(["seconds"]) for run in (whole.run, second.run)]
        assert logs[0] == logs[1]


def test_the_judge_chooses_among_the_candidates(tmp_path: Path) -> None:
    result = search(judge=judge, select_margin=100, finalists=5).run(tmp_path / "run")
    fitnesses = [item.select_fitness for item in result.finalists]
    assert result.select_fitness == fitnesses[0] == judge(result.genome)
    assert fitnesses == sorted(set(fitnesses), reverse=True) and 2 <= len(fitnesses) <= 5
    assert result.fitness < result.statistics.best_fitness
    assert result.to_data()["select_fitness"] == result.select_fitness
    assert Run.open(tmp_path / "run").best["select_fitness"] == result.select_fitness  # type: ignore[index]


def test_without_a_judge_the_fitness_decides() -> None:
    result = search().run()
    assert result.select_fitness == result.fitness
    assert [item.genome for item in result.finalists] == [result.genome]


def test_a_resumed_search_must_have_the_same_probe_and_judge(tmp_path: Path) -> None:
    search(judge=judge).run(tmp_path / "run", should_stop=lambda: True)
    with pytest.raises(ValueError, match="judge: expected 'judge', received None"):
        search().run(tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match="probe: expected 'probe', received None"):
        search(judge=judge, probe=None).run(tmp_path / "run", resume=True)


def test_a_probe_that_raises_is_named_with_the_genome() -> None:
    def broken(bits: str) -> str:
        raise KeyError("no")

    with pytest.raises(RuntimeError, match="fitness: the function failed on '[01]+'"):
        search(probe=broken).run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fec_size": 0}, "fec_size: expected an integer >= 1"),
        ({"finalists": 0}, "finalists: expected an integer in 1"),
        ({"select_margin": -1}, "select_margin: expected a number >= 0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(**options)
