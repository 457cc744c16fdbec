"""The loop of meta-training: what a kill, a damaged file and a divergence do to it."""

from __future__ import annotations

import math
import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from l2o.maml import (  # noqa: E402
    ANIL,
    MAML,
    FirstOrderMAML,
    MetaSGD,
    Reptile,
    SinusoidTasks,
    conv4,
    load_weights,
    meta_train,
    save_weights,
    sinusoid_net,
)

MSE = torch.nn.functional.mse_loss
SHORT = {"iterations": 12, "batch_size": 3, "checkpoint_every": 5, "validate_every": 4}


class Killed(Exception):
    pass


def kill_at(iteration):
    def progress(state):
        if state.iteration == iteration:
            raise Killed

    return progress


def learner(make=MAML):
    return make(sinusoid_net(8), inner_lr=0.01, loss=MSE)


def weights(module):
    return {name: value.tolist() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("make", [MAML, MetaSGD, Reptile])
@pytest.mark.parametrize("settings", [{"optimizer": "adam"}, {"optimizer": "sgd", "lr": 0.1}])
def test_killed_and_resumed_is_uninterrupted(tmp_path, make, settings):
    arguments = SHORT | settings | {"decay": "cosine", "validation": SinusoidTasks(5)}
    whole = learner(make)
    expected = meta_train(whole, SinusoidTasks(), **arguments)
    for kill in (3, 7, 11):
        with pytest.raises(Killed):
            meta_train(learner(make), SinusoidTasks(), folder=tmp_path, progress=kill_at(kill),
                       **arguments)  # fmt: skip
    resumed = learner(make)
    assert meta_train(resumed, SinusoidTasks(), folder=tmp_path, **arguments) == expected
    assert weights(resumed) == weights(whole)
    # A finished one only gives its result again.
    again = learner(make)
    assert meta_train(again, SinusoidTasks(), folder=tmp_path, **arguments) == expected
    assert weights(again) == weights(whole)
    loaded = learner(make)
    load_weights(tmp_path / "good.safetensors", loaded)
    assert weights(loaded) == weights(whole)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (MAML, {"inner_lr": 0.01}),
        (FirstOrderMAML, {"inner_lr": 0.01}),
        (ANIL, {"inner_lr": 0.01}),
        (MetaSGD, {"inner_lr": 0.01}),
        (Reptile, {"inner_lr": 0.02, "steps": 4, "minibatch": 10}),
    ],
)
def test_every_method_lowers_the_loss_after_adaptation(make, settings):
    trained, fresh = (make(sinusoid_net(16), loss=MSE, **settings) for _ in range(2))
    result = meta_train(trained, SinusoidTasks(), iterations=120, batch_size=10, lr=0.01)
    tasks = SinusoidTasks(10, 30).sample(50, _stream())
    assert result.stopped_by == "iterations" and result.best_iteration == 120
    assert trained.evaluate(tasks).loss < 0.85 * fresh.evaluate(tasks).loss


def test_the_best_weights_on_validation_are_given():
    trained = learner()
    states = {}

    def progress(state):
        states[state.iteration] = weights(trained)

    result = meta_train(trained, SinusoidTasks(), validation=SinusoidTasks(), progress=progress,
                        **SHORT | {"lr": 0.5})  # fmt: skip
    assert [at for at, _ in result.history] == [4, 8, 12]
    best = min(result.history, key=lambda item: item[1])
    assert (result.best_iteration, result.best_validation) == best
    assert weights(trained) == states[result.best_iteration]


class TurningBad(SinusoidTasks):
    """Tasks whose targets grow beyond all bounds after some batches."""

    def __init__(self, good, factor):
        super().__init__()
        self.left, self.factor = good, factor

    def sample(self, count, stream):
        batch = super().sample(count, stream)
        self.left -= 1
        if self.left < 0:
            batch.support_y.mul_(self.factor)
            batch.query_y.mul_(self.factor)
        return batch


@pytest.mark.parametrize("factor", [math.inf, math.nan, 1e25, 50.0])
def test_divergence_stops_and_the_last_good_weights_stay(tmp_path, factor):
    trained, states = learner(), {}

    def progress(state):
        states[state.iteration] = weights(trained)

    arguments = {"iterations": 200, "batch_size": 3, "checkpoint_every": 5, "folder": tmp_path}
    with pytest.warns(RuntimeWarning, match="diverged .* has the good weights of iteration 5"):
        result = meta_train(trained, TurningBad(6, factor), progress=progress, **arguments)
    assert result.stopped_by == "divergence" and result.iteration < 200
    assert weights(trained) == states[5]
    with pytest.warns(RuntimeWarning, match="diverged"):
        again = meta_train(other := learner(), SinusoidTasks(), **arguments)
    assert again.iteration == result.iteration and weights(other) == states[5]


def test_progress_is_told_in_words():
    lines = []
    meta_train(learner(), SinusoidTasks(), validation=SinusoidTasks(),
               progress=lambda state: lines.append(str(state)), **SHORT)  # fmt: skip
    assert len(lines) == 12
    assert lines[2].startswith("3 of 12 iterations, meta-loss ") and "validation" not in lines[2]
    assert "validation" in lines[-1]


def test_other_settings_and_damaged_checkpoints_are_named(tmp_path):
    arguments = SHORT | {"folder": tmp_path}
    meta_train(learner(), SinusoidTasks(), **arguments)
    with pytest.raises(ValueError, match=r"settings.json: lr: expected 0.5 to go on"):
        meta_train(learner(), SinusoidTasks(), **arguments, lr=0.5)
    with pytest.raises(ValueError, match=r"settings.json: learner: expected .Reptile"):
        meta_train(learner(Reptile), SinusoidTasks(), **arguments)
    with pytest.raises(ValueError, match=r"settings.json: steps: expected 3"):
        meta_train(MAML(sinusoid_net(8), steps=3, inner_lr=0.01), SinusoidTasks(), **arguments)
    other = MAML(sinusoid_net(9), inner_lr=0.01, loss=MSE)
    with pytest.raises(ValueError, match=r"training.safetensors: .*: expected torch.float32 \[9"):
        meta_train(other, SinusoidTasks(), **arguments)
    state = tmp_path / "training.safetensors"
    whole = state.read_bytes()
    renamed = whole.replace(b"good_iteration", b"gone_iteration")
    for damaged in (whole[:-10], whole[:100], b"", renamed):
        state.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"training.safetensors: .*expected"):
            meta_train(learner(), SinusoidTasks(), **arguments)


def test_weights_of_another_network_are_refused_whole(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, conv4(5, width=4))
    network = conv4(6, width=4, seed=1)
    before = weights(network)
    with pytest.raises(ValueError, match="weights.safetensors: head.bias: expected .* received"):
        load_weights(path, network)
    with pytest.raises(ValueError, match="weights.safetensors: body.0.bias: expected no such"):
        load_weights(path, sinusoid_net()[2:])
    assert weights(network) == before
    same = conv4(5, width=4, seed=1)
    load_weights(path, same)
    assert weights(same) == weights(conv4(5, width=4))


def test_nothing_touches_the_global_generator():
    before = torch.random.get_rng_state()
    meta_train(FirstOrderMAML(conv4(2, width=2)), _class_tasks(), iterations=2, batch_size=2)
    meta_train(learner(), SinusoidTasks(), iterations=2)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"iterations": 0}, "iterations: expected an integer >= 1"),
        ({"batch_size": 0}, "batch_size"),
        ({"lr": math.nan}, "lr: expected a number"),
        ({"optimizer": "adma"}, "optimizer: .*did you mean 'adam'"),
        ({"decay": "step"}, "decay: expected one of none, linear, cosine"),
        ({"divergence_factor": 0.5}, "divergence_factor: expected a number >= 1"),
        ({"seed": 0.5}, "seed: expected an integer"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        warnings.simplefilter("error")
        meta_train(learner(), SinusoidTasks(), **{"iterations": 1} | arguments)


def test_only_learners_are_trained():
    with pytest.raises(ValueError, match="learner: expected a MetaLearner, received Sequential"):
        meta_train(sinusoid_net(), SinusoidTasks(), iterations=1)


def _stream():
    from automl_zero.streams import Stream

    return Stream(9)


def _class_tasks():
    import numpy as np

    from l2o.maml import ClassTasks

    return ClassTasks(np.random.default_rng(0).random((6, 4, 8, 8)), ways=2)
