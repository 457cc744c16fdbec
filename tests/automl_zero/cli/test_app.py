"""The command line as a whole: errors are one line and an exit code, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from automl_zero.cli import _ops, app, main

COMMANDS = ("demo", "evolve", "evaluate", "export", "ops", "configs")


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("automl-zero: ")
    assert "Traceback" not in captured.err
    return code, captured.err


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("automl-zero ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["foo"], "No such command 'foo'"),
        (["ops", "--jsn"], "No such option"),
        (["evolve"], "Missing argument"),
        (["evolve", "dmo"], "(did you mean 'demo'?)"),
        (["evolve", "demo", "--set", "population.sise=1"], "(did you mean 'size'?)"),
        (["evolve", "demo", "--seed", "-1"], "--seed"),
        (["evolve", "demo", "--seed", "x"], "--seed"),
        (["evolve", "demo", "--seconds", "0"], "--seconds"),
        (["evolve", "demo", "--out", "/no/such/folder/x.json"], "--out: expected an existing"),
        (["configs", "dgits"], "(did you mean 'digits'?)"),
        (["demo", "--part", "digts"], "(did you mean 'digits'?)"),
        (["evaluate", "/no/such/file", "--task", "linear"], "/no/such/file"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    code, message = failing(capsys, *arguments)
    assert code == 2
    assert expected in message


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (ValueError("size: expected 1,\n received 2"), 2, "size: expected 1, received 2"),
        (FileNotFoundError(2, "No such file or directory", "x.npz"), 2, "x.npz: No such file"),
        (MemoryError(), 1, "out of memory"),
        (KeyError("x"), 1, "internal error: KeyError: 'x'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_inside_is_one_line_too(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    expected: str,
) -> None:
    def fail(data: object) -> None:
        raise error

    monkeypatch.setattr(_ops, "print_json", fail)
    received, message = failing(capsys, "ops", "--json")
    assert received == code
    assert expected in message


def test_debug_variable_adds_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_ZERO_DEBUG", "1")
    assert main(["evolve", "dmo"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_output_to_a_closed_pipe_ends_quietly() -> None:
    command = f"'{sys.executable}' -c 'import sys; from automl_zero.cli import main; \
sys.exit(main([\"ops\", \"--json\"]))' | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "["
    assert "Traceback" not in done.stderr


def test_importing_the_package_does_not_import_the_command_line() -> None:
    program = "import sys, automl_zero; print([m for m in ('typer', 'rich') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
