"""What is concluded of values holds of the numbers that instructions compute."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero import reference
from automl_zero.inspection._values import Facts, Values, pair_of
from automl_zero.inspection._values import bits as bits_of
from automl_zero.ops import OPS
from automl_zero.program import Instruction
from tests.strategies import AWKWARD, SMALL_MEMORY, instructions

POINTS = (*AWKWARD, 0.0, 0.0, -0.0, -0.0, -0.0, 1.0)

SIGN_OPS = [
    op
    for op in OPS
    if op.kernel.split("_")[-1]
    in {"sum", "diff", "product", "division", "max", "min", "abs", "heavyside", "set", "norm"}
]
"""Ops about which something is known of signs and zeros."""

REGISTERS = [(kind, n) for kind in "svm" for n in range(SMALL_MEMORY.count(kind))]


def holds(fact, numbers):
    real = numbers[~np.isnan(numbers)]
    return {
        Facts.NOT_NEGATIVE: not np.signbit(real).any(),
        Facts.NOT_MINUS_ZERO: not (np.signbit(real) & (real == 0)).any(),
        Facts.NOT_NAN: len(real) == len(numbers),
    }[fact]


def check(memory, values, held):
    """All that is known of the registers is true of their content."""
    content = {register: np.ravel(memory[register]) for register in REGISTERS}
    for register, value in held.items():
        if value.number is not None:
            known = np.full_like(content[register], value.number[0])
            assert bits_of(known) == bits_of(content[register]), register
        for fact in value.facts:
            assert holds(fact, content[register]), (register, fact)
        for other in REGISTERS:
            if held[other] is value:
                assert bits_of(content[other]) == bits_of(content[register]), (register, other)


@given(
    st.one_of(
        st.lists(instructions(ops=SIGN_OPS), min_size=1, max_size=12),
        st.lists(instructions(), min_size=1, max_size=12),
    ),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 4, 9]),
)
@settings(max_examples=400, deadline=None)
def test_everything_known_of_registers_is_true(body, seed, features):
    rng = np.random.default_rng(seed)
    memory = reference.Memory(SMALL_MEMORY, features)
    values = Values()
    held = {}
    for register in REGISTERS:
        start = rng.integers(3)
        shape = np.shape(memory[register])
        if start == 0:
            held[register] = values.zero(register[0])
        else:
            memory[register] = rng.choice(POINTS, shape) if start == 1 else rng.normal(size=shape)
            held[register] = values.unknown(register[0])
    for step, item in enumerate(body):
        if item.output is None:
            continue
        inputs = [held[register] for register in item.inputs]
        if item.op.keeps_output:
            inputs.append(held[item.output])
        held[item.output] = values.apply(item, inputs)
        reference.run_instruction(item, memory, reference.Draws(seed, step=step))
        check(memory, values, held)


@pytest.mark.parametrize("op", [op for op in OPS if op.inputs], ids=lambda op: op.name)
def test_everything_known_of_a_result_is_true_at_special_numbers(op):
    """Inputs that are unknown but for the facts about them."""
    registers = dict(zip(("in1", "in2")[: op.arity], (0, 1), strict=False))
    item = Instruction(op, out=0, **registers)
    for features, *numbers in itertools.product((2, 8), *[AWKWARD] * op.arity):
        memory, values = reference.Memory(SMALL_MEMORY, features), Values()
        inputs = []
        for register, x in zip(item.inputs, numbers, strict=True):
            memory[register] = x
            facts = values.number(register[0], (x, x)).facts
            inputs.append(values.unknown(register[0], facts))
        result = values.apply(item, inputs)
        reference.run_instruction(item, memory)
        content = np.ravel(memory[item.output])
        assert all(holds(fact, content) for fact in result.facts), numbers


@given(st.sampled_from(AWKWARD), st.sampled_from(AWKWARD))
def test_facts_of_numbers(wide, narrow):
    facts = Values().number("s", (wide, narrow)).facts
    numbers = np.array([wide, narrow])
    for fact in Facts:
        assert (fact in facts) == holds(fact, numbers)


def test_numbers_are_the_same_by_their_bits():
    values = Values()
    assert values.number("s", (0.0, 0.0)) is not values.number("s", (-0.0, -0.0))
    assert values.number("s", (0.0, 0.0)) is not values.number("v", (0.0, 0.0))
    nan = values.number("s", (math.nan, -math.nan))
    assert nan is values.number("s", pair_of(bits_of((float("nan"), math.nan))))
