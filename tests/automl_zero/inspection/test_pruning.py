"""Lines that a fitness does not need."""

from __future__ import annotations

import pytest

from automl_zero import evaluate
from automl_zero.evolution import hand_built_program
from automl_zero.inspection import pruned, simplify
from automl_zero.liveness import REGRESSION
from automl_zero.program import Program
from automl_zero.tasks import regression_tasks

TASKS = regression_tasks("linear", count=3, features=4, train=200, seed=1)


def fitness(program: Program) -> float:
    return float(evaluate(program, TASKS).mean())


def test_what_earns_nothing_goes_and_what_earns_stays() -> None:
    linear = hand_built_program("linear")
    extra = Program.parse(
        "def Setup():\ndef Predict():\n  s3 = sin(s1)\n  s3 = s3 * s3\ndef Learn():"
    )
    tail = Program.parse("def Setup():\n  s5 = 1e-12\ndef Predict():\ndef Learn():\n"
                         "  v3 = s5 * v0\n  v1 = v1 + v3")
    whole = linear.replace(
        setup=linear["setup"] + tail["setup"],
        predict=linear["predict"] + extra["predict"],
        learn=linear["learn"] + tail["learn"],
    )
    short = pruned(whole, fitness, REGRESSION, tolerance=1e-6)
    assert len(short) == len(simplify(linear, REGRESSION))
    assert fitness(short) == pytest.approx(fitness(linear), abs=1e-6)


def test_without_tolerance_the_fitness_never_falls() -> None:
    linear = hand_built_program("linear")
    short = pruned(linear, fitness, REGRESSION)
    assert fitness(short) >= fitness(linear)


def test_the_tolerance_is_for_all_lines_together() -> None:
    def length(program: Program) -> float:
        return len(program)

    linear = simplify(hand_built_program("linear"), REGRESSION)
    assert len(linear) - len(pruned(linear, length, REGRESSION, tolerance=2.5)) <= 2


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance: expected a number >= 0"):
        pruned(hand_built_program("linear"), fitness, tolerance=-1)
