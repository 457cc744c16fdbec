"""Where tasks come from: the same stream, the same tasks; classes never leave their split."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from automl_zero.streams import Stream  # noqa: E402
from l2o.maml import ClassSplit, ClassTasks, SinusoidTasks, load_omniglot  # noqa: E402
from l2o.maml._class_tasks import _distinct  # noqa: E402

# Pixel (0, 0) tells the class, pixel (0, 1) the example: a turn moves them to another corner.
LABELLED = np.zeros((20, 6, 4, 4), np.float32)
LABELLED[:, :, 0, 0] = np.arange(1, 21)[:, None]
LABELLED[:, :, 0, 1] = np.arange(6) / 10


def test_the_same_stream_gives_the_same_tasks():
    for source in (ClassTasks(LABELLED, rotations=True), SinusoidTasks()):
        first, again, other = (source.sample(3, Stream(key)) for key in (1, 1, 2))
        for name in first.__slots__:
            assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(first.support_x, other.support_x)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1 << 30))
def test_tasks_hold_different_classes_of_the_split_and_different_examples(ways, shots, more, key):
    source = ClassTasks(LABELLED, [3, 5, 6, 7, 11, 19], ways=ways, shots=shots, queries=more)
    for task in source.sample(4, Stream(key)):
        x = torch.cat([task.support_x, task.query_x])[:, 0]
        y = torch.cat([task.support_y, task.query_y])
        pairs = {(int(own), int(c)) for own, c in zip(y, x[:, 0, 0] - 1, strict=True)}
        assert len(pairs) == len({c for _, c in pairs}) == len({y for y, _ in pairs}) == ways
        assert {c for _, c in pairs} <= {3, 5, 6, 7, 11, 19}
        seen = {(float(c), float(e)) for c, e in zip(x[:, 0, 0], x[:, 0, 1], strict=True)}
        assert len(seen) == len(y) == ways * (shots + more)
        assert task.support_y.tolist() == list(range(ways)) * shots


def test_rotations_make_four_times_the_classes():
    source = ClassTasks(LABELLED, [4, 8], ways=8, shots=1, rotations=True)
    assert source.class_count == 8
    (task,) = source.sample(1, Stream(1))
    corners = [(0, 0), (-1, 0), (-1, -1), (0, -1)]  # rot90 turns counter-clockwise
    found = {
        (turn, int(image[corner]) - 1)
        for image in task.support_x[:, 0]
        for turn, corner in enumerate(corners)
        if image[corner] >= 1
    }
    assert found == {(turn, c) for turn in range(4) for c in (4, 8)}


def test_distinct_draws_are_uniform_over_all_arrangements():
    drawn = _distinct(Stream(5), 12_000, 2, 4)
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    assert (np.diag(counts) == 0).all()
    off = counts[~np.eye(4, dtype=bool)]
    assert abs(off - 1000).max() < 6 * np.sqrt(1000)


def test_bytes_become_ink_between_0_and_1():
    images = np.full((6, 4, 3, 3), 255, np.uint8)
    batch = ClassTasks(images).sample(1, Stream(1))
    assert batch.support_x.dtype == torch.float32 and batch.support_x.unique().tolist() == [1.0]


def test_vectors_and_colour_images_keep_their_shape():
    vectors = ClassTasks(np.zeros((6, 4, 7))).sample(2, Stream(1))
    assert vectors.support_x.shape == (2, 5, 7)
    colours = ClassTasks(np.zeros((6, 4, 3, 8, 8)), rotations=True).sample(2, Stream(1))
    assert colours.support_x.shape == (2, 5, 3, 8, 8)


def test_sinusoids_are_the_published_ones():
    batch = SinusoidTasks(shots=300).sample(50, Stream(2))
    x = torch.cat([batch.support_x, batch.query_x], 1).double()
    y = torch.cat([batch.support_y, batch.query_y], 1).double()
    basis = torch.cat([torch.sin(x), torch.cos(x)], 2)  # a sin(x - p) is linear in these
    fit = torch.linalg.lstsq(basis, y).solution
    torch.testing.assert_close(basis @ fit, y, rtol=0, atol=1e-5)
    amplitude = fit.norm(dim=1)
    phase = torch.atan2(-fit[:, 1], fit[:, 0])
    assert amplitude.min() >= 0.1 and amplitude.max() <= 5 and amplitude.max() > 4
    assert phase.min() >= -1e-6 and phase.max() <= np.pi + 1e-6
    assert x.min() >= -5 and x.max() <= 5


def omniglot(tmp_path, **changes):
    images = np.zeros((1623, 20, 2, 2), np.uint8)
    parts = np.repeat(np.arange(1623) >= 964, 20).astype(np.uint8)
    path = tmp_path / "omniglot.npz"
    fields = {"x": images, "split": parts} | changes
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def test_omniglot_has_fixed_splits(tmp_path):
    path = omniglot(tmp_path)
    images, split = load_omniglot(path)
    assert [len(split.train), len(split.validation), len(split.test)] == [1100, 100, 423]
    assert load_omniglot(path)[1].test == split.test and images.shape == (1623, 20, 2, 2)
    _, alphabets = load_omniglot(path, "alphabets")
    assert alphabets.test == tuple(range(964, 1623)) and len(alphabets.validation) == 96
    assert not set(alphabets.train) & set(alphabets.validation)


def test_damaged_omniglot_files_are_named(tmp_path):
    cases = [
        ({"split": None}, "split: expected this field"),
        ({"x": np.zeros((3, 2), np.uint8)}, "x: expected uint8"),
        ({"split": np.zeros(7)}, "split: expected one for each class"),
        ({"split": np.full(1623, 2)}, "split: expected 0 or 1"),
        ({"x": np.array([{"a": 1}], object)}, "expected an npz file of arrays"),
    ]
    for changes, message in cases:
        with pytest.raises(ValueError, match=rf"omniglot.npz: {message}"):
            load_omniglot(omniglot(tmp_path, **changes))
    path = omniglot(tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="omniglot.npz: expected an npz file"):
        load_omniglot(path)
    with pytest.raises(ValueError, match="expected a readable npz file"):
        load_omniglot(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="split: expected one of random, alphabets"):
        load_omniglot(path, "other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros(3)}, "images: expected numbers"),
        ({"images": np.array([[["a"]]])}, "images: expected numbers"),
        ({"classes": [20]}, r"classes: expected numbers in 0..19"),
        ({"classes": [0.5]}, "classes: expected a list of class numbers"),
        ({"classes": [1, 2]}, "ways: expected at most 2 classes"),
        ({"shots": 6}, "shots: expected at most 6 shots and queries"),
        ({"ways": 0}, "ways: expected an integer >= 1"),
        ({"images": np.zeros((9, 4, 3, 5)), "rotations": True}, "expected square images"),
    ],
)
def test_wrong_class_tasks_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassTasks(**({"images": LABELLED} | arguments))


def test_wrong_splits_are_named():
    with pytest.raises(ValueError, match="sizes: expected three that add up to 5"):
        ClassSplit.random(5, (1, 1, 1))
    with pytest.raises(ValueError, match="split: expected parts that share no class"):
        ClassSplit((1, 2), (2,), ())
    with pytest.raises(ValueError, match="split: expected an integer >= 0"):
        ClassSplit((-1,), (), ())
    with pytest.raises(ValueError, match="count: expected an integer >= 1"):
        ClassTasks(LABELLED).sample(0, Stream(1))
