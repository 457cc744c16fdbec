"""Tasks of rules, their fitness, the funnel."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from l2o.rules import (
    RuleFitness,
    RuleTasks,
    Stage,
    evaluate_rule,
    hand_written_rule,
    parse_rule,
    run_funnel,
    tuned_runs,
)
from l2o.rules.optimizees import compile_problems, logistic_regression, quadratic

EMPTY = parse_rule("def Setup():\ndef Update():")
NAN = parse_rule("def Setup():\ndef Update():\n  v2 = v3 / v3")
EXPLODING = parse_rule("def Setup():\n  s4 = 1e300\ndef Update():\n  v2 = s4 * v0")


def tasks(**options: Any) -> RuleTasks:
    settings: dict[str, Any] = {
        "optimizees": (quadratic(6, condition=10.0), quadratic(4, condition=3.0)),
        "steps": 20,
        "seeds": 2,
        "learning_rates": (0.01, 0.1, 1.0),
        **options,
    }
    return RuleTasks(**settings)


def test_a_run_is_that_of_the_best_setting() -> None:
    found = tuned_runs(hand_written_rule("momentum"), tasks(weight_decays=(0.0, 0.1)), seed=3)
    assert len(found) == 2
    for run in found:
        assert run.log_loss == pytest.approx(np.log(run.final).mean())
        assert run.final.shape == (2,) and run.curve.shape == (20,)
        assert run.learning_rate in (0.01, 0.1, 1.0) and run.weight_decay in (0.0, 0.1)
        assert run.is_at_edge == (run.learning_rate != 0.1)
        worse = tuned_runs(
            hand_written_rule("momentum"), tasks(learning_rates=(0.01,), weight_decays=(0.1,)), 3
        )
        assert min(run.log_loss - other.log_loss for other in worse) <= 0


def test_variants_are_other_problems_and_all_of_them_count() -> None:
    rule = hand_written_rule("sgd")
    (one,) = tuned_runs(rule, tasks(optimizees=(quadratic(6),), variants=1), seed=3)
    (three,) = tuned_runs(rule, tasks(optimizees=(quadratic(6),), variants=3), seed=3)
    assert three.final.shape == (6,) and three.curve.shape == (20,)
    assert len(np.unique(three.final)) == 6
    assert set(one.final) <= set(three.final) or one.learning_rate != three.learning_rate


def test_training_loss_is_the_mean_of_the_last_quarter() -> None:
    chosen = tasks(optimizees=(logistic_regression(train=100),), measure="training", seeds=1,
                   learning_rates=(0.1,))
    (run,) = tuned_runs(hand_written_rule("sgd"), chosen, seed=1)
    assert run.final[0] == pytest.approx(run.curve[-5:].mean())
    assert 0 < run.accuracy[0] <= 1


def test_the_baseline_has_fitness_0_and_a_better_rule_more() -> None:
    fitness = RuleFitness(tasks(), seed=1, baseline=hand_written_rule("sgd"))
    assert fitness(hand_written_rule("sgd")) == 0.0
    assert fitness.scores(hand_written_rule("momentum")).shape == (2,)
    assert fitness(EMPTY) < 0
    half = RuleFitness(tasks(), seed=1, baseline=hand_written_rule("sgd"), bound=0.25)
    assert np.all(np.abs(half.scores(EMPTY)) <= 0.25)


def test_a_score_is_the_bounded_log_of_the_ratio_of_losses() -> None:
    fitness = RuleFitness(tasks(), seed=1, baseline=hand_written_rule("sgd"), bound=2.0)
    runs = tuned_runs(hand_written_rule("adamw"), tasks(), seed=1)
    base = tuned_runs(hand_written_rule("sgd"), tasks(), seed=1)
    gain = np.array([one.log_loss - other.log_loss for one, other in zip(base, runs, strict=True)])
    assert fitness.scores_of(runs) == pytest.approx(2 * np.tanh(gain / 2))


def test_a_rule_below_the_hurdle_is_judged_by_the_first_tasks() -> None:
    sgd = hand_written_rule("sgd")
    plain = RuleFitness(tasks(), seed=1, baseline=sgd)
    hurdle = RuleFitness(tasks(), seed=1, baseline=sgd, hurdle=-0.1)
    scores = plain.scores(EMPTY)
    assert scores[0] < -0.1 and scores[0] != scores.mean()
    assert hurdle(EMPTY) == scores[0]
    assert np.array_equal(hurdle.scores(EMPTY), scores)
    nesterov = hand_written_rule("nesterov")
    assert hurdle(nesterov) == plain(nesterov) > -0.1
    with pytest.raises(ValueError, match="hurdle: expected"):
        RuleFitness(tasks(), hurdle=float("nan"))


@pytest.mark.parametrize("rule", [NAN, EXPLODING])
def test_divergence_is_the_lowest_fitness(rule: Any) -> None:
    fitness = RuleFitness(tasks(), bound=1.5)
    assert fitness(rule) == -1.5
    assert fitness.probe(rule) == -1.5


def test_the_probe_tells_rules_apart_by_what_they_do() -> None:
    fitness = RuleFitness(tasks())
    sgd = fitness.probe(hand_written_rule("sgd"))
    same = fitness.probe(
        parse_rule("def Setup():\ndef Update():\n  v3 = v0 + v0\n  v2 = v3 - v0")
    )
    assert isinstance(sgd, str) and sgd == same
    assert fitness.probe(hand_written_rule("lion")) != sgd
    # Weight decay is 0 here: with one, SGD and this rule differ.
    decayed = RuleFitness(tasks(weight_decays=(0.0, 0.1)))
    plain = parse_rule("def Setup():\ndef Update():\n  v3 = v0 + v0\n  v2 = v3 - v0")
    assert decayed.probe(hand_written_rule("sgd")) != decayed.probe(plain)


def test_fitness_is_pure_and_small_when_it_travels() -> None:
    fitness = RuleFitness(tasks(), seed=5)
    before = fitness(hand_written_rule("lion"))
    data = pickle.dumps(fitness)
    assert len(data) < 4000
    again = pickle.loads(data)
    assert again(hand_written_rule("lion")) == before
    assert again.probe(hand_written_rule("lion")) == fitness.probe(hand_written_rule("lion"))
    assert RuleFitness(tasks(), seed=6)(hand_written_rule("lion")) != before


def test_a_linear_schedule_ends_at_no_change() -> None:
    (problem,) = compile_problems([quadratic(5)], seeds=[1], steps=10)
    sgd = hand_written_rule("sgd")
    constant, linear = (
        evaluate_rule(sgd, problem, learning_rates=[0.1], schedule=name).loss[0, 0]
        for name in ("constant", "linear")
    )
    assert constant[:2] == pytest.approx(linear[:2]) and constant[2] < linear[2]
    with pytest.raises(ValueError, match="schedule: expected one of constant, linear"):
        evaluate_rule(sgd, problem, learning_rates=[0.1], schedule="cosine")  # type: ignore[arg-type]


def test_tasks_survive_as_plain_data() -> None:
    chosen = tasks(weight_decays=(0.0, 0.01), variants=3, measure="training", precision="float32")
    assert RuleTasks.from_data(chosen.to_data()) == chosen
    assert chosen.settings == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problems": []}, "problems: expected at least one"),
        ({"problems": 3}, "problems: expected a list"),
        ({"problems": [3]}, "problems: expected tables"),
        ({"problems": [{"kind": "cubic"}]}, r"problems: \[0\]: optimizee.kind"),
        ({"steps": 1}, "steps: expected an integer in 2"),
        ({"variants": 0}, "variants: expected"),
        ({"seeds": 0}, "seeds: expected"),
        ({"learning_rates": []}, "learning_rates: expected a list"),
        ({"learning_rates": [0.1, 0.1]}, "learning_rates: expected rising"),
        ({"learning_rates": [0.0]}, "learning_rates: expected"),
        ({"weight_decays": [-0.1]}, "weight_decays: expected"),
        ({"measure": "test"}, "measure: expected one of"),
        ({"schedule": "cosine"}, "schedule: expected one of"),
        ({"precision": "float16"}, "precision: expected one of"),
        ({"stepz": 3}, r"stepz: unknown key \(did you mean 'steps'"),
    ],
)
def test_wrong_tasks_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RuleTasks.from_data({**tasks().to_data(), **changes})


STEEP: dict[str, Any] = {"optimizees": (quadratic(6, condition=300.0),), "seeds": 1}
STAGES = [
    Stage("short", tasks(steps=60, **STEEP)),
    Stage("longer", tasks(steps=80, **STEEP)),
    Stage("final", tasks(steps=100, **STEEP)),
]
RULES = {
    "nothing": EMPTY,
    "adamw": hand_written_rule("adamw"),
    "momentum": hand_written_rule("momentum"),
}


def test_only_what_beats_the_baselines_goes_on_and_one_rule_gets_to_the_end() -> None:
    seen: list[str] = []
    result = run_funnel(
        RULES, STAGES, beat={"sgd": hand_written_rule("sgd")}, seed=2,
        on_stage=lambda stage: seen.append(stage.name),
    )  # fmt: skip
    assert seen == ["short", "longer", "final"] and result.beats_all
    first, second, last = result.stages
    assert {item.name for item in first.rules} == set(RULES)
    assert "nothing" not in first.passed
    assert {item.name for item in second.rules} == set(first.passed)
    assert [item.name for item in last.rules] == [result.winner] == [second.passed[0]]
    data = result.to_data()
    assert data["stages"][0]["rules"][0]["score"] == first.rules[0].score


def test_a_funnel_without_a_survivor_ends_early() -> None:
    result = run_funnel({"nothing": EMPTY}, STAGES, beat={"sgd": hand_written_rule("sgd")})
    assert len(result.stages) == 1 and not result.beats_all and result.winner == "nothing"


def test_a_rule_must_beat_each_of_the_baselines() -> None:
    beat = {name: hand_written_rule(name) for name in ("sgd", "momentum", "adamw")}
    result = run_funnel({"again": hand_written_rule("adamw")}, STAGES[:1], beat=beat)
    assert result.stages[0].passed == ()


def test_a_funnel_needs_rules_and_baselines() -> None:
    with pytest.raises(ValueError, match="rules: expected at least one"):
        run_funnel({}, STAGES, beat={"sgd": EMPTY})
    with pytest.raises(ValueError, match="beat: expected at least one"):
        run_funnel(RULES, STAGES, beat={})
