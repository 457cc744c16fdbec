"""One process at a time: between processes, after a kill, and with forked workers."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automl_zero.evolution.runs import DirectoryLock, RunWriteError
from automl_zero.evolution.runs._lock import is_locked

HOLDER = """
import os, signal, sys
from automl_zero.evolution.runs import DirectoryLock
with DirectoryLock(sys.argv[1]):
    print("held", flush=True)
    print(sys.stdin.read(), flush=True)
"""


@contextlib.contextmanager
def holder(folder: Path, program: str = HOLDER) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_until_the_first_one_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert is_locked(tmp_path)
        expected = (
            f"run: another process (pid {process.pid} on {socket.gethostname()}) "
            f"is working on {tmp_path}"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"), DirectoryLock(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not is_locked(tmp_path)
        with DirectoryLock(tmp_path):
            assert is_locked(tmp_path)


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        with pytest.raises(ValueError, match=f"pid {os.getpid()} on"), DirectoryLock(tmp_path):
            pass
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_an_error_in_the_block_releases_it(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), DirectoryLock(tmp_path):
        raise ZeroDivisionError
    assert not is_locked(tmp_path)


def test_a_forked_worker_does_not_keep_the_lock_of_a_killed_search(tmp_path: Path) -> None:
    fork = "    if os.fork(): signal.pause()\n"
    program = HOLDER.replace("    print", fork + "    print")
    with holder(tmp_path, program) as process:  # the worker says "held" and waits
        assert is_locked(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None and process.stdout is not None
        assert not is_locked(tmp_path)
        process.stdin.write("go on\n")
        process.stdin.close()
        assert process.stdout.readline() == "go on\n"  # it was alive all the time


def test_a_forked_worker_that_leaves_the_block_does_not_release_it(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path) as lock:
        child = os.fork()
        if child == 0:
            lock.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(child, 0)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_a_look_at_the_lock_does_not_disturb_who_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.lock").touch()
    looker = os.open(tmp_path / "run.lock", os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    paused = threading.Event()

    def pause(_: float) -> None:
        paused.set()
        fcntl.flock(looker, fcntl.LOCK_UN)

    monkeypatch.setattr("time.sleep", pause)
    with DirectoryLock(tmp_path):
        assert paused.is_set()
    os.close(looker)


@pytest.mark.parametrize("content", [b"", b"junk", b"[]", b'{"pid": "x"}', b"[" * 9_000, b"\xff"])
def test_a_strange_lock_file_names_nobody(tmp_path: Path, content: bytes) -> None:
    with DirectoryLock(tmp_path):
        (tmp_path / "run.lock").write_bytes(content)
        with pytest.raises(ValueError, match="^run: another process is working"):
            DirectoryLock(tmp_path).__enter__()


def test_a_folder_that_cannot_be_locked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunWriteError, match=r"cannot lock .*gone/run\.lock: No such file"):
        DirectoryLock(tmp_path / "gone").__enter__()

    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(RunWriteError, match="No locks available"):
        DirectoryLock(tmp_path).__enter__()
    assert not is_locked(tmp_path)


def test_a_full_disk_does_not_prevent_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with DirectoryLock(tmp_path):
            assert is_locked(tmp_path)


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "run.lock").symlink_to(precious)
    with pytest.raises(RunWriteError, match="cannot lock"):
        DirectoryLock(tmp_path).__enter__()
    assert precious.read_text() == "precious"
    assert not is_locked(tmp_path)
