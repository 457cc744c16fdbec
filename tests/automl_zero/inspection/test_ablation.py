"""What instructions are worth: the fitness without them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from automl_zero import Program, evaluate
from automl_zero.evolution import hand_built_program
from automl_zero.inspection import ablation
from automl_zero.tasks import linear, regression_tasks
from tests.strategies import programs, tasks

LINEAR = hand_built_program("linear")


def test_each_instruction_of_a_linear_model_is_worth_much():
    shaped = regression_tasks("linear", 3, train=1000)
    rows = ablation(LINEAR, shaped)
    whole = evaluate(LINEAR, shaped)
    assert len(rows) == len(LINEAR)
    for row in rows:
        assert row.instruction == LINEAR[row.component][row.position]
        assert row.is_live
        assert row.difference == pytest.approx(row.fitness - whole.mean())
        assert row.difference < -0.1
        assert row.task_differences.shape == (3,)


def test_dead_code_is_worth_nothing():
    program = LINEAR.replace(setup=[*LINEAR["setup"], *LINEAR["learn"][:1]])
    row = ablation(program, linear())[1]
    assert (row.is_live, row.difference) == (False, 0.0)


def test_harm_is_a_positive_difference():
    text = str(LINEAR).replace("dot(v1, v0)", "dot(v1, v0)\n  s1 = abs(s1)")
    row = next(r for r in ablation(Program.parse(text), linear(train=500)) if "abs" in str(r))
    assert row.difference > 0.1
    assert str(row) == f"+{row.difference:.3f} without: s1 = abs(s1)"


@given(programs(max_size=4), tasks())
@settings(max_examples=30)
def test_a_row_is_the_program_without_its_instruction(program, task):
    whole = evaluate(program, task)[0, 0]
    for row in ablation(program, task):
        body = list(program[row.component])
        del body[row.position]
        without = evaluate(program.replace(**{row.component: body}), task)[0, 0]
        assert (row.fitness, row.difference) == (without, without - whole)
        assert row.is_live or not row.difference


def test_options_reach_the_evaluation():
    rows = ablation(LINEAR, linear(), max_abs_error=1e-9, precision="float32")
    assert {row.fitness for row in rows} == {0.0}
    assert all(np.array_equal(row.task_differences, [0.0]) for row in rows)


@pytest.mark.parametrize("given", [None, [LINEAR], "def Setup():"])
def test_only_one_program_is_accepted(given):
    with pytest.raises(ValueError, match=r"programs\[0\]: expected a Program"):
        ablation(given, linear())
