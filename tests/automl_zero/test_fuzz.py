"""Whatever bytes a program is made of, it is refused with a clear error or it runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl_zero.ops import known_ops
from automl_zero.program import INSTRUCTION_DTYPE, Program
from tests.fuzz import random_bytes, valid_bytes

ROOT = Path(__file__).parents[2]


def test_100_000_programs_of_random_bytes_are_refused_or_run():
    # In a process of its own, so that a crash of the interpreter is a failure like any other.
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "1", "100000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    counts = json.loads(run.stdout)
    assert counts["refused"] + counts["ran"] == 100_000
    assert counts["refused"] > 10_000 and counts["ran"] > 50_000
    assert counts["instructions_run"] > 200_000 and counts["reasons"] >= 6


def instructions(count=3):
    return valid_bytes(np.random.default_rng(0), count)


GOOD = np.array([0, 1, 2, 3], np.int32)


def test_valid_bytes_are_valid():
    assert len(Program.from_arrays(instructions(), GOOD)) == 3


@pytest.mark.parametrize(
    "bad",
    [
        instructions().view(np.uint8),
        instructions()["op"],
        instructions().reshape(1, 3),
        instructions()[:2],
        instructions().tolist(),
        b"bytes",
        None,
    ],
    ids=["bytes", "field", "two dimensions", "too few", "list", "bytes object", "none"],
)
def test_other_than_instructions_is_refused(bad):
    with pytest.raises(ValueError, match=r"^(instructions|offsets): expected"):
        Program.from_arrays(bad, GOOD)


@pytest.mark.parametrize(
    "bad",
    [
        [0, 1, 2, 4],
        [1, 1, 2, 3],
        [0, 2, 1, 3],
        [0, -1, 2, 3],
        [0, 1, 2**40, 3],
        [0, 1, 3],
        [0.0, 1.0, 2.0, 3.0],
        [[0, 1, 2, 3]],
        [],
        3,
        None,
        "0123",
        [0, 1, None, 3],
    ],
    ids=str,
)
def test_offsets_that_do_not_partition_the_instructions_are_refused(bad):
    with pytest.raises(ValueError, match=r"^offsets: expected"):
        Program.from_arrays(instructions(), bad)


def test_strided_and_read_only_instructions_are_fine():
    items = instructions(6)
    expected = Program.from_arrays(items[::2].copy(), GOOD)
    frozen = items.copy()
    frozen.setflags(write=False)
    assert Program.from_arrays(items[::2], GOOD) == expected
    assert Program.from_arrays(frozen[::2], GOOD.astype(np.uint64)) == expected


def test_too_long_a_function_is_refused():
    items = np.zeros(1001, INSTRUCTION_DTYPE)
    with pytest.raises(ValueError, match="predict: expected at most 1000 instructions"):
        Program.from_arrays(items, np.array([0, 0, 1001, 1001]))


def test_an_error_names_function_position_and_field():
    items = np.zeros(3, INSTRUCTION_DTYPE)
    first = len(known_ops())
    items["op"] = [1, 1, first]
    message = rf"^learn\[0\].op: expected an id in 0..{first - 1}, received {first}"
    with pytest.raises(ValueError, match=message):
        Program.from_arrays(items, GOOD)
    items["op"] = 1
    items["in2"][1] = 20
    message = (
        r"^predict\[0\].in2: expected a register number in 0..19 for SCALAR_SUM_OP, received 20"
    )
    with pytest.raises(ValueError, match=message):
        Program.from_arrays(items, GOOD)


def test_noise_is_hardly_ever_a_program():
    noise = random_bytes(np.random.default_rng(0), 300)
    refused = 0
    for start in range(0, 300, 3):
        try:
            Program.from_arrays(noise[start : start + 3], GOOD)
        except ValueError:
            refused += 1
    assert refused > 95
