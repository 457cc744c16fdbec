"""Predictions as PyTorch modules, against the reference interpreter."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from automl_zero.export import compile_numpy, to_torch_module, to_torch_source
from automl_zero.ops import COLUMN, INDEX, OPS, ROW, WEIGHT
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import Memory, run_instruction
from tests.automl_zero.export.driver import ReferenceModel
from tests.automl_zero.export.test_python_sources import LINEAR, NETWORK, READERS, examples

CARRYING = """
def Setup():
def Predict():
  s2 = s2 + s0
  s3 = dot(v0, v1)
  s1 = s2 + s3
  s2 = s1 + s2
def Learn():
  v1 = s0 * v0
"""

GAPS = {"NO_OP"} | {op.name for op in OPS if op.random}
"""NO_OP computes nothing; a random op's numbers depend on the example's position."""


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def program_of(op, rng, position=0):
    """Predict is the op on learned registers (and v0, s0 if it likes), and a reading of it."""
    kind = op.output
    fields = dict(zip(("in1", "in2")[: op.arity], (2, 3), strict=True)) if op.arity == 2 else {}
    fields |= {"in1": 2} if op.arity == 1 else {}
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        is_fraction = role in (INDEX, ROW, COLUMN, WEIGHT)
        fields[field] = float(np.float32(rng.random() if is_fraction else rng.normal()))
    # An op that keeps part of its output keeps that of this example only.
    fresh = {
        "v": [Instruction("VECTOR_ABS_OP", in1=2, out=4)],
        "m": [Instruction("MATRIX_ABS_OP", in1=2, out=4)],
    }
    body = fresh.get(kind, []) if op.keeps_output else []
    body = [*body, Instruction(op, out=4, **fields)]
    if kind == "s":
        body.append(Instruction("SCALAR_SUM_OP", in1=4, in2=4, out=1))
    else:
        # A weighted sum, as a mean would not tell elements apart.
        weigh = "VECTOR_PRODUCT_OP" if kind == "v" else "MATRIX_PRODUCT_OP"
        body.append(Instruction(weigh, in1=4, in2=3, out=5))
        body.append(Instruction(READERS[kind], in1=5, out=1))
    return Program(setup=[], predict=body, learn=[])


def filled(features, rng, positive):
    memory = Memory(MemorySizes(6, 6, 6), features)
    for array in (memory.scalars, memory.vectors, memory.matrices):
        array[...] = rng.uniform(0.1, 0.9, array.shape) if positive else rng.normal(
            size=array.shape
        )
    return memory


@pytest.mark.parametrize("op", [op for op in OPS if op.name not in GAPS], ids=lambda op: op.name)
def test_every_op_agrees_with_the_reference(op, torch):
    from automl_zero.export._torch_source import torch_statements

    rng = np.random.default_rng(op.id)
    program = program_of(op, rng)
    for features in (1, 2, 3, 5, 8, 9):
        for positive in (True, False):
            memory = filled(features, rng, positive)
            words = {"torch": torch, "F": features, "x": torch.zeros(1, features).double()}
            for kind, array in zip(
                "svm", (memory.scalars, memory.vectors, memory.matrices), strict=True
            ):
                # Every register for two examples: as it is, and the same again.
                words |= {
                    f"{kind}{n}": torch.from_numpy(np.stack([item, item]))
                    for n, item in enumerate(np.array(array))
                }
            for item in program["predict"]:
                for line in torch_statements(item):
                    exec(line, words)
                run_instruction(item, memory)
                kind, number = item.output
                found = words[f"{kind}{number}"].expand(2, *np.shape(memory[item.output])).numpy()
                for row in found:
                    np.testing.assert_allclose(row, memory[item.output], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", sorted(GAPS - {"NO_OP"}))
def test_random_ops_in_predict_are_refused(name):
    (op,) = [op for op in OPS if op.name == name]
    program = program_of(op, np.random.default_rng(0))
    with pytest.raises(ValueError, match="without random ops.*received '"):
        to_torch_source(program)


@pytest.mark.parametrize("objective", ["rms_error", "accuracy"])
@pytest.mark.parametrize("program", [LINEAR, NETWORK], ids=["linear", "network"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-6)])
def test_modules_give_the_interpreters_predictions(program, objective, dtype, tolerance, torch):
    for features in (1, 3, 8, 16):
        x, y, unseen = examples(1, features, 40, objective)
        model = compile_numpy(program, objective=objective, seed=3).fit(x, y, epochs=3)
        module = to_torch_module(model, dtype=getattr(torch, dtype))
        found = module(torch.as_tensor(unseen, dtype=getattr(torch, dtype)))
        assert found.dtype == getattr(torch, dtype)
        expected = ReferenceModel(program, objective, 3).fit(x, y, epochs=3).predict(unseen)
        np.testing.assert_allclose(found.detach(), expected, rtol=tolerance, atol=tolerance)


def test_any_number_of_axes_of_examples(torch):
    x, y, unseen = examples(1, 4)
    module = to_torch_module(compile_numpy(NETWORK).fit(x, y))
    flat = module(torch.from_numpy(unseen))
    assert module(torch.from_numpy(unseen.reshape(3, 4, 4))).shape == (3, 4)
    torch.testing.assert_close(module(torch.from_numpy(unseen[0])), flat[0])


def test_what_learn_writes_are_parameters_and_the_rest_buffers(torch):
    module = to_torch_module(NETWORK, 5)
    # v1 and m0: weights; s3, v3: biases; v4 stays 0 (see the canonical form).
    assert {name for name, _ in module.named_parameters()} == {"m0", "s3", "v1", "v3"}
    assert {name for name, _ in module.named_buffers()} == {"v4"}
    assert module.m0.shape == (5, 5) and module.s3.shape == ()


def test_gradient_descent_goes_on_where_evolution_ended(torch):
    x, y, _ = examples(2, 4, 200)
    y = x @ [1.0, -2.0, 0.5, 3.0]
    module = to_torch_module(compile_numpy(LINEAR.replace(setup=[])).fit(x, y))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((module(torch.from_numpy(x)) - torch.from_numpy(y)) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss < 1e-6


def test_states_are_saved_and_loaded(torch, tmp_path):
    x, y, unseen = examples(1, 4)
    module = to_torch_module(compile_numpy(NETWORK, seed=1).fit(x, y))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    other = to_torch_module(NETWORK, 4)
    other.load_state_dict(torch.load(tmp_path / "state.pt"))
    torch.testing.assert_close(other(torch.from_numpy(unseen)), module(torch.from_numpy(unseen)))


def test_constant_predictions_have_the_shape_of_the_examples(torch):
    text = "def Setup():\ndef Predict():\n  s1 = 0.5\ndef Learn():"
    module = to_torch_module(text, 3)
    assert module(torch.zeros(4, 3, dtype=torch.float64)).tolist() == [0.5] * 4
    module = to_torch_module("def Setup():\n  s1 = 2.0\ndef Predict():\ndef Learn():", 3)
    assert module(torch.zeros(4, 3, dtype=torch.float64)).tolist() == [0.0] * 4


def test_a_source_runs_without_this_project(torch, tmp_path):
    (tmp_path / "found.py").write_text(to_torch_source(NETWORK, origin='"""x'))
    code = (
        "import sys, torch, found\n"
        "assert found.Model(4)(torch.zeros(2, 4).double()).shape == (2,)\n"
        "assert not [name for name in sys.modules if name.startswith('automl_zero')]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_programs_that_carry_something_are_refused_by_name():
    with pytest.raises(ValueError, match="keeps nothing from example to example.*goes on with s2"):
        to_torch_source(CARRYING)


def test_wrong_arguments_are_errors(torch):
    with pytest.raises(ValueError, match="features: expected a number for a program"):
        to_torch_module(LINEAR)
    with pytest.raises(ValueError, match="features: expected an integer >= 1"):
        to_torch_module(LINEAR, 0)
    x, y, _ = examples(1, 4)
    with pytest.raises(ValueError, match="features: expected 4 as in the memory, received 3"):
        to_torch_module(compile_numpy(LINEAR).fit(x, y), 3)


def test_writing_a_source_needs_no_torch():
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        "from automl_zero.export import to_torch_source\n"
        "to_torch_source('def Setup():\\ndef Predict():\\n  s1 = dot(v0, v1)\\ndef Learn():')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
