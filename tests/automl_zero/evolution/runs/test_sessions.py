"""The sessions of a run: begin, end, kills, half-written lines, and the time they took."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from automl_zero.evolution.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", kind="programs", config={})


def write(run: Run, *entries: dict[str, Any], tail: str = "") -> None:
    text = "".join(json.dumps(entry) + "\n" for entry in entries) + tail
    (run.path / "sessions.jsonl").write_text(text)


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def begin(seconds: float = 0, **data: Any) -> dict[str, Any]:
    return {"event": "begin", "time": at(seconds), "host": "h", "pid": 1, **data}


def end(seconds: Any, **data: Any) -> dict[str, Any]:
    return {"event": "end", "time": at(0), "reason": "done", "seconds": seconds, **data}


def test_a_session_tells_where_when_and_why(run: Run) -> None:
    run.begin_session(executor="processes", workers=2)
    (open_one,) = run.sessions
    assert open_one["ended"] is open_one["reason"] is open_one["seconds"] is None
    run.end_session("time is up", individuals=1000)
    (session,) = Run.open(run.path).sessions
    assert session["began"] <= session["ended"]
    assert 0 <= session.pop("seconds") < 60
    del session["began"], session["ended"]
    assert session == {
        "host": socket.gethostname(), "pid": os.getpid(), "reason": "time is up",
        "executor": "processes", "workers": 2, "individuals": 1000,
    }  # fmt: skip
    assert len((run.path / "sessions.jsonl").read_text().splitlines()) == 2


def test_the_time_of_all_sessions_adds_up(run: Run) -> None:
    write(run, begin(), end(2.5), begin(), end(4))
    assert run.seconds == 6.5


def test_a_session_that_runs_counts_until_now(run: Run) -> None:
    write(run, begin(), end(10), begin(-100))
    with run.lock():
        assert 110 <= run.seconds < 170


def test_a_killed_session_counts_until_its_last_checkpoint(run: Run) -> None:
    os.utime(run.path / "run.json", (0, 0))
    run.checkpoints.write(1, {"a": b"x"})
    write(run, begin(-3600))
    os.utime(run.checkpoints.folder / "000000000001.arrow", (0, datetime.now().timestamp() - 600))
    assert run.seconds == pytest.approx(3000, abs=60)
    run.begin_session()
    killed, running = run.sessions
    assert killed["reason"] == "killed"
    assert killed["seconds"] == pytest.approx(3000, abs=60)
    assert running["ended"] is None


def test_a_session_killed_before_any_checkpoint_counts_nothing(run: Run) -> None:
    os.utime(run.path / "run.json", (0, 0))
    write(run, begin(-3600))
    assert run.seconds == 0


def test_in_a_copy_the_times_of_files_say_nothing(run: Run) -> None:
    run.checkpoints.write(1, {"a": b"x"})
    write(run, begin(-3600))  # before run.json was made, says the file system
    assert run.seconds == 0


def test_a_half_written_last_line_is_ignored_and_written_over(run: Run) -> None:
    write(run, begin(), end(1), tail='{"event": "begin", "ti')
    assert len(run.sessions) == 1
    run.begin_session()
    assert [session["pid"] for session in run.sessions] == [1, os.getpid()]
    write(run, tail='{"event')
    assert run.sessions == []
    assert run.status == "interrupted"
    run.begin_session()
    assert len(run.sessions) == 1


def test_an_end_needs_a_begin(run: Run) -> None:
    with pytest.raises(ValueError, match=r"sessions\.jsonl: expected a session that has begun"):
        run.end_session("done")
    run.begin_session()
    run.end_session("done")
    with pytest.raises(ValueError, match="expected a session that has begun"):
        run.end_session("done")


@pytest.mark.parametrize("name", ["time", "host", "pid", "seconds", "event", "began", "ended"])
def test_names_of_the_file_are_taken(run: Run, name: str) -> None:
    with pytest.raises(ValueError, match=f"^session: '{name}' is a name of the file's own"):
        run.begin_session(**{name: 1})
    run.begin_session()
    with pytest.raises(ValueError, match=f"^session: '{name}' is a name of the file's own"):
        run.end_session("done", **{name: 1})
    with pytest.raises(ValueError, match="^session: expected plain data"):
        run.end_session("done", note=object())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([end(1)], "line 1: expected the begin of a session, received 'end'"),
        ([begin(), begin()], "line 2: expected the end of a session, received 'begin'"),
        ([begin() | {"event": 5}], "line 1: expected the begin of a session, received 5"),
        ([begin() | {"time": "now"}], "line 1: time: expected a time with its zone"),
        ([begin(), end("1")], "line 2: seconds: expected a number"),
        ([begin(), end(-1)], "line 2: seconds: expected a number"),
        ([begin(), end(10**400)], "line 2: seconds: expected a number"),
        ([[]], r"line 1: expected the begin of a session, received \[\]"),
    ],
)
def test_damage_is_named_with_its_line(run: Run, entries: list[Any], message: str) -> None:
    write(run, *entries)
    with pytest.raises(ValueError, match=rf"sessions\.jsonl: {message}"):
        _ = run.sessions


def test_a_line_that_is_no_json_is_named(run: Run) -> None:
    for junk in ("junk\n", "\n", "[" * 100_000 + "\n"):
        write(run, tail=junk)
        with pytest.raises(ValueError, match=r"sessions\.jsonl: line 1: expected JSON"):
            _ = run.sessions


def test_strange_entries_do_not_replace_what_the_file_says(run: Run) -> None:
    strange = {"began": 5, "ended": 5, "reason": 5}
    write(run, begin() | strange | {"seconds": "x"}, end(1) | strange | {"reason": [1]})
    (session,) = run.sessions
    assert session["reason"] == "[1]" and session["began"].startswith("2") and run.seconds == 1


def test_a_session_file_that_is_a_link_is_not_written_through(run: Run, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.touch()
    (run.path / "sessions.jsonl").symlink_to(precious)
    with pytest.raises(OSError, match="cannot write"):
        run.begin_session()
    assert precious.read_text() == ""
