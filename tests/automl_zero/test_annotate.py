"""Comments on programs: right where given, absent where a role is uncertain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_zero.annotate import NO_EFFECT, annotate, line_comments
from automl_zero.ops import OPS
from automl_zero.program import Instruction, Program

LINEAR = """
def Setup():
  s2 = 0.1
def Predict():
  s1 = dot(v1, v0)
def Learn():
  s3 = s0 - s1
  s3 = s3 * s2
  v2 = s3 * v0
  v1 = v1 + v2
"""

NETWORK = """
def Setup():
  v2 = gaussian(0, 0.1, n_features)
  m0 = gaussian(0, 0.1, (n_features, n_features))
  s3 = 0.01
def Predict():
  v3 = dot(m0, v0)
  v3 = v3 + v1
  v4 = maximum(v3, v5)
  s1 = dot(v4, v2)
  s1 = s1 + s2
def Learn():
  s4 = s0 - s1
  s4 = s3 * s4
  s2 = s2 + s4
  v6 = s4 * v4
  v2 = v2 + v6
  v7 = s4 * v2
  v8 = heaviside(v3, 1.0)
  v7 = v8 * v7
  v1 = v1 + v7
  m1 = outer(v7, v0)
  m0 = m0 + m1
"""


def comments(text: str) -> list[str]:
    return [line for lines in line_comments(Program.parse(text)).values() for line in lines]


def test_linear_regression_is_read_in_full() -> None:
    assert comments(LINEAR) == [
        "learning rate",
        "prediction = weights · features",
        "error = label - prediction",
        "error × learning rate",
        "error × learning rate × features",
        "weights += error × learning rate × features",
    ]


def test_two_layer_network_is_read_in_full() -> None:
    assert comments(NETWORK) == [
        "weights: random start",
        "weight matrix: random start",
        "learning rate",
        "hidden layer = weight matrix · features",
        "hidden layer + bias v1",
        "ReLU of the hidden layer",
        "weights · hidden layer",
        "prediction = weighted sum + bias s2",
        "error = label - prediction",
        "learning rate × error",
        "bias s2 += learning rate × error",
        "learning rate × error × hidden layer",
        "weights += learning rate × error × hidden layer",
        "learning rate × error × weights",
        "1 where the hidden layer is positive",
        "(hidden layer > 0) × learning rate × error × weights",
        "bias v1 += (hidden layer > 0) × learning rate × error × weights",
        "(hidden layer > 0) × learning rate × error × weights × features",
        "weight matrix += (hidden layer > 0) × learning rate × error × weights × features",
    ]


def test_dead_lines_have_no_effect_and_hide_nothing() -> None:
    text = LINEAR.replace("  s2 = 0.1\n", "  s2 = 0.1\n  s2 = 0.1\n  NoOp()\n", 1)
    text = text.replace("  s2 = 0.1\n", "  s2 = 7.0\n", 1) + "  s2 = abs(s2)\n"
    text = text.replace("  s2 = abs(s2)\n", "  s3 = abs(s2)\n")
    found = comments(text)
    assert found[:3] == [NO_EFFECT, "learning rate", NO_EFFECT]
    assert found[-1] == NO_EFFECT
    assert found[3:-1] == comments(LINEAR)[1:]


def test_swapped_error_and_difference_are_read_too() -> None:
    text = LINEAR.replace("s0 - s1", "s1 - s0").replace("v1 + v2", "v1 - v2")
    assert comments(text)[2] == "negative error = prediction - label"
    assert comments(text)[-1] == "weights -= negative error × learning rate × features"


def test_constant_set_in_learn_is_a_learning_rate_too() -> None:
    text = LINEAR.replace("  s2 = 0.1\n", "").replace("Learn():\n", "Learn():\n  s2 = 0.1\n")
    assert comments(text)[1] == "learning rate"


def test_constant_that_predict_reads_is_no_learning_rate() -> None:
    text = LINEAR.replace("dot(v1, v0)\n", "dot(v1, v0)\n  s1 = s1 * s2\n")
    found = comments(text)
    assert found[0] == ""
    assert "error × 0.1" in found


def test_constant_that_is_also_added_is_no_learning_rate() -> None:
    text = LINEAR.replace("s3 = s0 - s1", "s3 = s0 - s1\n  s3 = s3 + s2")
    assert comments(text)[0] == ""


def test_constant_that_changes_is_no_learning_rate() -> None:
    text = LINEAR + "  s2 = s2 * s2\n"
    assert comments(text)[0] == ""


def test_register_that_predict_overwrites_is_not_learnt() -> None:
    text = LINEAR.replace("dot(v1, v0)\n", "dot(v1, v0)\n  v1 = abs(v1)\n")
    assert not any("weights" in comment for comment in comments(text))


def test_register_that_gathers_features_only_is_not_learnt() -> None:
    text = """
def Setup():
def Predict():
  s1 = dot(v1, v0)
def Learn():
  v1 = v1 + v0
"""
    assert comments(text) == ["prediction", ""]


def test_setup_value_of_a_learnt_register_is_not_taken_for_the_learnt_one() -> None:
    text = LINEAR.replace("  s2 = 0.1\n", "  s2 = 0.1\n  v1 = bcast(s2)\n  v3 = v1 + v1\n")
    text = text.replace("s1 = dot(v1, v0)", "s1 = dot(v3, v0)\n  s4 = dot(v1, v0)\n  s1 = s1 + s4")
    found = comments(text)
    position = text.strip().splitlines().index("  s1 = dot(v3, v0)") - 2  # two def lines above
    assert found[position] == ""


def test_overwritten_label_is_no_label() -> None:
    text = LINEAR.replace("  s3 = s0 - s1", "  s0 = abs(s0)\n  s3 = s0 - s1")
    assert not any("error" in comment for comment in comments(text))


def test_previous_prediction_is_not_called_prediction() -> None:
    text = LINEAR.replace(
        "  s1 = dot(v1, v0)", "  s4 = abs(s1)\n  s1 = dot(v1, v0)\n  s1 = s1 + s4"
    )
    assert comments(text)[1] == ""


def test_other_component_functions_get_no_comments() -> None:
    program = Program(
        setup=[Instruction("SCALAR_CONST_SET_OP", out=2, act=0.1)],
        update=[Instruction("SCALAR_SUM_OP", in1=0, in2=2, out=1)],
    )
    assert annotate(program) == str(program)


def test_comments_are_aligned() -> None:
    columns = {
        line.index("#") for line in annotate(Program.parse(NETWORK)).splitlines() if "#" in line
    }
    assert len(columns) == 1


@st.composite
def programs(draw: st.DrawFn) -> Program:
    def instruction() -> Instruction:
        op = draw(st.sampled_from(OPS))
        names = ("in1", "in2")[: op.arity] + (("out",) if op.output else ())
        registers = {name: draw(st.integers(0, 3)) for name in names}
        constants = {name: draw(st.floats(0, 0.9)) for name in op.constant_fields}
        return Instruction(op, **registers, **constants)

    return Program(
        **{
            name: [instruction() for _ in range(draw(st.integers(0, 6)))]
            for name in ("setup", "predict", "learn")
        }
    )


@given(programs())
def test_annotated_text_is_still_the_program(program: Program) -> None:
    assert Program.parse(annotate(program)) == program


@given(programs())
def test_every_line_has_a_place_for_its_comment(program: Program) -> None:
    found = line_comments(program)
    assert {name: len(lines) for name, lines in found.items()} == {
        name: len(body) for name, body in program.items()
    }


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_can_be_annotated(op) -> None:  # type: ignore[no-untyped-def]
    registers = dict.fromkeys(("in1", "in2")[: op.arity] + (("out",) if op.output else ()), 1)
    program = Program(setup=[], predict=[Instruction(op, **registers)], learn=[])
    assert len(annotate(program).splitlines()) == 4
