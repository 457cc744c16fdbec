"""Reading programs from files: text, JSON, results of searches, and everything else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from automl_zero._program_file import RESULT_FORMAT, read_program, read_program_file
from automl_zero.program import Program

TEXT = "def Setup():\n  s2 = 0.1\ndef Predict():\n  s1 = dot(v1, v0)\ndef Learn():\n"
PROGRAM = Program.parse(TEXT)


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        PROGRAM.to_json(),
        json.dumps({"format": RESULT_FORMAT, "program": TEXT, "fitness": 1.0}),
    ],
    ids=["text", "json", "result"],
)
def test_each_form_reads_as_the_program(tmp_path: Path, content: str) -> None:
    path = tmp_path / "program"
    path.write_text(content)
    assert read_program(path) == PROGRAM


def test_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(TEXT.encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert read_program("-") == PROGRAM


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"{", b'{"a": 1}', b'{"format": "automl-zero result"}', b"def Foo():"],
)
def test_anything_else_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "program.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="program.txt"):
        read_program(path)


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(ValueError, match=str(path)):
            read_program(path)


def test_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    path.write_bytes(b"#" * 10_000_001)
    with pytest.raises(ValueError, match="expected at most"):
        read_program(path)


def test_the_folder_of_a_run_holds_its_best_program(tmp_path: Path) -> None:
    from automl_zero import ProgramSearch, load_config

    settings = ["stop.individuals=500", "experiments.maximum=1", "tasks.select.count=2",
                "tasks.final.count=2", "islands.epoch=0"]  # fmt: skip
    result = ProgramSearch(load_config("demo", settings)).run(tmp_path / "run")
    found = read_program_file(tmp_path / "run")
    assert found.program == read_program(tmp_path / "run") == result.program
    assert found.objective == "rms_error" and found.fitness == result.final_fitness
    (tmp_path / "run" / "best.json").write_text('{"genome": "def Setup("}')
    with pytest.raises(ValueError, match="run: "):
        read_program(tmp_path / "run")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the folder of a run"):
        read_program(tmp_path)
