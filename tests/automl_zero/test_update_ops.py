"""The ops behind the original table: what update rules need."""

import math

import numpy as np
import pytest

from automl_zero.config import ComponentConfig, MutationConfig, MutationWeights
from automl_zero.evaluation import evaluate, run_instruction
from automl_zero.evolution import ProgramSpace, evolution_stream
from automl_zero.evolution._portable_ops import FIRST_CUSTOM_OP, local_ops, portable_ops
from automl_zero.ops import OPS, ORIGINAL_OPS
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import Memory
from automl_zero.reference import run_instruction as reference_instruction
from tests import custom_ops
from tests.strategies import AWKWARD
from tests.workloads import random_tasks

NEW_OPS = OPS[len(ORIGINAL_OPS) :]
INF, NAN = math.inf, math.nan


def on_scalars(name, first, second=0.0, lanes=1, **constants):
    op = Instruction(name).op
    second_input = {"in2": 1} if op.arity == 2 else {}
    item = Instruction(op, in1=0, out=2, **second_input, **constants)
    scalars = np.array([first, second, 7.0])
    found = run_instruction(item, scalars, np.zeros((0, 3)), no_matrices(3), lanes=lanes)
    return float(found[0][2])


def no_matrices(features):
    return np.zeros((0, features, features))


@pytest.mark.parametrize("lanes", [1, 8, 16])
def test_special_values(lanes):
    for name, x, expected in (
        ("SIGN", -0.0, -0.0), ("SIGN", 0.0, 0.0), ("SIGN", -5e-324, -1.0), ("SIGN", INF, 1.0),
        ("SIGN", NAN, NAN), ("SQRT", -0.0, -0.0), ("SQRT", -1.0, NAN), ("SQRT", INF, INF),
    ):  # fmt: skip
        found = on_scalars(f"SCALAR_{name}_OP", x, lanes=lanes)
        assert math.isnan(found) if math.isnan(expected) else repr(found) == repr(expected)
    for x, y, expected in (
        (0.0, 0.0, 1.0), (NAN, 0.0, 1.0), (-8.0, 1 / 3, NAN), (-2.0, 3.0, -8.0), (0.0, -1.0, INF),
        (0.9, 1000.0, 0.9**1000), (2.0, 0.5, math.sqrt(2)), (1.0, INF, 1.0),
    ):  # fmt: skip
        found = on_scalars("SCALAR_POWER_OP", x, y, lanes=lanes)
        assert math.isnan(found) if math.isnan(expected) else found == expected


def test_clip_is_numpys():
    for low, high in ((-1.0, 0.5), (0.5, -1.0), (-INF, 0.25), (0.0, -0.0)):
        for x in AWKWARD:
            found = on_scalars("SCALAR_CLIP_OP", x, f0=low, f1=high)
            expected = float(np.clip(x, np.float64(low), np.float64(high)))
            assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_interpolation_goes_from_the_first_to_the_second():
    for weight, expected in ((0.0, 2.0), (1.0, 10.0), (0.25, 4.0), (1e-9, 2.000000008)):
        assert on_scalars("SCALAR_INTERPOLATE_OP", 2.0, 10.0, act=weight) == expected


def test_a_weight_is_a_double_between_0_and_1():
    item = Instruction("VECTOR_INTERPOLATE_OP", in1=1, in2=2, out=3, act=0.999999999)
    assert str(item) == "v3 = interpolate(v1, v2, 0.999999999)"
    assert Program.parse(f"def A():\n  {item}", ["a"])["a"] == (item,)
    for wrong in (-0.1, 1.1, NAN):
        with pytest.raises(ValueError, match=r"act: expected weight in \[0, 1\], received"):
            Instruction("VECTOR_INTERPOLATE_OP", act=wrong)
    with pytest.raises(ValueError, match=r"weight in \[0, 1\]"):
        Program.parse("def A():\n  s1 = interpolate(s2, s3, 2.0)", ["a"])


def test_a_cosine_lies_between_minus_1_and_1_and_has_no_scale():
    rng = np.random.default_rng(0)
    for features in (1, 2, 5, 16, 33):
        a, b = rng.normal(size=(2, features))
        found = []
        for scale in (1.0, 1e3):
            vectors = np.stack([a * scale, b])
            item = Instruction("VECTOR_COSINE_OP", in1=0, in2=1, out=0)
            found.append(run_instruction(item, np.zeros(2), vectors, no_matrices(features))[0][0])
        assert found[0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        assert found[0] == pytest.approx(found[1]) and abs(found[0]) <= 1 + 1e-15


@pytest.mark.parametrize("op", NEW_OPS, ids=lambda op: op.name)
def test_leaves_agree_with_the_reference_on_awkward_numbers(op):
    rng = np.random.default_rng(op.id)
    memory_sizes = MemorySizes(3, 3, 0)
    for features in (1, 3, 4, 8, 16, 21):
        memory = Memory(memory_sizes, features)
        for array in (memory.scalars, memory.vectors):
            plain = rng.normal(size=array.shape)
            array[...] = np.where(rng.random(array.shape) < 0.3, rng.choice(AWKWARD), plain)
        before = memory.scalars.copy(), memory.vectors.copy(), memory.matrices.copy()
        inputs = dict(zip(("in1", "in2"), (0, 1), strict=True))
        constants = dict(zip(op.constant_fields, (0.25, 0.5), strict=False))
        item = Instruction(op, out=2, **dict(list(inputs.items())[: op.arity]), **constants)
        reference_instruction(item, memory)
        for lanes in (1, 8, 16):
            found = run_instruction(item, *before, lanes=lanes)
            for values, expected in zip(found, (memory.scalars, memory.vectors), strict=False):
                np.testing.assert_allclose(values, expected, rtol=1e-15, atol=5e-324)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 60, reason="long double is no longer")
def test_exponentials_of_vectors_are_right_to_the_last_bits():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-708, 709, 800), rng.normal(size=100), [0.0, -0.0, 710, -750]])
    item = Instruction("VECTOR_EXP_OP", in1=0, out=0)
    found = run_instruction(item, np.zeros(1), x[None], no_matrices(len(x)))[1][0]
    with np.errstate(over="ignore"):
        exact = np.exp(x.astype(np.longdouble))
    finite = (exact > 1e-300) & (exact < np.finfo(float).max)
    unit = np.spacing(exact[finite].astype(float))
    assert np.max(np.abs(found[finite] - exact[finite]) / unit) < 1.5
    assert found[-2:].tolist() == [INF, 0.0]


# Weights mutate on the log-odds scale ---------------------------------------------------


def mutated_weights(weight, count=4000):
    space = ProgramSpace(
        MemorySizes(3, 3, 0),
        setup=ComponentConfig(ops=["VECTOR_INTERPOLATE_OP"], init_size=1, max_size=1),
        predict=ComponentConfig(),
        learn=ComponentConfig(),
        mutation=MutationConfig(probability=1.0, weights=MutationWeights(alter_param=1.0)),
    )
    item = Instruction("VECTOR_INTERPOLATE_OP", in1=1, in2=2, out=1, act=weight)
    parent = Program(setup=[item], predict=[], learn=[])
    stream = evolution_stream(3)
    found = [space.mutate(parent, stream)["setup"][0].act for _ in range(count)]
    return np.array([x for x in found if x != weight])


@pytest.mark.parametrize("weight", [0.5, 0.9, 0.001, 1 - 1e-12])
def test_the_odds_of_a_weight_change_by_a_log_normal_factor(weight):
    changed = mutated_weights(weight)
    assert 800 < len(changed) < 1200  # one of four fields
    assert ((changed > 0) & (changed < 1)).all()
    if weight < 0.999:
        steps = (np.log(changed / (1 - changed)) - math.log(weight / (1 - weight))) / math.log(10)
        assert abs(steps.mean()) < 0.15 and abs(steps.std() - 1) < 0.1


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_weight_without_odds_is_redrawn(weight):
    changed = mutated_weights(weight)
    assert len(changed) > 800 and 0.4 < changed.mean() < 0.6


def test_constants_of_ops_with_inputs_mutate_too():
    changed = {"f0": 0, "f1": 0}
    space = ProgramSpace(
        MemorySizes(3, 3, 0),
        setup=ComponentConfig(ops=["SCALAR_CLIP_OP"], init_size=1, max_size=1),
        predict=ComponentConfig(),
        learn=ComponentConfig(),
        mutation=MutationConfig(probability=1.0, weights=MutationWeights(alter_param=1.0)),
    )
    item = Instruction("SCALAR_CLIP_OP", in1=1, out=1, f0=-0.5, f1=0.5)
    parent, stream = Program(setup=[item], predict=[], learn=[]), evolution_stream(1)
    for _ in range(600):
        child = space.mutate(parent, stream)["setup"][0]
        assert child.f0 <= child.f1
        for field in changed:
            changed[field] += getattr(child, field) != getattr(item, field)
    assert min(changed.values()) > 60


# Nothing of what was there has moved ----------------------------------------------------


def test_the_ops_work_in_supervised_programs_that_name_them():
    program = Program.parse(
        "def Setup():\n  s2 = 0.05\ndef Predict():\n  s1 = dot(v0, v1)\n"
        "def Learn():\n  s3 = s0 - s1\n  v2 = s3 * v0\n  v3 = interpolate(v3, v2, 0.1)\n"
        "  v2 = sign(v3)\n  v2 = s2 * v2\n  v1 = v1 + v2"
    )
    tasks = random_tasks(1, 3, 4, 30, 10)
    assert evaluate(program, tasks).shape == (1, 3)


def test_ids_of_users_own_ops_in_older_files_are_understood():
    (own,) = (op for op in custom_ops.OPS if op.name == "SCALAR_LEAK_OP")
    first, plain = Instruction(own, in1=1, out=2), Instruction("SCALAR_ABS_OP")
    code = Program(setup=[first, plain], predict=[], learn=[]).to_arrays()[0].tobytes()
    names, (stored,) = portable_ops(code)
    older = bytes(stored).replace(bytes([FIRST_CUSTOM_OP]), bytes([len(ORIGINAL_OPS)]), 1)
    assert older != bytes(stored)
    assert local_ops(names, older, len(ORIGINAL_OPS)) == code
    for wrong in (3, 200, "65", None, True):
        with pytest.raises(ValueError, match="first_custom_op: expected the id of an op"):
            local_ops(names, older, wrong)


def test_fingerprints_with_users_own_ops_are_what_they_were_before_the_table_grew():
    any_op = ComponentConfig(ops="all")
    space = ProgramSpace(
        MemorySizes(4, 3, 1), setup=any_op, predict=any_op, learn=ComponentConfig()
    )
    program = Program.parse(
        "def Setup():\n  v1[0.25] = 0.5\n  s2 = 0.1\ndef Predict():\n  v2 = leak(v0)\n"
        "  v2 = blend(v2, v1)\n  s1 = dot(v1, v2)\n  s1 = shift(s1)\ndef Learn():\n  v1 = s0 * v0"
    )
    assert space.key(program) == 242581156531353596396183989395314591865
