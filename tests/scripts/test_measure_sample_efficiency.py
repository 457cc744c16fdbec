"""What a solution costs: totals over all runs by solutions, and the intervals of both."""

from __future__ import annotations

import json
import math

import measure_evolution_vs_random
import measure_sample_efficiency
import pytest
from _results import ResultFile
from _solves import interval, per_solve, ratio_interval, solve, solver

from automl_zero import load_config


def runs(*individuals: int, unsolved: int = 0) -> list[dict[str, float]]:
    return [
        {"individuals": count, "solved": index >= unsolved}
        for index, count in enumerate(individuals)
    ]


def test_censored_runs_count_with_their_work_and_without_a_solution():
    assert per_solve(runs(100, 50, 150), "individuals") == 100
    assert per_solve(runs(100, 50, 150, unsolved=1), "individuals") == 150
    assert per_solve(runs(100, unsolved=1), "individuals") == math.inf


def test_intervals_hold_the_value_and_shrink_with_more_seeds():
    few, many = runs(*range(50, 150, 20)), runs(*range(50, 150))
    for sample in (few, many):
        low, high = interval(sample, "individuals")
        assert low < per_solve(sample, "individuals") < high
    assert high - low < interval(few, "individuals")[1] - interval(few, "individuals")[0]


def test_ratios_are_of_the_base_by_the_other():
    low, high = ratio_interval(runs(*range(90, 111)), runs(*range(45, 56)), "individuals")
    assert 1.8 < low < 2 < high < 2.2


def test_a_base_that_never_solves_gives_an_infinite_ratio():
    low, high = ratio_interval(runs(10, 20, unsolved=2), runs(10, 20), "individuals")
    assert low == high == math.inf


@pytest.mark.parametrize("space", measure_sample_efficiency.SPACES)
@pytest.mark.parametrize("arm", measure_sample_efficiency.ARMS)
def test_every_arm_is_a_configuration_and_plain_has_nothing_on(space, arm):
    config, settings = measure_sample_efficiency.settings_of(space, arm)
    found = load_config(config, settings)
    on = (
        found.cache.fec,
        found.population.attempts > 1,
        found.evaluation.must_learn,
        found.hurdle.tasks > 0,
    )
    expected = {"plain": 0, "no_must_learn": 3, "all": 4}.get(arm, 1)
    assert sum(on) == expected
    assert found.stop.seconds == 0


def test_plain_evolution_evaluates_every_individual_within_the_budget():
    run = {"individuals": 100, "over_budget": 10, "evaluations": 7, "programs_run": 8}
    assert measure_sample_efficiency.plain_counts(run) == {
        "individuals": 100, "over_budget": 10, "evaluations": 90, "programs_run": 90,
    }  # fmt: skip


QUICK = ["stop.individuals=4000", "tasks.*.count=3", "islands.epoch=2000"]


def test_a_run_is_the_same_again_and_its_counts_are_in_order():
    settings = [*QUICK, "experiments.maximum=2", "hurdle.tasks=2", "evaluation.must_learn=true"]
    one, again = (solve("demo", settings, 3) for _ in range(2))
    one.pop("seconds"), again.pop("seconds")
    assert one == again
    assert one["individuals"] == 8000 and not one["solved"]
    assert 0 < one["evaluations"] < one["programs_run"] < one["individuals"]
    assert solve("demo", [*settings, "experiments.sufficient_fitness=0.01"], 3)["solved"]


def test_rows_of_a_measurement_are_kept_and_written(tmp_path, monkeypatch):
    spaces = {"demo": ("demo", [*QUICK, "experiments.maximum=2"], 2)}
    monkeypatch.setattr(measure_sample_efficiency, "SPACES", spaces)
    monkeypatch.setattr(measure_sample_efficiency, "_ONE_ISLAND", [])
    rows, results = tmp_path / "rows.json", tmp_path / "results.jsonl"
    arguments = ["--space", "demo", "--arm", "plain", "all", "--seeds", "2"]
    for _ in range(2):
        assert (
            measure_sample_efficiency.main(
                [*arguments, "--results", str(results), "--json", str(rows)]
            )
            == 0
        )
    assert len(results.read_text().splitlines()) == 4
    found = {row["name"]: row for row in json.loads(rows.read_text())}
    assert found["demo_all_solved"]["unit"] == "of 2"
    assert found["demo_all_evaluations_ratio"]["target"] == ">= 3"


@pytest.mark.slow
def test_several_workers_find_the_same():
    jobs = [(str(seed), ("demo", [*QUICK, "experiments.maximum=1"], seed)) for seed in range(3)]
    found = []
    for workers in (1, 2):
        with solver(ResultFile(None), workers) as run_all:
            found.append([{**run, "seconds": 0} for run in run_all(jobs)])
    assert found[0] == found[1]


def test_wilson_intervals_are_the_textbooks():
    assert measure_evolution_vs_random.wilson(0, 30) == pytest.approx((0, 0.1135), abs=1e-4)
    assert measure_evolution_vs_random.wilson(15, 30) == pytest.approx((0.3315, 0.6685), abs=1e-4)


def test_random_search_draws_every_individual_anew(monkeypatch, tmp_path):
    config = load_config("demo", measure_evolution_vs_random.METHODS["random"])
    weights = config.mutation.weights
    assert config.mutation.probability == 1
    assert weights.randomize_algorithm == sum(weights.as_tuple()) > 0
    monkeypatch.setattr(measure_evolution_vs_random, "_COMMON", QUICK)
    path = tmp_path / "rows.json"
    assert measure_evolution_vs_random.main(["--quick", "--seeds", "1", "--json", str(path)]) == 0
    found = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    assert found["random_success"] in (0, 100) and found["random_individuals"] == 8000
