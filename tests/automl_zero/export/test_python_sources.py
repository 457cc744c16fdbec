"""Exported NumPy and Numba modules against the reference interpreter."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.export import compile_numba, compile_numpy, to_numba_source, to_numpy_source
from automl_zero.ops import COLUMN, INDEX, OPS, ROW, WEIGHT
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import Draws, Memory, run_instruction
from automl_zero.tasks import linear, two_layer_nn
from tests.automl_zero.export.driver import ReferenceModel, same
from tests.strategies import AWKWARD, EXACT_OPS, FEATURES, SMALL_MEMORY, programs
from tests.workloads import random_programs

LINEAR = Program.parse("""
def Setup():
  s2 = 0.1
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s3 = s2 * s3
  v2 = s3 * v0
  v1 = v1 + v2
""")

NETWORK = Program.parse("""
def Setup():
  v2 = gaussian(0.0, 0.1, n_features)
  m0 = gaussian(0.0, 0.1, (n_features, n_features))
  s3 = 0.01
def Predict():
  v3 = dot(m0, v0)
  v3 = v3 + v1
  v4 = maximum(v3, v5)
  s1 = dot(v4, v2)
  s1 = s1 + s2
def Learn():
  s4 = s0 - s1
  s4 = s3 * s4
  s2 = s2 + s4
  v6 = s4 * v4
  v2 = v2 + v6
  v7 = s4 * v2
  v8 = heaviside(v3, 1.0)
  v7 = v8 * v7
  v1 = v1 + v7
  m1 = outer(v7, v0)
  m0 = m0 + m1
""")

BOTH = pytest.mark.parametrize("compiler", [compile_numpy, compile_numba], ids=["numpy", "numba"])

READERS = {"s": "SCALAR_ABS_OP", "v": "VECTOR_MEAN_OP", "m": "MATRIX_MEAN_OP"}


def loaded(source):
    names = {"__name__": "exported"}
    exec(compile(source, "<exported>", "exec"), names)
    return names


# Every op ---------------------------------------------------------------------------

GAPS = {"NO_OP"}
"""It computes nothing, so nothing is exported."""

CHUNK = 8


def instruction(op, out, rng):
    """Reads registers 0 and 1 (each twice in turn), writes ``out``; constants as legal."""
    swap = int(rng.integers(2))
    fields = dict(zip(("in1", "in2"), (swap, 1 - swap), strict=False))
    fields = {name: fields[name] for name in ("in1", "in2")[: op.arity]}
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        is_fraction = role in (INDEX, ROW, COLUMN, WEIGHT)
        fields[field] = float(np.float32(rng.random() if is_fraction else rng.normal()))
    return Instruction(op, out=out, **fields)


def chunks():
    """Programs whose setup has the ops, a few in each, all of them live."""
    ops = [op for op in OPS if op.name not in GAPS]
    rng = np.random.default_rng(4)
    for start in range(0, len(ops), CHUNK):
        setup = [
            instruction(op, 2 + position, rng)
            for position, op in enumerate(ops[start : start + CHUNK])
        ]
        predict = []
        for item in setup:
            reader = READERS[item.op.output]
            predict.append(Instruction(reader, in1=item.out, out=18))
            predict.append(Instruction("SCALAR_SUM_OP", in1=18, in2=1, out=1))
        yield Program(setup=setup, predict=predict, learn=[])


CHUNKS = list(chunks())


def test_every_op_is_in_a_chunk():
    covered = {item.op.name for program in CHUNKS for item in program["setup"]}
    assert covered == {op.name for op in OPS} - GAPS


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("number", range(len(CHUNKS)))
def test_every_op_agrees_with_the_reference_on_awkward_numbers(backend, number):
    program = CHUNKS[number]
    write = to_numpy_source if backend == "numpy" else to_numba_source
    setup = loaded(write(program, simplify=False))["setup"]
    is_random = any(item.op.random for item in program["setup"])
    seed = (7 if backend == "numpy" else np.uint64(7),) if is_random else ()
    for features, trial in [(f, t) for f in (1, 2, 3, 4, 7, 8, 17) for t in range(6)]:
        rng = np.random.default_rng([number, features, trial])
        memory = Memory(MemorySizes(20, 20, 20), features)
        for array in (memory.scalars, memory.vectors, memory.matrices):
            values = rng.normal(size=array.shape) * rng.choice([1.0, 1.0, 1e200])
            share = (0.0, 0.02, 0.3)[trial % 3]
            array[...] = np.where(rng.random(array.shape) < share, rng.choice(AWKWARD), values)
        copies = memory.scalars.copy(), memory.vectors.copy(), memory.matrices.copy()
        ordinal = 0
        for item in program["setup"]:
            run_instruction(item, memory, Draws(7, 0, ordinal, 0))
            ordinal += item.op.random
        with np.errstate(all="ignore"):
            setup(*copies, *seed)
        found = dict(zip("svm", copies, strict=True))
        for item in program["setup"]:
            kind, register = item.output
            exact = backend == "numpy" or item.op in EXACT_OPS
            assert same(
                np.atleast_1d(found[kind][register]),
                np.atleast_1d(memory[kind, register]),
                0.0 if exact else 1e-12,
            ), (str(item), features, trial)


# Whole programs ---------------------------------------------------------------------


def examples(seed, features, count=12, objective="rms_error"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2 * count, features))
    y = (x[:, 0] > 0).astype(float) if objective == "accuracy" else rng.normal(size=2 * count)
    return x[:count], y[:count], x[count:]


@settings(max_examples=60, deadline=None)
@given(
    program=programs(SMALL_MEMORY),
    features=st.sampled_from(FEATURES[:-1]),
    objective=st.sampled_from(["rms_error", "accuracy"]),
    seed=st.integers(0, 2**64 - 1),
)
def test_numpy_programs_give_the_reference_predictions_to_the_bit(
    program, features, objective, seed
):
    x, y, unseen = examples([seed], features, 4, objective)
    model = compile_numpy(program, objective=objective, seed=seed).fit(x, y, epochs=2)
    expected = ReferenceModel(program, objective, seed).fit(x, y, epochs=2).predict(unseen)
    assert same(model.predict(unseen), expected)


def check_numba(program, seed, objective="rms_error"):
    exact = all(item.op in EXACT_OPS for _, body in program.items() for item in body)
    exact &= objective == "rms_error"
    for features in (1, 3, 4, 9, 16):
        x, y, unseen = examples([seed, features], features, 6, objective)
        model = compile_numba(program, objective=objective, seed=seed).fit(x, y, epochs=2)
        expected = ReferenceModel(program, objective, seed).fit(x, y, epochs=2).predict(unseen)
        assert same(model.predict(unseen), expected, 0.0 if exact else 1e-9), str(program)


@pytest.mark.parametrize("program", [LINEAR, NETWORK], ids=["linear", "network"])
@pytest.mark.parametrize("objective", ["rms_error", "accuracy"])
def test_numba_programs_give_the_reference_predictions(program, objective):
    check_numba(program, 3, objective)


def test_random_ops_draw_anew_at_each_example():
    program = Program.parse("""
def Setup():
  m2 = uniform(0.0, 1.0, (n_features, n_features))
def Predict():
  v2 = uniform(-1.0, 1.0, n_features)
  s2 = gaussian(0.0, 1.0)
  v2 = dot(m2, v2)
  s1 = dot(v2, v0)
  s1 = s1 + s2
  s1 = s1 + s4
def Learn():
  m1 = gaussian(0.5, 0.1, (n_features, n_features))
  s3 = uniform(0.0, 1.0)
  s4 = s4 + s3
  m2 = m2 + m1
""")
    for seed in (0, 3, 2**64 - 1):
        check_numba(program, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_random_numba_programs_give_the_reference_predictions_to_the_bit(seed):
    (program,) = random_programs(seed, 2, EXACT_OPS, sizes=(5, 14, 14), awkward=0.05)[1:]
    check_numba(program, seed)


@BOTH
def test_programs_learn(compiler):
    task = linear(train=1000, features=6)
    model = compiler(LINEAR).fit(task.train_x, task.train_y)
    np.testing.assert_allclose(model.predict(task.valid_x), task.valid_y, atol=1e-6)


@BOTH
def test_training_goes_on_where_it_stopped(compiler):
    task = two_layer_nn(train=60)
    whole = compiler(NETWORK, seed=5).fit(task.train_x, task.train_y)
    parts = compiler(NETWORK, seed=5)
    for start in (0, 20, 40):
        parts.partial_fit(task.train_x[start : start + 20], task.train_y[start : start + 20])
    assert same(parts.predict(task.valid_x), whole.predict(task.valid_x))


@BOTH
def test_predicting_leaves_no_trace_and_pickles_keep_everything(compiler):
    task = two_layer_nn(train=20)
    model = compiler(NETWORK, seed=5).fit(task.train_x, task.train_y)
    before = model.predict(task.valid_x)
    copy = pickle.loads(pickle.dumps(model))
    assert same(model.predict(task.valid_x), before)
    for some in (model, copy):
        some.partial_fit(task.train_x, task.train_y)
    assert same(copy.predict(task.valid_x), model.predict(task.valid_x))
    assert copy.program == model.program


@BOTH
def test_the_order_of_examples_can_be_given(compiler):
    x, y, unseen = examples(1, 3, 5)
    order = np.array([[4, 0, 1, 2, 3], [0, 2, 4, 1, 3]])
    model = compiler(LINEAR).fit(x, y, epochs=2, order=order)
    again = compiler(LINEAR).fit(x[order.ravel()], y[order.ravel()])
    assert same(model.predict(unseen), again.predict(unseen))


@BOTH
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda model, x, y: model.predict(x), "call of fit before predict"),
        (lambda model, x, y: model.memory, "memory: expected a call of fit"),
        (lambda model, x, y: model.fit(x[0], y), r"X: expected shape \[n, F\], received \(3,\)"),
        (lambda model, x, y: model.fit(x, y[:2]), r"y: expected shape \(5,\), received \(2,\)"),
        (lambda model, x, y: model.fit(x, y, epochs=0), "epochs: expected an integer >= 1"),
        (lambda model, x, y: model.fit(x, y, order=[0, 5]), "order: expected 1 x row numbers"),
        (lambda model, x, y: model.fit(x, y, order=[-1]), "order: expected 1 x row numbers"),
        (lambda model, x, y: model.fit(x, y).predict(x[:, :2]), r"X: expected shape \[n, 3\]"),
    ],
)
def test_wrong_arrays_are_errors_that_say_what_was_expected(compiler, call, expected):
    x, y, _ = examples(1, 3, 5)
    with pytest.raises(ValueError, match=expected):
        call(compiler(LINEAR), x, y)


@pytest.mark.parametrize("write", [to_numpy_source, to_numba_source, compile_numpy])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"program": 3}, "program: expected a Program or its text, received 3"),
        ({"program": LINEAR, "objective": "acuracy"}, "did you mean 'accuracy'"),
        ({"program": Program(update=[])}, "expected the component functions setup, predict"),
    ],
)
def test_wrong_arguments_are_errors(write, arguments, expected):
    with pytest.raises(ValueError, match=expected):
        write(**arguments)


def test_a_seed_out_of_range_is_an_error():
    with pytest.raises(ValueError, match="seed: expected an integer"):
        compile_numba(LINEAR, seed=-1)


# The modules as text ----------------------------------------------------------------


@pytest.mark.parametrize("write", [to_numpy_source, to_numba_source])
def test_modules_run_without_this_project(write, tmp_path):
    path = tmp_path / "found.py"
    path.write_text(write(NETWORK, origin="test", fitness=0.5))
    task = two_layer_nn(train=30)
    model = compile_numpy(NETWORK, seed=9).fit(task.train_x, task.train_y)
    np.savez(tmp_path / "data.npz", x=task.train_x, y=task.train_y, v=task.valid_x)
    code = (
        "import sys, numpy as np, found\n"
        "d = np.load('data.npz')\n"
        "p = found.Model(seed=9).fit(d['x'], d['y']).predict(d['v'])\n"
        "assert not [name for name in sys.modules if name.startswith('automl_zero')]\n"
        "np.save('p.npy', p)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "p.npy")
    exact = write is to_numpy_source
    assert same(found, model.predict(task.valid_x), 0.0 if exact else 1e-9)


@pytest.mark.parametrize("write", [to_numpy_source, to_numba_source])
def test_the_docstring_tells_the_origin_and_the_program(write):
    text = ast.get_docstring(ast.parse(write(LINEAR, fitness=0.25, origin="a search, seed 3")))
    assert "Fitness: 0.25." in text and "Origin: a search, seed 3" in text
    assert "s3 = s0 - s1" in text and "Objective: rms_error." in text


@pytest.mark.parametrize("origin", ['"""\nimport os', "\\", '"', "\0\r\x0c", '\\"""+x+"""'])
def test_an_origin_can_not_become_code(origin):
    for write in (to_numpy_source, to_numba_source):
        clean, given = (ast.parse(write(LINEAR, origin=text)) for text in ("x", origin))
        assert [ast.dump(node) for node in given.body[1:]] == [
            ast.dump(node) for node in clean.body[1:]
        ]


def test_random_number_code_is_there_only_if_needed():
    for write in (to_numpy_source, to_numba_source):
        assert "mix64" in write(NETWORK) and "mix64" not in write(LINEAR)


def test_dead_code_stays_out_unless_asked_for():
    program = LINEAR.replace(learn=[*LINEAR["learn"], Instruction("MATRIX_ABS_OP", in1=1, out=0)])
    assert "np.abs" not in to_numpy_source(program)
    assert "m[0] = np.abs(m[1])" in to_numpy_source(program, simplify=False)


def test_importing_the_room_loads_no_torch_and_no_numba():
    code = (
        "import sys, automl_zero.export\n"
        "automl_zero.export.to_numpy_source('def Setup():\\ndef Predict():\\ndef Learn():')\n"
        "assert not {'torch', 'numba', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
