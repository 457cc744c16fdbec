"""scripts/check_golden.py: agrees with good files, tells what differs in others."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from _golden import GoldenVector, vector_difference
from check_golden import main

from automl_zero.program import Instruction
from automl_zero.reference import run_instruction

GOLDEN = Path(__file__).parent.parent / "golden"
TASKS = GOLDEN / "tasks.json.gz"


def run(programs, *more, tasks=TASKS):
    return main(
        ["--programs", str(programs), "--tasks", str(tasks), "--interpreter", "reference"]
        + [str(item) for item in more]
    )


def records(name):
    return json.loads(gzip.decompress((GOLDEN / f"{name}.json.gz").read_bytes()))


@pytest.fixture
def programs(tmp_path):
    """A plain file of the three programs at the start of the golden ones, and a way to spoil it."""
    path = tmp_path / "programs.json"

    def write(spoil=lambda data: None):
        data = records("reference_programs")[:3]
        spoil(data)
        path.write_text(json.dumps(data))
        return path

    return write


def test_golden_files_agree(tmp_path, capsys):
    rows = tmp_path / "rows.json"
    vectors = GOLDEN / "op_vectors.json.gz"
    status = run(
        GOLDEN / "reference_programs.json.gz", "--op-vectors", vectors, "--quick", "--json", rows
    )
    assert status == 0
    written = {row["name"]: row for row in json.loads(rows.read_text())}
    assert written["programs_mismatched"]["value"] == 0
    assert written["vectors_checked"]["value"] == 70
    assert set(written["vectors_checked"]) == {"name", "value", "unit", "target"}
    assert capsys.readouterr().out.startswith("machine: ")


def test_a_wrong_fitness_is_a_mismatch(programs, capsys):
    assert run(programs()) == 0
    path = programs(lambda data: data[1]["expect"].update(fitness=0.5))
    assert run(path) == 1
    assert "MISMATCH program 1 (LinearModel) on task 0: fitness" in capsys.readouterr().out


def test_a_wrong_stop_is_a_mismatch_unless_rounding_decides(programs):
    wrong = {"stop": "train_nan", "stop_step": 3}
    assert run(programs(lambda data: data[0]["expect"].update(wrong))) == 1
    wrong["rounding_sensitive"] = True
    assert run(programs(lambda data: data[0]["expect"].update(wrong))) == 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[1].pop("learn"), "record 1: no 'learn'"),
        (lambda data: data[2]["setup"][0].update(out=20), "record 2: out: expected a register"),
        (lambda data: data[0].update(task=77), "program 0 needs task 77"),
        (lambda data: data.append(3), "record 3: "),
    ],
)
def test_a_bad_record_is_an_error_that_names_it(programs, capsys, spoil, message):
    path = programs(spoil)
    assert run(path) == 2
    error = capsys.readouterr().err
    assert message in error and str(path) in error


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\x1f\x8bxx", None])
def test_a_bad_file_is_an_error_that_names_it(tmp_path, capsys, content):
    path = tmp_path / "programs.json"
    if content is not None:
        path.write_bytes(content)
    assert run(path) == 2
    assert str(path) in capsys.readouterr().err


def after(op, x, y=None, *, expected):
    """The difference between what ``op`` makes of ``x`` and ``y`` and what is ``expected``."""
    count = len(x)
    vectors = np.array([x, y if y is not None else np.zeros(count)], dtype=float)
    instruction = Instruction(op, 0, 1 if y is not None else 0, 1)
    golden = GoldenVector(instruction, count, {"v": vectors.ravel()}, {})
    memory = golden.memory()
    run_instruction(instruction, memory)
    left = {"s": np.array([0.0, expected])}
    return vector_difference(GoldenVector(instruction, count, golden.before, left), memory)


def test_sums_that_cancel_are_compared_relative_to_their_terms():
    dot = "VECTOR_INNER_PRODUCT_OP"
    assert after(dot, [1e300, 1.0, -1e300, 1.0], [1, 1, 1, 1], expected=1.0) < 1e-13
    assert after(dot, [1.0, 1.0, 1.0, 1.0], [1, 1, 1, 1], expected=4.0 + 1e-11) > 1e-13
    # In another order the terms overflow.
    assert after(dot, [1e308, 1e308, -1e308, -1e308], [1, 1, 1, 1], expected=math.nan) == 0
    assert after(dot, [1.0, math.inf, 1.0, 1.0], [1, 1, 1, 1], expected=math.nan) == math.inf


def test_standard_deviations_are_compared_by_their_squares():
    # The root of what rounding leaves: 0, NaN or some 1e-9.
    constant = [0.1, 0.1, 0.1, 0.1, 0.1]
    for expected in (0.0, math.nan, 1e-9):
        assert after("VECTOR_ST_DEV_OP", constant, expected=expected) < 1e-13
    assert after("VECTOR_ST_DEV_OP", constant, expected=1e-3) > 1e-13
