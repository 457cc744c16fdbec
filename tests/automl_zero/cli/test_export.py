"""``automl-zero export``: programs as source code."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from automl_zero._program_file import RESULT_FORMAT, ProgramFile, read_program_file
from automl_zero.cli import main
from automl_zero.export import to_numpy_source
from automl_zero.program import Program

TEXT = """def Setup():
  s2 = 0.1
def Predict():
  s1 = dot(v1, v0)
def Learn():
  s3 = s0 - s1
  s3 = s2 * s3
  v2 = s3 * v0
  v1 = v1 + v2
  m1 = outer(v1, v0)
"""

RESULT = {
    "format": RESULT_FORMAT,
    "program": TEXT,
    "final_fitness": 0.75,
    "experiments": 3,
    "config": {
        "description": "digits",
        "seed": 8,
        "tasks": {"final": {"kind": "projected_binary"}},
    },
}


@pytest.fixture
def program(tmp_path: Path) -> str:
    (tmp_path / "program.txt").write_text(TEXT)
    return str(tmp_path / "program.txt")


@pytest.mark.parametrize(
    ("to", "word"),
    [
        ("python", "ordered_sum"),
        ("numba", "njit"),
        ("torch", "nn.Module"),
        ("c", "model_train"),
        ("names", "weights = "),
        ("latex", "align*"),
        ("svg", "</svg>"),
    ],
)
def test_each_format_is_written_to_a_file_or_printed(
    to: str, word: str, program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "found.py"
    assert main(["export", program, "--to", to, "-o", str(path)]) == 0
    assert word in path.read_text()
    assert "written: " in capsys.readouterr().err
    assert [item.name for item in tmp_path.iterdir() if "partial" in item.name] == []
    assert main(["export", program, "--to", to]) == 0
    assert capsys.readouterr().out == path.read_text()


def test_the_module_is_that_of_the_python_function_and_runs(program: str, tmp_path: Path) -> None:
    path = tmp_path / "found.py"
    main(["export", program, "-o", str(path)])
    assert path.read_text() == to_numpy_source(TEXT)
    names: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    x = np.random.default_rng(0).normal(size=(500, 2))
    model = names["Model"]().fit(x, x @ [1.0, 2.0])
    np.testing.assert_allclose(model.predict([[1.0, 1.0]]), 3.0, rtol=1e-6)


def test_a_result_tells_objective_fitness_and_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    assert main(["export", str(path)]) == 0
    text = ast.get_docstring(ast.parse(capsys.readouterr().out))
    assert text is not None
    assert "Objective: accuracy." in text and "Fitness: 0.75." in text
    assert "Origin: a search of automl-zero: digits; seed 8, 3 experiments" in text
    assert main(["export", str(path), "--objective", "rms_error"]) == 0
    assert "Objective: rms_error." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"config": {"tasks": {"final": {"kind": "linear"}}}}, "rms_error"),
        ({"config": {"tasks": {"final": {"kind": "linear", "labels": "binary"}}}}, "accuracy"),
        ({"config": {"tasks": []}, "final_fitness": "x"}, None),
        ({"config": None, "experiments": None}, None),
    ],
)
def test_what_a_result_does_not_tell_is_left_out(tmp_path: Path, change, expected) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**RESULT, **change}))
    assert read_program_file(path).objective == expected


def test_program_text_tells_nothing_more(program: str) -> None:
    assert read_program_file(program) == ProgramFile(Program.parse(TEXT))


def test_dead_code_is_exported_if_asked_for(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", program, "--keep-dead-code"]) == 0
    assert "np.outer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--to", "pyhton"], "--to: expected one of python, numba, torch, c"),
        (["--objective", "acc"], "objective: expected one of rms_error, accuracy"),
        (["-o", "/no/such/folder/x.py"], "--out: expected an existing folder"),
        (["--to", "torch", "--keep-dead-code"], "--keep-dead-code: expected none"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(
    arguments: list[str], expected: str, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", program, *arguments]) == 2
    message = capsys.readouterr().err
    assert expected in message and message.count("\n") == 1
