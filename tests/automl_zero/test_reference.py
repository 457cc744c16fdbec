"""The reference interpreter against the original program, and against the text of its contract."""

import math
from pathlib import Path

import numpy as np
import pytest
from _golden import (
    VECTOR_TOLERANCE,
    Outcome,
    decode,
    golden_program,
    golden_task,
    golden_vector,
    program_mismatch,
    read_records,
    vector_difference,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.ops import OPS
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import (
    Draws,
    Memory,
    evaluate,
    fitness_of_rms,
    ordered_sum,
    run_component,
    run_instruction,
)
from automl_zero.streams import GAMMA, mix64
from automl_zero.tasks import Task
from tests.strategies import FEATURES, SMALL_MEMORY, instructions, programs, register_values, tasks

pytestmark = pytest.mark.filterwarnings("error")

GOLDEN = Path(__file__).parent.parent / "golden"


def golden(name, decoder):
    path = GOLDEN / f"{name}.json.gz"
    return decode(path, read_records(path), decoder)


TASKS = dict(golden("tasks", golden_task))
RANDOM_PROGRAMS = golden("random_programs", golden_program)
REFERENCE_PROGRAMS = golden("reference_programs", golden_program)
# Every early stop (they are quick), and of the others some of every task; all of them are
# compared by scripts/check_golden.py.
PROGRAMS = [
    item
    for position, item in enumerate(RANDOM_PROGRAMS + REFERENCE_PROGRAMS)
    if item.stop != "none" or position % 3 == 0
]


def program(setup="", predict="", learn=""):
    """A program from lines separated by semicolons."""
    bodies = (("Setup", setup), ("Predict", predict), ("Learn", learn))
    return Program.parse(
        "\n".join(f"def {name}():\n" + body.replace("; ", "\n") for name, body in bodies)
    )


def small_task(**changes):
    """Two training and two validation examples of two features."""
    fields = {
        "train_x": [[1.0, 2.0], [3.0, 4.0]],
        "train_y": [1.0, 0.0],
        "valid_x": [[5.0, 6.0], [7.0, 8.0]],
        "valid_y": [0.0, 1.0],
    }
    return Task(**{**fields, **changes})


# Against the original program ------------------------------------------------------


def test_single_instructions_give_the_original_results():
    vectors = golden("op_vectors", golden_vector)
    assert len(vectors) == 696
    wrong = {}
    for position, vector in enumerate(vectors):
        memory = vector.memory()
        run_instruction(vector.instruction, memory)
        difference = vector_difference(vector, memory)
        if difference > VECTOR_TOLERANCE:
            wrong[position, str(vector.instruction)] = difference
    assert not wrong


@pytest.mark.parametrize("task", sorted(TASKS))
def test_programs_end_as_in_the_original(task):
    wrong = {}
    for item in PROGRAMS:
        if item.task != task or item.rounding_sensitive:
            continue
        result = evaluate(item.program, TASKS[task], max_abs_error=item.max_abs_error)
        mismatch = program_mismatch(item, Outcome(result.fitness, result.stop, result.stop_step))
        if result.stop_epoch != item.expect["stop_epoch"]:
            mismatch += f" stop in epoch {result.stop_epoch}"
        if result.train_steps != item.expect["train_steps"]:
            mismatch += f" {result.train_steps} training steps"
        if not np.allclose(result.epoch_fitness, item.expect["epoch_fitness"], rtol=0, atol=1e-9):
            mismatch += f" epochs {result.epoch_fitness}"
        if mismatch:
            wrong[item.id] = mismatch
    assert not wrong


@pytest.mark.parametrize("item", REFERENCE_PROGRAMS[::4], ids=lambda item: str(item.id))
def test_known_models_go_the_original_way_example_by_example(item):
    result = evaluate(item.program, TASKS[item.task], max_abs_error=item.max_abs_error)
    expect = item.expect
    for passes, recorded in (
        (result.train_predictions, expect["train_pred"]),
        (result.valid_predictions, expect["valid_pred"]),
    ):
        if recorded:
            found = [*passes[0][:5], passes[0][-1]][: len(recorded)]
            np.testing.assert_allclose(found, recorded, rtol=1e-9)
    np.testing.assert_allclose(result.sum_loss, numbers(expect["sum_loss"]), rtol=1e-9)
    assert_scalars(result.scalars_after_setup, expect["scalars_after_setup"])
    assert_scalars(result.scalars_end, expect["scalars_end"])


@pytest.mark.parametrize(
    "item", REFERENCE_PROGRAMS[::4] + RANDOM_PROGRAMS[::12], ids=lambda i: i.id
)
def test_ten_and_ten_examples_give_the_original_errors(item):
    result = evaluate(
        item.program,
        TASKS[item.task],
        max_abs_error=item.max_abs_error,
        train_limit=10,
        valid_limit=10,
    )
    train = np.concatenate(result.train_errors)
    valid = np.concatenate([*result.valid_errors, []])
    np.testing.assert_allclose(train, item.expect["fec_train_errors"], rtol=1e-9)
    np.testing.assert_allclose(valid, item.expect["fec_valid_errors"], rtol=1e-9)


def numbers(values):
    return [float(value) for value in values]


def assert_scalars(found, recorded):
    """The original had 5 scalars; unneeded ones do not exist here and were 0 there."""
    recorded = numbers(recorded)
    np.testing.assert_allclose(found, recorded[: len(found)], rtol=1e-9, atol=1e-12)
    assert not any(recorded[len(found) :])


# Sums ------------------------------------------------------------------------------


def plain_sum(terms):
    """The contract, word for word."""
    if len(terms) < 4:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total
    acc = list(terms[:4])
    for j in range(4, len(terms)):
        acc[j % 4] = acc[j % 4] + terms[j]
    return (acc[0] + acc[2]) + (acc[1] + acc[3])


@pytest.mark.parametrize("count", [*range(1, 18), 63, 1024])
def test_sums_add_in_the_fixed_order(count):
    rng = np.random.default_rng(count)
    terms = rng.normal(size=count) * 10.0 ** rng.integers(-8, 8, count)
    assert ordered_sum(terms) == plain_sum(list(terms))


def test_sums_go_along_any_axis_or_over_all_elements_by_rows():
    x = np.random.default_rng(0).normal(size=(7, 5)) ** 5
    assert ordered_sum(x, axis=0).tolist() == [plain_sum(list(x[:, j])) for j in range(5)]
    assert ordered_sum(x, axis=1).tolist() == [plain_sum(list(x[i])) for i in range(7)]
    assert ordered_sum(x.T) == plain_sum([x[i, j] for j in range(5) for i in range(7)])


def test_a_sum_of_negative_zeros_is_negative_except_in_large_matrix_products():
    dot = Instruction("VECTOR_INNER_PRODUCT_OP", in1=0, in2=1, out=1)
    matvec = Instruction("MATRIX_VECTOR_PRODUCT_OP", in1=0, in2=0, out=1)
    for features, negative in ((1, True), (4, True), (7, True), (8, False), (16, False)):
        memory = Memory(SMALL_MEMORY, features)
        memory["v", 0] = -1.0  # times the zeros of v1 and m0
        run_instruction(dot, memory)
        run_instruction(matvec, memory)
        assert np.signbit(memory["s", 1])
        assert np.signbit(memory["v", 1]).all() == negative


# Single instructions ---------------------------------------------------------------


@settings(max_examples=300)
@given(
    instructions(),
    st.sampled_from(FEATURES).flatmap(lambda f: st.tuples(st.just(f), register_values(f))),
)
def test_an_instruction_writes_its_output_register_only(instruction, drawn):
    features, values = drawn
    memory = Memory(SMALL_MEMORY, features)
    memory.scalars[...], memory.vectors[...], memory.matrices[...] = values
    run_instruction(instruction, memory, Draws(seed=1))
    for kind, before in zip("svm", values, strict=True):
        for number in range(len(before)):
            if (kind, number) != instruction.output:
                np.testing.assert_array_equal(memory[kind, number], before[number])


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_works_with_1_and_with_1024_features(op):
    registers = {"out": 1} if op.output else {}
    instruction = Instruction(op, **registers)
    # A product of 1024 x 1024 matrices takes seconds here.
    large = 128 if op.name == "MATRIX_MATRIX_PRODUCT_OP" else 1024
    for features in (1, large):
        memory = Memory(MemorySizes(2, 2, 2), features)
        memory["v", 0] = 1.0
        memory["m", 0] = 1.0
        run_instruction(instruction, memory, Draws(seed=1))
        if op.output:
            assert np.isfinite(memory[op.output, 1]).any() or op.kernel.endswith(
                ("log", "reciprocal", "division")
            )


def test_heaviside_at_0_is_1_for_scalars_only():
    memory = Memory(SMALL_MEMORY, 2)
    for kind, name in (("s", "SCALAR"), ("v", "VECTOR"), ("m", "MATRIX")):
        run_instruction(Instruction(f"{name}_HEAVYSIDE_OP", out=1), memory)
        assert np.all(memory[kind, 1] == (kind == "s"))


def test_min_and_max_with_nan_keep_the_first_operand_except_for_matrices():
    memory = Memory(SMALL_MEMORY, 2)
    for kind, name in (("s", "SCALAR"), ("v", "VECTOR"), ("m", "MATRIX")):
        memory[kind, 0] = np.nan
        memory[kind, 1] = 5.0
        for op in ("MIN", "MAX"):
            run_instruction(Instruction(f"{name}_{op}_OP", in1=0, in2=1, out=1), memory)
            assert np.all(np.isnan(memory[kind, 1]) == (kind != "m"))
            memory[kind, 1] = 5.0


def test_position_constants_are_scaled_in_float32_and_truncated():
    below_one = float(np.nextafter(np.float32(1), np.float32(0)))
    for features in (1, 2, 3, 7, 33, 1024):
        memory = Memory(SMALL_MEMORY, features)
        run_instruction(Instruction("VECTOR_CONST_SET_OP", out=1, f0=below_one, f1=2.0), memory)
        assert memory["v", 1][-1] == 2.0
        assert np.count_nonzero(memory["v", 1]) == 1


def test_a_random_op_needs_draws():
    with pytest.raises(ValueError, match="draws: expected Draws for the random op"):
        run_instruction(Instruction("SCALAR_UNIFORM_SET_OP"), Memory(SMALL_MEMORY, 1))


@pytest.mark.parametrize("features", [0, 1025])
def test_features_outside_1_to_1024_are_refused(features):
    with pytest.raises(ValueError, match=rf"features: expected 1\.\.1024, received {features}"):
        Memory(SMALL_MEMORY, features)


# Random numbers --------------------------------------------------------------------


def draw(seed, component, ordinal, step, numbers_per_step, position):
    """One 64-bit number, as the contract defines it."""
    key = mix64(mix64(seed + GAMMA * (component + 1)) + GAMMA * (ordinal + 1))
    return mix64(key + GAMMA * (step * numbers_per_step + position + 1))


def unit(number):
    return ((number >> 12) + 0.5) * 2.0**-52


def test_draws_are_those_of_the_contract():
    seed, component, ordinal, step = 2**63 + 5, 2, 3, 7
    draws = Draws(seed, component, ordinal, step)
    expected = [-1 + 3 * unit(draw(seed, component, ordinal, step, 9, i)) for i in range(9)]
    assert draws.uniform(-1.0, 2.0, (3, 3)).ravel().tolist() == expected
    pairs = []
    for k in range(5):
        u1, u2 = (unit(draw(seed, component, ordinal, step, 10, 2 * k + i)) for i in (0, 1))
        radius = math.sqrt(-2 * math.log(u1))
        pairs += [radius * math.cos(2 * math.pi * u2), radius * math.sin(2 * math.pi * u2)]
    found = draws.gaussian(0.5, 2.0, (3, 3)).ravel()
    np.testing.assert_allclose(found, 0.5 + 2.0 * np.array(pairs[:9]), rtol=1e-14)


def test_draws_have_the_distributions_they_are_named_after():
    draws = Draws(seed=0)
    uniform = draws.uniform(-1.0, 3.0, (100_000,))
    assert uniform.min() > -1 and uniform.max() < 3
    assert abs(uniform.mean() - 1) < 0.02 and abs(uniform.std() - 4 / math.sqrt(12)) < 0.02
    normal = draws.gaussian(2.0, 0.5, (100_000,))
    assert abs(normal.mean() - 2) < 0.01 and abs(normal.std() - 0.5) < 0.01


def test_a_uniform_op_with_its_bounds_reversed_sets_the_lower_constant():
    assert Draws(seed=0).uniform(0.5, -0.5, (2,)).tolist() == [0.5, 0.5]


def test_random_instructions_draw_anew_at_each_step_and_independently_of_each_other():
    code = program(predict="s1 = uniform(0, 1); s2 = uniform(0, 1); s1 = s1 + s2; s1 = s1 / s2")
    task = small_task(seed=3)
    first = evaluate(code, task)
    assert len(set(np.concatenate([*first.train_predictions, *first.valid_predictions]))) == 4
    again = evaluate(code, task)
    other = evaluate(code, small_task(seed=4))
    assert np.array_equal(first.train_predictions, again.train_predictions)
    assert not np.array_equal(first.train_predictions, other.train_predictions)


def test_steps_count_the_runs_of_each_component_function():
    code = program("s4 = uniform(0, 1)", "s2 = uniform(0, 1); s2 = s2 + s4; s1 = s2 + s3",
                   "s3 = uniform(0, 1)")  # fmt: skip
    result = evaluate(code, small_task(seed=9, epochs=2))

    def u(component, step):
        return Draws(9, component, 0, step).uniform(0.0, 1.0, ())

    # Predict runs on two training and two validation examples an epoch, learn on the former.
    last_learn = {0: None, 1: 0, 2: 1, 3: 1, 4: 1, 5: 2, 6: 3, 7: 3}
    expected = [
        u(1, step) + u(0, 0) + (0.0 if learn is None else u(2, learn))
        for step, learn in last_learn.items()
    ]
    passes = zip(result.train_predictions, result.valid_predictions, strict=True)
    assert [float(x) for pair in passes for part in pair for x in part] == expected


def test_dead_random_instructions_change_no_draw():
    live = program("s2 = uniform(0, 1)", "s1 = gaussian(0, 1); s1 = s1 + s2")
    more = program(
        "s3 = uniform(0, 1); s2 = uniform(0, 1)",
        "v1 = gaussian(0, 1, n_features); s1 = gaussian(0, 1); s1 = s1 + s2",
    )
    assert evaluate(live, small_task()).fitness == evaluate(more, small_task()).fitness


# Training and validating -----------------------------------------------------------


def test_predict_sees_features_but_no_label_and_learn_sees_both():
    # Predict spoils both registers; sums of what it saw: s2, s4; of what learn saw: s5, s7.
    code = program(
        predict="s2 = s2 + s0; s3 = mean(v0); s4 = s4 + s3; v0 = bcast(s2); s0 = abs(s4)",
        learn="s5 = s5 + s0; s6 = mean(v0); s7 = s7 + s6",
    )
    scalars = evaluate(code, small_task()).scalars_end
    assert scalars[2] == 0.0
    assert scalars[4] == 1.5 + 3.5 + 5.5 + 7.5
    assert scalars[5] == 1.0
    assert scalars[7] == 1.5 + 3.5


def test_memory_persists_through_validation_and_epochs():
    count = program("s2 = 1", "s3 = s3 + s2", "s4 = s4 + s2")
    scalars = evaluate(count, small_task(epochs=3)).scalars_end
    assert scalars[3] == 3 * (2 + 2)
    assert scalars[4] == 3 * 2


def test_examples_come_in_the_order_of_their_epoch():
    task = small_task(epochs=2, epoch_order=[[0, 1], [1, 0]])
    result = evaluate(program(predict="s1 = mean(v0)"), task)
    assert [list(x) for x in result.train_predictions] == [[1.5, 3.5], [3.5, 1.5]]
    assert [list(x) for x in result.valid_predictions] == [[5.5, 7.5], [5.5, 7.5]]


def test_fitness_squashes_the_root_mean_square_error():
    result = evaluate(program(), small_task(valid_y=[3.0, 4.0]))
    assert result.sum_loss == (25.0,)
    assert result.fitness == pytest.approx(1 - 2 / math.pi * math.atan(math.sqrt(12.5)))
    assert fitness_of_rms(math.inf) == fitness_of_rms(math.nan) == 0.0


def test_fitness_is_that_of_the_best_epoch():
    # The prediction is 1 in the first epoch, and grows.
    code = program("s1 = 1", learn="s1 = s1 + s1")
    result = evaluate(code, small_task(epochs=3, valid_y=[4.0, 4.0]))
    assert result.epoch_fitness[0] == result.fitness == 1.0
    assert result.epoch_fitness[1] < 1


def test_accuracy_squashes_predictions_in_training_only():
    code = program("s2 = 2", "s1 = abs(s2)", "s3 = abs(s1)")
    result = evaluate(code, small_task(objective="accuracy"))
    sigmoid = 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(result.train_predictions[0], sigmoid, rtol=1e-15)
    np.testing.assert_allclose(result.train_errors[0], [1 - sigmoid, sigmoid], rtol=1e-15)
    assert list(result.valid_predictions[0]) == [2.0, 2.0]
    assert list(result.valid_errors[0]) == [1.0, 0.0]
    np.testing.assert_allclose(result.scalars_end[3], sigmoid, rtol=1e-15)
    assert (result.sum_loss, result.fitness) == ((1.0,), 0.5)


def test_a_nan_prediction_is_class_0_in_accuracy_validation():
    # s2 counts examples: NaN from the third on, which is the first of validation.
    code = program("s3 = 1; s4 = 2.5", "s2 = s2 + s3; s1 = s4 - s2; s1 = log(s1)")
    result = evaluate(code, small_task(objective="accuracy"))
    assert np.isnan(result.valid_predictions[0]).all()
    assert (result.fitness, result.stop) == (0.5, "none")


@pytest.mark.parametrize(
    ("line", "stop"),
    [("s1 = log(s1)", "train_inf"), ("s1 = uniform(101.5, 101.5)", "train_large"),
     ("s2 = log(s2); s1 = s2 - s2", "train_nan")],
)  # fmt: skip
def test_a_bad_error_stops_training_before_learn(line, stop):
    code = program("s4 = 1", line, "s5 = s5 + s4")
    result = evaluate(code, small_task())
    assert (result.stop, result.stop_epoch, result.stop_step) == (stop, 0, 0)
    assert (result.fitness, result.epoch_fitness, result.train_steps) == (0.0, (), 1)
    assert result.scalars_end[5] == 0.0
    assert len(result.train_predictions[0]) == 1 and len(result.train_errors[0]) == 0


def test_an_error_equal_to_the_largest_allowed_one_is_fine():
    code = program("s1 = 6")
    assert evaluate(code, small_task(), max_abs_error=6.0).stop == "none"
    assert evaluate(code, small_task(), max_abs_error=5.9).stop == "train_large"
    assert evaluate(program("s1 = inf"), small_task(), max_abs_error=math.inf).stop == "none"


def test_a_stop_in_a_later_epoch_keeps_the_best_fitness_so_far():
    code = program("s1 = 5", learn="s1 = s1 * s1")
    result = evaluate(code, small_task(epochs=3, valid_y=[625.0, 625.0]), max_abs_error=1000.0)
    assert (result.stop, result.stop_epoch, result.stop_step) == ("train_large", 1, 1)
    assert result.fitness == 1.0 == result.epoch_fitness[0]
    assert result.train_steps == 4


def test_a_stop_in_validation_ends_the_epoch_but_not_the_training():
    # The first time that the mean feature is 7 or more, the prediction is 200, else 0.
    code = program(
        "s2 = 200; s6 = 7",
        "s3 = mean(v0); s4 = s3 - s6; s4 = heaviside(s4, 1.0); s1 = s4 * s2; s2 = s2 - s1",
    )
    result = evaluate(code, small_task(epochs=2))
    assert (result.stop, result.stop_epoch, result.stop_step) == ("valid_large", 0, 1)
    assert result.sum_loss[0] == math.inf and result.epoch_fitness[0] == 0.0
    assert result.fitness == result.epoch_fitness[1] > 0
    assert result.train_steps == 4


def test_limits_cut_training_and_validation_short():
    task = small_task(epochs=3, valid_y=[3.0, 3.0])
    result = evaluate(program(), task, train_limit=3, valid_limit=1)
    assert [len(x) for x in result.train_predictions] == [2, 1]
    assert [len(x) for x in result.valid_predictions] == [1, 1]
    assert result.fitness == pytest.approx(fitness_of_rms(math.sqrt(9 / 2)))
    assert evaluate(program(), task, train_limit=0).fitness == 0.0


@settings(max_examples=100)
@given(programs(), tasks())
def test_any_program_runs_on_any_task(program, task):
    result = evaluate(program, task)
    assert 0.0 <= result.fitness <= 1.0
    assert evaluate(program, task, memory=MemorySizes()).fitness == result.fitness


def test_a_component_function_can_run_alone():
    memory = Memory(SMALL_MEMORY, 2)
    run_component(program(setup="s2 = 0.5; s3 = s2 + s2"), "setup", memory)
    assert memory.scalars.tolist() == [0.0, 0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"program": Program(setup=[])}, "program: expected the component functions"),
        ({"max_abs_error": 0.0}, "max_abs_error: expected a positive number, received 0.0"),
        ({"max_abs_error": math.nan}, "max_abs_error"),
        ({"train_limit": -1}, "train_limit: expected an integer >= 0"),
        ({"valid_limit": -1}, "valid_limit: expected an integer >= 0"),
        ({"memory": MemorySizes(3, 1, 0)}, r"predict\[0\] 's1 = abs\(s3\)'.* received s3"),
    ],
)
def test_bad_options_are_refused(options, message):
    given = {"program": program(predict="s1 = abs(s3)"), "task": small_task(), **options}
    with pytest.raises(ValueError, match=message):
        evaluate(**given)
