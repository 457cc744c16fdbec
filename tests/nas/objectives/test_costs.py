import json
from functools import partial

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from automl_zero.evolution import evolution_stream  # noqa: E402
from nas.networks import build_network  # noqa: E402
from nas.objectives import (  # noqa: E402
    HARD,
    LatencyTable,
    count_flops,
    count_parameters,
    measure_latency,
    mnasnet_reward,
)
from nas.spaces import BlockSpace, DartsSpace, NasBench201Space, RandWireSpace, Stage  # noqa: E402

BLOCKS = BlockSpace(
    [Stage((8, 16), (1, 2, 3)), Stage((16,), (1, 2), stride=2, se=(0.0, 0.25))], stem=8, last=32
)


def test_flops_of_the_largest_cell_are_twice_the_benchmarks_count():
    """NAS-Bench-201 counts multiply-adds: 220.12 million with six 3x3 convolutions."""
    flops = count_flops(build_network(NasBench201Space(), (3,) * 6), (3, 32, 32))
    assert flops / 2e6 == pytest.approx(220.12, rel=2e-3)


def test_frozen_parameters_do_not_count():
    network = nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    assert count_parameters(network) == 6


def test_measuring_leaves_modes_threads_and_batch_statistics_as_they_were():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    network[2].eval()
    threads, before = (
        torch.get_num_threads(),
        {k: v.clone() for k, v in network[1].state_dict().items()},
    )
    assert measure_latency(network, (3, 8, 8), warmup=1, repeats=3, batch=2) > 0
    assert count_flops(network, (3, 8, 8)) == 2 * 27 * 4 * 36
    assert torch.get_num_threads() == threads
    assert [m.training for m in network] == [True, True, False]
    assert all(torch.equal(before[k], v) for k, v in network[1].state_dict().items())


def test_wrong_shapes_and_numbers_are_refused():
    for shape in ((3, 8), (3, 0, 8)):
        with pytest.raises(ValueError, match="shape"):
            count_flops(nn.Identity(), shape)
    for wrong in ({"repeats": 0}, {"warmup": -1}, {"batch": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            measure_latency(nn.Identity(), (3, 8, 8), **wrong)


def weights_and_pixels(part, shape):
    """Stands for a latency that depends on the block and on its input's size."""
    return count_parameters(part) + shape[0] * shape[1] * shape[2]


def note_shape(shapes, part, inputs):
    shapes.append(inputs[0].shape[1:])


@pytest.mark.parametrize(
    ("space", "skeleton"),
    [
        (BLOCKS, {}),
        (NasBench201Space(), {"width": 4, "depth": 2}),
        (RandWireSpace(nodes=8), {"width": 8}),
    ],
)
def test_a_table_predicts_the_sum_over_the_parts_and_measures_each_once(space, skeleton):
    calls = []
    table = LatencyTable(measure=lambda *part: calls.append(part) or weights_and_pixels(*part))
    stream = evolution_stream(0)
    for _ in range(5):
        network = build_network(space, space.draw(stream), **skeleton)
        shapes: list[torch.Size] = []
        handles = [
            part.register_forward_pre_hook(partial(note_shape, shapes))
            for child in network.children()
            for part in (
                child if type(child) is nn.Sequential and child not in (network.stem, network.head)
                else [child]
            )
        ]  # fmt: skip
        network(torch.zeros(2, 3, 16, 16))
        for handle in handles:
            handle.remove()
        wanted = count_parameters(network) + sum(map(torch.Size.numel, shapes))
        assert table.predict(network, (3, 16, 16)) == wanted
    before = len(calls)
    assert table.predict(network, (3, 16, 16)) == wanted and len(calls) == before == len(table)


def test_a_table_knows_blocks_apart_that_differ_in_wiring_only():
    table = LatencyTable(measure=lambda part, shape: 1.0)
    space = NasBench201Space()
    for cell in ((3, 0, 3, 0, 0, 3), (3, 3, 0, 3, 0, 0), (3, 3, 0, 0, 3, 3)):
        table.predict(build_network(space, cell, width=4, depth=1), (3, 8, 8))
    wired = RandWireSpace(nodes=6, stages=1, generators=["ws_4_0.5"])
    for seed in range(2):
        table.predict(build_network(wired, (0, seed), width=4), (3, 16, 16))
    assert len(table) == 4 + 3 * 3 + 2 + 2


def test_a_table_is_kept_in_its_file(tmp_path):
    path = tmp_path / "latencies.json"
    network = build_network(BLOCKS, (0,) * 12)
    first = LatencyTable(path, weights_and_pixels).predict(network, (3, 16, 16))

    def never(part, shape):
        raise RuntimeError("everything is known")

    assert LatencyTable(path, never).predict(network, (3, 16, 16)) == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="x"), "format"),
        (lambda d: d.update(parts=3), "parts: expected a list"),
        (lambda d: d["parts"].__setitem__(0, 3), r"parts\[0\]: part"),
        (lambda d: d["parts"][1].update(output=[0]), r"parts\[1\]: output"),
        (lambda d: d["parts"][1].update(milliseconds="1"), r"parts\[1\]: milliseconds"),
    ],
)
def test_damaged_tables_are_refused(tmp_path, change, message):
    path = tmp_path / "latencies.json"
    LatencyTable(path, weights_and_pixels).predict(build_network(BLOCKS, (0,) * 12), (3, 16, 16))
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f"latencies.json: {message}"):
        LatencyTable(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="latencies.json: expected JSON"):
        LatencyTable(path)


def test_networks_whose_parts_do_not_run_in_a_row_are_refused():
    network = build_network(DartsSpace(), (0,) * 24, width=4, depth=3)
    with pytest.raises(ValueError, match="network: .* received GenotypeNetwork"):
        LatencyTable().predict(network, (3, 8, 8))


def test_the_soft_reward_trades_accuracy_for_latency_as_the_paper_says():
    """Section 4.1: twice the latency is worth a relative gain of 5 % in accuracy."""
    assert mnasnet_reward(0.5, 100, 100) == pytest.approx(0.5)
    assert mnasnet_reward(0.5 * 1.05, 200, 100) == pytest.approx(0.5, rel=2e-3)
    assert mnasnet_reward(0.5, 50, 100) > 0.5


def test_the_hard_reward_is_the_accuracy_up_to_the_target():
    assert mnasnet_reward(0.5, 1, 100, HARD) == mnasnet_reward(0.5, 100, 100, HARD) == 0.5
    assert mnasnet_reward(0.5, 200, 100, HARD) == 0.25


def test_rewards_refuse_what_is_no_latency():
    for wrong in ({"latency": 0.0}, {"target": -1.0}, {"accuracy": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            mnasnet_reward(**({"accuracy": 0.5, "latency": 1.0, "target": 1.0} | wrong))
