"""Task: what it accepts, what it refuses, and that nobody can change it."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_zero.tasks import MAX_FEATURES, Task, linear


def make(**changes: object) -> Task:
    arguments = {
        "train_x": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        "train_y": [0.0, 1.0, 1.0],
        "valid_x": [[1.0, 2.0]],
        "valid_y": [1.0],
    }
    return Task(**{**arguments, **changes})


def test_keeps_values_as_float64():
    task = make(train_x=np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int8), train_y=[False, True, 1])
    assert task.train_x.dtype == task.train_y.dtype == np.float64
    assert task.train_x.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (task.features, task.train_count, task.valid_count) == (2, 3, 1)


def test_arrays_are_read_only_copies():
    source = np.zeros((3, 2))
    task = make(train_x=source)
    source[0, 0] = 7.0
    assert task.train_x[0, 0] == 0.0
    for name in ("train_x", "train_y", "valid_x", "valid_y", "epoch_order"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(task, name)[...] = 0


def test_a_read_only_view_of_a_writable_array_is_copied():
    source = np.zeros((3, 2))
    view = source[:]
    view.setflags(write=False)
    task = make(train_x=view)
    source[0, 0] = 7.0
    assert task.train_x[0, 0] == 0.0


def test_frozen_arrays_are_shared_between_tasks():
    task = make()
    assert np.shares_memory(dataclasses.replace(task, name="other").train_x, task.train_x)


def test_fields_cannot_be_assigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().seed = 3  # type: ignore[misc]


def test_equal_tasks_have_equal_bits_in_every_field():
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != make(seed=1)
    assert make(valid_x=[[0.0, 1.0]]) != make(valid_x=[[-0.0, 1.0]])
    assert make() != "task"


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda task: pickle.loads(pickle.dumps(task))]
)
def test_a_copy_for_another_process_is_equal_and_read_only(duplicate):
    task = linear(epochs=3)
    other = duplicate(task)
    assert other == task
    assert not other.train_x.flags.writeable


def test_repr_is_one_short_line():
    assert repr(make(name="mine")) == "Task('mine', rms_error, F=2, 3+1 examples, epochs=1, seed=0)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_x": [[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]]},
            r"train_x: .*finite.*nan at \[1, 1\]",
        ),
        ({"valid_x": [[np.inf, 2.0]]}, r"valid_x: .*finite.*inf at \[0, 0\]"),
        ({"train_y": [0.0, -np.inf, 0.0]}, r"train_y: .*-inf at \[1\]"),
        ({"train_x": [1.0, 2.0, 3.0]}, r"train_x: expected 2 axes, received shape \(3,\)"),
        ({"train_y": [[0.0], [1.0], [1.0]]}, r"train_y: expected 1 axes, received shape \(3, 1\)"),
        ({"train_y": [0.0, 1.0]}, "train_y: expected 3 labels as in train_x, received 2"),
        ({"valid_x": [[1.0, 2.0, 3.0]]}, "valid_x: expected 2 features as in train_x, received 3"),
        ({"train_x": [[1.0], [2.0, 3.0]]}, "train_x: .*ragged"),
        ({"train_x": [["a", "b"]] * 3}, "train_x: expected numbers, received <U1"),
        ({"train_x": np.array([[None, 1]] * 3)}, "train_x: expected numbers, received object"),
        ({"train_y": [1j, 0, 0]}, "train_y: expected numbers, received complex"),
        ({"valid_x": np.empty((0, 2)), "valid_y": []}, "valid_x: expected at least one example"),
        (
            {"train_x": np.empty((3, 0)), "valid_x": np.empty((1, 0))},
            "train_x: expected 1 to 1024 features, received 0",
        ),
        (
            {"objective": "accurracy"},
            r"objective: .*received 'accurracy' \(did you mean 'accuracy'\?\)",
        ),
        ({"objective": None}, "objective: expected one of"),
        (
            {"objective": "accuracy", "train_y": [0.0, 2.0, 1.0]},
            r"train_y: expected labels 0 or 1 for accuracy, received 2.0 at \[1\]",
        ),
        ({"objective": "accuracy", "valid_y": [0.5]}, r"valid_y: .*received 0.5 at \[0\]"),
        ({"seed": -1}, "seed: expected an integer from 0 to 18446744073709551615, received -1"),
        ({"seed": 2**64}, "seed: expected an integer"),
        ({"seed": 1.0}, "seed: expected an integer .*received 1.0"),
        ({"seed": True}, "seed: expected an integer .*received True"),
        ({"epochs": 0}, "epochs: expected an integer of at least 1, received 0"),
        ({"epochs": 10**15}, "epoch_order of .*expected to fit in"),
        ({"name": 3}, "name: expected text, received 3"),
        ({"epoch_order": [[0, 1]]}, r"epoch_order: expected integers of shape \(1, 3\)"),
        ({"epoch_order": [[0.0, 1.0, 2.0]]}, "epoch_order: expected integers .*float64"),
        ({"epoch_order": [[0, 1, 1]]}, r"epoch_order: .*permutation of 0\.\.2.*epoch 0"),
        ({"epoch_order": [[0, 1, 3]]}, "epoch_order: .*permutation"),
        ({"epoch_order": [[0, 1, -1]]}, "epoch_order: .*permutation"),
    ],
)
def test_bad_input_names_argument_expected_and_received(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_feature_count_has_the_documented_bounds():
    for features in (1, MAX_FEATURES):
        assert Task(np.ones((1, features)), [1], np.ones((1, features)), [1]).features == features
    with pytest.raises(ValueError, match="expected 1 to 1024 features, received 1025"):
        Task(np.ones((1, 1025)), [1], np.ones((1, 1025)), [1])


def test_first_epoch_is_in_order_and_later_ones_permute_the_one_before():
    from automl_zero.streams import Stream, stream_key

    task = linear(train=20, epochs=3, data_seed=5)
    assert task.epoch_order.dtype == np.int32
    assert task.epoch_order[0].tolist() == list(range(20))
    stream = Stream(stream_key(task.seed, "epoch_order"))
    first, second = stream.permutation(20), stream.permutation(20)
    assert task.epoch_order[1].tolist() == first.tolist()
    assert task.epoch_order[2].tolist() == first[second].tolist()


@given(seed=st.integers(0, 2**64 - 1), epochs=st.integers(1, 5), count=st.integers(1, 30))
def test_every_default_epoch_takes_each_example_once(seed, epochs, count):
    x = np.ones((count, 1))
    task = Task(x, x[:, 0], x, x[:, 0], seed=seed, epochs=epochs)
    again = Task(x, x[:, 0], x, x[:, 0], seed=seed, epochs=epochs + 1)
    assert np.array_equal(np.sort(task.epoch_order, axis=1), np.tile(np.arange(count), (epochs, 1)))
    assert np.array_equal(again.epoch_order[:epochs], task.epoch_order)


def test_a_given_epoch_order_is_kept():
    task = make(epochs=2, epoch_order=np.array([[2, 1, 0], [1, 0, 2]], dtype=np.uint8))
    assert task.epoch_order.tolist() == [[2, 1, 0], [1, 0, 2]]
    assert task.epoch_order.dtype == np.int32


def test_epochs_can_be_replaced_together_with_the_order():
    task = dataclasses.replace(linear(), epochs=4, epoch_order=None)
    assert task.epoch_order.shape == (4, 100)
