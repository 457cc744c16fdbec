"""Ops of a user's own: what a declaration may be, and what it means wherever ops are known."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero import reference
from automl_zero.custom_ops import custom_ops, register_op, run_ops_file
from automl_zero.evaluation import _engine, canonical_program, run_instruction, trace
from automl_zero.ops import MAX_CUSTOM_OPS, OP_BY_NAME, OPS, known_ops
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import Memory
from tests import strategies
from tests.automl_zero import test_evaluation, test_fast_paths, test_op_coverage
from tests.custom_ops import EXACT_OPS, blend, leak
from tests.custom_ops import OPS as TEST_OPS
from tests.engine import compiled, compiled_functions
from tests.fuzz import fuzz
from tests.workloads import random_programs, random_tasks

ROOT = Path(__file__).parents[2]
FEATURES = (1, 2, 3, 4, 7, 8, 16, 33, 64, 100)
MEMORY = MemorySizes(4, 4, 3)

GAPS: set[tuple[str, str]] = set()
"""(op, consumer) that are not meant to know each other."""


def named(op):
    return op.name


# What an op means ------------------------------------------------------------------


@pytest.mark.parametrize("consumer", test_op_coverage.CONSUMERS, ids=lambda item: item.__name__)
@pytest.mark.parametrize("op", TEST_OPS, ids=named)
def test_every_consumer_knows_a_users_op(op, consumer):
    assert consumer(op) == ((op.name, consumer.__name__) not in GAPS)


@pytest.mark.parametrize("op", [op for op in TEST_OPS if op.arity == 2], ids=named)
def test_only_commutative_ops_may_swap_their_inputs(op):
    test_op_coverage.test_only_commutative_ops_may_swap_their_inputs(op)


@pytest.mark.parametrize("op", TEST_OPS, ids=named)
def test_zeros_stay_zeros_unless_the_function_moves_them(op):
    assert op.moves_zero == ("SHIFT" in op.name)
    test_op_coverage.test_zeros_of_an_op_stay_zeros_unless_it_says_so(op)


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("op", TEST_OPS, ids=named)
def test_compiled_and_reference_agree_on_awkward_numbers(op, features):
    rng = np.random.default_rng(features)
    shapes = ((4,), (4, features), (3, features, features))
    values = [rng.normal(size=shape) for shape in shapes]
    for array in values:
        odd = rng.random(array.shape) < 0.3
        array[odd] = rng.choice(strategies.AWKWARD, odd.sum())
    for in1, in2, out in ((0, 1, 2), (1, 2, 1), (1, 2, 2), (2, 2, 2)):
        inputs = dict(zip(("in1", "in2")[: op.arity], (in1, in2), strict=False))
        instruction = Instruction(op, **inputs, out=out)
        memory = Memory(MEMORY, features)
        memory.scalars[...], memory.vectors[...], memory.matrices[...] = values
        reference.run_instruction(instruction, memory)
        expected = (memory.scalars, memory.vectors, memory.matrices)
        for lanes in (1, 8, 16):
            found = run_instruction(instruction, *values, lanes=lanes)
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=0 if op in EXACT_OPS else 1e-15)


def task_lists():
    return test_evaluation.task_lists(objectives=("rms_error",))


@settings(max_examples=60, deadline=None)
@given(
    strategies.programs(ops=(*strategies.EXACT_OPS, *EXACT_OPS * 3), max_size=10),
    task_lists(),
    test_evaluation.LIMITS,
)
def test_programs_of_both_sorts_of_ops_do_what_the_reference_says(program, tasks, limit):
    test_evaluation.assert_agreement([program], tasks, limit, judged=[len(tasks) - 1])


@pytest.mark.parametrize("features", FEATURES)
def test_many_programs_do_what_the_reference_says(features):
    for seed, count in enumerate((1, 10, 20)):
        tasks = random_tasks(seed, count, features, 3, 7, 2 - seed % 2)
        listed = random_programs(seed, 4 if features > 16 else 12, (*OPS, *EXACT_OPS * 4))
        with compiled_functions():
            test_evaluation.assert_agreement(listed, tasks, judged=[count - 1])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("features", FEATURES)
def test_a_switch_changes_nothing(features, precision):
    listed = random_programs(features, 60, (*OPS, *TEST_OPS * 3))
    # Predict functions that keep nothing, so that examples run side by side.
    listed += random_programs(features, 30, TEST_OPS + strategies.EXACT_OPS[:6], sizes=(3, 4, 0))
    tasks = random_tasks(features, 10, features, 5, 70)
    expected = compiled(listed, tasks, precision=precision)
    assert (expected.fitness > 0).any()
    for name, switch in test_fast_paths.SWITCHES.items():
        found = compiled(listed, tasks, precision=precision, **switch)
        test_fast_paths.assert_same(found, expected, listed, name)


def test_float32_is_computed_in_float32():
    # In double, 0.3f * 0.1f + 0.7f * 0.2f rounds once; in float32 thrice.
    program = Program.parse(
        "def Setup():\n s2 = 0.1\n s3 = 0.2\ndef Predict():\n s1 = blend(s2, s3)\ndef Learn():"
    )
    (task,) = random_tasks(1, 1, 4, 1, 1)
    (run,) = trace(program, task, precision="float32")
    assert run.valid_predictions[0] == blend(np.float32(0.1), np.float32(0.2))


def test_functions_with_loops_and_calls_compile():
    def fraction(x, y):
        return x / y  # by 0 for some lanes: Numba itself would raise

    def newton(x):
        root = 1.0
        for _ in range(30):
            root = 0.5 * (root + fraction(x, root))
        return root

    op = register_op("SCALAR_NEWTON_OP", newton, inputs="s")
    (found, *_) = run_instruction(
        Instruction(op, in1=0, out=1), np.array([3.0, 0.0]), np.zeros((1, 2)), np.zeros((0, 2, 2))
    )
    assert found[1] == newton(3.0)


def test_the_fingerprint_tells_users_ops_apart_and_not_their_ids():
    texts = ("leak(s2)", "swish(s2)", "abs(s2)", "blend(s2, s2)", "spread(s2, s2)")
    programs = [
        Program.parse(f"def Setup():\n s2 = 0.5\ndef Predict():\n s1 = {text}\ndef Learn():")
        for text in texts
    ]
    assert len({fingerprint(program) for program in programs}) == len(texts)
    # The same in every process: ids follow the order of declaration, this the name.
    assert fingerprint(programs[0]) == 85828294634645067707415130360264969838


def fingerprint(program):
    instructions, offsets = program.to_arrays()
    return _engine.canonical_form(instructions.view(np.uint8), offsets)[3]


def test_bytes_of_users_ops_are_refused_or_run():
    counts = fuzz(seed=5, count=8000)
    assert counts["ran"] > 3000


@pytest.mark.slow
def test_instruction_sets_give_the_same_bits():
    code = (
        "import hashlib; from tests.automl_zero.test_custom_ops import results; "
        "print(hashlib.sha256(results()).hexdigest())"
    )
    found = set()
    for isa in _engine.instruction_sets():
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"AUTOML_ZERO_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(run.stdout)
    assert len(found) == 1


def results():
    """All bits of random programs in both precisions."""
    parts = []
    for features in (1, 4, 7, 16, 64):
        listed = random_programs(features, 40, (*OPS, *TEST_OPS * 3))
        tasks = random_tasks(features, 10, features, 5, 70)
        for precision in ("float64", "float32"):
            parts.append(compiled(listed, tasks, precision=precision).bytes())
    return b"".join(parts)


# Declarations ----------------------------------------------------------------------


def test_an_op_declared_twice_is_one():
    again = register_op("VECTOR_LEAK_OP", lambda x: x if x > 0.0 else 0.25 * x, inputs="v")
    assert again is OP_BY_NAME["VECTOR_LEAK_OP"]
    assert custom_ops().count(again) == known_ops().count(again) == 1


def test_another_function_of_the_same_name_is_refused():
    for other in (lambda x: x if x > 0.0 else 0.5 * x, lambda x: -x):
        with pytest.raises(ValueError, match="name: expected one that no other op has"):
            register_op("VECTOR_LEAK_OP", other, inputs="v")
    with pytest.raises(ValueError, match="name: expected one that no other op has"):
        register_op("VECTOR_LEAK_OP", leak, inputs="m")
    factor = 0.25
    with pytest.raises(ValueError, match="name: expected one that no other op has"):
        register_op("VECTOR_LEAK_OP", lambda x: x if x > 0.0 else factor * x, inputs="v")


def test_the_decorator_leaves_the_function_as_it_is():
    @register_op("SCALAR_HALF_OP", inputs="s")
    @register_op("VECTOR_HALF_OP", inputs="v", text="{out} = half of {a}", cost=7)
    def half(x):
        return 0.5 * x

    assert half(3.0) == 1.5
    assert OP_BY_NAME["SCALAR_HALF_OP"].text == "{out} = half({a})"
    assert OP_BY_NAME["VECTOR_HALF_OP"].cost == 7
    program = Program.parse("def Setup():\ndef Predict():\n  v1 = half of v0\ndef Learn():")
    assert str(program["predict"][0]) == "v1 = half of v0"
    assert program["predict"][0].op.name == "VECTOR_HALF_OP"


def test_functions_that_numba_compiled_are_taken():
    numba = pytest.importorskip("numba")
    assert register_op("SCALAR_LEAK_OP", numba.njit(leak), inputs="s").name == "SCALAR_LEAK_OP"


def test_costs_are_those_of_the_tables_ops_unless_said_otherwise():
    for kind, word in (("s", "SCALAR"), ("v", "VECTOR"), ("m", "MATRIX")):
        assert OP_BY_NAME[f"{word}_LEAK_OP"].cost == OP_BY_NAME[f"{word}_ABS_OP"].cost
        assert OP_BY_NAME[f"{word}_BLEND_OP"].cost == OP_BY_NAME[f"{word}_PRODUCT_OP"].cost
        assert OP_BY_NAME[f"{word}_BLEND_OP"].inputs == kind * 2


def random_number(x):
    return x + np.random.random()


def table(x):
    return STATE[0] * x


STATE = {0: 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "bad"}, "name: expected capitals that end in _OP, .* received 'bad'"),
        ({"name": "BAD"}, "name: expected capitals that end in _OP"),
        ({"name": 3}, "name: expected capitals"),
        ({"name": "SCALAR_ABS_OP"}, "name: expected one that no other op has"),
        ({"inputs": "sv"}, "inputs: expected one of s, ss, v, vv, m, mm, received 'sv'"),
        ({"inputs": "sss"}, "inputs: expected one of"),
        ({"inputs": ""}, "inputs: expected one of"),
        ({"inputs": None}, "inputs: expected one of"),
        ({"inputs": "ss"}, r"function: expected 2 arguments for inputs 'ss', received <lambda>\(x"),
        ({"function": 3}, "function: expected a Python function for BAD_OP, received 3"),
        ({"function": np.exp}, "function: expected a Python function"),
        ({"function": lambda *x: x[0]}, "function: expected 1 argument"),
        ({"function": lambda x, *, y=1.0: x}, "function: expected 1 argument"),
        ({"function": lambda x: x + "a"}, "function: expected one that Numba can compile"),
        ({"function": lambda x: unknown(x)}, "Numba can compile: .*unknown"),  # noqa: F821
        ({"function": lambda x: 1j * x}, "return a real number, received complex128"),
        ({"function": lambda x: None}, "return a real number, received none"),
        ({"function": random_number}, "function: expected the same numbers whenever"),
        ({"function": table}, "expected it to use numbers, modules and functions only"),
        ({"commutative": 1}, "commutative: expected true or false"),
        ({"commutative": True}, "commutative: expected False for one input"),
        (
            {"function": lambda x, y: x - y, "inputs": "ss", "commutative": True},
            r"commutative: expected the same for \(0.0, -0.0\) in either order",
        ),
        ({"cost": 0}, "cost: expected an integer in 1"),
        ({"cost": 1.5}, "cost: expected an integer"),
        ({"text": "{out} = bad(x)"}, r"text: expected program text with {out}, {a} once each"),
        ({"text": "{out} = bad({a}, {b})"}, "text: expected program text with"),
        ({"text": "{out} = bad({a}, {a})"}, "text: expected program text with"),
        ({"text": "{out} = bad({a!r})"}, "text: expected program text with"),
        ({"text": "{out} = bad({a:>4})"}, "text: expected program text with"),
        ({"text": "{out} = bad({a"}, "text: expected program text with"),
        ({"text": 5}, "text: expected program text with"),
        ({"text": "{out} = {{bad}}({a})"}, "text: expected a line that begins with {out}"),
        ({"text": "bad {out} = {a}"}, "text: expected a line that begins with {out}"),
        ({"text": "{out} = bad({a}) # note"}, "text: expected a line that begins with {out}"),
        ({"text": "{out} =\nbad({a})"}, "text: expected a line that begins with {out}"),
        ({"text": "{out} = s1({a})"}, "text: expected a line that begins with {out}"),
        ({"text": "{out} = {a}bad"}, "text: expected a line that begins with {out}"),
        ({"text": "{out} = abs({a})"}, "text: expected another one than SCALAR_ABS_OP's"),
        ({"text": "{out} = leak({a})"}, "text: expected another one than SCALAR_LEAK_OP's"),
        ({"text": "{out} = 2 / {a}"}, "text: expected another one than SCALAR_RECIPROCAL_OP's"),
    ],
    ids=str,
)
def test_a_bad_declaration_is_refused_and_leaves_nothing(changes, message):
    before = known_ops()
    arguments = {"name": "BAD_OP", "function": lambda x: 2.0 * x, "inputs": "s", **changes}
    with pytest.raises(ValueError, match=message):
        register_op(**arguments)
    assert known_ops() == before
    with pytest.raises(ValueError, match="op: expected a name of the op table"):
        Instruction("BAD_OP")


def test_functions_that_raise_are_refused():
    import math

    def checks(x):
        assert x == x
        return x

    for function in (checks, lambda x: checks(x) + 1.0):
        with pytest.raises(ValueError, match="expected no raise and no assert, .* in checks"):
            register_op("BAD_OP", function, inputs="s")
    message = r"function: expected a number of <lambda>\(0.0\), received ValueError: .*NumPy's"
    with pytest.raises(ValueError, match=message):
        register_op("BAD_OP", lambda x: math.log(x), inputs="s")


def test_recursion_is_refused():
    def halved(x):
        return halved(0.5 * x) if abs(x) > 1.0 else x

    with pytest.raises(ValueError, match="function: expected no recursion, received halved"):
        register_op("BAD_OP", halved, inputs="s")


def test_functions_that_mean_something_else_in_numba_are_refused():
    # An integer is 64 bits there and does not end here.
    with pytest.raises(ValueError, match="expected the same of .* in Python and compiled|a number"):
        register_op("BAD_OP", lambda x: float(int(np.floor(np.minimum(x, 1e300) * 0.0 + 7) ** 99)),
                    inputs="s")  # fmt: skip


def test_there_is_an_end_to_ids(monkeypatch):
    import automl_zero.custom_ops as module

    monkeypatch.setattr(module, "MAX_CUSTOM_OPS", len(custom_ops()))
    with pytest.raises(ValueError, match="expected at most .* ops of your own"):
        register_op("BAD_OP", lambda x: 3.0 * x, inputs="s")
    assert len(OPS) + MAX_CUSTOM_OPS <= 256


def test_names_with_one_hash_are_refused(monkeypatch):
    import automl_zero.custom_ops as module

    monkeypatch.setattr(module, "_salt", lambda name: 7)
    with pytest.raises(ValueError, match="its hash is taken"):
        register_op("BAD_OP", lambda x: 3.0 * x, inputs="s")


def test_a_file_declares_ops(tmp_path):
    path = tmp_path / "my_ops.py"
    path.write_text(
        "from automl_zero.custom_ops import register_op\n"
        "FACTOR = 0.125\n"
        "@register_op('SCALAR_EIGHTH_OP', inputs='s')\n"
        "def eighth(x):\n    return FACTOR * x\n"
    )
    run_ops_file(path)
    run_ops_file(path)
    assert OP_BY_NAME["SCALAR_EIGHTH_OP"].inputs == "s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "ops: .*ops.py: ZeroDivisionError: division by zero"),
        ("def", "ops: .*ops.py: SyntaxError"),
        ("from automl_zero.custom_ops import register_op\nregister_op('x', inputs='s')(abs)",
         "ops: .*ops.py: name: expected capitals"),
    ],
)  # fmt: skip
def test_a_file_that_fails_is_named(tmp_path, text, message):
    path = tmp_path / "ops.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        run_ops_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="ops: .*none.py: No such file"):
        run_ops_file(tmp_path / "none.py")


@given(st.data())
def test_programs_with_users_ops_read_back(data):
    program = data.draw(strategies.programs(ops=(*OPS, *TEST_OPS * 3)))
    assert Program.parse(str(program)) == program
    assert Program.from_json(program.to_json()) == program
    assert Program.from_arrays(*program.to_arrays()) == program
    assert canonical_program(canonical_program(program)) == canonical_program(program)


def test_importing_the_package_does_not_import_numba():
    code = (
        "import sys; import automl_zero.custom_ops, automl_zero.evolution, automl_zero.reference; "
        "assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)




def program_with(op):
    """A program in which the op is live."""
    frame, source = {
        "s": ("  s1 = dot(v0, v0)\n  {}\n", "s1"),
        "v": ("  {}\n  s1 = dot(v0, v1)\n", "v0"),
        "m": ("  m1 = outer(v0, v0)\n  {}\n  v1 = dot(m1, v0)\n  s1 = dot(v1, v0)\n", "m1"),
    }[op.output]
    line = op.text.format(out=f"{op.output}1", a=source, b=source)
    return Program.parse(f"def Setup():\ndef Predict():\n{frame.format(line)}def Learn():\n")


@pytest.mark.parametrize("op", TEST_OPS, ids=named)
def test_papers_print_an_op_as_a_function(op):
    from automl_zero.report import to_latex

    word = op.text.partition("= ")[2].partition("(")[0]
    assert rf"\operatorname{{{word}}}(" in to_latex(program_with(op))


@pytest.mark.parametrize("op", TEST_OPS, ids=named)
def test_exports_refuse_an_op_that_they_cannot_carry(op):
    from automl_zero.export import to_c_source, to_numba_source, to_numpy_source

    for export in (to_numpy_source, to_numba_source, to_c_source):
        with pytest.raises(ValueError, match=f"received {op.name}: an export carries no op"):
            export(program_with(op))


@pytest.mark.parametrize("op", TEST_OPS, ids=named)
def test_simplifying_keeps_an_op(op):
    from automl_zero.inspection import simplify

    kept = [item.op for _, body in simplify(program_with(op)).items() for item in body]
    assert op in kept
