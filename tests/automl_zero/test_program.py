"""Instructions and programs: values, text, JSON, arrays, and what they refuse."""

import copy
import json
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.evolution import hand_built_program
from automl_zero.ops import OPS
from automl_zero.program import (
    INSTRUCTION_DTYPE,
    MAX_INSTRUCTIONS,
    Instruction,
    MemorySizes,
    Program,
    ProgramSyntaxError,
)
from tests.strategies import instructions, memory_sizes, programs

LARGEST = MemorySizes()

LINEAR = """\
def Setup():
  s2 = 0.01
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s3 = s2 * s3
  v2 = s3 * v0
  v1 = v1 + v2"""


def example(op):
    """An instruction of ``op`` with all fields different from 0."""
    registers = {
        field: 3 + position
        for position, field in enumerate(("in1", "in2")[: op.arity] + ("out",) * bool(op.output))
    }
    constants = {field: 0.1 + 0.2 * i for i, field in enumerate(op.constant_fields)}
    return Instruction(op, **registers, **constants)


def one(instruction):
    return Program(setup=[], predict=[instruction], learn=[])


# Values ----------------------------------------------------------------------------


def test_an_op_is_given_by_row_name_or_id():
    by_name = Instruction("SCALAR_SUM_OP", 1, 2, 3)
    assert by_name == Instruction(1, 1, 2, 3) == Instruction(OPS[1], 1, 2, 3)
    assert by_name == Instruction(np.uint8(1), np.int64(1), np.uint8(2), np.int32(3))


def test_an_instruction_tells_its_registers_and_constants():
    instruction = Instruction("VECTOR_UNIFORM_SET_OP", out=2, f0=-0.5, f1=0.25)
    assert instruction.inputs == ()
    assert instruction.output == ("v", 2)
    assert instruction.constants == {"low": -0.5, "high": 0.25}
    assert Instruction("NO_OP").output is None


def test_constants_other_than_act_are_rounded_to_float32():
    assert Instruction("SCALAR_CONST_SET_OP", act=0.1).act == 0.1
    assert Instruction("SCALAR_UNIFORM_SET_OP", f0=0.1).f0 == float(np.float32(0.1))


def test_equality_is_by_bits():
    def constant(value):
        return Instruction("SCALAR_CONST_SET_OP", act=value)

    assert constant(math.nan) == constant(-math.nan)
    assert hash(constant(math.nan)) == hash(constant(math.nan))
    assert constant(0.0) != constant(-0.0)
    assert one(constant(1.0)) == one(constant(1.0))
    assert one(constant(1.0)) != one(constant(2.0))
    assert len({one(constant(1.0)), one(constant(1.0)), one(constant(2.0))}) == 2
    assert constant(1.0) != "s0 = 1.0"


@pytest.mark.parametrize(
    ("value", "field"),
    [(Instruction("SCALAR_SUM_OP"), "in1"), (Program.parse(LINEAR), "components")],
)
def test_values_cannot_be_changed_but_copied(value, field):
    with pytest.raises(AttributeError):
        setattr(value, field, ())
    assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value


def test_a_program_has_named_ordered_component_functions():
    program = Program(setup=[], update=[Instruction("SCALAR_SUM_OP")])
    assert program.components == ("setup", "update")
    assert len(program["update"]) == len(program) == 1
    assert program != Program(update=program["update"], setup=[])
    with pytest.raises(KeyError, match="this program has setup, update"):
        program["learn"]


def test_a_program_without_instructions_is_true():
    assert Program(setup=[], predict=[], learn=[])


def test_replace_exchanges_one_component_function():
    program = Program.parse(LINEAR)
    assert program.replace(learn=[])["learn"] == ()
    assert program.replace(learn=[])["predict"] == program["predict"]
    with pytest.raises(ValueError, match="expected names of setup, predict, learn"):
        program.replace(lern=[])


def test_html_escapes_and_shows_the_text():
    assert "s1 = dot(v0, v1)" in Program.parse(LINEAR)._repr_html_()


def test_notebooks_show_comments_and_fade_dead_lines():
    shown = Program.parse(LINEAR + "\n  s3 = abs(s3)\n")._repr_html_().splitlines()
    assert any('<span style="color: #2e8b57">  # prediction = weights' in line for line in shown)
    assert shown[-1].startswith('<span style="opacity: 0.5">  s3 = abs(s3)')
    network = hand_built_program("neural_net")._repr_html_()
    assert "(hidden layer &gt; 0)" in network
    text = re.sub("<[^>]*>", "", network).replace("&gt;", ">")
    assert Program.parse(text) == hand_built_program("neural_net")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"op": "SCALAR_SUM"}, "op: .*did you mean 'SCALAR_SUM_OP'"),
        ({"op": 200}, r"op: expected an id in 0..\d+, received 200"),
        ({"op": -1}, "op: expected an id"),
        ({"op": 1.5}, "op: expected an Op"),
        ({"op": None}, "op: expected an Op"),
        ({"op": 1, "in1": 20}, r"in1: expected a register number in 0\.\.19"),
        ({"op": 1, "out": -1}, "out: expected a register number"),
        ({"op": 1, "in2": 0.5}, "in2: expected a register number"),
        ({"op": 5, "in2": 1}, "in2: expected 0, as SCALAR_ABS_OP does not use it"),
        ({"op": 0, "out": 1}, "out: expected 0"),
        ({"op": 1, "act": 1.0}, "act: expected 0"),
        ({"op": 1, "act": math.nan}, "act: expected 0"),
        ({"op": 56, "act": "1"}, "act: expected a number"),
        ({"op": 56, "act": None}, "act: expected a number"),
        ({"op": 59, "f0": 1e39}, "f0: expected a number that fits float32"),
        ({"op": 57, "f0": 1.0}, r"f0: expected index in \[0, 1\)"),
        ({"op": 57, "f0": -0.1}, r"f0: expected index in \[0, 1\)"),
        ({"op": 57, "f0": 1 - 1e-12}, r"f0: expected index in \[0, 1\)"),
        ({"op": 58, "f1": math.nan}, r"f1: expected column in \[0, 1\)"),
    ],
)
def test_a_bad_instruction_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Instruction(**fields)


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({}, "at least one component function"),
        ({"Setup": []}, "lower-case names"),
        ({"setup": ["s0 = 1"]}, r"setup\[0\]: expected an Instruction"),
        ({"setup": [Instruction(0)] * (MAX_INSTRUCTIONS + 1)}, "at most 1000 instructions"),
    ],
)
def test_a_bad_program_is_refused(components, message):
    with pytest.raises(ValueError, match=message):
        Program(**components)


# Text ------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_op_survives_text_json_and_arrays(op):
    program = one(example(op))
    assert Program.parse(str(program)) == program
    assert Program.from_json(program.to_json()) == program
    assert Program.from_arrays(*program.to_arrays()) == program


@given(programs(memory=LARGEST, max_size=4))
def test_every_program_survives_text_json_and_arrays(program):
    assert Program.parse(str(program)) == program
    assert Program.from_json(program.to_json()) == program
    assert Program.from_arrays(*program.to_arrays()) == program


@given(st.integers(0, 2**32 - 1))
def test_every_float32_survives_text(bits):
    value = float(np.uint32(bits).view(np.float32))
    program = one(Instruction("SCALAR_GAUSSIAN_SET_OP", f0=value))
    assert Program.parse(str(program)) == program
    assert Program.from_json(program.to_json()) == program


def test_text_is_that_of_the_original_project():
    assert str(Program.parse(LINEAR)) == LINEAR
    assert (
        str(Program(setup=[], predict=[], learn=[])) == "def Setup():\ndef Predict():\ndef Learn():"
    )


def test_text_may_have_comments_blank_lines_and_any_spacing():
    loose = """
    # a linear model
    def Setup( ) :   # once
    \ts2=.01
    def Learn():
    s3 = s0-s1

    s3 = s2*s3
      v2 = s3 *v0
      v1 = v1+ v2
    def Predict():
      s1 = dot( v0,v1 )  # the prediction
    """
    assert Program.parse(loose) == Program.parse(LINEAR)


@pytest.mark.parametrize(
    ("number", "value"),
    [("1", 1.0), ("-0.0", -0.0), ("+2.5e-3", 0.0025), ("inf", math.inf), ("-inf", -math.inf),
     ("nan", math.nan), ("1.", 1.0), (".5", 0.5), ("1e308", 1e308)],
)  # fmt: skip
def test_numbers_parse(number, value):
    program = Program.parse(f"def Setup():\n  s3 = {number}\ndef Predict():\ndef Learn():")
    assert program["setup"] == (Instruction("SCALAR_CONST_SET_OP", out=3, act=value),)


def test_register_kinds_tell_apart_ops_of_the_same_text():
    def op(line):
        return Program.parse(f"def Run():\n{line}", components=None)["run"][0].op.name

    assert op("s1 = s2 + s3") == "SCALAR_SUM_OP"
    assert op("v1 = v2 + v3") == "VECTOR_SUM_OP"
    assert op("v1 = s2 * v3") == "SCALAR_VECTOR_PRODUCT_OP"
    assert op("v1 = dot(m2, v3)") == "MATRIX_VECTOR_PRODUCT_OP"
    assert op("s1 = dot(v2, v3)") == "VECTOR_INNER_PRODUCT_OP"
    assert op("s1 = 1 / s2") == "SCALAR_RECIPROCAL_OP"
    assert op("s1 = 1.0") == "SCALAR_CONST_SET_OP"
    assert op("s1 = norm(m2)") == "MATRIX_NORM_OP"
    assert op("v1 = norm(m2, axis=1)") == "MATRIX_ROW_NORM_OP"


@pytest.mark.parametrize(
    ("line", "column", "expected", "received"),
    [
        ("  s1 = dott(v0, v1)", 8, "a function (abs,", "'dott' (did you mean 'dot'?)"),
        ("  s1 = dot(v0, s1)", 16, "a vector register (v0..v19)", "'s1'"),
        ("  s1 = dot(v0, v1", 18, "')'", "the end of the line"),
        ("  s1 = dot(v0, v1) 5", 20, "the end of the line", "'5'"),
        ("  s20 = 1", 3, "a scalar register (s0..s19)", "'s20'"),
        ("  s01 = 1", 3, "a scalar register", "'s01'"),
        ("  s1 == s2", 7, "a scalar register", "'='"),
        ("  s1 = s2 -1", 11, "'+' or '-'", "'-1'"),
        ("  s1 = s2 ** s3", 12, "a scalar register", "'*'"),
        ("  s1 = heaviside(s2, 0.5)", 22, "'1.0'", "'0.5'"),
        ("  v1 = norm(m1, axis=2)", 22, "'0' or '1'", "'2'"),
        ("  v1 = uniform(0, 1, n_feature)", 22, "'n_features'", "(did you mean 'n_features'?)"),
        ("  v1[1.0] = 0.5", 6, "index in [0, 1)", "1.0"),
        ("  m1[0.5, -0.5] = 0.5", 11, "column in [0, 1)", "-0.5"),
        ("  s1 = gaussian(0, 1e40)", 20, "a number that fits float32", "1e+40"),
        ("  s1 = 1e", 9, "the end of the line", "'e'"),
        ("  s1 = 0x10", 9, "the end of the line", "'x10'"),
        ("  {out} = 1", 3, "a scalar register", "'{out}'"),
        ("  s1 = s٣ + s2", 8, "a scalar register", "'s'"),
        ("  import os", 3, "a scalar register", "'import'"),
        ("def Setup(:", 11, "')'", "':'"),
        ("def Setup():  s1 = 1", 15, "the end of the line", "'s1'"),
        ("def Learm():", 5, "Setup or Predict or Learn", "'Learm'"),
        ("def learn():", 5, "Setup or Predict or Learn", "'learn'"),
        ("def Predict():", 5, "a function name not used before", "'Predict'"),
    ],
)
def test_a_syntax_error_names_line_column_and_what_was_expected(line, column, expected, received):
    text = f"def Predict():\n\n{line}\ndef Setup():\ndef Learn():"
    with pytest.raises(ProgramSyntaxError) as caught:
        Program.parse(text)
    error = caught.value
    assert (error.line, error.column) == (3, column)
    assert expected in error.expected
    assert received in str(error)
    assert str(error).startswith(f"line 3, column {column}: expected ")
    assert isinstance(error, ValueError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: expected 'def Setup():' or 'def Predict():' or 'def Learn():'"),
        ("def Setup():\ndef Predict():", "line 3, column 1: expected 'def Learn():'"),
        ("s1 = 1", "line 1, column 1: expected 'def Setup():'"),
    ],
)
def test_a_missing_component_function_is_an_error(text, message):
    with pytest.raises(ProgramSyntaxError, match=re.escape(message)):
        Program.parse(text)


def test_component_functions_can_be_chosen_or_taken_from_the_text():
    text = "def Setup():\n  s2 = 0.5\ndef Update():\n  s1 = s2 + s0"
    program = Program.parse(text, components=("setup", "update"))
    assert program == Program.parse(text, components=None)
    assert str(program) == text
    with pytest.raises(ProgramSyntaxError, match="Setup or Predict or Learn"):
        Program.parse(text)


def test_text_must_be_text():
    with pytest.raises(ValueError, match="text: expected a str, received bytes"):
        Program.parse(LINEAR.encode())


@settings(max_examples=300)
@given(st.text() | st.text("def Setup():\n s1v0m=+-*/.,[]#dotnrmaxis"))
def test_any_text_is_a_program_or_a_syntax_error(text):
    try:
        program = Program.parse("def Setup():\n" + text, components=None)
    except ProgramSyntaxError as error:
        assert error.line >= 1 and error.column >= 1
    else:
        assert Program.parse(str(program), components=None) == program


# JSON ------------------------------------------------------------------------------


def test_json_is_plain_and_readable():
    data = json.loads(Program.parse(LINEAR).to_json())
    assert data["components"]["setup"] == [{"op": "SCALAR_CONST_SET_OP", "out": 2, "act": 0.01}]
    assert Program.from_data(data) == Program.parse(LINEAR)


def test_json_writes_non_finite_numbers_as_strings():
    program = one(Instruction("SCALAR_GAUSSIAN_SET_OP", f0=math.nan, f1=-math.inf))
    assert '"f0": "nan", "f1": "-inf"' in program.to_json()
    assert Program.from_json(program.to_json()) == program


def damaged(*path, value=None, remove=False):
    data = Program.parse(LINEAR).to_data()
    place = data
    for step in path[:-1]:
        place = place[step]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "program: expected a mapping"),
        (damaged("format", value="x"), "format: expected 'automl-zero program'"),
        (damaged("version", value=2), "version: expected 1, received 2"),
        (damaged("components", remove=True), "expected the key 'components'"),
        (damaged("comment", value=""), "received 'comment'"),
        (damaged("components", value=[]), "components: expected a mapping"),
        (damaged("components", value={}), "at least one component function"),
        (damaged("components", "learn", value="x"), "components.learn: expected a list"),
        (damaged("components", "learn", 1, value=3), r"components.learn\[1\]: expected a mapping"),
        (damaged("components", "learn", 1, "op", value="X"), r"components.learn\[1\].op"),
        (damaged("components", "learn", 1, "in1", value=20), r"components.learn\[1\].in1"),
        (damaged("components", "learn", 1, "in1", value="1"), r"components.learn\[1\].in1"),
        (damaged("components", "learn", 1, "in3", value=1), "received 'in3'"),
        (
            damaged("components", "setup", 0, "act", value=True),
            r"setup\[0\].act: expected a number",
        ),
        (damaged("components", "setup", 0, "act", value=[]), r"setup\[0\].act: expected a number"),
        (damaged("components", "setup", 0, "act", value=10**400), "fits float64"),
        (damaged("components", "setup", 0, "op", remove=True), "expected the key 'op'"),
    ],
)
def test_damaged_data_is_refused_with_its_place(data, message):
    with pytest.raises(ValueError, match=message):
        Program.from_data(data)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"act": NaN}', None, b"\xff\xfe"])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="text: expected the JSON form of a program"):
        Program.from_json(text)


# Arrays ----------------------------------------------------------------------------


def test_an_instruction_is_24_aligned_bytes():
    assert INSTRUCTION_DTYPE.itemsize == 24
    assert INSTRUCTION_DTYPE.isalignedstruct
    offsets = {name: INSTRUCTION_DTYPE.fields[name][1] for name in INSTRUCTION_DTYPE.names}
    assert offsets == {
        "op": 0, "in1": 1, "in2": 2, "out": 3, "f0": 4, "f1": 8, "f2": 12, "act": 16,
    }  # fmt: skip


@given(instructions(memory=LARGEST))
def test_the_array_of_an_instruction_holds_its_fields(instruction):
    array = instruction.to_array()
    assert array.dtype == INSTRUCTION_DTYPE
    assert array["op"] == instruction.op.id
    for field in ("in1", "in2", "out", "f0", "f1", "f2", "act"):
        assert np.array_equal(array[field], getattr(instruction, field), equal_nan=True)
    assert Instruction.from_array(array) == instruction


def test_arrays_hold_the_functions_one_after_the_other():
    rows, offsets = Program.parse(LINEAR).to_arrays()
    assert rows["op"].tolist() == [56, 27, 2, 3, 18, 23]
    assert offsets.tolist() == [0, 1, 2, 6]
    assert offsets.dtype == np.int32


def test_unused_fields_of_arrays_are_ignored():
    rows, offsets = Program.parse(LINEAR).to_arrays()
    rows["f2"] = 7.0
    rows["act"][1:] = np.nan
    rows["in1"][0] = 99
    assert Program.from_arrays(rows, offsets) == Program.parse(LINEAR)


def _arrays(**changes):
    rows, offsets = Program.parse(LINEAR).to_arrays()
    for field, (position, value) in changes.items():
        rows[field][position] = value
    return rows, offsets


@pytest.mark.parametrize(
    ("rows", "offsets", "message"),
    [
        (*_arrays(op=(3, 200)), r"learn\[1\].op: expected an id in 0..\d+, received 200"),
        (*_arrays(in2=(1, 20)), r"predict\[0\].in2: expected a register number"),
        (*_arrays(out=(5, 255)), r"learn\[3\].out: expected a register number"),
        (_arrays()[0], [0, 1, 2], r"offsets: expected integers of shape \(4,\)"),
        (_arrays()[0], [0, 1, 2, 5], "offsets: expected rising numbers from 0 to 6"),
        (_arrays()[0], [0, 3, 2, 6], "offsets: expected rising numbers"),
        (_arrays()[0], [0, 1.5, 2, 6], "offsets: expected integers"),
        (_arrays()[0].view("u1"), [0, 1, 2, 6], "instructions: expected INSTRUCTION_DTYPE"),
        (_arrays()[0][None], [0, 1, 2, 6], "instructions: expected one dimension"),
        (None, [0, 1, 2, 6], "instructions: expected INSTRUCTION_DTYPE, received NoneType"),
    ],
)
def test_bad_arrays_are_refused_with_their_place(rows, offsets, message):
    with pytest.raises(ValueError, match=message):
        Program.from_arrays(rows, offsets)


@given(st.binary(min_size=72, max_size=72))
def test_any_bytes_are_a_program_or_a_value_error(data):
    rows = np.frombuffer(data, INSTRUCTION_DTYPE)
    try:
        program = Program.from_arrays(rows, np.array([0, 1, 2, 3]))
    except ValueError as error:
        assert re.match(r"(setup|predict|learn)\[0\]\.\w+: expected ", str(error))
    else:
        assert Program.parse(str(program)) == program


# Memory ----------------------------------------------------------------------------


@given(memory_sizes().flatmap(lambda memory: st.tuples(st.just(memory), programs(memory))))
def test_a_program_fits_the_memory_it_was_drawn_for_and_the_one_it_requires(pair):
    memory, program = pair
    program.check(memory)
    program.check(program.required_memory())


def test_required_memory_has_at_least_the_harness_registers():
    assert Program(run=[]).required_memory() == MemorySizes(2, 1, 0)
    assert Program.parse(LINEAR).required_memory() == MemorySizes(4, 3, 0)


def test_a_program_that_does_not_fit_names_the_instruction():
    with pytest.raises(ValueError, match=r"learn\[2\] 'v2 = s3 \* v0': .*vectors=2.* received v2"):
        Program.parse(LINEAR).check(MemorySizes(4, 2, 0))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((1, 1, 0), "scalars: expected an integer in 2..20, received 1"),
     ((2, 0, 0), "vectors"), ((2, 1, 21), "matrices"), ((2.5, 1, 1), "scalars"),
     (("3", 1, 1), "scalars")],
)  # fmt: skip
def test_bad_memory_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        MemorySizes(*sizes)
