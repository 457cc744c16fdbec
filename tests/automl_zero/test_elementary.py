"""The compiled elementary functions and random numbers, one by one, against independent ones.

What a program makes of them is compared to the last bit in test_evaluation.py.
"""

import math
from itertools import product

import numpy as np
import pytest

from automl_zero.evaluation import run_instruction, trace
from automl_zero.ops import OP_BY_NAME, OPS
from automl_zero.program import Instruction, Program
from automl_zero.reference import Draws, Memory, sigmoid
from automl_zero.reference import run_instruction as reference_instruction
from automl_zero.streams import GAMMA, Stream, mix64, stream_key
from automl_zero.tasks import Task
from tests.engine import ELEMENTARY, Sigmoid, Single
from tests.strategies import SMALL_MEMORY

LANES = (1, 8, 16)
POINTS = 100_000
LARGEST_ERROR_ULP = 2.5
"""Measured on some million points each: sin 2.2, cos 2.3, arcsin 2.2, arccos 1.2, arctan 0.9,
log 0.9 units in the last place; tan and exp, from the C library, 0.7 and 0.5."""

# An 80-bit or 128-bit extended type is exact enough to judge the last bit of a double.
LONG = np.longdouble
JUDGES = np.finfo(LONG).nmant > 60
needs_long_double = pytest.mark.skipif(not JUDGES, reason="long double is no longer than double")


def compiled_function(name, x):
    """An elementary function of finite numbers: the predictions on examples with one feature."""
    program = Program(
        setup=[],
        predict=[
            Instruction("VECTOR_MEAN_OP", in1=0, out=2),
            Instruction(f"SCALAR_{name}_OP", in1=2, out=1),
        ],
        learn=[],
    )
    task = Task([[0.5]], [0.0], x[:, None], np.zeros(len(x)))
    (run,) = trace(program, task, max_abs_error=math.inf)
    return run.valid_predictions


def near(values, ulps=3):
    """The values and their nearest neighbours."""
    values = np.asarray(values, float)
    found = [values]
    for direction in (-np.inf, np.inf):
        step = values
        for _ in range(ulps):
            step = np.nextafter(step, direction)
            found.append(step)
    return np.concatenate(found)


def any_size(rng, count, low=-1074, high=1024):
    """Numbers of either sign, of all magnitudes from 2^low to 2^high."""
    return np.ldexp(rng.uniform(0.5, 1, count) * rng.choice([-1, 1], count), rng.integers(
        low + 1, high + 1, count
    ))  # fmt: skip


def angles(rng, count):
    """Small, large and huge ones, and those next to multiples of pi/2."""
    multiples = np.concatenate([np.arange(-2000, 2000), rng.integers(0, 2**22, 8000)])
    next_to = [np.nextafter(multiples * (np.pi / 2), toward) for toward in (-np.inf, np.inf)]
    return np.concatenate(
        [multiples * (np.pi / 2), *next_to, rng.uniform(-10, 10, count // 2),
         rng.uniform(-(2**20), 2**20, count // 4), any_size(rng, count // 4)]
    )  # fmt: skip


POINTS_OF = {
    "SIN": angles,
    "COS": angles,
    "TAN": angles,
    "ARCSIN": lambda rng, n: np.concatenate(
        [near([0.5, -0.5]), -near([1.0])[1:2], rng.uniform(-1, 1, n), any_size(rng, n // 4, high=0),
         1 - any_size(rng, n // 8, -53, -2).clip(0)]
    ),
    "ARCTAN": lambda rng, n: np.concatenate(
        [near([0.66, 2.414213562373095, 1.0]), rng.uniform(-4, 4, n), any_size(rng, n // 2)]
    ),
    "EXP": lambda rng, n: np.concatenate(
        [near([709.782712893384, -708.396418532264, -745.1332191019411, 0.0]),
         rng.uniform(-746, 710, n), rng.uniform(-2, 2, n), any_size(rng, n // 2)]
    ),
    "LOG": lambda rng, n: np.abs(np.concatenate(
        [near([1.0, 2**0.5, 0.5**0.5, 2.0**-1022]), any_size(rng, n), rng.uniform(0, 3, n)]
    )),
}  # fmt: skip
POINTS_OF["ARCCOS"] = POINTS_OF["ARCSIN"]


def errors_in_ulp(name, x):
    """How far the compiled function is off, in units in the last place of a double."""
    found = compiled_function(name, x)
    with np.errstate(all="ignore"):
        exact = getattr(np, name.lower())(x.astype(LONG))
        rounded = exact.astype(np.float64)
    assert np.array_equal(np.isinf(found), np.isinf(rounded)), name
    finite = np.isfinite(rounded)
    unit = np.spacing(np.abs(rounded[finite])).astype(LONG)
    return x[finite], (np.abs(found[finite].astype(LONG) - exact[finite]) / unit).astype(float)


@needs_long_double
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_are_right_to_the_last_bits(name):
    x, errors = errors_in_ulp(name, POINTS_OF[name](np.random.default_rng(1), POINTS))
    assert len(x) >= POINTS
    worst = int(np.argmax(errors))
    assert errors[worst] <= LARGEST_ERROR_ULP, f"{name.lower()}({x[worst]!r})"


INF, NAN, PI, TINY = math.inf, math.nan, math.pi, 5e-324

SPECIAL = {
    "SIN": ((0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (INF, NAN), (-INF, NAN)),
    "COS": ((0.0, 1.0), (-0.0, 1.0), (TINY, 1.0), (INF, NAN), (-INF, NAN)),
    "TAN": ((0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (INF, NAN), (-INF, NAN)),
    "ARCSIN": ((0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (1.0, PI / 2), (-1.0, -PI / 2),
               (1.0000000000000002, NAN), (INF, NAN)),
    "ARCCOS": ((0.0, PI / 2), (TINY, PI / 2), (1.0, 0.0), (-1.0, PI), (-1.0000000000000002, NAN),
               (-INF, NAN)),
    "ARCTAN": ((0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (INF, PI / 2), (-INF, -PI / 2),
               (1.7e308, PI / 2)),
    "EXP": ((0.0, 1.0), (-0.0, 1.0), (TINY, 1.0), (INF, INF), (-INF, 0.0), (710.0, INF),
            (-746.0, 0.0), (-745.0, TINY), (1e300, INF), (-1e300, 0.0)),
    "LOG": ((1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (-TINY, NAN),
            (TINY, -744.4400719213812)),
}  # fmt: skip


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_special_values_are_those_of_the_standard(name, lanes):
    function = Single(f"SCALAR_{name}_OP")
    for x, expected in (*SPECIAL[name], (NAN, NAN)):
        found = float(function(x, lanes=lanes))
        if math.isnan(expected):
            assert math.isnan(found), x
        else:
            assert (found, math.copysign(1, found)) == (expected, math.copysign(1, expected)), x


def test_the_sigmoid_is_right():
    compiled_sigmoid = Sigmoid()
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=500), rng.uniform(-750, 750, 500), any_size(rng, 200)])
    with np.errstate(over="ignore"):
        expected = sigmoid(x)
    np.testing.assert_allclose([compiled_sigmoid(value) for value in x], expected, 1e-15, 1e-300)
    assert [compiled_sigmoid(v) for v in (0.0, -0.0, math.inf, -math.inf)] == [0.5, 0.5, 1.0, 0.0]
    assert math.isnan(compiled_sigmoid(math.nan))


# Random ops ------------------------------------------------------------------------

RANDOM_OPS = [op for op in OPS if op.random]
CONSTANTS = ((-1.5, 2.0), (0.25, 0.25), (1.0, -1.0), (-0.0, -1.0), (0.0, 3e38), (2.0, 0.0))


@pytest.mark.parametrize("op", RANDOM_OPS, ids=lambda op: op.name)
def test_random_ops_draw_the_numbers_of_the_contract(op):
    for features, lanes, step in product((1, 3, 4, 16, 33), LANES, (0, 1, 12345)):
        for f0, f1 in CONSTANTS[: 2 + 4 * (features == 3)]:
            instruction = Instruction(op, out=1, f0=f0, f1=f1)
            memory = Memory(SMALL_MEMORY, features)
            before = (memory.scalars.copy(), memory.vectors.copy(), memory.matrices.copy())
            reference_instruction(instruction, memory, Draws(77, 2, 5, step))
            found = run_instruction(
                instruction, *before, lanes=lanes, key=stream_key(77, 2, 5), step=step
            )
            for kind, values in zip("svm", found, strict=True):
                expected = memory[kind, slice(None)]
                if "UNIFORM" in op.name:
                    np.testing.assert_array_equal(values, expected)
                    assert np.array_equal(np.signbit(values), np.signbit(expected))
                else:
                    # The compiled angle is reduced exactly, so its cosine of almost 0 is better.
                    np.testing.assert_allclose(values, expected, 1e-12, 1e-14 * max(1, abs(f1)))


def test_random_numbers_come_from_the_key_by_the_formula():
    key = 0x0123456789ABCDEF
    for step in (0, 3, 2**40):
        bits = [mix64(key + GAMMA * (step * 3 + i + 1)) for i in range(3)]
        expected = [((z >> 12) + 0.5) * 2.0**-52 for z in bits]
        found = Single("VECTOR_UNIFORM_SET_OP", f0=0.0, f1=1.0)(features=3, key=key, step=step)
        assert found.tolist() == expected
    found = Single("VECTOR_GAUSSIAN_SET_OP", f0=0.0, f1=1.0)(features=3, key=key, step=5)
    u = [((mix64(key + GAMMA * (5 * 4 + i + 1)) >> 12) + 0.5) * 2.0**-52 for i in range(4)]
    radius = [math.sqrt(-2 * math.log(u[0])), math.sqrt(-2 * math.log(u[2]))]
    expected = [
        radius[0] * math.cos(2 * math.pi * u[1]),
        radius[0] * math.sin(2 * math.pi * u[1]),
        radius[1] * math.cos(2 * math.pi * u[3]),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_normal_numbers_are_normal():
    numbers = Single("MATRIX_GAUSSIAN_SET_OP", f0=0.0, f1=1.0)(features=512, key=3).ravel()
    count = len(numbers)
    assert abs(numbers.mean()) < 4 / math.sqrt(count)
    assert abs(numbers.var() - 1) < 4 * math.sqrt(2 / count)
    for limit, share in ((1.0, 0.682689492), (2.0, 0.954499736), (3.0, 0.997300204)):
        assert abs(np.mean(np.abs(numbers) < limit) - share) < 4 * math.sqrt(0.25 / count)
    # Pairs share a radius, so a wrong angle would correlate them.
    assert abs(np.corrcoef(numbers[::2], numbers[1::2])[0, 1]) < 5 / math.sqrt(count / 2)


def test_normal_numbers_of_streams_are_those_of_the_gaussian_op():
    key = stream_key(5, "x")
    expected = Single("MATRIX_GAUSSIAN_SET_OP", f0=0.0, f1=1.0)(features=64, key=key)
    assert Stream(key).normal((64, 64)).tobytes() == expected.tobytes()
    assert OP_BY_NAME["MATRIX_GAUSSIAN_SET_OP"].random
