"""Every op × everything that has to know it.

A new row of the op table works everywhere or fails here. What an op is not meant to have
stands in GAPS, and must stay missing.
"""

import contextlib
import io
import json
from functools import cache

import numpy as np
import pytest

from automl_zero import liveness, reference
from automl_zero.annotate import annotate
from automl_zero.cli import main
from automl_zero.config import ComponentConfig, MutationConfig, MutationWeights
from automl_zero.evaluation import canonical_program, evaluate, program_cost, run_instruction
from automl_zero.evolution import ProgramSpace, evolution_stream
from automl_zero.inspection._values import Values
from automl_zero.ops import OPS
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.reference import Draws, Memory
from automl_zero.report import dataflow_graph
from tests.workloads import random_instruction, random_tasks

MEMORY = MemorySizes(6, 5, 5)

KIND_NAMES = {"s": "SCALAR", "v": "VECTOR", "m": "MATRIX"}

READERS = {"s": "SCALAR_ABS_OP", "v": "VECTOR_MEAN_OP", "m": "MATRIX_MEAN_OP"}
"""Ops that make a scalar of a register, by its kind."""


def example(op):
    """An instruction whose registers and constants all differ from 0 and from each other."""
    fields = dict(zip(("in1", "in2"), (2, 3), strict=False)) if op.arity == 2 else {}
    fields |= {"in1": 2} if op.arity == 1 else {}
    fields |= {"out": 1} if op.output else {}
    fields |= {field: 0.25 * (i + 1) for i, field in enumerate(op.constant_fields)}
    return Instruction(op, **fields)


def one(instruction):
    return Program(setup=[], predict=[instruction], learn=[])


def filled_memory():
    """Four features, and positive numbers below 1 in every register."""
    memory = Memory(MEMORY, 4)
    rng = np.random.default_rng(1)
    for array in (memory.scalars, memory.vectors, memory.matrices):
        array[...] = rng.uniform(0.1, 0.9, array.shape)
    return memory


# Each consumer tells whether it knows the op, and fails if it knows it wrongly.


def text(op):
    instruction = example(op)
    registers = [*instruction.inputs, *([instruction.output] if op.output else [])]
    assert all(f"{kind}{number}" in str(instruction) for kind, number in registers)
    constants = instruction.constants.values()
    assert all(str(np.float32(value)) in str(instruction) for value in constants)
    return bool(str(instruction))


def parser(op):
    for seed in range(20):
        program = one(random_instruction(np.random.default_rng(seed), op, MEMORY))
        assert Program.parse(str(program)) == program
    return True


def json_form(op):
    program = one(example(op))
    assert Program.from_json(program.to_json()) == program
    return f'"{op.name}"' in program.to_json()


def arrays(op):
    program = one(example(op))
    instructions, offsets = program.to_arrays()
    assert Program.from_arrays(instructions, offsets) == program
    return instructions["op"].tolist() == [op.id]


def numpy_meaning(op):
    memory = filled_memory()
    reference.run_instruction(example(op), memory, Draws(seed=1))
    return memory_changed(memory)


def compiled_leaf(op):
    before, expected = filled_memory(), filled_memory()
    key = reference.stream_key(1, 0, 0)
    reference.run_instruction(example(op), expected, Draws(seed=1))
    for lanes in (1, 8, 16):
        found = run_instruction(
            example(op), before.scalars, before.vectors, before.matrices, lanes=lanes, key=key
        )
        for values, name in zip(found, ("scalars", "vectors", "matrices"), strict=True):
            np.testing.assert_allclose(values, getattr(expected, name), rtol=1e-13)
    memory = Memory(MEMORY, 4)
    memory.scalars[...], memory.vectors[...], memory.matrices[...] = found
    return memory_changed(memory)


def compiled_variants(op):
    """Each feature size with code of its own, in both precisions, in a whole evaluation."""
    read = READERS[op.output or "s"]
    fill = [
        Instruction("SCALAR_CONST_SET_OP", out=2, act=0.3),
        Instruction("SCALAR_CONST_SET_OP", out=3, act=0.7),
        *(Instruction("SCALAR_BROADCAST_OP", in1=i, out=i) for i in (2, 3)),
        *(Instruction("VECTOR_ROW_BROADCAST_OP", in1=i, out=i) for i in (2, 3)),
    ]
    program = Program(setup=fill, predict=[example(op), Instruction(read, in1=1, out=1)], learn=[])
    live = len(liveness.live_program(program))
    for features in (1, 4, 8, 16, 33):
        tasks = random_tasks(op.id, 10, features, 2, 2)
        expected = [reference.evaluate(program, task).fitness for task in tasks]
        np.testing.assert_allclose(evaluate(program, tasks)[0], expected, rtol=0, atol=1e-12)
        narrow = evaluate(program, tasks, precision="float32")[0]
        # A standard deviation of equal numbers is the root of a rounding error, or NaN.
        if "ST_DEV" not in op.name:
            np.testing.assert_allclose(narrow, expected, rtol=0, atol=1e-4)
    return live > 1


def live_code(op):
    """Live if read, dead if not; in both implementations."""
    dead = Program(setup=[], predict=[example(op)], learn=[])
    if op.output == "s":
        dead = dead.replace(predict=[example(op), Instruction("SCALAR_CONST_SET_OP", out=1)])
    assert example(op) not in canonical_program(dead)["predict"]
    assert canonical_program(dead) == liveness.canonical_program(dead)
    if not op.output:
        return False
    live = dead.replace(predict=[example(op), Instruction(READERS[op.output], in1=1, out=1)])
    assert canonical_program(live) == liveness.canonical_program(live)
    return liveness.live_instructions(live)["predict"] == (True, True)


def cost(op):
    if op.output == "s":
        return program_cost(one(example(op)), 3) == 3 * op.cost
    return op.cost > 0


def drawing(op):
    """A search space with this op alone draws it with every legal register and constant."""
    programs = [space(op).draw(evolution_stream(seed)) for seed in range(40)]
    items = [item for program in programs for item in program["predict"]]
    assert {item.op for item in items} == {op} and len(items) == 120
    for position, kind in enumerate(op.inputs):
        field = ("in1", "in2")[position]
        assert {getattr(item, field) for item in items} == set(range(MEMORY.count(kind)))
    if op.output:
        # Evolved code writes neither the label nor the features.
        first = int(op.output != "m")
        assert {item.out for item in items} == set(range(first, MEMORY.count(op.output)))
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        values = [getattr(item, field) for item in items]
        assert role.low <= min(values) and max(values) <= role.high
        assert len(set(values)) > 100
    return True


def mutation(op):
    """Altering a parameter reaches every field of the op and nothing else."""
    weights = MutationConfig(probability=1.0, weights=MutationWeights(alter_param=1.0))
    searched = space(op, weights)
    parent = one(example(op))
    changed = set()
    stream = evolution_stream(3)
    for _ in range(400):
        (item,) = searched.mutate(parent, stream)["predict"]
        assert item.op == op
        changed |= {
            field
            for field in ("in1", "in2", "out", "act", "f0", "f1", "f2")
            if getattr(item, field) != getattr(parent["predict"][0], field)
        }
    fields = {"in1", "in2"} if op.arity == 2 else {"in1"} if op.arity else set()
    fields |= {"out"} if op.output else set()
    fields |= set(op.constant_fields)
    assert changed == fields
    return bool(changed)


def annotation(op):
    program = one(example(op))
    assert Program.parse(annotate(program)) == program
    return True


def latex(op):
    """A formula that names the op's registers and constants."""
    names = [f"{{{word}}}" for word in ("a", "b")[: op.arity]]
    names += [f"{{{role.name}}}" for role in op.constants] + ["{out}"]
    return all(name in op.latex for name in names)


def simplification(op):
    """What it computes has a value; two of the same inputs have the same, unless drawn."""
    values, item = Values(), example(op)
    if not op.output:
        return False
    inputs = [values.unknown(kind) for kind in op.inputs + op.output * op.keeps_output]
    once, twice = values.apply(item, inputs), values.apply(item, inputs)
    assert (once is twice) == (not op.random)
    return once.kind == op.output


def dataflow(op):
    """An op that is live is a node, and reads its inputs."""
    if not op.output:
        return False
    read = Instruction(READERS[op.output], in1=1, out=1) if op.output in "vm" else None
    program = Program(setup=[], predict=[example(op), *([read] if read else [])], learn=[])
    graph = dataflow_graph(program)
    return "predict_0" in graph and (graph.in_degree("predict_0") > 0) == bool(
        op.inputs or op.keeps_output
    )


def table(op):
    """``automl-zero ops``."""
    (line,) = [line for line in ops_output().splitlines() if f" {op.name} " in line]
    return line.split()[0] == str(op.id)


def json_table(op):
    """``automl-zero ops --json``."""
    row = json.loads(ops_output("--json"))[op.id]
    assert (row["name"], row["cost"], row["random"]) == (op.name, op.cost, op.random)
    return row["text"] == op.text and row["numpy"] == op.numpy


CONSUMERS = (
    text, parser, json_form, arrays, numpy_meaning, compiled_leaf, compiled_variants, live_code,
    cost, drawing, mutation, annotation, latex, simplification, dataflow, table, json_table,
)  # fmt: skip

# NO_OP computes nothing, so it changes no memory, is never live and has nothing to alter.
GAPS = {
    ("NO_OP", consumer)
    for consumer in (
        numpy_meaning, compiled_leaf, compiled_variants, live_code, mutation, latex,
        simplification, dataflow,
    )
}  # fmt: skip


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.__name__)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_consumer_knows_every_op(op, consumer):
    assert consumer(op) == ((op.name, consumer) not in GAPS)


@pytest.mark.parametrize("op", [op for op in OPS if op.arity == 2], ids=lambda op: op.name)
def test_only_commutative_ops_may_swap_their_inputs(op):
    instruction = example(op)
    if op.inputs[0] != op.inputs[1]:
        assert not op.commutative
        return
    swapped = Instruction(op, in1=instruction.in2, in2=instruction.in1, out=instruction.out)
    results = []
    for item in (instruction, swapped):
        memory = filled_memory()
        results.append(run_instruction(item, memory.scalars, memory.vectors, memory.matrices))
    same = all(a.tobytes() == b.tobytes() for a, b in zip(*results, strict=True))
    # Minimum and maximum of NaN or of zeros of both signs depend on the order.
    assert same == (op.commutative or op.kernel.endswith(("_min", "_max")))
    assert (canonical_in_context(instruction) == canonical_in_context(swapped)) == op.commutative


def canonical_in_context(item):
    """Canonical form of a program that names register 2 of the input kind before 3."""
    constant = f"{KIND_NAMES[item.op.inputs[0]]}_CONST_SET_OP"
    value = {"act": 0.5} if constant.startswith("S") else {"f0": 0.5}
    named = [Instruction(constant, out=number, **value) for number in (2, 3)]
    read = Instruction(READERS[item.op.output], in1=1, out=1)
    return canonical_program(Program(setup=named, predict=[item, read], learn=[]))


@pytest.mark.parametrize("op", [op for op in OPS if op.inputs], ids=lambda op: op.name)
def test_zeros_of_an_op_stay_zeros_unless_it_says_so(op):
    for features in (1, 3, 4, 8, 16):
        memory = Memory(MEMORY, features)
        zeros = [memory.scalars.copy(), memory.vectors.copy(), memory.matrices.copy()]
        reference.run_instruction(example(op), memory)
        for lanes in (1, 8, 16):
            found = run_instruction(example(op), *zeros, lanes=lanes)
            still_zero = all(x.tobytes() == y.tobytes() for x, y in zip(found, zeros, strict=True))
            assert still_zero == op.keeps_zero
        assert (memory[op.output, 1].tobytes() == zeros["svm".index(op.output)][1].tobytes()) == (
            op.keeps_zero
        )


def memory_changed(memory):
    before = filled_memory()
    return any(
        getattr(memory, name).tobytes() != getattr(before, name).tobytes()
        for name in ("scalars", "vectors", "matrices")
    )


def space(op, mutation=None):
    return ProgramSpace(
        MEMORY,
        setup=ComponentConfig(),
        predict=ComponentConfig(ops=[op.name], init_size=3, max_size=3),
        learn=ComponentConfig(),
        mutation=mutation,
    )


@cache
def ops_output(*options):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert main(["ops", *options]) == 0
    return shown.getvalue()
