"""``automl-zero evaluate``: fitness of a program file on tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from automl_zero.cli import main

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


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "linear.txt"
    path.write_text(LINEAR)
    return str(path)


def test_linear_regression_learns_linear_tasks(
    capsys: pytest.CaptureFixture[str], program: str
) -> None:
    arguments = ["evaluate", program, "--task", "linear", "--json", "--set", "train=1000"]
    assert main([*arguments, "--set", "count=3"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["objective"] == "rms_error"
    assert len(data["tasks"]) == 3
    assert data["mean"] > 0.9999


def test_same_seed_gives_the_same_tasks(capsys: pytest.CaptureFixture[str], program: str) -> None:
    shown = []
    for seed in ("1", "1", "2"):
        assert main(["evaluate", program, "--task", "affine", "--seed", seed, "--json"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != shown[2]


def test_tasks_of_an_experiment_can_be_used(
    capsys: pytest.CaptureFixture[str], program: str
) -> None:
    arguments = ["evaluate", program, "--config", "digits", "--set", "tasks.search.count=30"]
    assert main([*arguments, "--tasks", "search"]) == 0
    shown = capsys.readouterr().out
    assert "digits" in shown
    assert "... 10 more" in shown
    assert "accuracy: mean 0." in shown
    assert "30 tasks" in shown


def test_show_prints_the_program_with_comments(
    capsys: pytest.CaptureFixture[str], program: str
) -> None:
    assert main(["evaluate", program, "--task", "linear", "--show"]) == 0
    assert "# weights += error × learning rate × features" in capsys.readouterr().out


def test_ablation_prints_what_each_line_is_worth(
    capsys: pytest.CaptureFixture[str], program: str
) -> None:
    arguments = ["evaluate", program, "--task", "linear", "--set", "train=1000", "--ablation"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r"  s2 = 0\.1 +# -0\.\d{3} without: learning rate", lines[1])
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["ablation"]
    assert [row["instruction"] for row in rows][:2] == ["s2 = 0.1", "s1 = dot(v1, v0)"]
    assert all(row["live"] and row["difference"] < -0.1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--task, --config: expected one of them"),
        (["--task", "linear", "--config", "demo"], "--task, --config: expected one of them"),
        (["--task", "linar"], "(did you mean 'linear'?)"),
        (["--task", "linear", "--set", "trian=1"], "(did you mean 'train'?)"),
        (["--task", "linear", "--set", "train"], "expected section.key=value"),
        (["--config", "demo", "--tasks", "finl"], "(did you mean 'final'?)"),
        (["--config", "dmo"], "(did you mean 'demo'?)"),
        (["--task", "projected_binary", "--set", "data=/no/such/file.npz"], "/no/such/file.npz"),
        (["--task", "linear", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], program: str, arguments: list[str], expected: str
) -> None:
    assert main(["evaluate", program, *arguments]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert expected in message


def test_malformed_program_names_file_line_and_column(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(LINEAR.replace("dot(v1, v0)", "dto(v1, v0)"))
    assert main(["evaluate", str(path), "--task", "linear"]) == 2
    message = capsys.readouterr().err
    assert f"{path}: line 5, column" in message
    assert "dot" in message
