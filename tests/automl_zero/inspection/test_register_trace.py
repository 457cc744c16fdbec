"""Steps of a training example: what the reference interpreter does, register by register."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from automl_zero import Program, reference
from automl_zero.evolution import hand_built_program
from automl_zero.inspection import trace_registers
from automl_zero.program import MAX_REGISTERS
from automl_zero.tasks import Task, linear
from tests.strategies import programs, tasks

LINEAR = hand_built_program("linear")


def shown(steps):
    return [(step.component, str(step.instruction or step.note)) for step in steps]


def test_the_first_example_starts_with_setup():
    assert shown(trace_registers(LINEAR, linear())) == [
        ("setup", "s2 = 0.01"),
        ("predict", "features"),
        ("predict", "no label"),
        ("predict", "s1 = dot(v1, v0)"),
        ("learn", "features"),
        ("learn", "label"),
        ("learn", "s3 = s0 - s1"),
        ("learn", "s3 = s2 * s3"),
        ("learn", "v2 = s3 * v0"),
        ("learn", "v1 = v1 + v2"),
    ]
    assert shown(trace_registers(LINEAR, linear(), 5))[0] == ("predict", "features")


def test_a_step_knows_what_the_register_held_before_and_after():
    *_, update = trace_registers(LINEAR, linear(), 0)
    *_, next_update = trace_registers(LINEAR, linear(), 1)
    assert update.register == ("v", 1)
    assert update.position == 3
    assert update.is_change
    np.testing.assert_array_equal(update.after, next_update.before)
    assert np.count_nonzero(update.before) == 0


def test_classification_squashes_the_prediction_before_learn():
    task = Task([[1.0]], [1.0], [[1.0]], [1.0], objective="accuracy")
    steps = list(trace_registers(LINEAR, task))
    squashed = next(step for step in steps if step.note == "sigmoid")
    assert (squashed.before, squashed.after) == (0.0, 0.5)
    error = next(step for step in steps if str(step.instruction) == "s3 = s0 - s1")
    assert error.after == 0.5


def test_the_failing_example_ends_after_predict():
    program = Program.parse("def Setup():\ndef Predict():\n  s1 = s2 / s3\ndef Learn():")
    steps = list(trace_registers(program, linear()))
    assert steps[-1].component == "predict"
    assert np.isnan(steps[-1].after)
    with pytest.raises(ValueError, match=r"example: expected at most 0, .*train_nan.*received 1"):
        trace_registers(program, linear(), 1)


def test_an_error_limit_can_be_given():
    steps = list(trace_registers(LINEAR, linear(), max_abs_error=1e-9))
    assert steps[-1].component == "predict"


@pytest.mark.parametrize("example", [-1, 100, 1.5, None])
def test_examples_that_do_not_exist_are_errors(example):
    with pytest.raises(ValueError, match="example: expected an integer in 0..99"):
        trace_registers(LINEAR, linear(), example)


@given(programs(), tasks(max_epochs=1))
@settings(max_examples=100, deadline=None)
def test_the_last_example_leaves_the_memory_that_training_leaves(program, task):
    last = len(task.train_y) - 1
    whole = reference.evaluate(program, task, valid_limit=0)
    if whole.stop != "none":
        last = whole.stop_step
    final = {}
    for example in range(last + 1):
        for step in trace_registers(program, task, example):
            np.testing.assert_array_equal(step.before, final.get(step.register, 0.0))
            final[step.register] = step.after
    for register, content in final.items():
        assert register[1] < MAX_REGISTERS
        np.testing.assert_array_equal(content, whole.memory[register])
