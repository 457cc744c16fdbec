"""The compiled harness of update rules against its NumPy reference, and its promises."""

import math
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl_zero.evaluation import _engine
from automl_zero.liveness import live_program
from automl_zero.program import Program
from l2o.rules import UPDATE_RULE, evaluate_rule, parse_rule
from l2o.rules.optimizees import (
    compile_problems,
    logistic_regression,
    mlp,
    quadratic,
    rastrigin,
    rosenbrock,
)
from tests.rules import RULE_OPS, by_reference, item, rules

SGD = parse_rule("def Setup():\n  s4 = 1.0\ndef Update():\n  v2 = s4 * v0")
ADAMW = parse_rule(
    """
def Setup():
  s4 = 0.9
  s5 = 0.999
  s6 = 1e-08
  s7 = 1.0
def Update():
  v3 = interpolate(v3, v0, 0.1)
  v4 = v0 * v0
  v5 = interpolate(v5, v4, 0.001)
  s8 = power(s4, s0)
  s8 = s7 - s8
  s9 = power(s5, s0)
  s9 = s7 - s9
  s9 = sqrt(s9)
  s9 = s9 / s8
  v6 = sqrt(v5)
  v7 = bcast(s6)
  v6 = v6 + v7
  v6 = v3 / v6
  v6 = s9 * v6
  v7 = s3 * v1
  v2 = v6 + v7
"""
)

SMALL = [
    quadratic(7),
    quadratic(3, condition=1e4, seed=2),
    rosenbrock(5),
    rastrigin(6),
    logistic_regression(batch=5, train=40, held_out=10),
    mlp(hidden=(6,), batch=9, train=40, held_out=70),
    mlp(hidden=(5, 3), activation="tanh", batch=4, train=40, held_out=9),
]
PROBLEMS = compile_problems(SMALL, seeds=[3, 1, 2], steps=6)
NAMES = [f"{p.optimizee.kind}{p.sizes}" for p in PROBLEMS]


def outcomes(result):
    return b"".join(array.tobytes() for array in (result.loss, result.final, result.accuracy))


# Against the reference --------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    rule=rules(),
    problem=st.sampled_from(PROBLEMS),
    rates=st.lists(st.sampled_from([0.001, 0.1, -0.3, 1.0]), min_size=1, max_size=2),
    decays=st.lists(st.sampled_from([0.0, 0.1]), min_size=1, max_size=2),
)
@example(ADAMW, PROBLEMS[4], [0.1], [0.1])
@example(ADAMW, PROBLEMS[6], [0.1, 0.01], [0.1])
def test_any_rule_trains_as_in_the_reference_to_the_bit(rule, problem, rates, decays):
    result = evaluate_rule(rule, problem, learning_rates=rates, weight_decays=decays)
    for setting, (rate, decay) in enumerate(
        zip(result.learning_rates, result.weight_decays, strict=True)
    ):
        for seed in (0, 2):
            loss, final, accuracy = by_reference(rule, problem, rate, decay, seed, problem.steps)
            np.testing.assert_array_equal(result.loss[setting, seed], loss)
            np.testing.assert_array_equal(result.final[setting, seed], final)
            np.testing.assert_array_equal(result.accuracy[setting, seed], accuracy)


@pytest.mark.parametrize("op", RULE_OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("problem", [PROBLEMS[2], PROBLEMS[5]], ids=["one", "four_tensors"])
def test_every_op_works_in_setup_and_update(op, problem):
    inputs = {"s": ("s4", "s6"), "v": ("v3", "v6")}
    words = {"a": "", "b": ""} | {
        word: inputs[kind][position]
        for position, (word, kind) in enumerate(zip("ab", op.inputs, strict=False))
    }
    constants = {role.name: 0.25 + 0.125 * i for i, role in enumerate(op.constants)}
    line = op.text.format(out=f"{op.output}5", **words, **constants)
    reader = "v2 = s5 * v0" if op.output == "s" else "v2 = v5 + v0"
    rule = parse_rule(
        f"""
def Setup():
  s4 = 0.5
  s6 = 0.75
  v3 = gaussian(0.0, 1.0, n_features)
  v6 = uniform(0.0, 1.0, n_features)
  {line}
def Update():
  {reader}
  {line}
  v3 = v0 + v3
"""
    )
    result = evaluate_rule(rule, problem, learning_rates=[0.01])
    for seed in range(3):
        loss, final, _ = by_reference(rule, problem, 0.01, 0.0, seed, problem.steps)
        np.testing.assert_array_equal(result.loss[0, seed], loss)
        np.testing.assert_array_equal(result.final[0, seed], final)
    assert len(np.unique(result.loss[0, 0])) > 1


@pytest.mark.parametrize("number", range(len(SMALL)))
def test_float32_follows_float64_for_some_steps(number):
    (narrow,) = compile_problems([SMALL[number]], seeds=[3, 1, 2], steps=6, precision="float32")
    for rule in (SGD, ADAMW):
        options = {"learning_rates": [0.001], "weight_decays": [0.1]}
        found = evaluate_rule(rule, narrow, **options)
        expected = evaluate_rule(rule, PROBLEMS[number], **options)
        np.testing.assert_allclose(found.loss, expected.loss, rtol=2e-4)
        np.testing.assert_allclose(found.final, expected.final, rtol=2e-4)


def test_more_coordinates_than_a_piece_holds():
    (problem,) = compile_problems([rosenbrock(1023)], seeds=[1, 2], steps=4)
    rule = parse_rule(
        """
def Setup():
  s4 = 0.5
def Update():
  v3 = s4 * v0
  s4 = s4 * s4
  v4 = s4 * v1
  v5 = v3 + v4
  s5 = norm(v5)
  v5 = bcast(s5)
  v2 = v4 / v5
  v1 = v2 + v1
  v6 = power(v1, s4)
  v2 = v2 + v6
"""
    )
    result = evaluate_rule(rule, problem, learning_rates=[0.1, 0.2])
    for setting in range(2):
        loss, final, _ = by_reference(rule, problem, 0.1 * (setting + 1), 0.0, 1, 4)
        np.testing.assert_array_equal(result.loss[setting, 1], loss)
        assert result.final[setting, 1] == final or math.isnan(final)


# Lanes ------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("optimizee", SMALL, ids=NAMES)
def test_a_run_does_not_depend_on_what_runs_beside_it(optimizee, precision):
    seeds = [5, 6, 7, 8, 9, 10, 11]
    (together,) = compile_problems([optimizee], seeds=seeds, steps=5, precision=precision)
    rates, decays = [0.3, 0.001, 1e9], [0.0, 0.01]
    whole = evaluate_rule(ADAMW, together, learning_rates=rates, weight_decays=decays)
    assert whole.loss.shape == (6, 7, 5)
    for position, seed in enumerate(seeds[:3]):
        (alone,) = compile_problems([optimizee], seeds=[seed], steps=5, precision=precision)
        for setting in range(6):
            single = evaluate_rule(
                ADAMW,
                alone,
                learning_rates=[whole.learning_rates[setting]],
                weight_decays=[whole.weight_decays[setting]],
            )
            assert single.loss.tobytes() == whole.loss[setting, position].tobytes()
            assert single.final.tobytes() == whole.final[setting, position].tobytes()
            assert single.accuracy.tobytes() == whole.accuracy[setting, position].tobytes()


def test_a_diverged_run_counts_no_more_and_leaves_the_others_alone():
    (problem,) = compile_problems([quadratic(5)], seeds=[1, 2], steps=400)
    calm = evaluate_rule(SGD, problem, learning_rates=[0.5])
    mixed = evaluate_rule(SGD, problem, learning_rates=[0.5, 30.0])
    assert outcomes(calm) == b"".join(
        array[:1].tobytes() for array in (mixed.loss, mixed.final, mixed.accuracy)
    )
    diverged = mixed.loss[1, 0]
    last = int(np.flatnonzero(np.isfinite(diverged))[-1])
    assert 10 < last < 390 and np.isfinite(diverged[:last]).all()
    assert not math.isfinite(diverged[last + 1]) and np.isnan(diverged[last + 2 :]).all()
    assert np.isnan(mixed.final[1]).all()


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_every_instruction_set_gives_the_same_bits(precision, monkeypatch):
    found = set()
    for isa in _engine.instruction_sets():
        monkeypatch.setattr(_engine, "ISA", isa)
        bits = b""
        for problem in compile_problems(SMALL, seeds=range(5), steps=5, precision=precision):
            bits += outcomes(evaluate_rule(ADAMW, problem, learning_rates=[0.01, 0.1]))
            noisy = Program(
                setup=[item("v4 = uniform(-1.0, 1.0, n_features)")],
                update=[
                    item("v5 = gaussian(0.0, 0.1, n_features)"),
                    item("v3 = v0 + v5"),
                    item("s5 = cosine(v3, v4)"),
                    item("s6 = global_norm(v0)"),
                    item("s5 = s5 / s6"),
                    item("v6 = exp(v1)"),
                    item("v2 = s5 * v6"),
                ],
            )
            bits += outcomes(evaluate_rule(noisy, problem, learning_rates=[0.1]))
        found.add(bits)
    assert len(found) == 1


def test_threads_can_try_rules_on_one_problem():
    (problem,) = compile_problems([logistic_regression()], seeds=[1], steps=60)
    expected = outcomes(evaluate_rule(ADAMW, problem, learning_rates=[0.1]))
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(
                outcomes(evaluate_rule(ADAMW, problem, learning_rates=[0.1]))
            )
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6


# What the harness does ---------------------------------------------------------------


def test_dead_code_changes_nothing():
    dead = Program(
        setup=[item("v9 = gaussian(0.0, 1.0, n_features)"), *ADAMW["setup"]],
        update=[item("s12 = uniform(0.0, 1.0)"), *ADAMW["update"], item("v8 = v0 * v0")],
    )
    assert live_program(dead, UPDATE_RULE) == ADAMW
    for problem in PROBLEMS:
        options = {"learning_rates": [0.1], "weight_decays": [0.01]}
        assert outcomes(evaluate_rule(dead, problem, **options)) == outcomes(
            evaluate_rule(ADAMW, problem, **options)
        )


def test_a_rule_may_write_over_what_it_is_given():
    rule = parse_rule(
        "def Setup():\n  s3 = 4.0\n  v1 = bcast(s3)\ndef Update():\n  v0 = v0 + v1\n"
        "  v1 = v1 + v1\n  v2 = v0 + v1\n  s2 = s2 + s0\n  v2 = s2 * v2"
    )
    for problem in PROBLEMS:
        result = evaluate_rule(rule, problem, learning_rates=[1e-4])
        loss, final, _ = by_reference(rule, problem, 1e-4, 0.0, 1, problem.steps)
        np.testing.assert_array_equal(result.loss[0, 1], loss)
        np.testing.assert_array_equal(result.final[0, 1], final)


def test_the_schedule_ends_with_the_steps_that_are_run():
    rule = parse_rule("def Setup():\ndef Update():\n  v2 = s1 * v0")
    (problem,) = compile_problems([quadratic(4)], seeds=[1], steps=50)
    short = evaluate_rule(rule, problem, learning_rates=[0.1], steps=5)
    assert short.loss.shape == (1, 1, 5)
    assert short.loss[0, 0, 0] == short.loss[0, 0, 1]  # position 0: no update
    long = evaluate_rule(rule, problem, learning_rates=[0.1])
    assert long.loss[0, 0, 2] > short.loss[0, 0, 2]


def test_the_global_norm_is_over_all_tensors():
    rule = parse_rule(
        "def Setup():\ndef Update():\n  s4 = global_norm(v0)\n  s4 = 1 / s4\n  v2 = s4 * v0"
    )
    # The minibatch is all there is, so a small step of length 1e-6 tells the gradient's norm.
    (full,) = compile_problems([mlp(hidden=(4,), train=64, batch=64)], seeds=[1], steps=2)
    _, gradient = full.loss_and_gradient()
    found = evaluate_rule(rule, full, learning_rates=[1e-6]).loss[0, 0]
    assert (found[0] - found[1]) / 1e-6 == pytest.approx(np.linalg.norm(gradient), rel=1e-4)


def test_adamw_learns_the_digits():
    (problem,) = compile_problems([mlp(hidden=(32,))], seeds=[0, 1], steps=300)
    result = evaluate_rule(ADAMW, problem, learning_rates=[0.003])
    assert (result.accuracy > 0.9).all()


# Wrong input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "v2 = v0"}, "rule: expected a program of setup, update"),
        ({"problem": quadratic(3)}, "problem: expected a Problem, received Quadratic"),
        ({"learning_rates": []}, "learning_rates: expected at least one number"),
        ({"learning_rates": [0.1, "fast"]}, r"learning_rates\[1\]: expected a number"),
        ({"learning_rates": [math.nan]}, r"learning_rates\[0\]: expected a number"),
        ({"weight_decays": [math.inf]}, r"weight_decays\[0\]: expected a number"),
        ({"steps": 7}, r"steps: expected an integer in 1..6, received 7"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    arguments = {"rule": SGD, "problem": PROBLEMS[0], "learning_rates": [0.1]} | changes
    with pytest.raises(ValueError, match=message):
        evaluate_rule(arguments.pop("rule"), arguments.pop("problem"), **arguments)
