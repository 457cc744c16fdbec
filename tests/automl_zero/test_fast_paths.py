"""What only makes the compiled interpreter quicker changes no bit of any result."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from automl_zero.evaluation import STOP_REASONS, _engine, evaluate, trace
from automl_zero.liveness import live_program
from automl_zero.program import Program
from automl_zero.tasks import Task, TaskBatch
from tests.engine import Results, compiled
from tests.workloads import digest, mixed_workloads, random_programs, random_tasks

PRECISIONS = ("float64", "float32")

SWITCHES = {
    "one lane": {"lanes": 1},
    "16 lanes": {"lanes": 16},
    "examples one by one": {"run_flags": _engine.NO_WIDE},
    "no fusion": {"run_flags": _engine.NO_FUSION},
    "dead code kept": {"canonical_flags": _engine.KEEP_DEAD},
    "names kept": {"canonical_flags": _engine.KEEP_NAMES},
    "all off": {
        "lanes": 1,
        "run_flags": _engine.NO_WIDE | _engine.NO_FUSION,
        "canonical_flags": _engine.KEEP_DEAD | _engine.KEEP_NAMES,
    },
}

WORKLOADS = {seed: list(mixed_workloads(seed, 40)) for seed in (1, 2)}


def assert_same(found: Results, expected: Results, programs, what):
    """Not a bit differs; names the first program and task otherwise."""
    if found.bytes() == expected.bytes():
        return
    for name, ours, theirs in zip(Results._fields, found, expected, strict=True):
        # No fitness is NaN, and a wrong -0 would not matter.
        for p, t, *_ in np.argwhere(ours != theirs):
            pytest.fail(
                f"{what}: {name} {ours[p, t]}, expected {theirs[p, t]}, of program {p} on task {t}"
                f"\n{programs[p]}"
            )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_changes_nothing(switch, precision):
    for programs, tasks, limit in WORKLOADS[1]:
        options = {"precision": precision, "max_abs_error": limit}
        expected = compiled(programs, tasks, **options)
        found = compiled(programs, tasks, **options, **SWITCHES[switch])
        assert_same(found, expected, programs, f"{switch}, F={tasks[0].features}")


def test_8_lanes_change_nothing():
    # float64 only: 8 float32 lanes do not fill a vector.
    for programs, tasks, limit in WORKLOADS[2]:
        expected = compiled(programs, tasks, max_abs_error=limit)
        assert_same(compiled(programs, tasks, lanes=8, max_abs_error=limit), expected, programs, "")


def test_the_workloads_are_varied():
    reasons, goes_on, varied, sizes = [], [], 0, []
    for programs, tasks, limit in WORKLOADS[1]:
        stops = compiled(programs, tasks, max_abs_error=limit).stops[..., 0]
        reasons += stops.ravel().tolist()
        varied += sum(len(set(row)) > 1 for row in stops.tolist())
        goes_on.append(np.mean(stops == 0))
        sizes += [len(live_program(program)) for program in programs]
    assert set(reasons) >= {0, 1, 2, 3, 4, 6}
    assert np.mean(goes_on) > 0.4
    assert varied > 50  # programs whose lanes end differently
    assert np.mean(sizes) > 3


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("features", [1, 4, 8, 16, 33])
def test_a_task_has_its_fitness_in_any_company(features, precision):
    programs = random_programs(features, 30)
    tasks = random_tasks(features, 20, features, 5, 18, 2)
    together = compiled(programs, tasks, precision=precision)
    order = np.random.default_rng(0).permutation(20)
    shuffled = compiled(programs, [tasks[t] for t in order], precision=precision)
    expected = Results(*(np.ascontiguousarray(array[:, order]) for array in together))
    assert_same(shuffled, expected, programs, "shuffled")
    for start, stop in ((0, 1), (19, 20), (2, 10), (3, 13), (1, 13), (0, 17)):
        some = compiled(programs, tasks[start:stop], precision=precision)
        expected = Results(*(np.ascontiguousarray(array[:, start:stop]) for array in together))
        assert_same(some, expected, programs, f"tasks {start} to {stop}")


def test_a_trace_is_the_same_in_any_company():
    tasks = random_tasks(4, 11, 4, 5, 6, 3)
    for program in random_programs(4, 40):
        runs = trace(program, tasks, max_abs_error=1.0)
        for t in (0, 10):
            (alone,) = trace(program, tasks[t], max_abs_error=1.0)
            for name in vars(alone):
                np.testing.assert_array_equal(
                    getattr(alone, name), getattr(runs[t], name), err_msg=f"{name}\n{program}"
                )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_trace_ends_as_searches_see_it(precision):
    for programs, tasks, limit in WORKLOADS[2]:
        options = {"precision": precision, "max_abs_error": limit}
        results = compiled(programs, tasks, **options)
        for p in range(0, len(programs), 3):
            runs = trace(programs[p], tasks, **options)
            assert [run.fitness for run in runs] == results.fitness[p].tolist()
            stops = [(STOP_REASONS.index(r.stop), r.stop_epoch, r.stop_step) for r in runs]
            assert stops == [tuple(stop) for stop in results.stops[p].tolist()]


@pytest.mark.parametrize("name", ["SIN", "TAN", "ARCSIN", "ARCTAN"])
def test_zeros_of_both_signs_in_neighbouring_lanes_stay_apart(name):
    program = Program.parse(
        f"""
def Setup():
def Predict():
  s2 = mean(v0)
  s2 = {name.lower()}(s2)
  s2 = 1 / s2
  s1 = heaviside(s2, 1.0)
def Learn():
"""
    )
    values = [0.0, -0.0, -0.0, 0.0, 1.0] * 4
    tasks = [Task([[x]], [1.0], [[x]], [1.0]) for x in values]
    fitness = evaluate(program, tasks)[0]
    assert [x == 1.0 for x in fitness] == [not np.signbit(x) for x in values]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_ran_before_changes_nothing(precision):
    for programs, tasks, limit in WORKLOADS[2]:
        options = {"precision": precision, "max_abs_error": limit}
        expected = compiled(programs, tasks, **options)
        backwards = compiled(programs[::-1], tasks, **options)
        found = Results(*(np.ascontiguousarray(array[::-1]) for array in backwards))
        assert_same(found, expected, programs, "backwards")
        for p in (0, len(programs) // 2, -1):
            alone = compiled([programs[p]], tasks, **options)
            row = Results(*(np.ascontiguousarray(array[[p]]) for array in expected))
            assert_same(alone, row, [programs[p]], "alone")


def test_threads_do_not_disturb_each_other():
    work = [(programs, TaskBatch(tasks)) for programs, tasks, _ in WORKLOADS[1]]
    expected = [evaluate(*item).tobytes() for item in work]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = [x.tobytes() for x in pool.map(lambda item: evaluate(*item), work)]
            assert found == expected


# Instruction sets ------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def run_with(isa: str, code: str) -> subprocess.CompletedProcess:
    """Python code with an instruction set forced."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"AUTOML_ZERO_ISA": isa, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("isa", _engine.instruction_sets())
def test_every_instruction_set_gives_the_same_bits(isa):
    code = "from tests.workloads import digest\n"
    code += "from automl_zero.kernels import _engine; print(_engine.ISA)\n"
    for precision in PRECISIONS:
        code += f"print(digest(3, 60, {precision!r}))\n"
    run = run_with(isa, code)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [isa, *(digest(3, 60, precision) for precision in PRECISIONS)]


def test_the_best_instruction_set_is_the_default():
    run = run_with("", "from automl_zero.kernels import _engine; print(_engine.ISA)")
    assert run.stdout.strip() == _engine.instruction_sets()[0]


@pytest.mark.parametrize("isa", ["v9", "V4", "avx2"])
def test_an_unknown_instruction_set_is_an_error(isa):
    run = run_with(isa, "import automl_zero.evaluation")
    names = ", ".join(_engine.instruction_sets())
    message = f"environment variable AUTOML_ZERO_ISA: expected one of {names}, received '{isa}'"
    assert run.returncode == 1 and message in run.stderr
