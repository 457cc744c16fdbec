"""Dead code is what cannot reach the prediction; removing it changes no bit."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.liveness import (
    DEAD_ORDINAL,
    PREDICTION,
    SUPERVISED,
    Harness,
    Stage,
    can_learn,
    canonical_program,
    live_instructions,
    live_program,
    random_ordinals,
)
from automl_zero.ops import OPS
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import Memory, evaluate, run_instruction
from tests.strategies import programs, tasks

NOT_COMMUTATIVE = tuple(op for op in OPS if not op.commutative)


def program(setup="", predict="", learn=""):
    """A program from lines separated by semicolons."""
    bodies = (("Setup", setup), ("Predict", predict), ("Learn", learn))
    return Program.parse(
        "\n".join(f"def {name}():\n" + body.replace("; ", "\n") for name, body in bodies)
    )


def flags(setup="", predict="", learn=""):
    """Liveness of each line of a program as a string, by component function: "11 1 10"."""
    live = live_instructions(program(setup, predict, learn))
    return " ".join("".join("01"[flag] for flag in live[name]) or "-" for name in live)


def same_outcome(one, other):
    """Whether two evaluations agree on every bit that the harness sees."""
    return (
        np.float64(one.fitness).tobytes() == np.float64(other.fitness).tobytes()
        and (one.stop, one.stop_epoch, one.stop_step)
        == (other.stop, other.stop_epoch, other.stop_step)
        and one.train_steps == other.train_steps
        and all(
            np.array_equal(x, y, equal_nan=True)
            for name in ("train_predictions", "valid_predictions", "train_errors", "valid_errors")
            for x, y in zip(getattr(one, name), getattr(other, name), strict=True)
        )
    )


# What is live ----------------------------------------------------------------------


def test_an_empty_program_has_no_live_code():
    assert flags() == "- - -"


def test_only_what_reaches_the_prediction_is_live():
    assert flags(predict="s2 = mean(v0); s3 = norm(v0); s1 = s2 + s2") == "- 101 -"


def test_an_overwritten_value_is_dead():
    assert flags(predict="s1 = mean(v0); s1 = norm(v0)") == "- 01 -"
    assert flags(setup="s1 = 1", predict="s1 = mean(v0)") == "0 1 -"


def test_what_predict_does_not_write_is_read_from_before():
    assert flags(setup="s1 = 1") == "1 - -"
    assert flags(learn="s1 = 1 / s0") == "- - 1"


def test_the_harness_overwrites_label_and_features():
    assert flags(setup="s0 = 1; v0 = bcast(s0)", predict="s1 = dot(v0, v0)") == "00 1 -"
    assert flags(predict="s1 = mean(v0); s0 = abs(s1); v0 = bcast(s1)", learn="s1 = 1 / s0") == (
        "- 100 0"
    )


def test_no_op_is_dead():
    assert flags("NoOp()", "NoOp()", "NoOp()") == "0 0 0"


def test_ops_that_keep_part_of_their_output_also_read_it():
    assert flags(setup="v1 = bcast(s1); v1[0.5] = 1", predict="s1 = mean(v1)") == "11 1 -"
    assert flags(setup="v1[0.5] = 1; v1 = bcast(s1)", predict="s1 = mean(v1)") == "01 1 -"
    assert flags(setup="m1[0, 0] = 1; m1[0.5, 0] = 1", predict="s1 = norm(m1)") == "11 1 -"


def test_learned_state_is_live():
    linear = flags(
        "s2 = 0.1",
        "s1 = dot(v0, v1)",
        "s3 = s0 - s1; s3 = s2 * s3; v2 = s3 * v0; v1 = v1 + v2; s4 = norm(v2)",
    )
    assert linear == "1 1 11110"


def test_liveness_needs_several_rounds_of_the_loop():
    # s1 <- s2 <- s3 <- s4 <- s5: one step further back with each round.
    moves = "s1 = abs(s2); s2 = abs(s3); s3 = abs(s4); s4 = abs(s5)"
    assert flags("s5 = 1; s6 = 1", learn=moves) == "10 - 1111"


def test_validation_runs_predict_after_predict():
    # s2 is read by the next predict only, and learn overwrites it.
    assert flags(predict="s1 = abs(s2); s2 = mean(v0)", learn="s2 = 1 / s0") == "- 11 1"


def test_a_foreign_program_is_refused():
    with pytest.raises(ValueError, match="expected the component functions setup, predict, learn"):
        live_instructions(Program(setup=[], update=[]))


def test_other_harnesses_describe_other_loops():
    gradient, change = ("v", 0), ("v", 1)
    harness = Harness(
        (
            Stage("setup", followed_by=("update",)),
            Stage("update", frozenset({gradient}), frozenset({change}), ("update",)),
        )
    )
    rule = Program.parse(
        "def Setup():\n s2 = 0.1\n s3 = 1\ndef Update():\n v1 = s2 * v0\n v0 = v1 + v1",
        components=("setup", "update"),
    )
    assert live_instructions(rule, harness) == {"setup": (True, False), "update": (True, False)}
    assert len(live_program(rule, harness)) == 2
    assert canonical_program(rule, harness)["setup"][0].output == ("s", 0)


def test_a_harness_with_an_unknown_successor_is_refused():
    with pytest.raises(ValueError, match="followed_by of setup: .* received 'run'"):
        Harness((Stage("setup", followed_by=("run",)),))


@settings(max_examples=150)
@given(programs(max_size=10), tasks())
def test_removing_dead_code_changes_no_bit(program, task):
    live = live_program(program)
    assert same_outcome(evaluate(program, task), evaluate(live, task))


@settings(max_examples=50)
@given(programs(max_size=6))
def test_what_is_left_is_live_and_in_order(program):
    live = live_program(program)
    assert all(itertools.chain(*live_instructions(live).values()))
    for name, body in program.items():
        rest = iter(body)
        assert all(any(item == other for other in rest) for item in live[name])


# The canonical form ----------------------------------------------------------------


def test_registers_are_numbered_by_first_appearance():
    found = canonical_program(
        program("s9 = 0.5; v7 = bcast(s9)", "m5 = outer(v0, v7); v3 = dot(m5, v0); s1 = mean(v3)")
    )
    assert found == program(
        "s2 = 0.5; v1 = bcast(s2)", "m0 = outer(v0, v1); v2 = dot(m0, v0); s1 = mean(v2)"
    )


def test_writes_of_zeros_over_zeros_are_dropped():
    found = canonical_program(program("s3 = s2 * s2; v1 = s3 * v0", "s1 = s3 + s0", "s3 = s4 - s5"))
    assert found == program("", "s1 = s0 + s2", "")


def test_zeros_over_something_else_are_kept():
    kept = program("", "s1 = s0 * s2", "s2 = s0 + s1; s1 = s2 * s0; s2 = s3 - s3")
    assert canonical_program(kept)["learn"] == ()  # s2 is +0 whenever predict runs
    kept = program("s2 = 0.5; s3 = s2 + s0; s2 = s4 * s4", "s1 = s2 + s3", "s2 = s0 + s1")
    assert len(canonical_program(kept)["setup"]) == 3


def test_registers_that_are_always_zero_are_one_register():
    one = canonical_program(program("", "s1 = s7 / s0"))
    assert one == canonical_program(program("", "s1 = s9 / s0")) == program("", "s1 = s2 / s0")


def test_what_ops_give_for_zeros_is_what_the_table_says():
    for op in OPS:
        if not op.inputs:
            continue
        memory = Memory(MemorySizes(2, 2, 2), 3)
        memory[op.output, 1] = 7.0
        constants = dict.fromkeys(op.constant_fields, 0.5)
        run_instruction(Instruction(op, out=1, **constants), memory)
        result = np.asarray(memory[op.output, 1])
        assert op.keeps_zero == bool(np.all((result == 0) & ~np.signbit(result))), op.name


def test_inputs_of_commutative_ops_are_sorted_by_their_new_names():
    for text in ("s1 = s9 + s0", "s1 = s0 + s9"):
        assert canonical_program(program("s9 = 0.5", text)) == program("s2 = 0.5", "s1 = s0 + s2")
    # Neither register has a name yet: the lower old number comes first.
    found = canonical_program(program("", "s1 = s9 * s8", "s8 = s0 + s1; s9 = s0 * s0"))
    assert found == program("", "s1 = s2 * s3", "s2 = s0 + s1; s3 = s0 * s0")
    # The old order does not matter once both have names.
    assert canonical_program(program("s9 = 1; s8 = 2", "s1 = s8 * s9")) == program(
        "s2 = 1.0; s3 = 2.0", "s1 = s2 * s3"
    )


def test_inputs_of_other_ops_keep_their_order():
    assert canonical_program(program("", "s1 = s9 - s0")) == program("", "s1 = s2 - s0")
    assert canonical_program(program("", "s1 = minimum(s9, s0)")) == program(
        "", "s1 = minimum(s2, s0)"
    )


def test_label_prediction_and_features_keep_their_names():
    text = program("", "s1 = dot(v0, v1)", "v1 = s0 * v0; v1 = s1 * v1")
    assert canonical_program(text) == text


@settings(max_examples=150)
@given(programs(max_size=10), tasks())
def test_the_canonical_program_gives_the_same_bits(program, task):
    assert same_outcome(evaluate(program, task), evaluate(canonical_program(program), task))


@given(programs(max_size=8))
def test_the_canonical_form_of_a_canonical_form_is_itself(program):
    canonical = canonical_program(program)
    assert canonical_program(canonical) == canonical
    assert canonical_program(live_program(program)) == canonical


@given(programs(max_size=8, ops=NOT_COMMUTATIVE), st.permutations(range(2, 20)))
def test_the_canonical_form_does_not_depend_on_register_names(program, numbers):
    names = {("s", old): new for old, new in zip(range(2, 20), numbers, strict=True)}
    assert canonical_program(_renamed(program, names)) == canonical_program(program)


@given(programs(max_size=8), st.integers(0, 2**32 - 1))
def test_the_canonical_form_does_not_depend_on_dead_code(program, seed):
    rng = np.random.default_rng(seed)
    longer = {}
    for name, body in program.items():
        place = rng.integers(0, len(body) + 1)
        # s19 is read nowhere: what writes it is dead.
        dead = [Instruction("SCALAR_SUM_OP", out=19), Instruction("SCALAR_UNIFORM_SET_OP", out=19)]
        longer[name] = [*body[:place], *dead, *body[place:]]
    assert canonical_program(Program(**longer)) == canonical_program(program)


# Ordinals --------------------------------------------------------------------------


def test_ordinals_count_live_random_instructions_of_their_function():
    ordinals = random_ordinals(
        program(
            "s2 = uniform(0, 1); s3 = gaussian(0, 1); s4 = gaussian(0, 1)",
            "s5 = s2 + s4; s6 = uniform(0, 1); s1 = s5 + s6",
        )
    )
    assert ordinals == {"setup": {0: 0, 1: DEAD_ORDINAL + 1, 2: 1}, "predict": {1: 0}, "learn": {}}


def _renamed(program, names):
    functions = {}
    for component, body in program.items():
        functions[component] = []
        for item in body:
            fields = {f: getattr(item, f) for f in item.op.constant_fields}
            for field, register in zip(("in1", "in2"), item.inputs, strict=False):
                fields[field] = names.get(register, register[1])
            if item.output:
                fields["out"] = names.get(item.output, item.output[1])
            functions[component].append(Instruction(item.op, **fields))
    return Program(**functions)


def test_the_supervised_harness_reads_the_prediction_only():
    assert set().union(*(stage.read for stage in SUPERVISED.stages)) == {PREDICTION}


# What can learn --------------------------------------------------------------------


def test_learning_takes_features_to_predict_and_labels_to_learn():
    linear = "s1 = dot(v0, v1)"
    assert can_learn(program(predict=linear, learn="v1 = s0 * v0"))
    assert not can_learn(program(predict=linear, learn="v1 = s1 * v0"))
    assert not can_learn(program(predict=linear, learn="v2 = s0 * v0"))  # dead
    assert not can_learn(program(predict="s1 = s2 + s2", learn="s2 = s0 - s1"))
    assert not can_learn(program(predict="s1 = s0 * s2; v1 = v0 + v0", learn="s2 = s0 + s0"))
    assert not can_learn(program())


@given(programs(), tasks())
@settings(max_examples=300, deadline=None)
def test_what_cannot_learn_predicts_the_same_whatever_the_labels_or_the_features(one, task):
    if can_learn(one):
        return
    others = [
        replace(task, train_y=1 - task.train_y, valid_y=task.valid_y),
        replace(task, valid_x=task.valid_x[::-1] + 1),
    ]
    found = [
        evaluate(one, other, max_abs_error=np.inf).valid_predictions for other in (task, *others)
    ]
    # An evaluation that stops early has fewer predictions: not the same either.
    same = [
        len(other) == len(found[0])
        and all(np.array_equal(x, y, equal_nan=True) for x, y in zip(found[0], other, strict=True))
        for other in found[1:]
    ]
    assert any(same)
