"""Exported C files, compiled, against the reference interpreter."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from automl_zero.export import to_c_source
from automl_zero.ops import OPS
from automl_zero.program import MemorySizes
from automl_zero.reference import Draws, Memory, run_instruction
from tests.automl_zero.export.driver import ReferenceModel, same
from tests.automl_zero.export.test_python_sources import (
    CHUNKS,
    GAPS,
    LINEAR,
    NETWORK,
    examples,
)
from tests.strategies import AWKWARD, EXACT_OPS
from tests.workloads import random_programs

COMPILER = shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

POINTER = ctypes.POINTER(ctypes.c_double)


class Model(ctypes.Structure):
    _fields_ = [
        ("features", ctypes.c_ssize_t),
        ("seed", ctypes.c_uint64),
        ("predict_step", ctypes.c_uint64),
        ("learn_step", ctypes.c_uint64),
        ("s", POINTER),
        ("v", POINTER),
        ("m", POINTER),
        ("scratch", POINTER),
    ]


def compiled(source, folder):
    (folder / "found.c").write_text(source)
    flags = ["-std=c99", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wextra"]
    command = [COMPILER, *flags, "-Werror", "found.c", "-o", "found.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "found.so"))
    library.model_start.argtypes = [ctypes.POINTER(Model), ctypes.c_ssize_t, ctypes.c_uint64]
    library.model_train.argtypes = [ctypes.POINTER(Model), POINTER, ctypes.c_double]
    library.model_predict.argtypes = [ctypes.POINTER(Model), POINTER]
    library.model_predict.restype = ctypes.c_double
    library.model_free.argtypes = [ctypes.POINTER(Model)]
    return library


def predictions(library, seed, x, y, unseen, epochs=2):
    model = Model()
    assert library.model_start(model, x.shape[1], seed) == 0
    for _ in range(epochs):
        for features, label in zip(x, y, strict=True):
            library.model_train(model, features.ctypes.data_as(POINTER), label)
    found = [library.model_predict(model, row.ctypes.data_as(POINTER)) for row in unseen]
    library.model_free(model)
    assert not model.s
    return np.array(found)


def test_every_op_is_covered():
    covered = {item.op.name for program in CHUNKS for item in program["setup"]}
    assert covered == {op.name for op in OPS} - GAPS


@pytest.mark.parametrize("number", range(len(CHUNKS)))
def test_every_op_agrees_with_the_reference_on_awkward_numbers(number, tmp_path):
    program = CHUNKS[number]
    source = to_c_source(program, simplify=False)
    # setup on registers that hold something, which the public functions never do.
    run_setup = "void run_setup(Model *p) { setup(p); }\n"
    library = compiled(source + run_setup, tmp_path)
    library.run_setup.argtypes = [ctypes.POINTER(Model)]
    for features, trial in [(f, t) for f in (1, 2, 3, 4, 7, 8, 17) for t in range(6)]:
        rng = np.random.default_rng([number, features, trial])
        memory = Memory(MemorySizes(20, 20, 20), features)
        for array in (memory.scalars, memory.vectors, memory.matrices):
            values = rng.normal(size=array.shape) * rng.choice([1.0, 1.0, 1e200])
            share = (0.0, 0.02, 0.3)[trial % 3]
            array[...] = np.where(rng.random(array.shape) < share, rng.choice(AWKWARD), values)
        copies = [memory.scalars.copy(), memory.vectors.copy(), memory.matrices.copy()]
        scratch = np.zeros((2 + features) * features)
        pointers = [array.ctypes.data_as(POINTER) for array in (*copies, scratch)]
        library.run_setup(Model(features, 7, 0, 0, *pointers))
        ordinal = 0
        for item in program["setup"]:
            run_instruction(item, memory, Draws(7, 0, ordinal, 0))
            ordinal += item.op.random
        for item in program["setup"]:
            kind, register = item.output
            assert same(
                np.atleast_1d(copies["svm".index(kind)][register]),
                np.atleast_1d(memory[kind, register]),
                0.0 if item.op in EXACT_OPS else 1e-12,
            ), (str(item), features, trial)


@pytest.mark.parametrize("objective", ["rms_error", "accuracy"])
@pytest.mark.parametrize("program", [LINEAR, NETWORK], ids=["linear", "network"])
def test_programs_give_the_reference_predictions(program, objective, tmp_path):
    library = compiled(to_c_source(program, objective=objective), tmp_path)
    for features in (1, 3, 4, 9):
        x, y, unseen = examples([3, features], features, 8, objective)
        expected = ReferenceModel(program, objective, 5).fit(x, y, epochs=2).predict(unseen)
        assert same(predictions(library, 5, x, y, unseen), expected, 1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_give_the_reference_predictions_to_the_bit(seed, tmp_path):
    (program,) = random_programs(seed, 2, EXACT_OPS, sizes=(5, 14, 14), awkward=0.05)[1:]
    library = compiled(to_c_source(program), tmp_path)
    for features in (1, 4, 9):
        x, y, unseen = examples([seed, features], features, 6)
        expected = ReferenceModel(program, seed=seed).fit(x, y, epochs=2).predict(unseen)
        assert same(predictions(library, seed, x, y, unseen), expected), str(program)


def test_an_origin_can_not_become_code(tmp_path):
    source = to_c_source(LINEAR, origin="*/ int main(void) { return 1; } /*\\", fitness=0.5)
    assert source.index("* /") < source.index("*/\n#include")
    compiled(source, tmp_path)
