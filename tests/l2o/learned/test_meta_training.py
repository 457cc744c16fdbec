"""Meta-training: what a kill, a damaged file and a divergence do to it; commands."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from automl_zero.cli import main  # noqa: E402
from automl_zero.streams import Stream, stream_key  # noqa: E402
from l2o.learned import (  # noqa: E402
    AnalyticOptimizer,
    CoordinatewiseLSTM,
    HierarchicalRNN,
    PolicyOptimizer,
    Quadratics,
    RNNProp,
    SmallMLP,
    compare,
    load_learned_config,
    load_network,
    meta_train,
    save_network,
    unroll,
)

SHORT = {
    "iterations": 14,
    "batch_size": 4,
    "horizon": 12,
    "first_horizon": 3,
    "truncation": 5,
    "rollouts": 2,
    "checkpoint_every": 5,
    "validate_every": 4,
    "validation_problems": 3,
    "validation_steps": 4,
}
MAKE = {
    "tbptt": lambda: CoordinatewiseLSTM(hidden=3),
    "pes": lambda: SmallMLP(hidden=3),
    "nres": lambda: HierarchicalRNN(coordinate=3, tensor=3, problem=3),
    "es": lambda: SmallMLP(hidden=3),
    "imitation": lambda: RNNProp(hidden=3),
    "reinforce": lambda: PolicyOptimizer(hidden=3, history=2),
}


class Scaled(AnalyticOptimizer):
    """Gradient descent with one weight."""

    kind = "test_scaled"

    def __init__(self, lr=0.01):
        super().__init__("sgd", lr)
        self.log_scale = torch.nn.Parameter(torch.zeros(()))

    def forward(self, gradients, parameters, state, layout, loss=None):
        return -self.lr * self.log_scale.exp() * gradients, state


class Killed(Exception):
    pass


def kill_at(iteration):
    def progress(state):
        if state.iteration == iteration:
            raise Killed

    return progress


def weights(network):
    return {name: value.tolist() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("method", MAKE)
def test_killed_and_resumed_is_uninterrupted(method, tmp_path):
    arguments = SHORT | {"method": method, "decay": "cosine", "validation": Quadratics(3)}
    whole = MAKE[method]()
    expected = meta_train(whole, Quadratics(3), **arguments)
    for kill in (3, 7, 12):
        with pytest.raises(Killed):
            meta_train(
                MAKE[method](), Quadratics(3), folder=tmp_path, progress=kill_at(kill), **arguments
            )
    resumed = MAKE[method]()
    result = meta_train(resumed, Quadratics(3), folder=tmp_path, **arguments)
    assert result == expected
    assert weights(resumed) == weights(whole) != weights(MAKE[method]())


@pytest.mark.parametrize("objective", ["log", "relative", "plain"])
def test_an_lstm_learns_to_descend(objective):
    network = CoordinatewiseLSTM(hidden=8)
    unseen = Quadratics(3).sample(50, Stream(99))

    def score():
        with torch.no_grad():
            return float(unroll(network, unseen, 20).losses[-1].log().mean())

    before = score()
    meta_train(
        network, Quadratics(3), iterations=60, batch_size=32, horizon=20, truncation=10, lr=0.01,
        objective=objective,
    )  # fmt: skip
    assert score() < before - 0.5


def test_a_diverged_training_keeps_the_last_good_weights(tmp_path):
    network = Scaled(lr=0.001)
    arguments = {
        "iterations": 60, "batch_size": 4, "horizon": 40, "checkpoint_every": 3,
        "objective": "plain", "optimizer": "sgd", "clip": 1.0, "folder": tmp_path,
    }  # fmt: skip
    meta_train(network, Quadratics(3), lr=0.01, **arguments | {"folder": None, "iterations": 3})
    start = weights(network)
    for _ in range(2):  # again: what diverged stays diverged
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = meta_train(network, Quadratics(3), lr=50.0, **arguments)
        assert result.stopped_by == "divergence" and result.best_iteration == 0
        assert any("meta-training diverged" in str(each.message) for each in caught)
        assert weights(network) == start


def test_other_settings_and_damaged_checkpoints_are_named(tmp_path):
    meta_train(SmallMLP(), Quadratics(3), folder=tmp_path, **SHORT)
    for changes in ({"lr": 0.5}, {"horizon": 13}):
        with pytest.raises(ValueError, match=f"settings.json: {next(iter(changes))}: expected"):
            meta_train(SmallMLP(), Quadratics(3), folder=tmp_path, **SHORT | changes)
    with pytest.raises(ValueError, match="settings.json: network: expected"):
        meta_train(SmallMLP(hidden=3), Quadratics(3), folder=tmp_path, **SHORT)
    with pytest.raises(ValueError, match="settings.json: tasks: expected"):
        meta_train(SmallMLP(), Quadratics(4), folder=tmp_path, **SHORT)
    path = tmp_path / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="training.safetensors: expected a safetensors file"):
        meta_train(SmallMLP(), Quadratics(3), folder=tmp_path, **SHORT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "bptt"}, "method: expected one of"),
        ({"method": "reinforce"}, "method: expected a PolicyOptimizer"),
        ({"method": "pes", "objective": "plain"}, "objective: expected 'log' or 'relative'"),
        ({"first_horizon": 13}, "first_horizon: expected an integer in 1..12"),
        ({"teacher": "lion"}, "teacher: expected one of"),
        ({"iterations": 0}, "iterations: expected an integer >= 1"),
        ({"curriculum": 2.0}, "curriculum: expected a number in 0..1"),
        ({"counted": 0.0}, "counted: expected a number above 0"),
        ({"counted": 0.5, "method": "imitation"}, "counted: expected 1 for method 'imitation'"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        meta_train(SmallMLP(), Quadratics(3), **SHORT | changes)
    with pytest.raises(ValueError, match="network: expected a LearnedOptimizerNetwork"):
        meta_train(torch.nn.Linear(1, 1), Quadratics(3), iterations=1)


def test_a_comparison_tunes_on_other_problems_than_it_shows():
    found = compare(
        AnalyticOptimizer("sgd", 0.0), Quadratics(3), steps=30, problems=20, rates=[1e-4, 0.03, 1e3]
    )
    assert [each.name for each in found] == ["learned", "sgd", "momentum", "rmsprop", "adam"]
    assert all(each.lr == 0.03 for each in found[1:])
    start = Quadratics(3).sample(20, Stream(stream_key(0, "bench")))
    assert torch.equal(found[0].finals, start.losses(start.start))
    assert all(each.mean < found[0].mean for each in found[1:])


# Commands.


def test_a_training_from_the_command_line_gives_an_optimizer(tmp_path, capsys):
    out = tmp_path / "net.safetensors"
    words = ["l2o", "train", "quick", "--set", "training.iterations=4", "--set", "network.hidden=3"]
    assert main([*words, "--run", str(tmp_path / "run"), "-o", str(out)]) == 0
    assert "4 iterations, ended by iterations" in capsys.readouterr().out
    assert load_network(out).settings()["hidden"] == 3
    bench = ["l2o", "bench", str(out), "--task", "quadratics", "--steps", "5", "--problems", "3"]
    assert main([*bench, "--plot", str(tmp_path / "curves.svg")]) == 0
    shown = capsys.readouterr().out
    assert "learned" in shown and "adam" in shown and "momentum" in shown
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")


def test_shipped_trainings_are_listed_and_can_be_made(capsys):
    assert main(["l2o", "train"]) == 0
    shown = capsys.readouterr().out
    for name in ("quick", "lstm_quadratics", "mlp_digits", "policy_rastrigin"):
        assert name in shown
        config = load_learned_config(name)
        short = {"iterations": 1, "batch_size": 2, "horizon": 5, "validation_steps": 5}
        short |= {"first_horizon": 2} if "first_horizon" in config.training else {}
        meta_train(config.make_network(), config.make_tasks(), **config.training | short)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "quik"], "did you mean 'quick'"),
        (["train", "quick", "--set", "training.rate=1"], "training.rate: unknown key"),
        (["train", "quick", "--set", "network.hiden=1"], "network: settings of"),
        (["train", "quick", "--set", "tasks.kind=x"], "tasks.kind: expected one of"),
        (["bench", "nothing"], "network: expected one of"),
        (["bench", "mlp", "--task", "mnist"], "--task: expected one of"),
        (["bench", "mlp", "--data", "no.npz"], "--data: cannot read no.npz"),
        (["bench", "mlp", "--task", "rastrigin", "--data", "no.npz"], "--data: expected none"),
        (["bench", "mlp", "--plot", "x.txt"], "--plot: expected one of"),
    ],
)
def test_wrong_commands_are_one_line_and_exit_code_2(words, message, capsys):
    assert main(["l2o", *words]) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1


def test_networks_of_ones_own_are_trained_and_kept(tmp_path):
    network = Scaled(lr=0.02)
    meta_train(network, Quadratics(3), iterations=3, batch_size=4, horizon=5)
    save_network(network, tmp_path / "net.safetensors")
    assert torch.equal(load_network(tmp_path / "net.safetensors").log_scale, network.log_scale)
