"""What evaluation refuses, and in which words; what it takes."""

import re
from dataclasses import replace

import numpy as np
import pytest

from automl_zero.evaluation import (
    MAX_TASKS,
    batch_bytes,
    canonical_program,
    compile_batch,
    evaluate,
    program_cost,
    register_bytes,
    run_instruction,
    trace,
)
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.tasks import Task, TaskBatch, _checks, linear
from tests.workloads import random_tasks

PROGRAM = Program.parse("def Setup():\ndef Predict():\n  s1 = dot(v0, v1)\ndef Learn():")
OTHER = Program(setup=[], update=[])
TASK = linear(train=10, valid=10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((PROGRAM, []), "tasks: expected at least one task, received none"),
        ((PROGRAM, None), "tasks: expected Tasks, received None"),
        ((PROGRAM, 5), "tasks: expected Tasks, received 5"),
        ((PROGRAM, [TASK, PROGRAM]), "tasks[1]: expected a Task, received Program"),
        ((PROGRAM, "task"), "tasks[0]: expected a Task, received str"),
        (
            (PROGRAM, [TASK, linear(features=5, train=10, valid=10)]),
            "tasks[1].features: expected 4 as in tasks[0], received 5",
        ),
        (
            (PROGRAM, [TASK, linear(train=9, valid=10)]),
            "tasks[1].train_count: expected 10 as in tasks[0], received 9",
        ),
        (
            (PROGRAM, [TASK, replace(TASK, epochs=2, epoch_order=None)]),
            "tasks[1].epochs: expected 1 as in tasks[0], received 2",
        ),
        (
            (PROGRAM, [TASK] * (MAX_TASKS + 1)),
            f"tasks: expected at most {MAX_TASKS}, received {MAX_TASKS + 1}",
        ),
        ((None, TASK), "programs: expected Programs, received None"),
        ((7, TASK), "programs: expected Programs, received 7"),
        (([PROGRAM, None], TASK), "programs[1]: expected a Program, received NoneType"),
        (("def Setup():", TASK), "programs[0]: expected a Program, received str"),
        (([PROGRAM, str(PROGRAM)], TASK), "programs[1]: expected a Program, received str"),
        (
            ([OTHER], TASK),
            "programs[0]: expected component functions setup, predict, learn, "
            "received setup, update",
        ),
        (
            (Program(learn=[], predict=[], setup=[]), TASK),
            "programs[0]: expected component functions setup, predict, learn, "
            "received learn, predict, setup",
        ),
    ],
    ids=range(16),
)
def test_other_than_programs_and_tasks_of_one_shape_is_refused(arguments, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        evaluate(*arguments)


@pytest.mark.parametrize("function", [evaluate, trace])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_abs_error": 0}, "max_abs_error: expected a positive number, received 0"),
        ({"max_abs_error": -1.5}, "max_abs_error: expected a positive number, received -1.5"),
        ({"max_abs_error": np.nan}, "max_abs_error: expected a positive number, received nan"),
        ({"max_abs_error": "100"}, "max_abs_error: expected a positive number, received '100'"),
        ({"max_abs_error": None}, "max_abs_error: expected a positive number, received None"),
        (
            {"precision": "float16"},
            "precision: expected one of float64, float32, received 'float16'",
        ),
        ({"precision": np.float32}, "precision: expected one of float64, float32"),
        ({"precision": None}, "precision: expected one of float64, float32, received None"),
        ({"precision": ["float64"]}, "precision: expected one of float64, float32"),
    ],
    ids=range(9),
)
def test_options_outside_their_range_are_refused(function, options, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        function(PROGRAM, TASK, **options)


@pytest.mark.parametrize("cost", [np.nan, 0, -1, "much"])
def test_a_train_budget_is_a_positive_number(cost):
    with pytest.raises(ValueError, match="^max_cost: expected a positive number"):
        evaluate(PROGRAM, TASK, max_cost=cost)


@pytest.mark.parametrize("function", [lambda p: trace(p, TASK), canonical_program,
                                      lambda p: program_cost(p, 1)])  # fmt: skip
def test_one_program_is_one_program(function):
    function(PROGRAM)
    with pytest.raises(ValueError, match="^program: expected one Program, received 2"):
        function([PROGRAM, PROGRAM])
    with pytest.raises(ValueError, match=r"^programs\[0\]: expected component functions"):
        function(OTHER)


# Arrays ----------------------------------------------------------------------------


def test_read_only_strided_and_narrow_arrays_make_the_same_task():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 8)).astype(np.float32), rng.normal(size=20).astype(np.float32)
    plain = Task(*(np.array(a, np.float64) for a in (x[:, ::2], y[::2], x[:, ::2], y[::2])))
    strided = Task(x[:, ::2], y[::2], np.asfortranarray(x[:, ::2]), y[::2])
    frozen = x[:, ::2].astype(np.float64)
    frozen.setflags(write=False)
    expected = evaluate(PROGRAM, plain)
    assert evaluate(PROGRAM, strided) == evaluate(PROGRAM, Task(frozen, y[::2], frozen, y[::2]))
    assert evaluate(PROGRAM, strided) == expected


def test_tasks_refuse_what_has_no_meaning():
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="^train_x: expected finite numbers, received"):
            Task([[bad]], [0.0], [[0.0]], [0.0])
    with pytest.raises(ValueError, match="^train_x: expected 1 to 1024 features, received 1025"):
        Task(np.zeros((1, 1025)), [0.0], np.zeros((1, 1025)), [0.0])


MATMUL = Instruction("MATRIX_MATRIX_PRODUCT_OP", in1=0, in2=1, out=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scalars": np.zeros((2, 2))}, "scalars, vectors, matrices: expected shapes [S], [V, F]"),
        ({"vectors": np.zeros((2, 3))}, "scalars, vectors, matrices: expected shapes [S], [V, F]"),
        ({"vectors": np.zeros((0, 4))}, None),
        ({"vectors": np.zeros((2, 0)), "matrices": np.zeros((2, 0, 0))}, "scalars, vectors, mat"),
        ({"matrices": np.zeros((1, 4, 4))}, "matrices: expected at least 2 registers for"),
        ({"lanes": 3}, "lanes: expected 1, 8 or 16, received 3"),
    ],
    ids=range(6),
)
def test_a_single_instruction_needs_its_registers(change, message):
    memory = {"scalars": np.zeros(2), "vectors": np.zeros((2, 4)), "matrices": np.zeros((2, 4, 4))}
    if message is None:
        run_instruction(MATMUL, **{**memory, **change})
        return
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        run_instruction(MATMUL, **{**memory, **change})


def test_a_single_instruction_leaves_the_given_arrays_alone():
    memory = [np.full(2, 1.0), np.full((2, 4), 2.0), np.full((2, 4, 4), 3.0)]
    for array in memory:
        array.setflags(write=False)
    changed = run_instruction(MATMUL, *memory)
    assert changed[2][1, 0, 0] == 36.0 and memory[2][1, 0, 0] == 3.0


# Memory ----------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("features", [1, 4, 16, 63, 64, 300])
def test_the_size_of_compiled_examples_is_known_before(features, precision):
    for tasks in (1, 3, 10, 16, 21):
        for train, valid, epochs in ((1, 1, 1), (200, 3, 1), (50, 300, 1), (40, 10, 5)):
            batch = TaskBatch(random_tasks(0, tasks, features, train, valid, epochs))
            estimate = batch_bytes(batch, precision)
            assert compile_batch(batch, precision).nbytes <= estimate
        # Fine for what is large enough to matter.
        batch = TaskBatch(random_tasks(0, tasks, features, 600, 600, 2))
        assert batch_bytes(batch, precision) < 2.2 * compile_batch(batch, precision).nbytes


def test_examples_that_do_not_fit_are_refused_before_they_are_copied(monkeypatch):
    # 2.4 MB of task, 10,000 epochs of it in lockstep.
    (task,) = random_tasks(0, 1, 2, 100, 1, 10_000)
    assert batch_bytes(TaskBatch([task])) > 24e6
    monkeypatch.setattr(_checks, "available_memory_bytes", lambda: 20_000_000)
    with pytest.raises(ValueError, match=r"^tasks: examples of TaskBatch\(1 tasks, rms_error, F=2"):
        evaluate(PROGRAM, task)
    monkeypatch.setattr(_checks, "available_memory_bytes", lambda: None)
    assert evaluate(PROGRAM, task).shape == (1, 1)


def test_registers_that_do_not_fit_are_refused_before_they_are_allocated(monkeypatch):
    tasks = random_tasks(0, 2, 1024, 1, 1)
    matrices = [Instruction("MATRIX_SUM_OP", in1=i, in2=19, out=19) for i in range(20)]
    large = PROGRAM.replace(learn=matrices)
    assert register_bytes(large.required_memory(), TaskBatch(tasks)) > 21 * 8 * 1024**2
    monkeypatch.setattr(_checks, "available_memory_bytes", lambda: 100_000_000)
    message = (
        r"^programs\[1\]: registers at F = 1024: expected to fit in 100 MB of memory, "
        r"received 176 MB"
    )
    with pytest.raises(ValueError, match=message):
        evaluate([PROGRAM, large], tasks)
    with pytest.raises(ValueError, match="registers at F = 1024"):
        trace(large, tasks)
    assert evaluate(PROGRAM, tasks).shape == (1, 2)


def test_the_largest_memory_fits_ordinary_machines():
    (task,) = random_tasks(0, 1, 1024, 1, 1, 2)
    assert register_bytes(MemorySizes(), TaskBatch([task])) < 400e6
