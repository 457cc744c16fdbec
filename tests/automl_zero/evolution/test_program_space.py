"""Programs as a search space."""

from __future__ import annotations

import json
from typing import Any

import pytest

from automl_zero.config import ComponentConfig, MutationConfig, MutationWeights, load_config
from automl_zero.evolution import ProgramSpace, evolution_stream
from automl_zero.ops import ORIGINAL_OPS
from automl_zero.program import Instruction, MemorySizes, Program

EMPTY = Program(setup=[], predict=[], learn=[])


def space(memory: MemorySizes | None = None, **changes: Any) -> ProgramSpace:
    component = ComponentConfig(ops="all", init_size=6, max_size=9, min_size=2)
    arguments = {"setup": component, "predict": component, "learn": component, **changes}
    return ProgramSpace(memory or MemorySizes(4, 3, 2), **arguments)


def weights(**given: float) -> MutationConfig:
    return MutationConfig(probability=1, weights=MutationWeights(**given))


def test_drawn_programs_have_the_initial_sizes_and_fit_the_memory() -> None:
    stream = evolution_stream(0)
    drawn = space(learn=ComponentConfig(init_size=2))
    seen = set()
    for _ in range(300):
        program = drawn.draw(stream)
        drawn.check(program)
        assert [len(body) for _, body in program.items()] == [6, 6, 2]
        assert set(program["learn"]) == {Instruction("NO_OP")}  # it has no ops
        for name in ("setup", "predict"):
            seen |= {item.op.name for item in program[name]}
            assert not {item.output for item in program[name]} & {("s", 0), ("v", 0)}
    assert seen == {op.name for op in ORIGINAL_OPS if op.output}


def test_mutants_stay_within_sizes_and_memory() -> None:
    every = {name: 1.0 for name in MutationWeights.__dataclass_fields__}
    mutated = space(mutation=weights(**every))
    stream = evolution_stream(1)
    program, sizes = mutated.draw(stream), set()
    for _ in range(3000):
        program = mutated.mutate(program, stream)
        mutated.check(program)
        sizes |= {len(body) for _, body in program.items()}
        for _, body in program.items():
            assert not {item.output for item in body} & {("s", 0), ("v", 0)}
    assert sizes == set(range(2, 10))


def test_mutation_leaves_the_parent_alone_and_follows_the_stream() -> None:
    mutated = space()
    parent = mutated.draw(evolution_stream(2))
    text = str(parent)
    children = [mutated.mutate(parent, evolution_stream(3)) for _ in range(2)]
    assert str(parent) == text
    assert children[0] == children[1] != parent


def test_a_program_longer_than_the_maximum_only_shrinks() -> None:
    mutated = space(mutation=weights(insert_instruction=1, remove_instruction=1))
    stream = evolution_stream(0)
    long = Program(setup=[Instruction("NO_OP")] * 30, predict=[], learn=[])
    lengths = [30]
    for _ in range(200):
        long = mutated.mutate(long, stream)
        lengths.append(len(long["setup"]))
    assert min(lengths) <= 9
    above = [length for length in lengths if length > 9]
    assert above == sorted(above, reverse=True)


def test_zero_constants_mutate_only_if_asked() -> None:
    zero = EMPTY.replace(setup=[Instruction("SCALAR_CONST_SET_OP", out=1, act=0.0)])
    for switch in (False, True):
        mutation = MutationConfig(
            probability=1,
            weights=MutationWeights(alter_param=1),
            zero_constants_mutate=switch,
        )
        setup = ComponentConfig(ops=["SCALAR_CONST_SET_OP"], init_size=1, max_size=2)
        mutated = space(setup=setup, predict=setup, learn=setup, mutation=mutation)
        stream = evolution_stream(4)
        constants = {item.act for _ in range(100) for item in mutated.mutate(zero, stream)["setup"]}
        assert (constants == {0.0}) != switch


def test_the_mutation_probability_leaves_copies() -> None:
    mutation = MutationConfig(probability=0.25, weights=MutationWeights(randomize_algorithm=1))
    mutated = space(mutation=mutation)
    stream = evolution_stream(5)
    parent = mutated.draw(stream)
    changed = sum(mutated.mutate(parent, stream) != parent for _ in range(2000))
    assert abs(changed / 2000 - 0.25) < 5 * (0.25 * 0.75 / 2000) ** 0.5


def test_a_list_that_names_an_op_twice_draws_it_twice_as_often() -> None:
    ops = ["SCALAR_SUM_OP", "SCALAR_SUM_OP", "SCALAR_DIFF_OP"]
    drawn = space(setup=ComponentConfig(ops=ops, init_size=900))
    program = drawn.draw(evolution_stream(0))
    sums = sum(item.op.name == "SCALAR_SUM_OP" for item in program["setup"])
    assert abs(sums / 900 - 2 / 3) < 5 * (2 / 9 / 900) ** 0.5


def test_the_key_is_that_of_the_live_code() -> None:
    keyed = space()
    first = Program.parse("def Setup():\n s2 = 0.5\ndef Predict():\n s1 = s2 + s0\ndef Learn():")
    same = Program.parse(
        "def Setup():\n s3 = 0.5\ndef Predict():\n s2 = s2 + s2\n s1 = s0 + s3\ndef Learn():"
    )
    other = Program.parse("def Setup():\n s2 = 0.25\ndef Predict():\n s1 = s2 + s0\ndef Learn():")
    assert keyed.key(first) == keyed.key(same) != keyed.key(other)
    assert keyed.key(EMPTY) < 2**128


def test_data_round_trip_through_json() -> None:
    stored = space()
    stream = evolution_stream(6)
    for _ in range(20):
        program = stored.draw(stream)
        assert stored.from_data(json.loads(json.dumps(stored.to_data(program)))) == program


def test_programs_that_do_not_fit_are_refused() -> None:
    small = space(MemorySizes(2, 2, 1))
    large = EMPTY.replace(setup=[Instruction("SCALAR_CONST_SET_OP", out=7)])
    with pytest.raises(ValueError, match=r"setup\[0\] 's7 = 0.0': expected registers of"):
        small.from_data(str(large))
    with pytest.raises(ValueError, match="expected Setup or Predict or Learn, received 'Update'"):
        small.from_data(str(Program(update=[])))
    with pytest.raises(ValueError, match="expected a Program, received str"):
        small.check("def Setup():")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["demo", "linear", "nonlinear", "baseline", "digits"])
def test_every_shipped_experiment_has_a_space(name: str) -> None:
    config = load_config(name)
    found = ProgramSpace.from_config(config)
    assert found.memory == config.memory
    found.check(found.mutate(found.draw(evolution_stream(0)), evolution_stream(1)))


def test_bad_arguments_are_named() -> None:
    none = ComponentConfig()
    with pytest.raises(ValueError, match="setup, predict, learn: expected ops in one of them"):
        space(setup=none, predict=none, learn=none)
    vector = ComponentConfig(ops=["SCALAR_BROADCAST_OP"])
    with pytest.raises(
        ValueError,
        match=r"memory.vectors: expected at least 2 for SCALAR_BROADCAST_OP in predict.ops, "
        "received 1",
    ):
        space(MemorySizes(2, 1, 0), setup=none, predict=vector, learn=none)
    for op in ("MATRIX_MEAN_OP", "VECTOR_OUTER_PRODUCT_OP"):
        with pytest.raises(ValueError, match=f"memory.matrices: expected at least 1 for {op} in"):
            space(MemorySizes(2, 2, 0), setup=none, predict=none, learn=ComponentConfig(ops=[op]))
    with pytest.raises(ValueError, match="setup.ops: expected at most 142 names, received 143"):
        space(setup=ComponentConfig(ops=["SCALAR_SUM_OP"] * 143))
    with pytest.raises(ValueError, match="memory: expected MemorySizes, received tuple"):
        space((4, 3, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="learn: expected ComponentConfig, received list"):
        space(learn=["SCALAR_SUM_OP"])
    with pytest.raises(ValueError, match="mutation: expected MutationConfig, received dict"):
        space(mutation={})


def test_a_space_of_one_vector_reads_it() -> None:
    ops = ComponentConfig(ops=["VECTOR_INNER_PRODUCT_OP"], init_size=2)
    program = space(MemorySizes(2, 1, 0), setup=ops, predict=ops, learn=ops).draw(
        evolution_stream(0)
    )
    assert str(program["predict"][0]) == "s1 = dot(v0, v0)"
