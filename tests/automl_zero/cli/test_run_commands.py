"""``evolve --run``, ``resume``, ``runs`` and ``show``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from automl_zero.cli import main
from automl_zero.evolution.runs import Run
from automl_zero.inspection import simplify
from automl_zero.program import Program

QUICK = (
    "--set", "stop.individuals=6000", "--set", "experiments.maximum=1",
    "--set", "tasks.select.count=5", "--set", "tasks.final.count=5",
    "--set", "islands.count=2", "--set", "islands.epoch=1000",
)  # fmt: skip


def evolve(folder: Path, *arguments: str) -> int:
    return main(["evolve", "demo", *QUICK, "--run", str(folder), "--workers", "1", *arguments])


def test_a_run_is_a_folder_that_can_be_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "first"
    assert evolve(folder) == 0
    found = capsys.readouterr().out
    assert main(["show", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "finished: individuals reached" in shown
    assert "6k in 1 experiments" in shown
    assert "Improvements of experiment 1" in shown
    program = found[found.index("def Setup") : found.index("Simplified")]
    assert program.strip() in shown
    assert "fitness: search 0." in shown and "final 0." in shown
    assert "mean of 5 unseen tasks, lowest 0." in shown


def test_the_simplified_program_is_shown_with_what_its_lines_are_worth(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert evolve(tmp_path / "run", "--quiet") == 0
    capsys.readouterr()
    assert main(["show", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    title = "Simplified, with the change of the search fitness without each line"
    lines = shown[shown.index(title) :].partition("\n")[2].partition("\n\nfitness")[0]
    program = Program.parse(Run.open(tmp_path / "run").best["genome"])
    assert Program.parse(lines) == simplify(program)
    instructions = [line for line in lines.splitlines() if not line.startswith("def")]
    assert all(re.search(r"# [+-][01]\.\d{3}", line) for line in instructions)
    assert any("# -0." in line for line in instructions)


def test_without_its_configuration_a_run_is_shown_as_far_as_it_can_be(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert evolve(tmp_path / "run", "--quiet") == 0
    (tmp_path / "run" / "config.toml").unlink()
    capsys.readouterr()
    assert main(["show", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    assert "\nSimplified\ndef Setup" in captured.out
    assert "warning" in captured.err and "config.toml" in captured.err


def test_runs_are_listed_with_what_they_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert f"no runs in {tmp_path}" in capsys.readouterr().out
    for name in ("first", "second"):
        assert evolve(tmp_path / name, "--quiet") == 0
    (tmp_path / "notes").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    capsys.readouterr()
    assert main(["runs", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split()[:3] == ["run", "status", "created"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["first", "finished"],
        ["second", "finished"],
    ]
    assert "6k" in lines[1]
    assert "warning" in captured.err and "broken" in captured.err


def test_a_finished_run_is_told_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert evolve(tmp_path / "run", "--quiet") == 0
    first = capsys.readouterr().out
    assert main(["resume", str(tmp_path / "run"), "--quiet"]) == 0
    again = capsys.readouterr().out
    assert again.rpartition(" in ")[0] == first.rpartition(" in ")[0]  # but for the time


def test_more_time_can_be_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    limits = ("--set", "stop.individuals=0", "--set", "experiments.sufficient_fitness=1.0")
    assert evolve(tmp_path / "run", *limits, "--seconds", "0.3", "--quiet") == 0
    before = json.loads((tmp_path / "run" / "result.json").read_text())
    assert before["stopped_by"] == "seconds"
    assert main(["resume", str(tmp_path / "run"), "--seconds", "0.8", "--quiet"]) == 0
    after = json.loads((tmp_path / "run" / "result.json").read_text())
    assert after["statistics"]["individuals"] > before["statistics"]["individuals"]
    assert after["seconds"] >= 0.8


def test_a_folder_in_use_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert evolve(tmp_path / "run", "--quiet") == 0
    assert evolve(tmp_path / "run", "--quiet") == 2
    assert "resume" in capsys.readouterr().err
    with Run.open(tmp_path / "run").lock():
        code = "import sys; from automl_zero.cli import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "resume", str(tmp_path / "run")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "another process" in done.stderr


def test_a_configuration_edited_since_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert evolve(tmp_path / "run", "--quiet") == 0
    path = tmp_path / "run" / "config.toml"
    path.write_text(path.read_text().replace("tournament_size = 10", "tournament_size = 9"))
    capsys.readouterr()
    assert main(["resume", str(tmp_path / "run")]) == 2
    assert "config.population.tournament_size" in capsys.readouterr().err
    path.write_text("seed = [")
    assert main(["resume", str(tmp_path / "run")]) == 2
    assert "config.toml" in capsys.readouterr().err
    path.unlink()
    assert main(["resume", str(tmp_path / "run")]) == 2


def test_a_damaged_checkpoint_is_said_aloud_and_the_one_before_is_taken(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    limits = ("--set", "stop.individuals=0", "--set", "experiments.sufficient_fitness=1.0")
    assert evolve(tmp_path / "run", *limits, "--seconds", "0.3", "--quiet") == 0
    assert main(["resume", str(tmp_path / "run"), "--seconds", "0.6", "--quiet"]) == 0
    newest = max((tmp_path / "run" / "checkpoints").glob("*.arrow"))
    newest.write_bytes(newest.read_bytes()[:-100])
    capsys.readouterr()
    assert main(["resume", str(tmp_path / "run"), "--seconds", "0.9", "--quiet"]) == 0
    assert f"warning: {tmp_path / 'run'}: " in capsys.readouterr().err
    for path in (tmp_path / "run" / "checkpoints").glob("*.arrow"):
        path.write_bytes(b"")
    assert main(["resume", str(tmp_path / "run"), "--seconds", "2"]) == 2
    assert "expected a checkpoint that can be read" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["resume", "show"])
def test_a_folder_without_a_run_is_named(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([command, str(tmp_path)]) == 2
    assert f"expected the folder of a run, received {tmp_path}" in capsys.readouterr().err


def test_a_file_in_the_way_is_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert evolve(tmp_path / "file" / "run") != 0
    assert evolve(tmp_path / "file") == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    assert evolve(tmp_path / "one", "--quiet") == 0
    assert evolve(tmp_path / "two", "--quiet", "--workers", "2") == 0
    one, two = Run.open(tmp_path / "one"), Run.open(tmp_path / "two")
    assert one.best == two.best
    assert one.events().drop_columns(["seconds"]) == two.events().drop_columns(["seconds"])


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_a_run_that_can_be_resumed(workers: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = "import sys; from automl_zero.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["evolve", "demo", *QUICK, "--run", str(folder), "--workers", workers,
                 "--set", "stop.individuals=100000000"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not (folder / "best.txt").exists():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it too
    shown, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Program as found" in shown
    assert f"to go on: automl-zero resume {folder}" in errors
    assert "Traceback" not in errors
    run = Run.open(folder)
    assert run.status == "interrupted" and run.sessions[-1]["reason"] == "interrupted"
    newest, problems = run.checkpoints.newest()
    assert newest is not None and not problems


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = "import sys; from automl_zero.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["evolve", "demo", *QUICK, "--run", str(folder), "--workers", "1",
                 "--set", "stop.individuals=0", "--set", "stop.seconds=600",
                 "--set", "islands.epoch=1000000000"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    while "evolve demo" not in process.stderr.readline():
        assert process.poll() is None
    for _ in range(2):
        while not (folder / "sessions.jsonl").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors
    assert "interrupted" in errors and "Traceback" not in errors
    assert Run.open(folder).status == "interrupted"
