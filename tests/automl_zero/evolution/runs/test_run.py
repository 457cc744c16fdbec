"""The run directory: creation, opening, configuration, status, results, lists of runs."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import automl_zero
from automl_zero.evolution.runs import EVENT_SCHEMA, Run, RunWriteError, list_runs, read_events

CONFIG = {"tasks": {"kind": "linear", "sizes": (10, 100)}, "rate": float("inf"), "fast": True}
STORED = {"tasks": {"kind": "linear", "sizes": [10, 100]}, "rate": "inf", "fast": True}
NOTHING: dict[str, Any] = dict.fromkeys(
    ["experiment", "epoch", "island", "individuals", "fitness", "seconds"]
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "deep" / "first", kind="programs", config=CONFIG, seed=2**64 - 1)


def rewrite(run: Run, **changes: Any) -> Path:
    path = run.path / "run.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not ...}))
    return path


def test_a_run_is_read_back_as_it_was_created(tmp_path: Path) -> None:
    created = Run.create(
        tmp_path / "a", kind="programs", config=CONFIG, config_text="rate = inf\n", seed=7,
        instruction_set="v4",
    )  # fmt: skip
    for run in (created, Run.open(str(tmp_path / "a"))):
        assert (run.kind, run.seed, run.config, run.name) == ("programs", 7, STORED, "a")
        assert run.path == tmp_path / "a"
        assert run.versions["automl_zero"] == automl_zero.__version__
        assert set(run.versions) == {"automl_zero", "python", "numpy", "pyarrow"}
        assert run.machine["instruction_set"] == "v4"
        assert set(run.machine) == {"system", "processor", "cores", "instruction_set"}
        assert run.created == created.created and run.created.endswith("+00:00")
        assert (run.status, run.best, run.result, run.sessions) == ("new", None, None, [])
        assert run.seconds == 0
    assert (tmp_path / "a" / "config.toml").read_text() == "rate = inf\n"
    assert "kind='programs'" in repr(created)


def test_what_properties_return_is_the_callers(run: Run) -> None:
    run.config["tasks"]["kind"] = "other"
    run.versions.clear()
    run.machine.clear()
    assert run.config == STORED and run.versions and run.machine


def test_opening_needs_no_pyarrow(run: Run) -> None:
    program = (
        "import sys; from automl_zero.evolution.runs import Run\n"
        "Run.open(sys.argv[1]).differences_of_machine(); print('pyarrow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, run.path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_run_is_only_made_in_a_new_or_empty_folder(tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    Run.create(tmp_path / "empty", kind="programs", config={})
    with pytest.raises(ValueError, match="^run: .* which holds a run: resume that one"):
        Run.create(run.path, kind="programs", config={})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(ValueError, match="^run: expected a new or empty folder.*'notes.txt'"):
        Run.create(tmp_path / "other", kind="programs", config={})
    assert os.listdir(tmp_path / "other") == ["notes.txt"]
    with pytest.raises(ValueError, match="^run: expected a new folder, .*: Not a directory"):
        Run.create(tmp_path / "other" / "notes.txt", kind="programs", config={})
    with pytest.raises(RunWriteError, match="cannot write .*notes.txt/a: Not a directory"):
        Run.create(tmp_path / "other" / "notes.txt" / "a", kind="programs", config={})


def test_a_creation_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    for name in ("run.lock", ".run.json.123.partial"):
        (tmp_path / name).write_text("half")
    Run.create(tmp_path, kind="programs", config={})
    assert sorted(os.listdir(tmp_path)) == ["run.json", "run.lock"]


def test_bad_arguments_of_a_creation_leave_nothing(tmp_path: Path) -> None:
    for changes, message in (
        ({"kind": ""}, "^kind: expected a name"),
        ({"kind": 3}, "^kind: expected a name"),
        ({"config": [1]}, "^config: expected a mapping"),
        ({"config": {"a": object()}}, "^config: expected plain data"),
        ({"seed": -1}, "^seed: expected an integer"),
        ({"seed": 2**64}, "^seed: expected an integer"),
        ({"seed": 1.0}, "^seed: expected an integer"),
    ):
        with pytest.raises(ValueError, match=message):
            Run.create(tmp_path / "a", **({"kind": "programs", "config": {}} | changes))
    assert os.listdir(tmp_path) == []


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone", tmp_path / "a\0b"):
        with pytest.raises(ValueError, match=r"^run: expected the folder of a run, .*run\.json"):
            Run.open(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "automl-zero result", "format: expected 'automl-zero run', received"),
        ("format", ..., "format: expected 'automl-zero run', received None"),
        ("version", 2, "version: expected 1, received 2 .made by a newer version"),
        ("version", "1", "version: expected an integer"),
        ("kind", None, "kind: expected a text, received None"),
        ("created", "yesterday", "created: expected a time with its zone, received 'yesterday'"),
        ("created", "2026-01-01T00:00:00", "created: expected a time with its zone"),
        ("created", 5, "created: expected a text"),
        ("config", [], r"config: expected an object, received \[\]"),
        ("versions", "1", "versions: expected an object"),
        ("machine", ..., "machine: expected an object, received None"),
        ("seed", -1, "seed: expected an integer"),
        ("seed", "1", "seed: expected an integer"),
    ],
)
def test_a_wrong_field_is_named(run: Run, field: str, value: Any, message: str) -> None:
    rewrite(run, **{field: value})
    with pytest.raises(ValueError, match=rf"run\.json: {message}"):
        Run.open(run.path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"[" * 100_000, b"\xff", b'{"a": NaN}'])
def test_a_damaged_file_is_named(run: Run, content: bytes) -> None:
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.json: "):
        Run.open(run.path)


def test_the_same_configuration_is_accepted(run: Run) -> None:
    run.require_config(CONFIG)
    run.require_config(STORED)
    run.require_config(run.config)


def test_configuration_differences_are_named_with_both_values(run: Run) -> None:
    other = {"tasks": {"sizes": [10, 200], "noise": 0.5}, "rate": "inf", "fast": 1}
    with pytest.raises(ValueError) as caught:
        run.require_config(other)
    problems = str(caught.value).partition("received a different one: ")[2].split("; ")
    assert problems == [
        "tasks.kind: expected 'linear', received none",
        "tasks.sizes: expected [10, 100], received [10, 200]",
        "tasks.noise: expected none, received 0.5",
        "fast: expected True, received 1",
    ]
    with pytest.raises(ValueError, match=r"tasks: expected \{.*\}, received 5"):
        run.require_config(CONFIG | {"tasks": 5})
    with pytest.raises(ValueError, match="^config: expected a mapping"):
        run.require_config([])  # type: ignore[arg-type]


def test_differences_of_versions_and_machine_are_told(run: Run) -> None:
    assert run.differences_of_machine() == []
    assert run.differences_of_machine("") == []
    assert run.differences_of_machine("v3") == [
        "instruction_set: the run began with , here it is v3"
    ]
    rewrite(run, versions=run.versions | {"numpy": "1.0"}, machine=run.machine | {"cores": 1000})
    problems = Run.open(run.path).differences_of_machine()
    assert [problem.partition(":")[0] for problem in problems] == ["numpy", "cores"]
    assert problems[0].startswith("numpy: the run began with 1.0, here it is ")


def test_best_and_result_come_back(run: Run) -> None:
    run.write_best("s1 = s0\n", {"fitness": float("nan"), "at": (1, 2)})
    run.write_best("s1 = s2\n", {"fitness": 0.5, "at": (1, 2)})
    assert run.best == {"fitness": 0.5, "at": [1, 2]}
    assert (run.path / "best.txt").read_text() == "s1 = s2\n"
    run.write_result({"fitness": 1.0})
    assert run.result == {"fitness": 1.0}
    for name in ("best.json", "result.json"):
        (run.path / name).write_text("[]")
    with pytest.raises(ValueError, match=r"best\.json: expected a JSON object"):
        _ = run.best
    with pytest.raises(ValueError, match=r"result\.json: expected a JSON object"):
        _ = run.result


def test_data_that_is_not_plain_is_not_written(run: Run) -> None:
    run.write_best("old", {"fitness": 0.5})
    with pytest.raises(ValueError, match="^best: expected plain data"):
        run.write_best("new", {"fitness": object()})
    with pytest.raises(ValueError, match="^result: expected a mapping"):
        run.write_result([])  # type: ignore[arg-type]
    assert (run.path / "best.txt").read_text() == "old"
    assert run.status == "new"


def test_status_follows_the_life_of_a_run(run: Run) -> None:
    assert run.status == "new"
    with run.lock():
        assert run.status == "running"
        run.begin_session()
        run.end_session("stopped")
    assert run.status == "interrupted"
    with run.lock():
        run.begin_session()
        run.write_result({})
        run.end_session("done")
    assert run.status == "finished"


def test_the_lock_clears_what_killed_processes_left(run: Run) -> None:
    (run.path / "checkpoints").mkdir()
    partials = [run.path / ".best.txt.9.partial", run.path / "checkpoints" / ".1.arrow.9.partial"]
    for partial in partials:
        partial.touch()
    with run.lock():
        assert not any(partial.exists() for partial in partials)
        with pytest.raises(ValueError, match="^run: another process"), Run.open(run.path).lock():
            pass


def test_events_are_read_while_written_after_a_stop_and_when_finished(run: Run) -> None:
    assert run.events().equals(EVENT_SCHEMA.empty_table())
    log = run.create_events()
    log.append("epoch", **(NOTHING | {"epoch": 1}), hits=5)
    offset = log.flush()
    assert run.events("epoch")["hits"].to_pylist() == [5]
    log = run.resume_events(offset)
    log.append("end", **NOTHING)
    log.close()
    table = run.events()
    assert table["kind"].to_pylist() == ["epoch", "end"]
    with pytest.raises(ValueError, match="^run: expected a result in .* before its end"):
        run.finish()
    run.write_result({})
    assert run.events().equals(table)
    for _ in range(2):
        run.finish()
        assert run.events().equals(table)
        assert (run.path / "events.parquet").exists()
        assert not (run.path / "events.arrow").exists()


def test_a_run_can_finish_while_its_events_are_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = run.create_events()
    log.append("epoch", **NOTHING)
    log.close()
    run.write_result({})

    def slow(path: Path) -> Any:
        run.finish()
        return read_events(path)

    monkeypatch.setattr("automl_zero.evolution.runs.read_events", slow)
    assert run.events().num_rows == 1


def test_a_run_that_starts_over_starts_its_log_over(run: Run) -> None:
    for _ in range(2):
        log = run.create_events()
        log.append("epoch", **NOTHING)
        log.close()
    assert run.events().num_rows == 1


def test_a_finished_run_takes_no_more_events(run: Run) -> None:
    offset = run.create_events().flush()
    run.write_result({})
    for call in (run.create_events, lambda: run.resume_events(offset)):
        with pytest.raises(ValueError, match="^run: expected one that is not finished"):
            call()


def test_a_kill_while_finishing_loses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    log = run.create_events()
    log.append("epoch", **NOTHING)
    log.close()
    run.write_result({})
    for place in ("automl_zero.evolution.runs._events.write_atomically", "pathlib.Path.unlink"):
        with monkeypatch.context() as patched:
            patched.setattr(place, killed)
            with pytest.raises(KeyboardInterrupt):
                run.finish()
        assert (run.status, run.events().num_rows) == ("finished", 1)
    run.finish()
    assert not (run.path / "events.arrow").exists()


def test_checkpoints_lie_in_the_run(run: Run) -> None:
    run.checkpoints.write(5, {"a": b"x"})
    newest, problems = Run.open(run.path).checkpoints.newest()
    assert newest is not None and (newest.position, problems) == (5, [])


def test_runs_are_listed_by_creation_and_damaged_ones_told_apart(tmp_path: Path) -> None:
    for name in ("b", "a", "broken", "c"):
        Run.create(tmp_path / name, kind="programs", config={})
    (tmp_path / "other").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "broken" / "run.json").write_text("{}")
    os.remove(tmp_path / "c" / "run.json")
    os.mkfifo(tmp_path / "c" / "run.json")
    runs, problems = list_runs(tmp_path)
    assert [run.name for run in runs] == ["b", "a"]
    assert len(problems) == 2
    assert "broken/run.json: format" in problems[0] and "c/run.json" in problems[1]
    assert list_runs(tmp_path / "gone") == list_runs(tmp_path / "file") == ([], [])


@pytest.mark.parametrize("name", ["write_best", "write_result", "create_events", "begin_session"])
def test_a_full_disk_is_an_error_that_names_the_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    run.write_best("old", {"fitness": 0.5})
    before = sorted(os.listdir(run.path))
    arguments = {"write_best": ("new", {}), "write_result": ({},)}.get(name, ())
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(RunWriteError, match="^cannot write .*: No space left on device"):
            getattr(run, name)(*arguments)
    assert run.best == {"fitness": 0.5}
    assert run.status == "new"
    assert run.sessions == []
    assert set(os.listdir(run.path)) <= {*before, "sessions.jsonl"}


def test_a_run_whose_log_is_whole_can_be_reopened(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="test", config={})
    with run.lock():
        run.begin_session()
        with pytest.raises(ValueError, match="expected a result and a log"):
            run.reopen()
        with run.create_events() as log:
            log.append("epoch", experiment=1, epoch=1, island=0, individuals=1, fitness=None,
                       seconds=1.0)  # fmt: skip
            offset = log.flush()
        run.write_result({"fitness": 1.0})
        assert run.status == "finished"
        run.reopen()
        assert run.result is None and run.status == "running"
        run.resume_events(offset).close()
        run.write_result({"fitness": 2.0})
        run.finish()
        with pytest.raises(ValueError, match="expected a result and a log"):
            run.reopen()
