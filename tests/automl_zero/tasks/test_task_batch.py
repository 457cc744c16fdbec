"""TaskBatch: stacking, refusing what differs or does not fit."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from automl_zero.tasks import TaskBatch, linear, regression_tasks
from automl_zero.tasks._checks import available_memory_bytes


def test_stacks_tasks_along_the_first_axis():
    tasks = regression_tasks("affine", 3, features=5, train=7, valid=6, epochs=2)
    batch = TaskBatch(tasks)
    assert len(batch) == 3
    shapes = {"train_x": (3, 7, 5), "train_y": (3, 7), "valid_x": (3, 6, 5), "valid_y": (3, 6)}
    for name, shape in shapes.items():
        array = getattr(batch, name)
        assert array.shape == shape
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        assert np.array_equal(array[1], getattr(tasks[1], name))
    assert (batch.features, batch.train_count, batch.valid_count) == (5, 7, 6)
    assert (batch.epochs, batch.objective) == (2, "rms_error")
    assert batch.seeds.dtype == np.uint64
    assert batch.seeds.tolist() == [task.seed for task in tasks]
    assert batch.epoch_order.shape == (3, 2, 7)
    assert batch.epoch_order.dtype == np.int32
    assert batch.names == tuple(task.name for task in tasks)


def test_gives_its_tasks_back_without_copying():
    tasks = regression_tasks("linear", 4, epochs=3)
    batch = TaskBatch(iter(tasks))
    assert list(batch) == tasks
    assert batch[-1] == tasks[-1]
    assert np.shares_memory(batch[0].train_x, batch.train_x)
    with pytest.raises(IndexError):
        batch[4]


def test_reaches_another_process_unchanged():
    batch = TaskBatch(regression_tasks("linear", 2))
    other = pickle.loads(pickle.dumps(batch))
    assert list(other) == list(batch)
    assert not other.train_x.flags.writeable


def test_cannot_be_changed():
    batch = TaskBatch([linear()])
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.epochs = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (linear(features=5), r"tasks\[1\].features: expected 4 as in tasks\[0\], received 5"),
        (linear(train=50), r"tasks\[1\].train_count: expected 100 .*received 50"),
        (linear(valid=50), r"tasks\[1\].valid_count: expected 100 .*received 50"),
        (linear(epochs=2), r"tasks\[1\].epochs: expected 1 .*received 2"),
        (linear(labels="binary"), r"tasks\[1\].objective: expected 'rms_error' .*'accuracy'"),
        ("linear", r"tasks\[1\]: expected a Task, received str"),
    ],
)
def test_tasks_that_differ_are_refused(other, message):
    with pytest.raises(ValueError, match=message):
        TaskBatch([linear(), other])


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="tasks: expected at least one task, received none"):
        TaskBatch([])


def test_estimate_is_the_size_of_the_arrays():
    batch = TaskBatch(regression_tasks("linear", 3, features=7, train=11, valid=5, epochs=2))
    names = ("train_x", "train_y", "valid_x", "valid_y", "seeds", "epoch_order")
    assert batch.nbytes == sum(getattr(batch, name).nbytes for name in names)
    assert batch.nbytes == TaskBatch.estimate_bytes(3, 7, 11, 5, 2)


def test_a_batch_above_the_memory_limit_is_refused():
    tasks = [linear()] * 2
    size = TaskBatch.estimate_bytes(2, 4, 100, 100)
    assert len(TaskBatch(tasks, memory_limit_bytes=size)) == 2
    with pytest.raises(ValueError, match=r"a batch of 2 tasks: expected to fit in 16\.8 kB"):
        TaskBatch(tasks, memory_limit_bytes=size - 1)
    with pytest.raises(ValueError, match="memory_limit_bytes: expected an integer"):
        TaskBatch(tasks, memory_limit_bytes=-1)


def test_tasks_that_cannot_fit_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="1000000000 tasks: expected to fit in .* received 8.2"):
        regression_tasks("linear", 10**9, features=1024, train=10**6, valid=1)
    with pytest.raises(ValueError, match="a task: expected to fit in"):
        linear(train=10**13)


def test_available_memory_is_plausible():
    available = available_memory_bytes()
    assert available is None or 10**7 < available < 10**15
