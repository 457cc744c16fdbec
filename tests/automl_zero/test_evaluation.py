"""The compiled interpreter against the reference: same numbers, same stops, to the last bit.

The reference takes its elementary functions and normal numbers from the compiled
interpreter here (see tests/engine.py), so that even chaotic programs have to agree exactly;
one test below leaves it as it is. Elementary functions: test_elementary.py.
"""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero import evaluation, liveness, reference
from automl_zero.evaluation import (
    STOP_REASONS,
    canonical_program,
    evaluate,
    program_cost,
    run_instruction,
    trace,
)
from automl_zero.ops import OPS
from automl_zero.program import Instruction, Program
from automl_zero.reference import Draws, Memory
from automl_zero.streams import stream_key
from automl_zero.tasks import Task, TaskBatch, linear
from tests.engine import compiled, compiled_functions
from tests.strategies import EXACT_OPS, FEATURES, SMALL_MEMORY, programs
from tests.workloads import random_instruction, random_programs, random_tasks

pytestmark = pytest.mark.filterwarnings("error")

TASK_COUNTS = (1, 2, 8, 9, 10, 12, 16, 17, 20)
"""One lane, part of a vector, packed lanes, one block, several blocks."""


def padded(passes, length):
    """Predictions of some passes as the compiled interpreter lays them out."""
    rows = [np.pad(x, (0, length - len(x)), constant_values=np.nan) for x in passes]
    return np.concatenate([*rows, []])


def assert_same_bits(found, expected, what):
    """Equal numbers, -0 apart from 0; NaN equals NaN whatever its payload."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    np.testing.assert_array_equal(found, expected, err_msg=what)
    signed = ~np.isnan(expected)
    np.testing.assert_array_equal(
        np.signbit(found)[signed], np.signbit(expected)[signed], err_msg=f"signs of {what}"
    )


def assert_same_run(expected, found, task, what):
    """A :class:`TaskTrace` that says what the reference's evaluation says."""
    stop = (found.stop, found.stop_epoch, found.stop_step)
    assert stop == (expected.stop, expected.stop_epoch, expected.stop_step), what
    epochs = task.epochs
    for name, length in (("train", task.train_count), ("valid", task.valid_count)):
        passes = getattr(expected, f"{name}_predictions")
        values = np.full(epochs * length, np.nan)
        values[: len(passes) * length] = padded(passes, length)
        assert_same_bits(getattr(found, f"{name}_predictions"), values, f"{name} of {what}")
    assert_same_bits(found.sum_loss[: len(expected.sum_loss)], expected.sum_loss, f"loss of {what}")
    # The arcus tangent of the fitness is the C library's here, NumPy's there.
    reached = len(expected.epoch_fitness)
    np.testing.assert_allclose(
        found.epoch_fitness[:reached], expected.epoch_fitness, rtol=0, atol=4e-16, err_msg=what
    )
    assert np.isnan(found.epoch_fitness[reached:]).all(), what
    assert np.isnan(found.sum_loss[reached:]).all(), what
    assert found.fitness == max([0.0, *found.epoch_fitness[:reached]]), what


def assert_agreement(listed, tasks, max_abs_error=100.0, judged=None):
    """Searches (fitness only) and traces say what the reference says, on the judged tasks."""
    results = compiled(listed, tasks, max_abs_error=max_abs_error)
    for p, program in enumerate(listed):
        traces = trace(program, tasks, max_abs_error=max_abs_error)
        for t in range(len(tasks)) if judged is None else judged:
            expected = reference.evaluate(program, tasks[t], max_abs_error=max_abs_error)
            what = f"program {p} on task {t}\n{program}"
            assert_same_run(expected, traces[t], tasks[t], what)
            reason, epoch, step = results.stops[p, t]
            stop = (expected.stop, expected.stop_epoch, expected.stop_step)
            assert (STOP_REASONS[reason], epoch, step) == stop, what
            assert results.train_steps[p, t] == expected.train_steps, what
            assert results.fitness[p, t] == traces[t].fitness, what


@st.composite
def task_lists(draw, objectives=("rms_error", "accuracy")):
    """1 to 20 tasks of one shape, of few examples."""
    return random_tasks(
        seed=draw(st.integers(0, 2**32 - 1)),
        count=draw(st.sampled_from(TASK_COUNTS)),
        features=draw(st.sampled_from((*FEATURES, 8))),
        train=draw(st.integers(1, 5)),
        valid=draw(st.sampled_from((1, 2, 3, 9, 17))),
        epochs=draw(st.integers(1, 3)),
        objective=draw(st.sampled_from(objectives)),
    )


LIMITS = st.sampled_from((100.0, 1.0, 1e-3, math.inf))


@settings(max_examples=120, deadline=None)
@given(programs(max_size=10), task_lists(), LIMITS, st.integers(0, 2**32 - 1))
def test_any_program_on_any_tasks_does_what_the_reference_says(program, tasks, limit, seed):
    judged = np.random.default_rng(seed).choice(len(tasks), min(2, len(tasks)), replace=False)
    with compiled_functions():
        assert_agreement([program], tasks, limit, judged)


@settings(max_examples=60, deadline=None)
@given(programs(ops=EXACT_OPS, max_size=10), task_lists(objectives=("rms_error",)), LIMITS)
def test_programs_without_elementary_functions_need_no_help_to_agree(program, tasks, limit):
    assert_agreement([program], tasks, limit, judged=[len(tasks) - 1])


@pytest.mark.parametrize("objective", ["rms_error", "accuracy"])
@pytest.mark.parametrize("features", [*FEATURES, 8, 64])
def test_many_random_programs_do_what_the_reference_says(features, objective):
    costly = features >= 33
    for seed, (count, epochs) in enumerate(product((1, 10, 20), (1, 2))):
        tasks = random_tasks(seed, count, features, 4, 10 - seed, epochs, objective)
        listed = random_programs(seed, 4 if costly else 14, sizes=(4, 8, 8))
        with compiled_functions():
            assert_agreement(listed, tasks, judged=[0, count - 1][: 1 if costly else 2])


def test_long_programs_do_what_the_reference_says():
    tasks = random_tasks(5, 3, 4, 3, 3, 2)
    listed = random_programs(7, 8, sizes=(60, 120, 120), awkward=0.02)
    listed.append(Program(**{name: body * 8 for name, body in listed[0].items()}))
    with compiled_functions():
        assert_agreement(listed, tasks)


FIRST = ("SUM", "DIFF", "PRODUCT", "HEAVYSIDE", "ABS", "MIN")
SECOND = ("SUM", "DIFF", "PRODUCT", "MIN", "MAX", "DIVISION")


@pytest.mark.parametrize("kind", ["SCALAR", "VECTOR", "MATRIX"])
@pytest.mark.parametrize("features", [4, 8, 16])
def test_an_instruction_and_the_next_that_uses_its_result_agree(kind, features):
    # Some of these pairs run as one; NaN and zeros of both signs tell the operands apart.
    rng = np.random.default_rng(features)
    pairs = [
        [
            Instruction(f"{kind}_{first}_OP", in1=2, out=4, **({} if unary else {"in2": 3})),
            Instruction(f"{kind}_{second}_OP", in1=a, in2=b, out=out),
        ]
        for first, second in product(FIRST, SECOND)
        for unary in [first in ("HEAVYSIDE", "ABS")]
        for a, b, out in ((4, 3, 4), (3, 4, 3), (4, 2, 5), (2, 4, 5))
    ]
    pairs += [
        [Instruction(product_op, in1=2, in2=3, out=4), Instruction(f"{kind}_{second}_OP", a, b, 5)]
        for product_op, output in (("SCALAR_VECTOR_PRODUCT_OP", "VECTOR"),
                                   ("VECTOR_OUTER_PRODUCT_OP", "MATRIX"))
        for second, (a, b) in product(SECOND, ((4, 3), (3, 4)))
        if output == kind
    ]  # fmt: skip
    read = {"SCALAR": "SCALAR_ABS_OP", "VECTOR": "VECTOR_MEAN_OP", "MATRIX": "MATRIX_MEAN_OP"}
    spread = {"SCALAR": (), "VECTOR": (2, 3), "MATRIX": (2, 3)}[kind]
    listed = []
    for pair in pairs:
        for _ in range(2):
            values = rng.choice([0.0, -0.0, math.nan, math.inf, 0.5, -2.0], 2)
            setup = [
                Instruction("SCALAR_CONST_SET_OP", out=2 + i, act=value)
                for i, value in enumerate(values)
            ]
            setup += [Instruction("SCALAR_BROADCAST_OP", in1=i, out=i) for i in spread]
            setup += [Instruction("VECTOR_ROW_BROADCAST_OP", in1=i, out=i) for i in spread]
            last = Instruction(read[kind], in1=pair[1].out, out=1)
            # 1 / -0 is not 1 / 0.
            inverse = Instruction("SCALAR_RECIPROCAL_OP", in1=1, out=1)
            for body in ([*pair, last], [*pair, last, inverse]):
                listed.append(Program(setup=setup, predict=body, learn=pair[:1]))
    for count in (1, 10, 16):
        tasks = random_tasks(features, count, features, 1, 1)
        assert_agreement(listed[:: 1 if count == 10 else 5], tasks, math.inf, judged=[0])


# Single instructions, reference untouched ------------------------------------------


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_single_instructions_leave_the_reference_memory(op):
    exact = op in EXACT_OPS
    awkward = [0.0, -0.0, math.inf, math.nan, 1e-310, 1e160]
    # Other numbers and their share; zeros of both signs need a register full of them.
    mixtures = ([0.0], 0.0), (awkward, 0.1), (awkward, 0.3), ([0.0, -0.0], 0.9), ([-0.0], 1.0)
    for features, (values, share) in product((*FEATURES, 8), mixtures):
        rng = np.random.default_rng([op.id, features, len(values)])
        instruction = random_instruction(rng, op)
        memory = Memory(SMALL_MEMORY, features)
        for array in (memory.scalars, memory.vectors, memory.matrices):
            other = rng.choice(values, array.shape)
            array[...] = np.where(rng.random(array.shape) < share, other, rng.normal())
        before = (memory.scalars.copy(), memory.vectors.copy(), memory.matrices.copy())
        draws = Draws(seed=9, component=2, ordinal=1, step=5)
        reference.run_instruction(instruction, memory, draws)
        for lanes in (1, 8, 16):
            found = run_instruction(
                instruction, *before, lanes=lanes, key=stream_key(9, 2, 1), step=5
            )
            for name, values in zip(("scalars", "vectors", "matrices"), found, strict=True):
                expected = getattr(memory, name)
                what = f"{name} of {instruction}, F={features}, {lanes} lanes"
                if exact:
                    assert_same_bits(values, expected, what)
                else:
                    np.testing.assert_allclose(values, expected, 1e-12, 1e-14, err_msg=what)


# What trace tells ------------------------------------------------------------------

COUNTER = Program.parse(
    """
def Setup():
  s2 = 1
def Predict():
  s3 = s3 + s2
  s1 = s3 * s3
def Learn():
"""
)
"""Predicts 1, 4, 9, ... in turn, validation examples included."""


def plain_task(train_y, valid_y, **changes):
    """One feature, always 1."""
    shape = [[1.0]] * len(train_y), train_y, [[1.0]] * len(valid_y), valid_y
    return Task(*shape, **changes)


def test_a_trace_tells_predictions_losses_and_fitness_by_epoch():
    task = plain_task([1.0, 4.0], [9.0, 17.0], epochs=2)
    (run,) = trace(COUNTER, task, max_abs_error=60.0)
    assert (run.stop, run.stop_epoch, run.stop_step) == ("none", -1, -1)
    assert run.train_predictions.tolist() == [1.0, 4.0, 25.0, 36.0]
    assert run.valid_predictions.tolist() == [9.0, 16.0, 49.0, 64.0]
    assert run.sum_loss.tolist() == [1.0, 40.0**2 + 47.0**2]
    expected = [1 - 2 / math.pi * math.atan(math.sqrt(loss / 2)) for loss in run.sum_loss]
    np.testing.assert_allclose(run.epoch_fitness, expected, rtol=1e-15)
    assert run.fitness == run.epoch_fitness[0] == evaluate(COUNTER, task)[0, 0]


def test_a_trace_shows_nothing_beyond_a_stop_though_other_tasks_go_on():
    nan = pytest.approx(np.nan, nan_ok=True)
    stopped = plain_task([0.0, 0.0, 0.0], [0.0, 0.0], epochs=2)
    going_on = plain_task([0.0, 4.0, 9.0], [16.0, 25.0], epochs=2)
    first, second = trace(COUNTER, [stopped, going_on], max_abs_error=3.0)
    assert (first.stop, first.stop_epoch, first.stop_step) == ("train_large", 0, 1)
    assert first.train_predictions.tolist() == [1.0, 4.0, nan, nan, nan, nan]
    assert first.valid_predictions.tolist() == [nan] * 4
    assert first.epoch_fitness.tolist() == [nan, nan]
    assert first.sum_loss.tolist() == [nan, nan]
    assert first.fitness == 0.0
    assert second.stop_epoch == 1 and not np.isnan(second.valid_predictions[:2]).any()


def test_a_failed_validation_costs_the_epoch_and_has_infinite_loss():
    task = plain_task([1.0], [0.0, 9.0], epochs=2)
    (run,) = trace(COUNTER, task, max_abs_error=3.5)
    nan = pytest.approx(np.nan, nan_ok=True)
    assert (run.stop, run.stop_epoch, run.stop_step) == ("train_large", 1, 0)
    assert run.valid_predictions.tolist() == [4.0, nan, nan, nan]
    assert run.epoch_fitness.tolist() == [0.0, nan]
    assert run.sum_loss.tolist() == [math.inf, nan]


def test_the_first_failed_validation_is_named_whatever_runs_it():
    # The prediction is 0 and the labels are not: each epoch's validation fails.
    nothing = Program(setup=[], predict=[], learn=[])
    task = plain_task([0.0], [0.0, 9.0, 0.0], epochs=3)
    for lanes in (0, 1, 8, 16):
        for flags in (0, evaluation._engine.NO_WIDE):
            results = compiled([nothing], [task], lanes=lanes, run_flags=flags, max_abs_error=5.0)
            assert results.stops[0, 0].tolist() == [STOP_REASONS.index("valid_large"), 0, 1]
            assert results.train_steps[0, 0] == 3


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 2**32 - 1), st.sampled_from(("rms_error", "accuracy")))
def test_a_trace_ends_with_the_scalars_of_the_canonical_program(program, seed, objective):
    (task,) = random_tasks(seed, 1, 3, 4, 3, 2, objective)
    canonical = liveness.canonical_program(program)
    with compiled_functions():
        expected = reference.evaluate(canonical, task).scalars_end
    (run,) = trace(program, task)
    used = {1} | {
        number
        for _, body in canonical.items()
        for item in body
        for kind, number in (*item.inputs, item.output)
        if kind == "s"
    }
    # The label is filled in only where a program reads it.
    assert set(np.flatnonzero(~np.isnan(run.scalars))) - {0} <= used - {0}
    compared = sorted(used - {0})
    assert_same_bits(run.scalars[compared], expected[compared], str(program))


# Canonical form and cost -----------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(programs(max_size=12))
def test_the_compiled_canonical_form_is_the_plain_one(program):
    assert canonical_program(program) == liveness.canonical_program(program)


@settings(max_examples=100, deadline=None)
@given(programs(), st.integers(0, 1000))
def test_the_cost_is_that_of_the_canonical_form(program, steps):
    canonical = liveness.canonical_program(program)
    setup, predict, learn = (sum(item.op.cost for item in body) for _, body in canonical.items())
    assert program_cost(program, steps) == setup + steps * (predict + learn)


def test_a_program_over_the_train_budget_has_fitness_0():
    program = Program.parse("def Setup():\ndef Predict():\n  s1 = abs(s0)\ndef Learn():")
    task = plain_task([0.0, 0.0], [0.0, 0.0], epochs=3)
    cost = program_cost(program, 6)
    assert evaluate(program, task, max_cost=cost) == 1.0
    assert evaluate(program, task, max_cost=np.nextafter(cost, 0)) == 0.0


# Calling ---------------------------------------------------------------------------


def test_fitnesses_come_as_programs_by_tasks():
    listed, tasks = random_programs(1, 5), random_tasks(1, 3, 4)
    together = evaluate(iter(listed), TaskBatch(tasks))
    assert together.shape == (5, 3) and together.dtype == np.float64
    for p, program in enumerate(listed):
        for t, task in enumerate(tasks):
            assert together[p, t] == evaluate(program, task)[0, 0]
    assert evaluate([], tasks).shape == (0, 3)


def test_empty_programs_predict_0():
    empty = Program(setup=[], predict=[], learn=[])
    task = plain_task([0.0], [0.0, 0.0])
    assert evaluate(empty, task).tolist() == [[1.0]]
    assert canonical_program(empty) == empty
    assert trace(empty, task)[0].valid_predictions.tolist() == [0.0, 0.0]


def test_the_largest_programs_and_memories_run():
    body = [Instruction("SCALAR_SUM_OP", in1=1, in2=19, out=1)] * 999
    sums = [
        Instruction(name, in1=i - 1, in2=i, out=i)
        for name in ("SCALAR_SUM_OP", "VECTOR_SUM_OP", "MATRIX_SUM_OP")
        for i in range(2 if name.startswith("S") else 1, 20)
    ]
    program = Program(
        setup=[Instruction("SCALAR_CONST_SET_OP", out=19, act=1e-6)],
        predict=[Instruction("MATRIX_MEAN_OP", in1=19, out=1), *body],
        learn=[Instruction("VECTOR_OUTER_PRODUCT_OP", in1=0, in2=19, out=0), *sums],
    )
    assert len(liveness.live_program(program)) > 1040
    assert_agreement([program], [linear(train=30, valid=3)])


@pytest.mark.parametrize("features", [63, 64, 128, 1024])
def test_large_feature_counts_run(features):
    tasks = random_tasks(3, 2, features, 2, 2)
    program = Program.parse(
        """
def Setup():
  m0 = gaussian(0, 0.01, (n_features, n_features))
def Predict():
  v1 = dot(m0, v0)
  s1 = mean(v1)
def Learn():
  m1 = outer(v1, v0)
  m0 = m0 - m1
"""
    )
    with compiled_functions():
        assert_agreement([program], tasks)
