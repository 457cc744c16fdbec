"""Programs of any harness: drawing, mutation, identity."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.config import ComponentConfig, MutationConfig, MutationWeights
from automl_zero.evolution import HarnessSpace, evolution_stream
from automl_zero.liveness import SUPERVISED, Harness, Stage, canonical_program, live_instructions
from automl_zero.program import MemorySizes, Program

TICK = Harness(
    (
        Stage("start", followed_by=("tick",)),
        Stage(
            "tick",
            filled=frozenset({("v", 0), ("s", 0)}),
            read=frozenset({("v", 1)}),
            followed_by=("tick",),
        ),
    )
)
OPS = (
    "SCALAR_CONST_SET_OP", "SCALAR_SUM_OP", "SCALAR_VECTOR_PRODUCT_OP", "VECTOR_SUM_OP",
    "VECTOR_PRODUCT_OP", "SCALAR_UNIFORM_SET_OP", "VECTOR_CONST_SET_OP", "VECTOR_NORM_OP",
)  # fmt: skip


def space(**options: Any) -> HarnessSpace:
    weights = options.pop("weights", None)
    mutation = MutationConfig(
        probability=options.pop("probability", 1.0),
        weights=MutationWeights(**weights) if weights else MutationConfig().weights,
        zero_constants_mutate=options.pop("zero_constants_mutate", False),
    )
    components = {
        "start": ComponentConfig(ops=OPS, init_size=2, max_size=4),
        "tick": ComponentConfig(ops=OPS, init_size=5, min_size=2, max_size=9),
        **options,
    }
    return HarnessSpace(TICK, MemorySizes(4, 3, 0), components, mutation=mutation)


def descendants(searched: HarnessSpace, count: int, seed: int = 1) -> list[Program]:
    stream = evolution_stream(seed)
    programs = [searched.draw(stream)]
    for _ in range(count):
        programs.append(searched.mutate(programs[-1], stream))
    return programs


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_children_stay_within_sizes_registers_and_ops(seed: int) -> None:
    for program in descendants(space(), 60, seed):
        assert len(program["start"]) <= 4 and 2 <= len(program["tick"]) <= 9
        program.check(MemorySizes(4, 3, 0))
        for _, body in program.items():
            for instruction in body:
                assert instruction.op.name in OPS
                assert instruction.output not in TICK.stage("tick").filled


def test_the_same_stream_gives_the_same_programs() -> None:
    assert descendants(space(), 100) == descendants(space(), 100)
    assert descendants(space(), 100) != descendants(space(), 100, seed=2)


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_the_key_is_that_of_the_canonical_form_and_sizes_count_it(seed: int) -> None:
    searched = space()
    for program in descendants(searched, 20, seed):
        canonical = canonical_program(program, TICK)
        assert searched.key(program) == searched.key(canonical)
        assert searched.sizes(program) == (len(program), len(canonical))
        assert len(canonical) <= sum(map(sum, live_instructions(program, TICK).values()))
        assert searched.from_data(searched.to_data(program)) == program


def test_different_canonical_forms_have_different_keys() -> None:
    searched = space()
    programs = descendants(searched, 500)
    forms = {canonical_program(program, TICK) for program in programs}
    assert len({searched.key(program) for program in programs}) == len(forms) > 20


@pytest.mark.parametrize(
    ("kind", "changed_lines"),
    [
        ("alter_param", 1),
        ("randomize_instruction", 1),
        ("insert_instruction", 1),
        ("remove_instruction", 1),
        ("trade_instruction", 2),
        ("randomize_component_function", 9),
        ("randomize_algorithm", 13),
        ("identity", 0),
    ],
)
def test_each_mutation_type_changes_what_its_name_says(kind: str, changed_lines: int) -> None:
    searched = space(weights={kind: 1})
    parent = space().draw(evolution_stream(3))
    stream = evolution_stream(4)
    children = [searched.mutate(parent, stream) for _ in range(200)]
    assert (set(children) == {parent}) == (changed_lines == 0)
    growth = {"insert_instruction": 1, "remove_instruction": -1}.get(kind, 0)
    for child in children:
        assert len(child) - len(parent) == growth
        if kind not in ("trade_instruction", "insert_instruction", "remove_instruction"):
            lines = zip(str(child).splitlines(), str(parent).splitlines(), strict=True)
            assert sum(one != other for one, other in lines) <= changed_lines


def test_a_child_is_its_parent_with_the_rest_of_the_probability() -> None:
    searched, stream = space(probability=0.5), evolution_stream(5)
    parent = searched.draw(stream)
    same = sum(searched.mutate(parent, stream) is parent for _ in range(1000))
    assert 430 < same < 570


def test_constants_at_zero_move_only_if_asked() -> None:
    parent = Program.parse("def Start():\n  s1 = 0.0\ndef Tick():\n", TICK.components)
    for moves in (False, True):
        searched = space(weights={"alter_param": 1}, zero_constants_mutate=moves)
        stream = evolution_stream(6)
        values = Counter(searched.mutate(parent, stream)["start"][0].act for _ in range(200))
        assert (len(values) > 10) == moves


def test_bounds_of_a_random_op_stay_in_order() -> None:
    searched = space(weights={"alter_param": 1})
    program = Program.parse(
        "def Start():\n  s1 = uniform(-0.1, 0.2)\ndef Tick():\n", TICK.components
    )
    stream = evolution_stream(7)
    for _ in range(300):
        program = searched.mutate(program, stream)
        constants = program["start"][0].constants
        assert constants["low"] <= constants["high"]


def test_a_space_travels_without_its_memory() -> None:
    searched = space()
    fresh = len(pickle.dumps(searched))
    programs = descendants(searched, 200)
    keys = [searched.key(program) for program in programs]
    assert len(pickle.dumps(searched)) == fresh
    again = pickle.loads(pickle.dumps(searched))
    assert [again.key(program) for program in programs] == keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"harness": None}, "harness: expected Harness, received NoneType"),
        ({"memory": (4, 3, 0)}, "memory: expected MemorySizes, received tuple"),
        ({"components": {"start": ComponentConfig()}}, "components: expected start, tick"),
        (
            {"components": {"start": ComponentConfig(), "tick": ComponentConfig()}},
            "start, tick: expected ops in one of them, received none",
        ),
        ({"components": {"start": {}, "tick": {}}}, "start: expected ComponentConfig"),
        (
            {"memory": MemorySizes(2, 1, 0)},
            "memory.vectors: expected one more, which SCALAR_VECTOR_PRODUCT_OP in start.ops",
        ),
        (
            {
                "components": {
                    "start": ComponentConfig(ops=["MATRIX_NORM_OP"]),
                    "tick": ComponentConfig(),
                }
            },
            "memory.matrices: expected at least 1 for MATRIX_NORM_OP in start.ops, received 0",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    components = {"start": ComponentConfig(ops=OPS), "tick": ComponentConfig(ops=OPS)}
    given = {"harness": TICK, "memory": MemorySizes(4, 3, 0), "components": components, **arguments}
    with pytest.raises(ValueError, match=message):
        HarnessSpace(given["harness"], given["memory"], given["components"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "genome: expected program text, received 3"),
        ("def Setup():\ndef Predict():\ndef Learn():", "line 1"),
        ("def Start():\n  s9 = 1.0\ndef Tick():", "start.0. 's9 = 1.0': expected registers of"),
    ],
)
def test_what_is_no_genome_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space().from_data(data)


def test_programs_of_another_harness_do_not_fit() -> None:
    other = Program.parse("def Setup():\ndef Predict():\ndef Learn():")
    assert other.components == SUPERVISED.components
    with pytest.raises(ValueError, match="expected component functions start, tick"):
        space().check(other)
