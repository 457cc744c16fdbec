"""``automl-zero evolve`` and ``demo``: small searches from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_zero._program_file import read_program
from automl_zero.cli import main
from automl_zero.config import ExperimentConfig, load_config
from automl_zero.program import Program

QUICK = (
    "--set", "stop.individuals=3000", "--set", "experiments.maximum=1",
    "--set", "tasks.select.count=5", "--set", "tasks.final.count=5",
)  # fmt: skip


def test_evolve_prints_program_simplified_form_and_fitness(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evolve", "demo", *QUICK]) == 0
    captured = capsys.readouterr()
    assert "Program as found" in captured.out
    assert "def Learn():" in captured.out
    assert "fitness: search 0." in captured.out
    assert "1 experiment, 3k individuals" in captured.out
    assert "evolve demo" in captured.err  # progress is no part of the result


def test_quiet_prints_nothing_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evolve", "demo", *QUICK, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_out_json_holds_program_fitness_and_config(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    assert main(["evolve", "demo", *QUICK, "--seed", "7", "--out", str(path)]) == 0
    data = json.loads(path.read_text())
    assert data["format"] == "automl-zero result"
    assert read_program(path) == Program.parse(data["program"])
    assert ExperimentConfig.from_data(data["config"]).seed == 7
    assert len(data["final_task_fitness"]) == 5
    assert 0 <= data["fitness"] <= 1
    assert [item.name for item in tmp_path.iterdir()] == ["result.json"]
    capsys.readouterr()
    assert main(["evaluate", str(path), "--task", "linear"]) == 0


def test_out_txt_holds_the_program_with_comments(tmp_path: Path) -> None:
    path = tmp_path / "program.txt"
    assert main(["evolve", "demo", *QUICK, "--out", str(path)]) == 0
    assert set(read_program(path).components) == {"setup", "predict", "learn"}


def test_same_seed_finds_the_same_program(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        path = tmp_path / f"{name}.json"
        assert main(["evolve", "demo", *QUICK, "--seed", seed, "--out", str(path)]) == 0
        data = json.loads(path.read_text())
        found.append((data["program"], data["fitness"], data["final_task_fitness"]))
    assert found[0] == found[1] != found[2]


def test_evolve_takes_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(load_config("demo", [item for item in QUICK if "=" in item]).to_toml())
    assert main(["evolve", str(path), "--quiet"]) == 0


def test_unwritable_output_is_refused_before_the_search(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["evolve", "demo", "--out", str(tmp_path)]) == 2
    assert "--out: expected a file to write, received the folder" in capsys.readouterr().err


def test_demo_discovers_linear_regression(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--part", "linear", "--seed", "16", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "Discovered in " in shown
    assert "on 100 unseen tasks" in shown


def test_demo_compares_its_digits_classifier(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--part", "digits", "--seconds", "1", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "Held-out digit pairs" in shown
    assert "evolved program" in shown
    assert "logistic regression" in shown or "automl-zero[sklearn]" in shown


def test_ctrl_c_ends_the_search_with_the_best_so_far() -> None:
    program = (
        "import sys; from automl_zero.cli import main; sys.exit(main(['evolve', 'demo', "
        "'--set', 'stop.individuals=0', '--set', 'stop.seconds=60', "
        "'--set', 'experiments.sufficient_fitness=1.0']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    process.stderr.readline()  # the title: the search runs
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    shown, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "Program as found" in shown
    assert "Traceback" not in errors
