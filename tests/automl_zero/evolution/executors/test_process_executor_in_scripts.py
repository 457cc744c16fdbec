"""ProcessExecutor in programs: what __main__ defines, Ctrl-C, and ends of all kinds.

Workers hold the standard output of their script, so that its end shows the end of them all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PATIENCE = 120.0

HEAD = """
import os, signal, sys, time
from automl_zero.evolution.executors import ProcessExecutor, WorkerLost
# A shell's background jobs, and so the tests in them, are started with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process in a process group of its own, which is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a Python process, when all that it started has ended."""
    with running(*arguments) as process:
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors


def script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(HEAD + text)
    return str(path)


OF_MAIN = """
offset = 10

class Gadget:
    def __init__(self, value):
        self.value = value

class GadgetError(Exception):
    pass

def helper(gadget):
    assert isinstance(gadget, Gadget)
    return gadget.value + offset

def fail():
    raise GadgetError("broken", 3)

if __name__ == "__main__":
    factor = 7

    def late(x):
        return x * factor

    with ProcessExecutor(1) as executor:
        print(executor.submit(helper, Gadget(1)).result())
        print(executor.submit(lambda gadget: helper(gadget) * factor, Gadget(2)).result())
        print(executor.submit(lambda x: late(x), 3).result())
        print(type(executor.submit(Gadget, 4).result()) is Gadget)
        error = executor.submit(fail).exception()
        print(type(error) is GadgetError, error.args)

        def local():
            class Widget(Gadget):
                pass
            return executor.submit(lambda: Widget(5)).result().value

        print(local())
"""
OUTPUT_OF_MAIN = "11\n84\n21\nTrue\nTrue ('broken', 3)\n5\n"


def test_functions_and_classes_of_a_script(tmp_path: Path) -> None:
    assert run(script(tmp_path, OF_MAIN)) == (0, OUTPUT_OF_MAIN, "")


def test_functions_and_classes_of_an_interactive_session() -> None:
    assert run("-c", HEAD + OF_MAIN) == (0, OUTPUT_OF_MAIN, "")


def test_named_functions_of_a_script_use_what_the_worker_has_imported(tmp_path: Path) -> None:
    text = """
numbers = (number for number in (5, 6))  # cannot be pickled

def draw():
    return next(numbers)

if __name__ == "__main__":
    with ProcessExecutor(1) as executor:
        print(executor.submit(draw).result(), executor.submit(draw).result(), next(numbers))
"""
    assert run(script(tmp_path, text)) == (0, "5 6 5\n", "")


def test_a_script_that_submits_while_workers_import_it_is_told_so(tmp_path: Path) -> None:
    code, output, errors = run(
        script(tmp_path, "print(ProcessExecutor(1).submit(abs, -1).result())")
    )
    assert code == 1
    assert output == ""
    assert "before it could take a call" in errors.splitlines()[-1]
    assert "if __name__ == '__main__'" in errors.splitlines()[-1]


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    text = """
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    # Both have started when the last of these is done: one then sleeps, one is idle.
    print(len({executor.submit(os.getpid).result() for _ in range(20)}) <= 2)
    executor.submit(lambda: (print("busy", flush=True), time.sleep(10_000)))
    time.sleep(10_000)
"""
    with running("-u", script(tmp_path, text)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert process.stdout.readline() == "busy\n"
        process.kill()
        output, _ = process.communicate(timeout=PATIENCE)
    assert output == ""


def test_ctrl_c_interrupts_the_parent_and_no_worker(tmp_path: Path) -> None:
    text = """
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)
    return os.getpid()

if __name__ == "__main__":
    go = sys.argv[0] + ".go"
    with ProcessExecutor(2) as executor:
        worker = executor.submit(os.getpid).result()
        futures = [executor.submit(wait_for, go) for _ in range(2)]
        try:
            print("running", flush=True)
            futures[0].result()
        except KeyboardInterrupt:
            print("interrupted")
        open(go, "w").close()
        print(len({future.result() for future in futures}), worker == futures[0].result())
"""
    # The second worker may be anywhere in its start when the signal arrives.
    with running(script(tmp_path, text)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    lines = output.splitlines()
    assert lines[0] == "interrupted"
    assert lines[1].split()[0] in ("1", "2")
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("raise ValueError('enough')", 1), ("sys.exit(3)", 3)]
)
def test_a_program_ends_without_shutdown(tmp_path: Path, end: str, code: int) -> None:
    text = f"""
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    futures = [executor.submit(time.sleep, 10_000) for _ in range(5)]
    executor.submit(lambda: None)
    {end}
"""
    returned, output, errors = run(script(tmp_path, text))
    assert (returned, output) == (code, "")
    assert errors.count("Traceback") == (code == 1)


def test_a_program_ends_with_idle_workers(tmp_path: Path) -> None:
    text = """
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    print(list(executor.map(abs, range(6))))
"""
    assert run(script(tmp_path, text)) == (0, "[0, 1, 2, 3, 4, 5]\n", "")


def test_a_call_may_use_an_executor_of_its_own(tmp_path: Path) -> None:
    text = """
def inner(x):
    return ProcessExecutor(1).submit(abs, x).result()

def outer(x):
    global executor
    executor = ProcessExecutor(1)  # left to the end of the worker
    return executor.submit(inner, x).result()

if __name__ == "__main__":
    with ProcessExecutor(1) as executor:
        print(executor.submit(outer, -5).result())
"""
    assert run(script(tmp_path, text)) == (0, "5\n", "")
