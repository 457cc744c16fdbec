"""Simplified programs: shorter, the same to the last bit, and the rules one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero import evaluate, reference
from automl_zero.evolution import HAND_BUILT_PROGRAMS, hand_built_program
from automl_zero.inspection import simplify
from automl_zero.inspection._webs import packed_registers, split_registers
from automl_zero.liveness import (
    FEATURES,
    LABEL,
    REGRESSION,
    SUPERVISED,
    Harness,
    Stage,
    canonical_program,
    live_instructions,
    live_program,
)
from automl_zero.ops import OPS
from automl_zero.program import Instruction, Program
from automl_zero.tasks import regression_tasks
from tests import workloads
from tests.engine import Single, compiled
from tests.strategies import AWKWARD, programs, tasks
from tests.workloads import mixed_workloads, random_programs, random_tasks

PRECISIONS = ("float64", "float32")

FOLDING_OPS = tuple(
    op
    for op in OPS
    if op.kernel.split("_")[-1]
    in {
        "sum", "diff", "product", "division", "max", "min", "heavyside", "abs", "reciprocal",
        "transpose", "broadcast", "norm", "exp", "log", "cos", "set",
    }
) + tuple(op for op in OPS if "CONST" in op.name) * 2  # fmt: skip
"""Ops that most rules are about, with many constants among them."""


def assert_same_bits(programs, simplified, tasks, **options):
    """Fitness, stops and steps of the simplified programs, by the compiled interpreter."""
    for precision in PRECISIONS:
        expected = compiled(programs, tasks, precision=precision, **options)
        found = compiled(simplified, tasks, precision=precision, **options)
        for index, (old, new) in enumerate(zip(programs, simplified, strict=True)):
            for ours, theirs in zip(found, expected, strict=True):
                assert ours[index].tobytes() == theirs[index].tobytes(), f"{old}\n\n{new}"


def harnesses(objective):
    return (SUPERVISED, REGRESSION) if objective == "rms_error" else (SUPERVISED,)


# Bit for bit -----------------------------------------------------------------------


def test_no_bit_of_any_random_program_changes():
    """3,000 programs of all ops, on tasks of all shapes, in both precisions."""
    lengths = np.zeros(2, int)
    for drawn, shaped, limit in mixed_workloads(5, 150):
        for harness in harnesses(shaped[0].objective):
            simplified = [simplify(program, harness) for program in drawn]
            assert_same_bits(drawn, simplified, shaped, max_abs_error=limit)
        lengths += [
            sum(len(canonical_program(program)) for program in drawn),
            sum(len(program) for program in simplified),
        ]
    assert lengths[1] < 0.9 * lengths[0]  # otherwise this compares nothing


@pytest.mark.parametrize(("objective", "features"), [("rms_error", 4), ("accuracy", 8)])
def test_no_bit_changes_where_constants_are_special(monkeypatch, objective, features):
    numbers = (0.0, -0.0, 1.0, 1.0, -1.0, 0.5, 0.1, math.inf, math.nan)
    monkeypatch.setattr(workloads, "AWKWARD", numbers)
    monkeypatch.setattr(workloads, "AWKWARD_FLOAT32", numbers)
    drawn = random_programs(11, 600, FOLDING_OPS, sizes=(5, 4, 6), awkward=0.9)
    shaped = random_tasks(11, 6, features, epochs=2, objective=objective)
    for harness in harnesses(objective):
        assert_same_bits(drawn, [simplify(program, harness) for program in drawn], shaped)


@pytest.mark.parametrize("objective", ["rms_error", "accuracy"])
def test_the_reference_interpreter_agrees(objective):
    drawn = random_programs(3, 150, sizes=(4, 5, 5), awkward=0.3)
    for number, task in enumerate(random_tasks(3, 2, 4, epochs=2, objective=objective)):
        for program in drawn[number::2]:
            for harness in harnesses(objective):
                old = reference.evaluate(program, task)
                new = reference.evaluate(simplify(program, harness), task)
                assert (old.fitness, old.stop, old.stop_step) == (
                    new.fitness, new.stop, new.stop_step,
                )  # fmt: skip
                for ours, theirs in zip(
                    new.train_predictions + new.valid_predictions,
                    old.train_predictions + old.valid_predictions,
                    strict=True,
                ):
                    # NaN is NaN; else to the bit, the sign of zero included.
                    np.testing.assert_array_equal(ours, theirs)
                    real = ~np.isnan(theirs)
                    assert np.array_equal(np.signbit(ours[real]), np.signbit(theirs[real]))


@given(programs(), tasks())
def test_any_program_keeps_its_fitness_on_any_task(program, task):
    for harness in harnesses(task.objective):
        simplified = simplify(program, harness)
        assert_same_bits([program], [simplified], [task])
        canonical = canonical_program(program)
        assert len(simplified) <= len(canonical)
        simplified.check(canonical.required_memory())


@given(programs())
@settings(max_examples=50)
def test_a_register_for_each_value_and_few_again_change_no_bit(program):
    live = live_program(program)
    split = split_registers(live, SUPERVISED)
    packed = packed_registers(split, SUPERVISED, program.required_memory())
    shaped = random_tasks(2, 3, 4, epochs=2)
    assert len(split) == len(packed) == len(live)
    assert_same_bits([live, live], [split, packed], shaped)
    assert not any(item.output in {LABEL, FEATURES} for item in changed(live, packed))


def changed(old, new):
    pairs = zip(old.items(), new.items(), strict=True)
    bodies = [zip(before, after, strict=True) for (_, before), (_, after) in pairs]
    return [after for body in bodies for before, after in body if before.output != after.output]


@given(programs())
@settings(max_examples=50)
def test_a_simplified_program_is_simple(program):
    simplified = simplify(program)
    assert simplify(simplified) == simplified
    assert simplified == canonical_program(simplified)


def test_the_comparison_notices_a_wrong_rule():
    """The sigmoid between predict and learn is what REGRESSION leaves out."""
    drawn = random_programs(1, 2000, sizes=(2, 4, 5))
    shaped = random_tasks(1, 4, 4, objective="accuracy")
    wrong = [simplify(program, REGRESSION) for program in drawn]
    with pytest.raises(AssertionError):
        assert_same_bits(drawn, wrong, shaped)


@pytest.mark.parametrize("name", HAND_BUILT_PROGRAMS)
def test_hand_built_programs_have_nothing_to_simplify(name):
    program = hand_built_program(name)
    assert simplify(program) == canonical_program(program)


SCALAR_FUNCTIONS = [op for op in OPS if (op.inputs, op.output) == ("s", "s")]


@pytest.mark.parametrize("op", SCALAR_FUNCTIONS, ids=lambda op: op.name)
@pytest.mark.parametrize("value", AWKWARD)
def test_folded_functions_are_what_interpreters_compute(op, value):
    program = Program(
        setup=[
            Instruction("SCALAR_CONST_SET_OP", out=2, act=value),
            Instruction(op, in1=2, out=2),
        ],
        predict=[Instruction("SCALAR_SUM_OP", in1=2, in2=0, out=1)],
        learn=[],
    )
    folded = simplify(program)["setup"]
    if len(folded) == 1 and folded[0].op.name == "SCALAR_CONST_SET_OP":
        computed = Single(op.name)(value)
        assert np.array_equal(folded[0].act, computed, equal_nan=True)
    if op.name == "SCALAR_SIN_OP" and value == 0.5:
        assert len(folded) == 2  # interpreters round it apart


# The rules -------------------------------------------------------------------------


def body_of(setup="", predict="", learn="", harness=SUPERVISED, exact=True):
    """Setup, predict and learn of the simplified program, as lines."""
    texts = {"Setup": setup, "Predict": predict, "Learn": learn}
    lines = "".join(f"def {name}():\n{body}\n" for name, body in texts.items())
    simplified = simplify(Program.parse(lines.replace("; ", "\n")), harness, exact=exact)
    return ["; ".join(map(str, body)) for _, body in simplified.items()]


def predict(text, **options):
    return body_of(predict=text, **options)[1]


SAME_AS_FEATURES = [
    "v1 = maximum(v0, v0)",
    "v1 = minimum(v0, v0)",
    "s2 = 1.0; v1 = s2 * v0",
    "s2 = 1.0; v2 = bcast(s2); v1 = v0 * v2",
    "s2 = 1.0; v2 = bcast(s2); v1 = v0 / v2",
    "v2 = minimum(v2, v2); v1 = v0 - v2",
    "s2 = -0.0; v2 = bcast(s2); v1 = v0 + v2",
    "m0 = outer(v0, v0); m0 = transpose(m0); s2 = 1.0; v1 = s2 * v0",
]


@pytest.mark.parametrize("text", SAME_AS_FEATURES)
def test_what_leaves_every_bit_alone_is_left_out(text):
    assert predict(f"{text}; s1 = norm(v1)") == "s1 = norm(v0)"


NOT_THE_SAME = [
    "v1 = v0 + v2",  # -0 + 0 is 0
    "v1 = v0 - v0",  # infinity - infinity is NaN
    "s2 = 0.0; v1 = s2 * v0",
    "v1 = v0 / v0",
    "v1 = 1 / v0; v1 = 1 / v1",
    "v1 = abs(v0)",
]


@pytest.mark.parametrize("text", NOT_THE_SAME)
def test_what_changes_a_bit_somewhere_is_kept(text):
    assert predict(f"{text}; s1 = mean(v1)").count(";") >= text.count("v1 =")


def test_inexact_algebra_is_that_of_real_numbers():
    def inexact(text):
        return predict(f"{text}; s1 = mean(v1)", exact=False)

    assert inexact("v1 = v0 + v2") == "s1 = mean(v0)"
    assert inexact("v1 = 1 / v0; v1 = 1 / v1") == "s1 = mean(v0)"
    assert predict("s2 = mean(v0); s3 = s2 / s2; s1 = s2 * s3", exact=False) == "s1 = mean(v0)"
    assert predict("s2 = mean(v0); s3 = s2 - s2; s1 = s2 + s3", exact=False) == "s1 = mean(v0)"
    assert predict("s1 = 0.5; s1 = sin(s1)", exact=False) == f"s1 = {math.sin(0.5)!r}"


def test_inexact_simplification_of_well_behaved_programs_is_close():
    program = Program.parse("""
def Setup():
  s2 = 0.3
  s2 = sin(s2)
  v3 = bcast(s2)
def Predict():
  v4 = v1 + v5
  s1 = dot(v4, v0)
def Learn():
  s3 = s0 - s1
  s4 = s2 - s2
  s3 = s3 + s4
  s4 = norm(v3)
  s4 = s4 / s4
  s3 = s2 * s3
  s3 = s3 * s4
  v2 = s3 * v0
  v1 = v1 + v2
""")
    simplified = simplify(program, exact=False)
    assert len(simplified) == 6
    shaped = regression_tasks("linear", 5, train=500)
    assert np.allclose(evaluate(program, shaped), evaluate(simplified, shaped), atol=1e-9)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("v1 = abs(v0); v1 = abs(v1)", "v1 = abs(v0)"),
        ("v1 = heaviside(v0, 1.0); v1 = abs(v1)", "v1 = heaviside(v0, 1.0)"),
        ("v1 = heaviside(v0, 1.0); v1 = heaviside(v1, 1.0)", "v1 = heaviside(v0, 1.0)"),
        ("v1 = v0 * v0; v1 = abs(v1); v1 = v1 + v2", "v1 = v0 * v0"),
        ("m0 = outer(v0, v0); m0 = transpose(m0); v1 = norm(m0, axis=0)",
         "m0 = outer(v0, v0); v1 = norm(m0, axis=0)"),
        ("s2 = -0.5; v2 = bcast(s2); v1 = maximum(v0, v2); v1 = maximum(v1, v2)",
         "s2 = -0.5; v1 = bcast(s2); v2 = maximum(v0, v1)"),
    ],
)  # fmt: skip
def test_rules_about_what_a_value_is_made_of(text, shown):
    result = predict(f"{text}; s1 = mean(v1)")
    assert result.rsplit("; ", 1)[0] == shown


def test_numbers_are_computed_in_setup_and_in_loops():
    setup = "s2 = 0.5; s3 = s2 + s2; s4 = heaviside(s3, 1.0); s5 = cos(s9); s6 = s5 * s2"
    assert body_of(setup, "s1 = s6 * s4; s1 = s1 + s0")[0] == ""
    assert body_of(setup, "s1 = s6 * s4; s1 = s1 + s3")[1] == "s1 = 1.5"


def test_a_number_that_float32_would_round_otherwise_is_computed_at_run_time():
    assert predict("s2 = 0.1; s3 = 0.3; s1 = s2 * s3").count(";") == 2
    assert predict("s2 = 0.125; s3 = 3.0; s1 = s2 * s3") == "s1 = 0.375"


def test_a_label_that_predict_reads_is_zero():
    assert predict("s1 = mean(v0); s2 = s0 * s0; s1 = s1 - s2") == "s1 = mean(v0)"


def test_common_subexpressions_are_computed_once():
    text = "v1 = abs(v0); v2 = abs(v0); s1 = dot(v1, v2)"
    assert predict(text) == "v1 = abs(v0); s1 = dot(v1, v1)"
    text = "s2 = mean(v0); s3 = norm(v0); s4 = s2 * s3; s5 = s3 * s2; s1 = s4 / s5"
    assert predict(text).count(" * ") == 1


def test_learn_uses_what_predict_computed_of_the_same_features():
    bodies = body_of(predict="v1 = abs(v0); s1 = dot(v1, v2)", learn="v3 = abs(v0); v2 = v2 + v3")
    assert bodies[2] == "v2 = v1 + v2"


def test_learn_does_not_take_the_squashed_prediction_for_the_prediction():
    texts = {"predict": "s2 = dot(v0, v1); s1 = dot(v0, v1)", "learn": "v2 = s2 * v0; v1 = v1 + v2"}
    assert body_of(**texts)[1].count(";") == 1
    assert body_of(**texts, harness=REGRESSION)[1] == "s1 = dot(v0, v1)"


def test_registers_that_go_through_the_loop_alike_are_one():
    learn = "v3 = s0 * v0; v1 = v1 + v3; v2 = v2 + v3"
    simplified = body_of(predict="s2 = dot(v1, v0); s3 = dot(v2, v0); s1 = s2 + s3", learn=learn)
    assert simplified[1] in ("s1 = dot(v0, v1); s1 = s1 + s1", "s2 = dot(v0, v1); s1 = s2 + s2")
    assert simplified[2].count("+") == 1


def test_a_register_that_changes_in_a_later_round_is_no_number():
    # s2 is 1 in the first round only.
    bodies = body_of("s2 = 1.0", "s1 = s2 * s3", "s3 = s0 + s3; s2 = s2 + s2")
    assert "s1 = s2 * s3" in bodies[1] or "s1 = s3 * s2" in bodies[1]


def test_registers_equal_in_the_first_round_only_stay_two():
    bodies = body_of(predict="s1 = s2 - s3", learn="s2 = s3 + s0; s3 = abs(s2)")
    assert bodies[1].startswith("s1 = s2 - s3")


def test_a_register_that_is_used_twice_does_not_keep_a_copy_alive():
    """The prediction's register is overwritten in learn before its copy is read."""
    texts = {
        "predict": "s2 = dot(v0, v1); s1 = dot(v0, v1)",
        "learn": "s1 = 0.07; s2 = s0 - s2; v2 = s2 * v0; v2 = s1 * v2; v1 = v1 + v2",
    }
    bodies = body_of(**texts, harness=REGRESSION)
    assert bodies[1] == "s1 = dot(v0, v1)"
    assert bodies[2] == "s2 = 0.07; s1 = s0 - s1; v2 = s1 * v0; v2 = s2 * v2; v1 = v1 + v2"


def test_a_copy_is_computed_in_place():
    assert predict("s2 = mean(v0); s1 = maximum(s2, s2)") == "s1 = mean(v0)"
    assert predict("v2 = abs(v0); v1 = v2 - v5; s1 = mean(v1)") == "v1 = abs(v0); s1 = mean(v1)"


def test_a_copy_of_what_is_still_needed_stays():
    bodies = body_of(
        predict="s1 = dot(v0, v1); v1 = v1 + v0", learn="v2 = maximum(v1, v1); v1 = s0 * v2"
    )
    assert bodies[2] == "v1 = s0 * v1"
    kept = body_of(predict="s1 = dot(v2, v1)", learn="v2 = maximum(v1, v1); v1 = v1 + v0")
    assert kept[2] == "v2 = maximum(v1, v1); v1 = v0 + v1"


def test_a_copy_of_a_register_that_was_written_in_part_stays():
    text = "v2[0.25] = 3.0; v1 = maximum(v2, v2); v2 = abs(v0); s1 = dot(v1, v2)"
    assert predict(text).count("; ") == 3


def test_overwritten_elements_are_not_set():
    setup = "v1[0.25] = 1.0; v1[0.25] = 3.0"
    assert body_of(setup, "s1 = mean(v1)")[0] == "v1[0.25] = 3.0"
    between = setup.replace("; ", "; v1[0.5] = 2.0; ")
    assert body_of(between, "s1 = mean(v1)")[0] == between
    assert body_of("v1[0.25] = 0.0", "s1 = dot(v0, v1)")[0] == ""


# Random ops ------------------------------------------------------------------------


def test_a_random_op_that_others_follow_keeps_its_number():
    """The first op is always 0.5; the second one's numbers hang on there being a first."""
    random = "s2 = uniform(0.5, 0.25); s3 = uniform(0.0, 1.0)"
    bodies = body_of(random, "s1 = s2 * s3")
    assert bodies[0] == random
    assert body_of("s2 = uniform(0.5, 0.25)", "s3 = s2 * s0; s1 = mean(v0); s1 = s1 - s3") == [
        "", "s1 = mean(v0)", "",
    ]  # fmt: skip
    assert body_of("s2 = uniform(0.5, 0.25)", "s3 = mean(v0); s1 = s2 * s3")[0] == "s2 = 0.5"


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=12, max_size=12))
def test_live_random_ops_are_the_first_of_those_before(numbers):
    setup = [
        Instruction("SCALAR_UNIFORM_SET_OP", out=2 + i, f0=low, f1=high)
        for i, (low, high) in enumerate(zip(numbers[:6], numbers[6:], strict=True))
    ]
    predict = [Instruction("SCALAR_SUM_OP", in1=1, in2=2 + i, out=1) for i in range(6)]
    program = Program(setup=setup, predict=predict, learn=[])
    simplified = simplify(program)
    assert all(live_instructions(simplified)["setup"])
    before = [item.constants for item in canonical_program(program)["setup"]]
    after = [item.constants for item in simplified["setup"] if item.op.random]
    assert after == before[: len(after)]
    task = random_tasks(1, 1, 2)
    assert_same_bits([program], [simplified], task)


def test_two_draws_are_never_equal():
    setup = "s2 = uniform(0.0, 1.0); s3 = uniform(0.0, 1.0)"
    assert body_of(setup, "s1 = s2 - s3")[0] == setup


# Other harnesses -------------------------------------------------------------------


def test_other_harnesses_can_be_given():
    harness = Harness(
        (
            Stage("setup", followed_by=("update",)),
            Stage(
                "update",
                filled=frozenset({("v", 0)}),
                read=frozenset({("v", 1)}),
                followed_by=("update",),
            ),
        )
    )
    text = "def Setup():\n s2 = 1.0\ndef Update():\n v2 = s2 * v0\n v1 = abs(v2)"
    program = Program.parse(text, ("setup", "update"))
    assert str(simplify(program, harness)) == "def Setup():\ndef Update():\n  v1 = abs(v0)"
    with pytest.raises(ValueError, match="expected the component functions setup, predict, learn"):
        simplify(program)
