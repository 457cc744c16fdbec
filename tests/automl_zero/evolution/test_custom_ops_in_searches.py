"""Searches with ops of a user's own: in one process, in workers, in runs, by command line."""

from __future__ import annotations

import hashlib
import pickle
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import automl_zero.custom_ops as module
from automl_zero import ops
from automl_zero.cli import main
from automl_zero.config import ComponentConfig, ExperimentConfig, load_config
from automl_zero.custom_ops import register_op
from automl_zero.evolution import ProgramEpoch, ProgramSearch
from automl_zero.evolution._portable_ops import local_ops, portable_ops
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.runs import Run
from automl_zero.ops import OP_BY_NAME, OPS, ORIGINAL_OPS
from automl_zero.program import INSTRUCTION_DTYPE, Instruction, Program
from tests.automl_zero.evolution.test_genome_search import checkpoint_parts, log

ROOT = Path(__file__).parents[3]

OPS_FILE = """
import numpy as np
from automl_zero.custom_ops import register_op

@register_op("SCALAR_MINUS_OP", inputs="ss")
def minus(x, y):
    return x - y

@register_op("SCALAR_SMOOTH_OP", inputs="s")
def smooth(x):
    return np.log1p(np.exp(-abs(x))) + max(x, 0.0)
"""

LEARN = (
    "learn.ops=['SCALAR_MINUS_OP', 'SCALAR_PRODUCT_OP', 'SCALAR_VECTOR_PRODUCT_OP', "
    "'VECTOR_SUM_OP', 'SCALAR_SMOOTH_OP']"
)
QUICK = (
    "experiments.maximum=1", "stop.individuals=9000", "tasks.select.count=5",
    "tasks.final.count=5", "tasks.select.train=100", "tasks.final.train=100", "islands.count=2",
    "islands.epoch=1500", "islands.migration_interval=1",
)  # fmt: skip


def minus(x: Any, y: Any) -> Any:
    return x - y


def smooth(x: Any) -> Any:
    return np.log1p(np.exp(-abs(x))) + max(x, 0.0)


register_op("SCALAR_MINUS_OP", minus, inputs="ss")
register_op("SCALAR_SMOOTH_OP", smooth, inputs="s")


def config(*overrides: str) -> ExperimentConfig:
    return load_config("linear", [LEARN, *overrides])


def test_a_search_finds_with_a_users_op_what_it_finds_with_the_same_of_the_table() -> None:
    quick = ("seed=0", "tasks.select.train=1000", "tasks.final.train=1000")
    original = load_config("linear", quick)
    ops = [name.replace("SCALAR_DIFF", "SCALAR_MINUS") for name in original.learn.op_names]
    expected = ProgramSearch(original).run()
    found = ProgramSearch(load_config("linear", [*quick, f"learn.ops={ops}"])).run()
    assert found.select_fitness > 0.9999 and "minus(" in str(found.program)
    text = re.sub(r"minus\((s\d+), (s\d+)\)", r"\1 - \2", str(found.program))
    assert text == str(expected.program)
    assert found.statistics == expected.statistics


def test_named_sets_of_ops_are_those_of_the_original_table() -> None:
    named = {OP_BY_NAME[name] for name in ComponentConfig(ops="all").op_names}
    assert named == set(ORIGINAL_OPS[1:])


def test_an_op_that_is_not_declared_is_told_of() -> None:
    with pytest.raises(ValueError, match="received 'SOFTMAX_OP'.*your own are declared first"):
        ComponentConfig(ops=["SOFTMAX_OP"])


@pytest.mark.slow
def test_workers_make_the_same_run(tmp_path: Path) -> None:
    def run(name: str, executor: ProcessExecutor | None) -> Run:
        search = ProgramSearch(config(*QUICK))
        found = search.run(tmp_path / name, executor=executor, checkpoint_seconds=0).run
        assert found is not None
        return found

    serial = run("serial", None)
    with ProcessExecutor(2) as two:
        parallel = run("two", two)
    assert log(parallel).equals(log(serial))
    assert checkpoint_parts(parallel) == checkpoint_parts(serial)
    assert parallel.best == serial.best


def test_an_epoch_changes_with_the_functions_of_its_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, builtin = ProgramEpoch(config(), seed=1), ProgramEpoch(load_config("linear"), seed=1)
    other = module._registered["SCALAR_MINUS_OP"]
    changed = module.CustomOp(other.op, other.function, "another")
    monkeypatch.setitem(module._registered, "SCALAR_MINUS_OP", changed)
    assert ProgramEpoch(config(), seed=1).key != epoch.key
    assert ProgramEpoch(load_config("linear"), seed=1).key == builtin.key


IN_ANOTHER_PROCESS = """
import hashlib, pickle, sys
from automl_zero.custom_ops import custom_ops, register_op
register_op("VECTOR_FIRST_OP", lambda x: 2.0 * x, inputs="v")
epoch, state = pickle.load(sys.stdin.buffer)
assert [op.name for op in custom_ops()][0] == "VECTOR_FIRST_OP"
result = epoch(0, state, [], individuals=3000)
print(hashlib.sha256(result.state + repr(result.statistics).encode()).hexdigest())
"""


def test_a_state_goes_on_where_ids_differ() -> None:
    # Small caches, so that what they forget depends on the fingerprints.
    epoch = ProgramEpoch(config("cache.canonical_megabytes=1"), seed=1)
    state = epoch(0, None, [], individuals=3000).state
    expected = epoch(0, state, [], individuals=3000)
    expected_hash = hashlib.sha256(expected.state + repr(expected.statistics).encode())
    run = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS],
        input=pickle.dumps((epoch, state)),
        capture_output=True,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode().strip() == expected_hash.hexdigest()


def test_a_pickled_program_names_its_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(setup=[Instruction("SCALAR_SMOOTH_OP", in1=3)], predict=[], learn=[])
    data = pickle.dumps(program)
    assert pickle.loads(data) == program and b"SCALAR_SMOOTH_OP" in data
    monkeypatch.delitem(ops._by_name, "SCALAR_SMOOTH_OP")
    with pytest.raises(ValueError, match="one that is declared in this process, received 'SCALAR_"):
        pickle.loads(data)


# Ids in files ----------------------------------------------------------------------


def code(*instructions: Instruction) -> bytes:
    return Program(setup=instructions, predict=[], learn=[]).to_arrays()[0].tobytes()


def op_bytes(code: bytes | bytearray) -> Sequence[int]:
    return list(code[:: INSTRUCTION_DTYPE.itemsize])


def test_files_name_the_ops_that_occur() -> None:
    plain, smooth = Instruction("SCALAR_ABS_OP"), Instruction("SCALAR_SMOOTH_OP", in1=3)
    names, (first, second) = portable_ops(code(plain), code(smooth, plain))
    assert names == ["SCALAR_SMOOTH_OP"]
    assert (op_bytes(first), op_bytes(second)) == ([5], [len(OPS), 5])
    assert local_ops(names, bytes(second)) == code(smooth, plain)
    assert portable_ops(code(plain)) == ([], [code(plain)])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("SCALAR_SMOOTH_OP", "custom_ops: expected a list of op names"),
        ({"SCALAR_SMOOTH_OP": 1}, "custom_ops: expected a list of op names"),
        (["SCALAR_SMOOTH_OP"] * 65, "custom_ops: expected a list of op names"),
        (["SCALAR_ABS_OP"], "custom_ops: expected ops that are declared, received 'SCALAR_ABS_OP'"),
        (["UNKNOWN_OP"], "custom_ops: expected ops that are declared, received 'UNKNOWN_OP'"),
        ([], "code: expected the ops of the table or of custom_ops"),
    ],
)
def test_damaged_names_are_refused(names: Any, message: str) -> None:
    _, (stored,) = portable_ops(code(Instruction("SCALAR_SMOOTH_OP")))
    with pytest.raises(ValueError, match=message):
        local_ops(names, bytes(stored))


# The command line ------------------------------------------------------------------


def command(*arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of ``automl-zero``, in a process without any op."""
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from automl_zero.cli import main; sys.exit(main())",
         *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    return run.returncode, run.stdout, run.stderr


@pytest.mark.slow
def test_a_run_needs_its_ops_to_go_on_and_not_to_be_read(tmp_path: Path) -> None:
    file, folder, found = tmp_path / "my_ops.py", tmp_path / "run", tmp_path / "found.json"
    file.write_text(OPS_FILE)
    settings = [word for item in (LEARN, *QUICK) for word in ("--set", item)]
    evolve = ("evolve", "linear", *settings, "--run", folder, "--quiet", "--workers", 2)
    code, _, errors = command(*evolve)
    assert (code, folder.exists()) == (2, False)
    assert "received 'SCALAR_MINUS_OP'" in errors and "--ops" in errors
    code, shown, errors = command(*evolve, "--ops", file, "--out", found)
    assert code == 0, errors
    stored = Run.open(folder).config["custom_ops"]
    assert list(stored) == ["SCALAR_MINUS_OP", "SCALAR_SMOOTH_OP"]

    code, again, _ = command("show", folder)
    assert code == 0 and "Program as found" in again
    code, _, errors = command("resume", folder)
    assert code == 2 and "--ops" in errors
    code, resumed, errors = command("resume", folder, "--ops", file, "--workers", 1)
    assert code == 0, errors
    assert resumed.splitlines()[:8] == shown.splitlines()[:8]

    file.write_text(OPS_FILE.replace("x - y", "x - y * 2.0"))
    code, _, errors = command("resume", folder, "--ops", file)
    assert code == 2 and "custom_ops.SCALAR_MINUS_OP" in errors


def test_evaluate_and_ops_take_a_file_of_ops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, program = tmp_path / "my_ops.py", tmp_path / "program.txt"
    file.write_text(OPS_FILE)
    program.write_text("def Setup():\ndef Predict():\n  s1 = smooth(s0)\ndef Learn():\n")
    assert main(["evaluate", str(program), "--task", "linear", "--ops", str(file)]) == 0
    assert "fitness: mean" in capsys.readouterr().out
    assert main(["ops", "--ops", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "SCALAR_SMOOTH_OP" in shown and "s2 = smooth(s1)" in shown
    assert main(["ops", "--ops", str(tmp_path / "none.py")]) == 2
    assert "none.py: No such file" in capsys.readouterr().err
