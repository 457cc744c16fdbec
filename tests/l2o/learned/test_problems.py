"""Distributions of problems: keyed, batched, and clear about wrong data."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from automl_zero.streams import Stream  # noqa: E402
from l2o.learned import (  # noqa: E402
    ClassAdaptation,
    Classifiers,
    Examples,
    Layout,
    Mixture,
    Problems,
    Quadratics,
    Rastrigin,
    digits_examples,
    logistic_regression,
    make_tasks,
    npz_examples,
)


def examples(count=30, features=4, classes=3):
    stream = Stream(3)
    x = torch.from_numpy(stream.normal((count, features))).float()
    y = torch.arange(count) % classes
    return Examples("made", x, y, x[:9], y[:9])


SOURCES = [
    Quadratics(3),
    Rastrigin(3),
    Classifiers(examples(), [5], batch_size=6),
    logistic_regression(examples(), 6),
    ClassAdaptation(examples(), [1], [5], batch_size=6, pretraining=3, networks=4),
    Mixture([Quadratics(3), Quadratics(3, 1.0)]),
]


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_stream_gives_the_same_problems(source):
    first, again, other = (source.sample(4, Stream(key)) for key in (1, 1, 2))
    for step in (0, 3):
        losses = first.losses(first.start, step)
        assert torch.equal(losses, again.losses(again.start, step))
        assert not torch.equal(losses, other.losses(other.start, step))


@pytest.mark.parametrize("source", SOURCES)
def test_losses_of_a_batch_are_those_of_its_problems(source):
    problems = source.sample(4, Stream(1))
    together = problems.losses(problems.start, 2)
    for row in range(4):
        one = problems.select([row])
        torch.testing.assert_close(one.losses(one.start, 2), together[row : row + 1])


def test_copies_see_the_same_minibatches_and_steps_others():
    problems = SOURCES[2].sample(3, Stream(1)).select([0, 2, 0, 2]).select([0, 1, 2])
    losses = problems.losses(problems.start, 1)
    assert losses[0] == losses[2] and losses[0] != losses[1]
    assert not torch.equal(losses, problems.losses(problems.start, 2))


def test_rastrigin_without_slope_has_its_published_value():
    problems = Rastrigin(2).sample(1, Stream(1))
    data = problems.data
    x = torch.tensor([[0.25, -1.0]])
    residual = data["matrix"][0] @ x[0] - data["target"][0]
    waves = data["waves"][0] @ torch.tensor([0.0, 1.0])
    expected = residual.square().sum() - 10 * waves + 20
    assert float(problems.losses(x)[0]) == pytest.approx(float(expected), rel=1e-4)


def test_classifiers_count_in_the_end_on_all_examples():
    source = SOURCES[2]
    problems = source.sample(2, Stream(1))
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Sigmoid(), torch.nn.Linear(5, 3))
    parts = problems.layout.unflatten(problems.start)
    with torch.no_grad():
        for param, part in zip(model.parameters(), parts, strict=True):
            param.copy_(part[1])
        outputs = model(source.examples.x_train)
        loss = torch.nn.functional.cross_entropy(outputs, source.examples.y_train)
        hits = model(source.examples.x_test).argmax(1) == source.examples.y_test
    assert float(problems.final_losses(problems.start)[1]) == pytest.approx(float(loss), rel=1e-5)
    assert float(source.accuracy(problems.start)[1]) == float(hits.double().mean())


def test_an_adaptation_starts_from_what_the_first_classes_taught():
    source = ClassAdaptation(hidden=[8], first=[0, 1, 2], pretraining=300, networks=3)
    problems = source.sample(5, Stream(1))
    tests = digits_examples()
    learned, others = tests.of_classes([0, 1, 2]), tests.of_classes(range(3, 10))
    assert learned.classes == others.classes == 10
    for part, right in ((learned, 0.9), (others, 0.0)):
        model = Classifiers(part, [8])
        assert bool(((model.accuracy(problems.start) - right).abs() <= 0.1).all())
    drawn = problems.losses(problems.start, 1)
    assert float(drawn.min()) > 3.0  # minibatches have none of the first classes
    assert torch.equal(problems.start[:, :5], source.sample(5, Stream(1)).start[:, :5])


def test_digits_can_be_larger_and_standardized():
    small, large = digits_examples(), digits_examples(enlarge=2, standardize=True)
    image = large.x_train[7].view(16, 16)
    assert torch.equal(image[::2, ::2], image[1::2, 1::2])
    same = torch.corrcoef(torch.stack([small.x_train[7], image[::2, ::2].flatten()]))
    assert float(same[0, 1]) == pytest.approx(1.0, abs=1e-5)
    everything = torch.cat([large.x_train, large.x_test])
    assert abs(float(everything.mean())) < 1e-4 and abs(float(everything.std()) - 1) < 1e-3
    assert large.name != small.name


def npz(path, **changes):
    rng = np.random.default_rng(1)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 4, 4), np.uint8),
        "y_train": np.arange(20) % 3,
        "x_test": rng.integers(0, 256, (6, 4, 4), np.uint8),
        "y_test": np.arange(6) % 3,
    } | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return arrays


def test_images_of_a_file_are_problems_and_can_be_pooled(tmp_path):
    arrays = npz(tmp_path / "images.npz")
    loaded = npz_examples(tmp_path / "images.npz")
    assert loaded.x_train.shape == (20, 16) and loaded.classes == 3 and loaded.name == "images"
    small = npz_examples(tmp_path / "images.npz", pool=2)
    assert small.x_train.shape == (20, 4)
    mean = arrays["x_train"][0, :2, 2:].mean()
    assert abs(float(small.x_train[0, 1]) - mean) <= 0.5
    problems = Classifiers(small, [3], batch_size=4).sample(2, Stream(1))
    assert problems.losses(problems.start).isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "y_test: expected this array, received none"),
        ({"x_train": np.zeros((20, 16))}, "x_train: expected uint8 images, received float64"),
        ({"y_train": np.zeros(20)}, "y_train: expected classes, received float64"),
        ({"y_train": np.zeros(3, int)}, "y_train: expected classes from 0 on"),
        ({"x_train": np.array([{}], dtype=object)}, "expected an npz file"),
    ],
)
def test_wrong_files_are_named_with_the_array(changes, message, tmp_path):
    npz(tmp_path / "images.npz", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        npz_examples(tmp_path / "images.npz")
    assert "images.npz" in str(caught.value)


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "images.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="images.npz: expected an npz file"):
        npz_examples(path)
    npz(path)
    with pytest.raises(ValueError, match="pool: expected images whose sides are multiples of 3"):
        npz_examples(path, pool=3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "quadratic"}, "tasks.kind: expected one of .*did you mean 'quadratics'"),
        ({}, "tasks.kind: expected one of"),
        ([], "tasks: expected a table"),
        ({"kind": "quadratics", "dimensions": 3}, "tasks.dimensions: unknown key"),
        ({"kind": "quadratics", "dimension": 0}, "tasks.dimension: expected an integer >= 1"),
        ({"kind": "rastrigin", "amplitude": "x"}, "tasks.amplitude: expected a number"),
        ({"kind": "classifiers", "examples": "no.npz"}, "tasks.examples: cannot read no.npz"),
        ({"kind": "classifiers", "examples": 3}, "tasks.examples: expected 'digits' or a file"),
        ({"kind": "classifiers", "activation": "x"}, "tasks.activation: expected one of"),
        ({"kind": "classifiers", "pool": 2}, "tasks.pool: expected only for npz files"),
        ({"kind": "classifiers", "enlarge": 0}, "tasks.enlarge: expected an integer >= 1"),
        (
            {"kind": "classifiers", "examples": "no.npz", "enlarge": 2},
            "tasks.enlarge: expected only for digits",
        ),
        ({"kind": "class_adaptation", "first": []}, "tasks.first: expected some of 10 classes"),
        ({"kind": "class_adaptation", "first": [10]}, "tasks.first: expected an integer"),
        ({"kind": "mixture"}, "tasks.sources: expected a list of tables"),
        ({"kind": "mixture", "sources": []}, "tasks.sources: expected at least one"),
        ({"kind": "mixture", "sources": [{"kind": "x"}]}, r"tasks.sources\[0\].kind: expected"),
    ],
)
def test_wrong_tasks_are_named(data, message):
    with pytest.raises(ValueError, match=message):
        make_tasks(data)


def test_wrong_problems_are_named():
    layout = Layout([(2,)])
    with pytest.raises(ValueError, match=r"start: expected shape \[4, 3\]"):
        SOURCES[0].sample(4, Stream(1)).starting_at(torch.zeros(3, 3))
    with pytest.raises(ValueError, match="classes: expected 3 or more, received 2"):
        made = examples()
        Examples("made", made.x_train, made.y_train, made.x_test, made.y_test, 2)
    with pytest.raises(ValueError, match=r"start: expected shape \[problems, 2\]"):
        Problems(layout, torch.zeros(3), lambda tensors, data: tensors[0].sum(), {})
    with pytest.raises(ValueError, match="data.x: expected 3 problems"):
        Problems(
            layout, torch.zeros(3, 2), lambda tensors, data: tensors[0].sum(), {"x": torch.ones(2)}
        )
