"""``automl-zero trace``: a program step by step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl_zero.cli import main
from automl_zero.evolution._initial_programs import PROGRAM_FOLDER

LINEAR = str(PROGRAM_FOLDER / "linear.txt")
NETWORK = str(PROGRAM_FOLDER / "neural_net.txt")


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["trace", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_register_written_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, LINEAR, "--task", "linear", "--example", "3")
    assert "training example 3 of 100" in shown[0]
    assert shown[1] == "Predict:"
    written = [line.split()[0] for line in shown if line.startswith("  ")]
    assert written == ["v0", "s0", "s1", "v0", "s0", "s3", "s3", "v2", "v1"]
    assert "→" in shown[-2]
    assert "# weights += learning rate × error × features" in shown[-2]
    assert shown[-1].startswith("label ")


def test_comments_align_and_no_line_is_folded(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, LINEAR, "--config", "digits", "--example", "0")
    assert "Setup:" in shown
    assert any("s1 = sigmoid" in line and "0.5" in line for line in shown)
    assert any("… 12 more]" in line for line in shown)
    columns = [line.index("#") for line in shown if "#" in line]
    assert len(set(columns[:-1])) == 1  # the last one is too long to wait for


def test_one_function_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    task = ("--task", "two_layer_nn")
    learn = lines(capsys, NETWORK, *task, "--example", "2", "--function", "learn")
    assert learn[1] == "Learn:"
    assert "4×4, norm" in learn[-1]
    setup = lines(capsys, NETWORK, *task, "--example", "2", "--function", "setup")
    assert setup[1] == "Setup:"
    assert len(setup) == 5


def test_a_simplified_program_can_be_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "program.txt"
    path.write_text(Path(LINEAR).read_text() + "  v1 = maximum(v1, v1)\n")
    assert "maximum" in "\n".join(lines(capsys, str(path), "--task", "linear"))
    assert "maximum" not in "\n".join(lines(capsys, str(path), "--task", "linear", "--simplified"))


def test_json_holds_whole_registers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", LINEAR, "--config", "digits", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data[0] == {
        "function": "setup", "position": 0, "instruction": "s2 = 0.01", "harness": None,
        "register": "s2", "before": 0.0, "after": 0.01,
    }  # fmt: skip
    assert len(data[-1]["after"]) == 16


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--task, --config: expected one of them"),
        (["--task", "linear", "--example", "100"], "example: expected an integer in 0..99"),
        (["--task", "linear", "--example", "-1"], "--example"),
        (["--task", "linear", "--function", "lern"], "(did you mean 'learn'?)"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["trace", LINEAR, *arguments]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert expected in message
