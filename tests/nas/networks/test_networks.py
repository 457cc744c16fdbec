"""Networks of the built-in spaces: published sizes, seeds, export."""

import ast
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from automl_zero.evolution import evolution_stream  # noqa: E402
from nas.networks import Skeleton, build_network, export_source  # noqa: E402
from nas.objectives import count_flops  # noqa: E402
from nas.spaces import (  # noqa: E402
    AMOEBANET_A,
    DARTS_V2,
    MNASNET_A1,
    MNASNET_B1,
    MOBILENET_V3_LARGE,
    ChoiceSpace,
    DartsSpace,
    Decision,
    NasBench201Space,
    NasBenchMacroSpace,
    NasNetSpace,
    RandWireSpace,
    mixnet_space,
    mnasnet_space,
    mobilenet_v3_space,
)

SMALL = {
    "nas_bench_201": (NasBench201Space(), {"width": 4, "depth": 1}),
    "darts": (DartsSpace(), {"width": 4, "depth": 4}),
    "nasnet": (NasNetSpace(), {"width": 4, "depth": 3}),
    "mnasnet": (mnasnet_space(), {"stem_stride": 1}),
    "mobilenet": (mobilenet_v3_space(), {"stem_stride": 1}),
    "mixnet": (mixnet_space(), {"stem_stride": 2}),
    "macro": (NasBenchMacroSpace(), {}),
    "rand_wire": (RandWireSpace(nodes=8, stages=2), {"width": 8, "stem_stride": 1}),
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("space", "text", "skeleton", "parameters"),
    [
        (  # In the benchmark's own tables 1.073 and 1.532 MB.
            NasBench201Space(),
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
            "|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
            {},
            1_073_466,
        ),
        (
            NasBench201Space(),
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
            "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            {},
            1_531_546,
        ),
        (DartsSpace(), DARTS_V2, {}, 3_349_342),
        (mnasnet_space(), MNASNET_B1, {"classes": 1000}, 4_383_312),
        (mnasnet_space(), MNASNET_A1, {"classes": 1000}, 3_887_038),
        (mobilenet_v3_space(), MOBILENET_V3_LARGE, {"classes": 1000}, 5_483_032),
    ],
)
def test_parameters_are_as_many_as_published(space, text, skeleton, parameters):
    assert count(build_network(space, space.from_text(text), **skeleton)) == parameters


@pytest.mark.parametrize(
    ("text", "parameters", "operations"),
    [
        ("00000000", 387_882, 7_713_280),
        ("10000000", 396_298, 12_128_768),
        ("00100000", 419_050, 12_018_176),
        ("12000000", 456_714, 27_169_280),
        ("11111111", 1_588_874, 53_246_464),
        ("22222222", 2_932_586, 105_660_928),
    ],
)
def test_macro_networks_have_the_benchmarks_parameters_and_operations(text, parameters, operations):
    space = NasBenchMacroSpace()
    network = build_network(space, space.from_text(text))
    assert count(network) == parameters
    # The benchmark counts multiply-adds, PyTorch multiplications and additions.
    assert count_flops(network, (3, 32, 32)) == 2 * operations


def test_small_randomly_wired_networks_have_the_papers_size():
    space = RandWireSpace()  # WS(4, 0.75) with C = 78: 5.6 +- 0.1 million, table 2
    sizes = [
        count(build_network(space, (10, seed, seed + 1, seed + 2), classes=1000))
        for seed in range(2)
    ]
    assert all(5.5e6 < size < 5.7e6 for size in sizes)


@pytest.mark.parametrize("name", SMALL)
def test_random_architectures_give_logits_and_learn(name):
    space, skeleton = SMALL[name]
    stream = evolution_stream(5)
    for _ in range(3):
        network = build_network(space, space.draw(stream), in_channels=1, classes=7, **skeleton)
        y = network(torch.randn(2, 1, 16, 16))
        assert y.shape == (2, 7)
        y.square().sum().backward()
        # In a NASNet cell that reads one of its inputs only, every other cell may be unread.
        missing = [p for p in network.parameters() if p.grad is None]
        assert name == "nasnet" or not missing


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_fixes_the_weights_and_the_global_generator_stays(name):
    space, skeleton = SMALL[name]
    architecture = space.draw(evolution_stream(1))
    before = torch.get_rng_state()
    first, again, other = (
        build_network(space, architecture, seed=seed, **skeleton) for seed in (4, 4, 5)
    )
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    pairs = zip(first.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def loaded(source):
    names = {"__name__": "exported"}
    exec(compile(source, "<exported>", "exec"), names)
    return names["build"]()


@pytest.mark.parametrize("name", SMALL)
def test_exported_source_gives_the_same_outputs(name):
    space, skeleton = SMALL[name]
    stream = evolution_stream(2)
    for _ in range(4):
        architecture = space.draw(stream)
        network = build_network(space, architecture, in_channels=2, **skeleton)
        source = export_source(space, architecture, in_channels=2, **skeleton)
        imported = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert imported <= {"__future__", "collections.abc", "torch"}
        exported = loaded(source)
        exported.load_state_dict(network.state_dict())
        x = torch.randn(3, 2, 16, 16)
        assert torch.equal(network(x), exported(x))
        assert torch.equal(network.eval()(x), exported.eval()(x))


def test_exported_source_is_a_module_of_its_own(tmp_path):
    space = NasNetSpace()
    path = tmp_path / "found.py"
    path.write_text(export_source(space, space.from_text(AMOEBANET_A), width=4, depth=3))
    program = (
        "import sys; sys.modules.update(nas=None, automl_zero=None); sys.path.insert(0, '.')\n"
        "import torch; from found import build\n"
        "print(tuple(build()(torch.zeros(2, 3, 8, 8)).shape))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(2, 10)"


@pytest.mark.parametrize("name", SMALL)
def test_exported_source_is_readable(name):
    space, skeleton = SMALL[name]
    source = export_source(space, space.draw(evolution_stream(3)), **skeleton)
    assert "def build() -> nn.Module:" in source
    too_long = [line for line in source.splitlines() if len(line) > 120]
    assert not too_long


def test_edges_that_lead_nowhere_are_left_out():
    space = NasBench201Space()
    dead = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    live = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    a, b = (build_network(space, space.from_text(text), width=4, depth=1) for text in (dead, live))
    assert count(a) == count(b)
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(a(x), b(x))


def test_a_cell_without_a_path_gives_zeros():
    network = build_network(NasBench201Space(), (0,) * 6, width=4, depth=1, seed=2)
    y = network(torch.randn(2, 3, 8, 8))
    y.sum().backward()
    assert torch.equal(y[0], y[1])


@pytest.mark.parametrize(
    ("space", "settings", "message"),
    [
        (mnasnet_space(), {"width": 16}, "width: expected None for a BlockSpace"),
        (NasBench201Space(), {"stem_stride": 1}, "stem_stride: expected None for a NasBench201"),
        (NasBench201Space(), {"classes": 0}, "classes"),
        (NasBench201Space(), {"depth": 0}, "depth"),
        (RandWireSpace(), {"stem_stride": 3}, "stem_stride"),
        (ChoiceSpace([Decision("a", ("x",))]), {}, "space: expected one of NasBench201Space"),
    ],
)
def test_wrong_settings_are_refused(space, settings, message):
    for function in (build_network, export_source):
        with pytest.raises(ValueError, match=message):
            function(space, (0,) * len(space.decisions), **settings)


def test_wrong_architectures_are_refused():
    for function in (build_network, export_source):
        with pytest.raises(ValueError, match="architecture"):
            function(NasBench201Space(), (5,) * 6)


def test_skeletons_are_filled_with_the_papers_numbers():
    assert Skeleton().of(DartsSpace()) == Skeleton(3, 10, 36, 20, None)
    assert Skeleton(1, 5, width=8).of(NasBench201Space()) == Skeleton(1, 5, 8, 5, None)
