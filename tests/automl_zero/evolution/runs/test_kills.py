"""Processes killed at random moments, and a disk that really ends."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_zero.evolution.runs import Run, read_events

# The server forks a worker for each line that it reads, so the imports are paid once.
WORKER = """
import os, sys
from automl_zero.evolution.runs import Run, CheckpointFolder, EventLog

def work(run):
    with run.lock():
        run.begin_session(executor="test")
        newest, problems = run.checkpoints.newest()
        assert not problems, problems
        if newest is None:
            position, log = 0, run.create_events()
        else:
            position = newest.position
            log = run.resume_events(int(newest.parts["offset"]))
        while True:
            position += 1
            for island in range(5):
                log.append("epoch", experiment=0, epoch=position, island=island,
                           individuals=position, fitness=None, seconds=None, text="x" * 1000)
            offset = log.flush(durable=False)
            run.write_best(str(position), {"position": position})  # before, as searches do
            state = str(position).encode() * 10_000
            parts = {"state": state, "offset": str(offset).encode()}
            run.checkpoints.write(position, parts, durable=False)

run = Run.open(sys.argv[1])
run.checkpoints, EventLog
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            work(run)
        finally:
            os._exit(1)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print("killed" if os.WIFSIGNALED(status) else "failed", flush=True)
"""


def test_no_kill_costs_more_than_the_work_after_the_last_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="test", config={})
    moments = random.Random(1)
    command = [sys.executable, "-c", WORKER, str(run.path)]
    reached = 0
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        for kill in range(12):
            server.stdin.write("go\n")
            server.stdin.flush()
            pid = int(server.stdout.readline())
            time.sleep(moments.uniform(0.02, 0.15))
            subprocess.run(["kill", "-KILL", str(pid)], check=True)
            assert server.stdout.readline() == "killed\n"
            assert run.status in ("interrupted", "new")
            newest, problems = run.checkpoints.newest()
            assert problems == []
            if newest is None:
                continue
            assert newest.position >= reached
            reached = newest.position
            assert newest.parts["state"] == str(reached).encode() * 10_000
            table = read_events(run.path / "events.arrow")
            epochs = table["epoch"].to_pylist()
            assert epochs == [epoch for epoch in range(1, epochs[-1] + 1) for _ in range(5)]
            assert epochs[-1] in (reached, reached + 1)
            assert run.best is not None and run.best["position"] in (reached, reached + 1)
            assert len(run.sessions) <= kill + 1
            assert run.seconds < 60
        server.stdin.close()
    assert reached > 12
    with run.lock():
        assert not list(tmp_path.rglob("*.partial"))
        newest, _ = run.checkpoints.newest()
        assert newest is not None
        run.resume_events(int(newest.parts["offset"])).close()
    assert run.events()["epoch"].to_pylist()[-1] == reached


FULL = """
import errno, os, resource, sys
from pathlib import Path
from automl_zero.evolution.runs import CheckpointFolder, EventLog, RunWriteError, read_events
from automl_zero.evolution.runs import write_atomically

folder = Path(sys.argv[1])
nothing = dict.fromkeys(
    ["experiment", "epoch", "island", "individuals", "fitness", "seconds"])
log = EventLog.create(folder / "events.arrow")
log.append("epoch", **nothing)
log.flush()
checkpoints = CheckpointFolder(folder / "checkpoints")
checkpoints.write(1, {"state": b"x"})
write_atomically(folder / "best.txt", "old")

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))  # Python ignores SIGXFSZ

def fails(call, *arguments):
    try:
        call(*arguments)
    except RunWriteError as error:
        assert error.errno == errno.EFBIG and "File too large" in str(error), error
    else:
        raise AssertionError(call)

fails(write_atomically, folder / "best.txt", "n" * 9_000)
assert (folder / "best.txt").read_text() == "old"
fails(checkpoints.write, 2, {"state": b"x" * 9_000})
assert checkpoints.positions() == [1]
size = (folder / "events.arrow").stat().st_size
log.append("epoch", **nothing, noise=os.urandom(9_000).hex())
fails(log.flush)
fails(log.close)
assert (folder / "events.arrow").stat().st_size == size
assert read_events(folder / "events.arrow").num_rows == 1
assert not list(folder.rglob("*.partial"))

resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
log.close()
assert read_events(folder / "events.arrow").num_rows == 2
print("done")
"""


def test_where_the_disk_ends_nothing_is_lost_and_room_is_used_when_it_comes(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "done\n", done.stderr


def test_two_searches_cannot_work_on_one_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="test", config={})
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(run.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write("go\n")
        server.stdin.flush()
        pid = int(server.stdout.readline())
        while run.status != "running" or not run.sessions:
            time.sleep(0.01)
        with pytest.raises(ValueError, match=rf"^run: another process \(pid {pid} on"), run.lock():
            pass
        assert run.seconds > 0
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
        assert server.stdout.readline() == "killed\n"
        server.stdin.close()
    with run.lock():
        assert run.status == "running"
