"""The compiled interpreter against the results of the original program."""

import platform
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from _golden import (
    VECTOR_TOLERANCE,
    decode,
    golden_program,
    golden_task,
    golden_vector,
    read_records,
    vector_difference,
)

from automl_zero import reference
from automl_zero.evaluation import evaluate, run_instruction, trace
from tests.engine import compiled

GOLDEN = Path(__file__).parent.parent / "golden"
FITNESS_TOLERANCE = 1e-9
FLOAT32_TOLERANCE = 1e-3

# A chain of tangents of exponentials: where it stops depends on the last bit of the C
# library's tan and exp. The original was run with the GNU one.
LIBRARY_SENSITIVE = {578} if platform.libc_ver()[0] != "glibc" else set()


def golden(name, decoder):
    path = GOLDEN / f"{name}.json.gz"
    return decode(path, read_records(path), decoder)


TASKS = dict(golden("tasks", golden_task))
PROGRAMS = [
    item
    for name in ("random_programs", "reference_programs")
    for item in golden(name, golden_program)
    if not item.rounding_sensitive and item.id not in LIBRARY_SENSITIVE
]


@pytest.mark.parametrize("lanes", [1, 8, 16])
def test_single_instructions_give_the_original_results(lanes):
    wrong = {}
    for position, vector in enumerate(golden("op_vectors", golden_vector)):
        memory = vector.memory()
        memory.scalars[...], memory.vectors[...], memory.matrices[...] = run_instruction(
            vector.instruction, memory.scalars, memory.vectors, memory.matrices, lanes=lanes
        )
        difference = vector_difference(vector, memory)
        if difference > VECTOR_TOLERANCE:
            wrong[position, str(vector.instruction)] = difference
    assert not wrong


@pytest.mark.parametrize("task", sorted(TASKS))
def test_programs_end_as_in_the_original(task):
    items = [item for item in PROGRAMS if item.task == task]
    assert len(items) >= 20
    wrong = {}
    for item in items:
        expect = item.expect
        (run,) = trace(item.program, TASKS[task], max_abs_error=item.max_abs_error)
        # Alone, and as one lane of many; as searches do it.
        (row,) = compiled(
            [item.program], [TASKS[task]] * 10, max_abs_error=item.max_abs_error
        ).stops
        steps = compiled(
            [item.program], [TASKS[task]], max_abs_error=item.max_abs_error
        ).train_steps
        wanted = (item.stop, expect["stop_epoch"], item.stop_step)
        reached = len(expect["epoch_fitness"])
        if (run.stop, run.stop_epoch, run.stop_step) != wanted:
            wrong[item.id] = (run.stop, run.stop_epoch, run.stop_step), wanted
        elif not (row[:, 1:] == wanted[1:]).all() or steps[0, 0] != expect["train_steps"]:
            wrong[item.id] = row, steps
        elif not abs(run.fitness - item.fitness) <= FITNESS_TOLERANCE:
            wrong[item.id] = run.fitness, item.fitness
        elif not np.allclose(run.epoch_fitness[:reached], expect["epoch_fitness"], 0, 1e-9):
            wrong[item.id] = run.epoch_fitness, expect["epoch_fitness"]
    assert not wrong


@pytest.mark.parametrize("task", sorted(TASKS))
def test_predictions_and_losses_are_the_original_ones(task):
    data = TASKS[task]
    for item in PROGRAMS:
        if item.task != task or item.stop != "none":
            continue
        (run,) = trace(item.program, data, max_abs_error=item.max_abs_error)
        for predictions, count, recorded in (
            (run.train_predictions, data.train_count, item.expect["train_pred"]),
            (run.valid_predictions, data.valid_count, item.expect["valid_pred"]),
        ):
            found = [*predictions[:5], predictions[count - 1]]
            recorded = np.array(recorded, dtype=float)
            np.testing.assert_allclose(found, recorded, rtol=1e-8, atol=1e-12, err_msg=item.id)
        losses = np.array(item.expect["sum_loss"], dtype=float)
        np.testing.assert_allclose(run.sum_loss, losses, rtol=1e-8, err_msg=item.id)


# float32 ---------------------------------------------------------------------------


def moves_when_shaken(item, seed):
    """Whether a reference whose every result is off by a float32's last bit ends otherwise."""
    rng = np.random.default_rng(seed)

    def shaken(meaning):
        return lambda *arguments: meaning(*arguments) * (1 + 1e-7 * rng.normal())

    meanings = tuple(shaken(meaning) for meaning in reference.MEANINGS)
    with mock.patch.object(reference, "MEANINGS", meanings):
        result = reference.evaluate(
            item.program, TASKS[item.task], max_abs_error=item.max_abs_error
        )
    if (result.stop, result.stop_step) != (item.stop, item.stop_step):
        return True
    return abs(result.fitness - item.fitness) > FLOAT32_TOLERANCE


def test_float32_fitness_is_close_unless_rounding_decides_it():
    deviating = []
    for item in PROGRAMS:
        task = TASKS[item.task]
        options = {"max_abs_error": item.max_abs_error, "precision": "float32"}
        (found,) = evaluate(item.program, task, **options)[0]
        if abs(found - item.fitness) > FLOAT32_TOLERANCE:
            deviating.append(item)
    # Chaotic programs, which iterate a tangent: the exact reference, shaken a little, moves
    # as much. Few of 427, so that nothing else hides among them.
    assert len(deviating) <= 6
    for item in deviating:
        assert any(moves_when_shaken(item, seed) for seed in range(4)), (item.id, item.program)
