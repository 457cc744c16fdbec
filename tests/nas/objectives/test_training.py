import pickle

import numpy as np
import pytest

from nas.objectives import ImageData


def images(count=96, seed=0):
    """Bright left or right halves: easy."""
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, 2, count)
    x = numbers.normal(size=(count, 1, 8, 8))
    x[labels == 1, :, :, :4] += 2.0
    return x, labels


@pytest.fixture(scope="module")
def data():
    return ImageData.split(*images())


def test_the_split_has_every_image_once(data):
    x, y = images()
    assert len(data.x_train) == 64 and len(data.x_valid) == 32
    together = np.concatenate([data.x_train, data.x_valid])
    assert {image.tobytes() for image in together} == {
        image.tobytes() for image in x.astype(np.float32)
    }
    again = ImageData.split(x, y)
    other = ImageData.split(x, y, seed=1)
    assert np.array_equal(again.x_train, data.x_train)
    assert not np.array_equal(other.x_train, data.x_train)
    assert data.shape == (1, 8, 8) and data.classes == 2


def test_standardized_images_have_mean_0_and_deviation_1(data):
    x = np.concatenate([data.x_train * 5 + 3, np.full_like(data.x_train, 7)], 1)
    v = np.concatenate([data.x_valid * 5 + 3, np.full_like(data.x_valid, 7)], 1)
    standard = ImageData(x, data.y_train, v, data.y_valid).standardized()
    assert standard.x_train.mean((0, 2, 3)) == pytest.approx([0, 0], abs=1e-5)
    assert standard.x_train.std((0, 2, 3)) == pytest.approx([1, 0], abs=1e-5)


def test_files_round_trip(data, tmp_path):
    data.save(tmp_path / "data.npz")
    loaded = ImageData.load(tmp_path / "data.npz")
    for name in ("x_train", "y_train", "x_valid", "y_valid"):
        assert np.array_equal(getattr(loaded, name), getattr(data, name))


def test_damaged_files_are_named(data, tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x_train=data.x_train)
    with pytest.raises(ValueError, match="data.npz: expected arrays"):
        ImageData.load(path)
    path.write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(ValueError, match="data.npz: expected a NumPy archive"):
        ImageData.load(path)
    pickled = np.array([{"a": 1}], dtype=object)
    np.savez(path, x_train=pickled, y_train=pickled, x_valid=pickled, y_valid=pickled)
    with pytest.raises(ValueError, match="data.npz: .*allow_pickle"):
        ImageData.load(path)
    with pytest.raises(FileNotFoundError):
        ImageData.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("x_train", np.zeros((64, 8, 8))),
        ("x_train", np.full((64, 1, 8, 8), np.nan)),
        ("x_valid", np.zeros((32, 1, 4, 8))),
        ("y_train", np.zeros(63, int)),
        ("y_train", np.zeros(64)),
        ("y_valid", np.full(32, -1)),
        ("y_valid", np.full(32, 2)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(data, field, value):
    arrays = {n: getattr(data, n) for n in ("x_train", "y_train", "x_valid", "y_valid")}
    with pytest.raises(ValueError, match=field):
        ImageData(**(arrays | {field: value}))


def test_a_share_of_nothing_is_refused():
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="x_"):
            ImageData.split(*images(), valid=share)


torch = pytest.importorskip("torch")

from nas.networks import build_network  # noqa: E402
from nas.objectives import TrainingObjective, accuracy, train_and_validate  # noqa: E402
from nas.spaces import DartsSpace, NasBench201Space, NasNetSpace  # noqa: E402

TINY = {"width": 4, "depth": 1}


def test_training_learns_and_is_a_pure_function(data):
    space = NasBench201Space()
    values, weights = [], []
    for seed in (0, 0, 1):
        torch.rand(3)
        network = build_network(space, (3, 1, 0, 1, 3, 0), in_channels=1, classes=2, **TINY)
        values.append(train_and_validate(network, data, epochs=4, batch=16, seed=seed))
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert min(values) > 0.9
    assert values[0] == values[1] and torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert accuracy(network, data.standardized(), batch=5) == values[2]


def test_the_objective_depends_on_its_settings_and_the_budget_only(data):
    space = NasBench201Space()
    objective = TrainingObjective(data, epochs=2, batch=16, skeleton=TINY)
    before = torch.get_rng_state()
    value = objective(space, (3, 0, 3, 0, 0, 3))
    assert torch.equal(before, torch.get_rng_state())
    assert pickle.loads(pickle.dumps(objective))(space, (3, 0, 3, 0, 0, 3), 2) == value
    network = build_network(space, (3, 0, 3, 0, 0, 3), in_channels=1, classes=2, **TINY)
    assert train_and_validate(network, data, epochs=2, batch=16) == value


def test_data_from_a_file_gives_the_same(data, tmp_path):
    data.save(tmp_path / "data.npz")
    values = [
        TrainingObjective(source, epochs=1, batch=16, skeleton=TINY)(NasBench201Space(), (3,) * 6)
        for source in (data, tmp_path / "data.npz")
    ]
    assert values[0] == values[1]


def test_isomorphic_cells_get_the_same_value(data):
    space = NasNetSpace(2)
    text = (
        "Genotype(normal=[('nor_conv_3x3', 0), ('skip_connect', 1), ('avg_pool_3x3', 0), "
        "('nor_conv_1x1', 1)], normal_concat=[2, 3], reduce=[('skip_connect', 0), "
        "('skip_connect', 1), ('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2, 3])"
    )
    first = space.from_text(text)
    second = space.from_text(
        text.replace(
            "('nor_conv_3x3', 0), ('skip_connect', 1), ('avg_pool_3x3', 0), ('nor_conv_1x1', 1)",
            "('nor_conv_1x1', 1), ('avg_pool_3x3', 0), ('nor_conv_3x3', 0), ('skip_connect', 1)",
        )
    )
    assert first != second and space.key(first) == space.key(second)
    objective = TrainingObjective(data, epochs=1, batch=16, skeleton={"width": 4, "depth": 3})
    assert objective(space, first) == objective(space, second)


def test_a_network_that_diverges_is_told_by_its_accuracy(data):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    value = train_and_validate(network, data, epochs=1, batch=16, learning_rate=1e38)
    assert 0.0 <= value <= 1.0


def test_small_data_make_one_batch(data):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    assert train_and_validate(network, data, epochs=3, batch=1000) > 0.5


def test_wrong_settings_are_refused(data):
    for wrong in ({"epochs": 0}, {"batch": 0}, {"learning_rate": -1.0}, {"weight_decay": "x"}):
        name = next(iter(wrong))
        with pytest.raises(ValueError, match=name):
            TrainingObjective(data, **wrong)
        with pytest.raises(ValueError, match=name):
            train_and_validate(torch.nn.Identity(), data, **wrong)
    with pytest.raises(ValueError, match="skeleton: .* received 'classes'"):
        TrainingObjective(data, skeleton={"classes": 3})
    with pytest.raises(ValueError, match="stem_stride"):
        TrainingObjective(data, skeleton={"stem_stride": 1})(DartsSpace(), (0,) * 24)
