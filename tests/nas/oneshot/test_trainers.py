"""The contract that all one-shot methods keep."""

import pytest

torch = pytest.importorskip("torch")

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.append(str(Path(__file__).parent))

from small_searches import METHODS, SPACES, stripes, trainer  # noqa: E402

from nas.oneshot import (  # noqa: E402
    GDAS,
    RandomSharing,
    Supernet,
    TrainingDiverged,
    load_trainer,
    run_trainer,
    save_trainer,
)
from nas.spaces import NasBench201Space  # noqa: E402


def snapshot(search):
    state = search.state_dict()
    return {name: tensor.tolist() for name, tensor in state["tensors"].items()}, state["plain"]


@pytest.mark.parametrize("method", METHODS)
def test_interrupted_and_resumed_is_uninterrupted(method, tmp_path):
    whole = run_trainer(trainer(method))
    broken = trainer(method)
    for _ in range(2):
        broken.step()
    save_trainer(broken, tmp_path / "state.zip")
    broken.step()  # lost by the interruption
    resumed = trainer(method)
    resumed.step()  # whatever it did before is overwritten
    load_trainer(resumed, tmp_path / "state.zip")
    assert resumed.steps_done == 2
    while not resumed.finished:
        resumed.step()
    assert snapshot(resumed) == snapshot(whole)
    assert resumed.derive() == whole.derive()


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_everything_whatever_ran_before(method):
    torch.manual_seed(0)
    first = [trainer(method).step(), snapshot(trainer(method))]
    torch.manual_seed(1)
    torch.randn(3)
    search = trainer(method)
    start = snapshot(search)
    state = torch.random.get_rng_state()
    assert [search.step(), start] == first
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("method", METHODS)
def test_derive_and_evaluate_change_nothing(method):
    search = trainer(method)
    search.step()
    before = snapshot(search)
    architecture = search.derive()
    assert search.supernet.space.from_data(architecture) == architecture
    assert 0.0 <= search.evaluate(architecture) <= 1.0
    assert search.evaluate(architecture) == search.evaluate(architecture)
    assert search.derive() == architecture
    assert snapshot(search) == before


@pytest.mark.parametrize("method", METHODS)
def test_cells_of_darts(method):
    search = run_trainer(trainer(method, "darts", steps=2))
    assert SPACES["darts"].from_data(search.derive())


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if "second" not in name])
def test_it_finds_a_cell_that_classifies_with_the_shared_weights(method):
    rate = {} if method in ("ENAS", "random sharing") else {"architecture_rate": 0.03}
    search = run_trainer(trainer(method, steps=60, learning_rate=0.05, **rate))
    assert search.evaluate(search.derive()) > 0.6  # a third is chance


def test_only_what_is_drawn_gets_weight_updates():
    search = trainer("random sharing")
    before = {name: p.detach().clone() for name, p in search.supernet.named_parameters()}
    search.step()
    same = [n for n, p in search.supernet.named_parameters() if torch.equal(p, before[n])]
    assert same and all(".edges." in name for name in same)


def test_proxyless_nas_leaves_the_probabilities_of_what_was_not_drawn():
    search = trainer("ProxylessNAS")
    before = search.probabilities()
    search.step()
    change = abs(search.probabilities() - before) > 1e-6
    assert (change.sum(1) <= 2).all() and change.any()


def test_proxyless_nas_avoids_cost():
    cost = torch.zeros(6, 5)
    cost[:, 3] = 100.0
    search = trainer("ProxylessNAS", steps=30, cost=cost, cost_weight=1.0, architecture_rate=0.1)
    run_trainer(search)
    assert 3 not in search.derive()
    with pytest.raises(ValueError, match=r"cost: expected finite numbers of shape \(6, 5\)"):
        trainer("ProxylessNAS", cost=[1.0])


def test_gdas_runs_one_operation_per_edge():
    search = trainer("GDAS")
    edges = [edge for m in search.supernet.modules() if hasattr(m, "edges") for edge in m.edges]
    calls = []
    for key, edge in enumerate(edges):
        for operation in edge.operations:
            operation.register_forward_hook(lambda *_, key=key: calls.append(key))
    search.step()
    # Two passes: one for the logits, one for the weights.
    assert calls and max(calls.count(key) for key in set(calls)) <= 2


def test_the_temperature_falls_in_a_line():
    from nas.oneshot._differentiable_methods import anneal

    assert [anneal(10, 1, step, 4) for step in range(4)] == [10, 7, 4, 1]
    assert anneal(10, 1, 0, 1) == 10


def test_enas_moves_its_controller_towards_rewards(monkeypatch):
    search = trainer("ENAS", steps=150, warmup=0, controller_rate=0.02)
    monkeypatch.setattr(type(search), "_reward", lambda self, cell: 100.0 * cell.count(1) / 6)
    monkeypatch.setattr(type(search), "_weight_step", lambda self, loss: float(loss.detach()))
    run_trainer(search)
    controller_says = search.controller.ask().architecture
    assert controller_says.count(1) >= 5


def test_divergence_is_told_with_advice():
    search = trainer("random sharing", learning_rate=0.1)
    with torch.no_grad():
        search.supernet.network.head[-1].weight.fill_(float("nan"))
    with pytest.raises(
        TrainingDiverged, match=r"random sharing: the loss is nan in step 0 of 4; a "
    ):
        search.step()
    assert search.steps_done == 0


def test_run_reports_and_goes_on_from_its_checkpoint(tmp_path):
    reports = []
    path = tmp_path / "search.zip"
    half = trainer("GDAS", steps=4)

    class Interrupted(Exception):
        pass

    def interrupt(progress):
        reports.append(progress)
        if progress.step == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_trainer(half, checkpoint=path, every=1, progress=interrupt)
    assert [item.step for item in reports] == [1, 2]
    assert str(reports[0]).startswith("GDAS: step 1/4, loss ")
    rest = []
    done = run_trainer(trainer("GDAS", steps=4), checkpoint=path, every=1, progress=rest.append)
    assert [item.step for item in rest] == [3, 4]
    assert snapshot(done) == snapshot(run_trainer(trainer("GDAS", steps=4)))
    # A finished one has nothing left to do.
    run_trainer(trainer("GDAS", steps=4), checkpoint=path, progress=rest.append)
    assert len(rest) == 2


def test_damaged_and_foreign_states_are_told(tmp_path):
    search = trainer("GDAS")
    path = tmp_path / "state.zip"
    save_trainer(search, path)
    with pytest.raises(ValueError, match=r"state\.zip: method: expected 'DARTS', received 'GDAS'"):
        load_trainer(trainer("DARTS"), path)
    wide = RandomSharing(
        Supernet(NasBench201Space(), in_channels=1, classes=3, width=8), stripes(), steps=4
    )
    save_trainer(wide, path)
    with pytest.raises(ValueError, match=r"state\.zip: tensors: weights/.*expected shape"):
        load_trainer(trainer("random sharing"), path)
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"state\.zip: expected a trainer's state"):
        load_trainer(search, path)
    with pytest.raises(FileNotFoundError):
        load_trainer(search, tmp_path / "missing")
    state = search.state_dict()
    before = snapshot(search)
    for field, value, message in (
        ("step", 99, "step: expected an integer in 0..4"),
        ("history", 3, "history: expected a list"),
        ("tensors", None, "tensors: expected named tensors"),
        ("tensors", {**state["tensors"], "more": torch.zeros(1)}, "tensors: unknown name 'more'"),
        (
            "tensors",
            {**state["tensors"], "optimizer/0/momentum_buffer": torch.zeros(7)},
            "optimizer/0/momentum_buffer: expected shape",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            search.load_state_dict({**state, field: value})
    assert snapshot(search) == before


def test_bad_settings_are_named():
    supernet = Supernet(NasBench201Space(), in_channels=3, classes=3, width=4)
    with pytest.raises(ValueError, match="data: expected images of 3 channels"):
        GDAS(supernet, stripes(), steps=1)
    for settings, message in (
        ({"steps": 0}, "steps: expected an integer >= 1"),
        ({"learning_rate": -1.0}, "learning_rate: expected a number >= 0"),
        ({"least_rate": 1.0}, "least_rate: expected a number in"),
        ({"batch": 0}, "batch: expected an integer >= 1"),
        ({"temperature": 0}, "temperature: expected a number"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer("GDAS", **settings)
    with pytest.raises(ValueError, match="order: expected one of first, second, exact"):
        trainer("DARTS", order="third")
    search = run_trainer(trainer("GDAS", steps=1))
    with pytest.raises(ValueError, match="all are done"):
        search.step()
