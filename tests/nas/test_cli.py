"""``automl-zero nas``: what it prints and writes, and its errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_zero.cli import main
from automl_zero.evolution.runs import Run
from nas import SearchConfig
from nas.benchmarks import NasBench201
from tests.nas.toy import SPACE

SEARCH = ("nas", "search", "nas-bench-201", "--quiet")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("automl-zero: ")
    assert "Traceback" not in captured.err
    return code, captured.err


def test_search_prints_the_best_and_keeps_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, result = tmp_path / "run", tmp_path / "result.json"
    shown = run(
        capsys, *SEARCH, "--strategy", "regularized-evolution", "--data", "cifar10",
        "--evaluations", "60", "--seed", "3", "--run", str(folder), "--out", str(result),
    )  # fmt: skip
    outcome = SearchConfig(evaluations=60, seed=3, data="cifar10").run()
    benchmark = NasBench201("cifar10")
    assert shown.splitlines()[:3] == [
        outcome.text,
        f"value {outcome.best.values[0]:.6g} · found by trial {outcome.best.number}",
        f"cifar10_test_200 {benchmark.test(outcome.best.architecture):g}",
    ]
    data = json.loads(result.read_text())
    assert data["best"]["text"] == outcome.text and data["trials"] == 60
    assert data["details"]["cifar10_test_200"] == benchmark.test(outcome.best.architecture)
    assert Run.open(folder).status == "finished"
    summary = run(capsys, "show", str(folder)).splitlines()
    assert "trials    60" in summary and f"best  {outcome.text}" in summary
    assert run(capsys, "nas", "resume", str(folder), "--quiet").splitlines()[0] == outcome.text


def test_several_objectives_print_their_front(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(
        capsys, *SEARCH, "--strategy", "nsga2", "--evaluations", "50",
        "--set", "strategy.population_size=10",
        "--set", 'objective.columns=["cifar10_val_12", "-cifar100_val_12"]',
    )  # fmt: skip
    lines = shown.splitlines()
    front = lines[lines.index("Pareto front") + 1 : -1]
    assert len(front) >= 1 and lines[0] in front[0]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("search", "nas-bench-202"), 2, "(did you mean 'nas-bench-201'?)"),
        (("search", "nas-bench-201", "--strategy", "evolution"), 2, "strategy: expected one of"),
        (("search", "nas-bench-201", "--evaluations", "0"), 2, "--evaluations"),
        (("search", "nas-bench-201", "--set", "size=3"), 2, "--set: expected space., strategy."),
        (("search", "nas-bench-201", "--set", "strategy=3"), 2, "--set: expected space., strategy"),
        (("search", "nas-bench-201", "--set", "strategy.size=3"), 2, "strategy.size: unknown key"),
        (("search", "nas-bench-201", "--workers", "2"), 2, "workers: expected at most batch"),
        (("search", "nas-bench-201", "--strategy", "asha"), 1, "take a strategy without budgets"),
        (("search", "nas-bench-201", "--out", "/no/such/x.json"), 2, "--out: expected an existing"),
        (("resume", "/no/such/run"), 2, "run: expected the folder of a run"),
        (("report", "/no/such/run"), 2, "run: expected the folder of a run"),
        (("export", "/no/such/run"), 2, "architecture: expected a text of six edges"),
        (("find",), 2, "No such command 'find'"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, expected: str
) -> None:
    quiet = ("--quiet",) if arguments[0] == "search" else ()
    assert failing(capsys, "nas", *arguments, *quiet)[0] == code
    main(["nas", *arguments, *quiet])
    assert expected in capsys.readouterr().err


def test_a_run_of_another_search_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Run.create(tmp_path / "run", kind="program search", config={})
    for command in ("resume", "report", "export"):
        out = ("-o", str(tmp_path / "out.html")) if command == "report" else ()
        code, error = failing(capsys, "nas", command, str(tmp_path / "run"), *out)
        assert code == 2 and "expected an architecture search, received a program search" in error


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "nas" in capsys.readouterr().out
    shown = run(capsys, "nas", "--help")
    for command in ("search", "resume", "report", "export"):
        assert command in shown
        assert "Usage" in run(capsys, "nas", command, "--help")


def test_the_found_network_is_exported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder, file = tmp_path / "run", tmp_path / "net.py"
    text = run(capsys, *SEARCH, "--evaluations", "5", "--run", str(folder)).splitlines()[0]
    run(capsys, "nas", "export", str(folder), "-o", str(file), "--set", "classes=7")
    by_text = run(capsys, "nas", "export", text, "--set", "classes=7")
    assert file.read_text() == by_text
    names: dict[str, object] = {"__name__": "net"}
    exec(compile(by_text, "net.py", "exec"), names)
    network = names["build"]()  # type: ignore[operator]
    assert list(network.state_dict().values())[-1].shape == (7,)
    code, error = failing(capsys, "nas", "export", text, "--set", "colour=7")
    assert code == 2 and "--set: expected settings of a network" in error


def test_a_report_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    folder, page = tmp_path / "run", tmp_path / "report.html"
    text = run(capsys, *SEARCH, "--evaluations", "5", "--run", str(folder)).splitlines()[0]
    run(capsys, "nas", "report", str(folder), "-o", str(page))
    assert text in page.read_text()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    program = (
        "import sys, time, nas; from automl_zero.cli import main\n"
        "def slow(space, data):\n"
        "    return lambda space, cell, budget: time.sleep(0.05) or float(sum(cell))\n"
        "nas.register_objective('slow', slow)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    # SIGINT is ignored in the background jobs of a shell: give it its meaning again.
    process = subprocess.Popen(
        [
            sys.executable, "-c", program, "nas", "search", "nas-bench-201",
            "--objective", "slow", "--run", str(folder), "--evaluations", "100000",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "best.json").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    shown, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"to go on: automl-zero nas resume {folder}" in errors
    assert shown.splitlines()[1].startswith("value ")
    assert Run.open(folder).status == "interrupted"


def test_the_toy_space_reads_its_texts() -> None:
    """Names with spaces go through logs and command lines."""
    architecture = (0, 1, 2, 3, 0, 1, 2, 3)
    assert SPACE.from_text(SPACE.to_text(architecture)) == architecture
