"""The state of a program evolution: what goes on from it, and what is refused."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_zero.config import load_config
from automl_zero.evolution import Birth, ProgramEvolution, ProgramSpace, hand_built_program
from automl_zero.program import Instruction, Program
from automl_zero.tasks import TaskBatch, regression_tasks
from tests.automl_zero.evolution.test_program_evolution import ALL_OPS

DEMO = ProgramSpace.from_config(load_config("demo"))
TASKS = TaskBatch(regression_tasks("linear", 4, features=4, train=20, valid=10, seed=1))


def evolution(space: ProgramSpace = DEMO, **options: Any) -> ProgramEvolution:
    return ProgramEvolution(space, TASKS, **{"population_size": 60, "seed": 3, **options})


@pytest.mark.parametrize("space", [DEMO, ALL_OPS], ids=["demo", "all_ops"])
@pytest.mark.parametrize("fec", [False, True], ids=["no_fec", "fec"])
@pytest.mark.parametrize("created", [0, 30, 60, 2000])
@pytest.mark.parametrize("attempts", [1, 5])
def test_evolutions_restored_from_one_state_go_on_alike(
    space: ProgramSpace, fec: bool, created: int, attempts: int
) -> None:
    options = {"fec": fec, "attempts": attempts, "must_learn": attempts > 1}
    first, second = evolution(space, **options), evolution(space, **options, seed=99)
    first.run(created)
    state = first.state()
    second.run(500)  # whatever it did before is forgotten
    for one in (first, second):
        one.restore(state)
    assert second.state() == state
    assert second.population() == first.population()
    for one in (first, second):
        one.run(700)
        one.run(300)
    assert first.state() == second.state()
    assert first.statistics == second.statistics
    assert first.take_improvements() == second.take_improvements()


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_restored_evolution_goes_on_as_if_nothing_had_been(attempts: int) -> None:
    """Without the equivalence cache, the caches change counts and nothing else."""
    plain, restored = evolution(attempts=attempts), evolution(attempts=attempts)
    plain.run(3000)
    for _ in range(3):
        restored.run(1000)
        restored.restore(restored.state())
    assert plain.fitnesses.tobytes() == restored.fitnesses.tobytes()
    assert plain.population() == restored.population()
    assert plain.best == restored.best


@pytest.mark.parametrize("space", [DEMO, ALL_OPS], ids=["demo", "all_ops"])
@pytest.mark.parametrize("canonical_bytes", [0, 128, 4096])
@pytest.mark.parametrize("fec_bytes", [0, 4096, 1 << 20], ids=["no_fec", "tiny_fec", "fec"])
@pytest.mark.parametrize("hurdle_tasks", [0, 2])
def test_the_canonical_cache_changes_no_bit_over_epochs(
    space: ProgramSpace, canonical_bytes: int, fec_bytes: int, hurdle_tasks: int
) -> None:
    """A restored evolution fills its caches from the population: from it alone."""
    options: dict[str, Any] = {"hurdle_tasks": hurdle_tasks, "population_size": 120}
    if fec_bytes:
        options |= {"fec": True, "fec_bytes": fec_bytes, "fec_train": 2, "fec_valid": 1}
    cached = evolution(space, **options)
    other = evolution(space, canonical_bytes=canonical_bytes, **options)
    for _ in range(8):
        for one in (cached, other):
            one.run(700)
            one.restore(one.state())
        assert cached.fitnesses.tobytes() == other.fitnesses.tobytes()
        assert cached.population() == other.population()
        assert cached.best == other.best
    assert cached.statistics.canonical_hits > other.statistics.canonical_hits
    assert cached.statistics.verifications == other.statistics.verifications


def test_what_the_population_tells_is_known_after_restoring() -> None:
    """Children of the restored population are as seldom run as without the break."""
    plain, restored = evolution(fec=True), evolution(fec=True)
    for one in (plain, restored):
        one.run(3000)
    for _ in range(20):
        plain.run(60)
        restored.restore(restored.state())
        restored.run(60)
    extra = restored.statistics.evaluations - plain.statistics.evaluations
    assert extra < 0.15 * 1200


def test_a_reset_evolution_is_a_new_one() -> None:
    used, fresh = evolution(seed=1), evolution(seed=2)
    used.run(1000)
    used.reset(2)
    assert used.state() == fresh.state()
    assert used.best is None and used.take_improvements() == []
    for one in (used, fresh):
        one.run(500)
    assert used.state() == fresh.state()


def test_improvements_tell_parent_and_generation() -> None:
    searched = evolution(island=7)
    searched.run(20_000)
    found = searched.take_improvements()
    assert searched.take_improvements() == []
    assert [item.fitness for item in found] == sorted({item.fitness for item in found})
    assert found[-1].fitness == searched.best_fitness
    assert all(item.birth.island == 7 for item in found)
    numbers = [item.birth.number for item in found]
    assert numbers == sorted(numbers)
    children = [item for item in found if item.parent_birth is not None]
    assert 0 < len(children) < len(found)
    for item in children:
        assert item.parent is not None and item.parent_birth is not None
        assert item.birth.generation == item.parent_birth.generation + 1
        assert item.parent_birth.number < item.birth.number
        assert item.parent != item.genome
        assert item.mutation in ("alter_param", "randomize_instruction",
                                 "randomize_component_function")  # fmt: skip
        assert item.parent_fitness is not None and item.parent_fitness < item.fitness
    for item in found:
        if item.parent_birth is None:
            assert item.birth.generation == 0
            assert item.parent is item.parent_fitness is item.mutation is None


def test_immigrants_take_the_oldest_places_and_become_parents() -> None:
    searched = evolution()
    searched.run(60)
    linear = hand_built_program("linear")
    searched.immigrate(linear, Birth(island=5, number=123, generation=45))
    assert searched.population()[0] == linear
    statistics = searched.statistics
    assert (statistics.individuals, statistics.immigrants) == (60, 1)
    best = searched.best
    assert best is not None and best.program == linear and best.birth == Birth(5, 123, 45)
    assert all(item.birth.island == 0 for item in searched.take_improvements())
    state = searched.state()
    searched.run(200)
    assert max(searched.fitnesses) >= best.fitness
    searched.restore(state)
    assert searched.best == best


def test_an_immigrant_must_fit() -> None:
    searched = evolution()
    searched.run(10)
    wide = Program(setup=[Instruction("SCALAR_CONST_SET_OP", out=7)], predict=[], learn=[])
    with pytest.raises(ValueError, match="program: setup.0. 's7 = 0.0': expected registers of"):
        searched.immigrate(wide, Birth(0, 0, 0))
    long = Program(setup=[Instruction("NO_OP")] * 300, predict=[], learn=[])
    with pytest.raises(ValueError, match="program: expected at most 11 instructions"):
        searched.immigrate(long, Birth(0, 0, 0))


def test_the_fittest_are_ranked_and_all_different() -> None:
    searched = evolution(hurdle_tasks=2)
    searched.run(3000)
    found = searched.fittest(10)
    fitnesses = [fitness for _, fitness, _ in found]
    assert fitnesses == sorted(fitnesses, reverse=True)
    assert len({program for program, _, _ in found}) == len(found)
    assert len(searched.fittest(1000)) <= 60
    assert searched.fittest(0) == []


def test_a_state_is_small() -> None:
    searched = evolution(population_size=1000)
    searched.run(20_000)
    assert len(searched.state()) < 100_000


# What comes from a file ----------------------------------------------------------------


def changed(state: bytes, column: str | None = None, value: Any = None, **meta: Any) -> bytes:
    """The state with a column's first value or parts of the rest exchanged."""
    with pa.ipc.open_stream(state) as reader:
        table = reader.read_all()
    data = json.loads(table.schema.metadata[b"state"]) | meta
    data = {name: item for name, item in data.items() if item != "gone"}
    if column is not None:
        values = table.column(column).to_pylist()
        values[0] = value(values[0]) if callable(value) else value
        index = table.schema.get_field_index(column)
        field = table.schema.field(column)
        table = table.set_column(index, field, pa.array(values, field.type))
    table = table.replace_schema_metadata({"state": json.dumps(data)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@functools.cache
def some_state() -> bytes:
    searched = evolution()
    searched.run(300)
    return searched.state()


@pytest.fixture
def state() -> bytes:
    return some_state()


def instruction_bytes(**fields: Any) -> Any:
    """A function that sets fields of the first instruction of a program's code."""

    def change(code: bytes) -> bytes:
        from automl_zero.program import INSTRUCTION_DTYPE

        items = np.frombuffer(code, INSTRUCTION_DTYPE).copy()
        for name, value in fields.items():
            items[name][0] = value
        return items.tobytes()

    return change


def test_a_state_of_its_own_is_accepted(state: bytes) -> None:
    evolution().check_state(state)
    evolution().check_state(changed(state))
    empty = evolution()
    empty.check_state(empty.state())


def test_a_state_from_before_a_count_was_introduced_is_accepted(state: bytes) -> None:
    with pa.ipc.open_stream(state) as reader:
        statistics = json.loads(reader.schema.metadata[b"state"])["statistics"]
    assert statistics.pop("non_learners") == 0
    former = changed(state, statistics=statistics)
    restored, expected = evolution(), evolution()
    restored.check_state(former)
    restored.restore(former)
    expected.restore(state)
    assert restored.state() == expected.state()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format: expected"),
        ({"version": 99}, "version: expected"),
        ({"stream": -1}, "stream: expected an integer"),
        ({"stream": 2**64}, "stream: expected an integer"),
        ({"stream": "gone"}, "stream"),
        ({"next_slot": 60}, "next_slot: expected an integer in 0..59"),
        ({"hurdle": "high"}, "hurdle: expected a number"),
        ({"statistics": {}}, "statistics: expected|statistics"),
        ({"best": [1.0]}, "not enough values"),
        ({"best": [2.0, {"number": 0, "generation": 0, "island": 0}, "", [0, 0, 0]]}, "best: "),
        ({"best": [0.5, {"number": 0}, "", [0, 0, 0]]}, "best: expected number, generation"),
        ({"best": [0.5, {"number": 0, "generation": 0, "island": 0}, "00", [0, 0, 0]]}, "code"),
        ({"column": "setup_size", "value": 9}, "code: expected"),
        ({"column": "setup_size", "value": -1}, "setup_size: expected an integer in 0"),
        ({"column": "setup_size", "value": 400}, "setup_size: expected an integer in 0"),
        ({"column": "fitness", "value": float("nan")}, "fitness: expected finite"),
        ({"column": "code", "value": b""}, "code: expected"),
        ({"column": "code", "value": instruction_bytes(op=200)}, "op"),
        ({"column": "code", "value": instruction_bytes(op=1, in1=9, in2=0)}, "registers"),
        ({"column": "code", "value": instruction_bytes(op=1, in1=255, in2=0)}, "in1"),
        ({"column": "code", "value": instruction_bytes(op=56, in1=255)}, "zeros in the fields"),
    ],
    ids=str,
)
def test_a_state_that_could_do_harm_is_refused(
    state: bytes, change: dict[str, Any], message: str
) -> None:
    column = change.pop("column", None)
    value = change.pop("value", None)
    with pytest.raises(ValueError, match=message):
        evolution().check_state(changed(state, column, value, **change))


def test_a_state_of_a_larger_population_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="population: expected at most 20, received 60"):
        evolution(population_size=20).check_state(state)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_are_refused_or_harmless(data: st.DataObject) -> None:
    raw = bytearray(some_state())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(raw), len(raw) // 2, len(raw) - 1, 0]))
    searched = evolution()
    try:
        searched.check_state(bytes(raw[:cut]))
    except ValueError:
        return
    searched.restore(bytes(raw[:cut]))
    searched.run(100)
