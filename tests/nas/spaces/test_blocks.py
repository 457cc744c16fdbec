import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.spaces import (
    MNASNET_A1,
    MNASNET_B1,
    MOBILENET_V3_LARGE,
    BlockSpace,
    Stage,
    mixnet_space,
    mnasnet_space,
    mobilenet_v3_space,
)

SPACES = {
    "mnasnet": mnasnet_space(),
    "mobilenet": mobilenet_v3_space(),
    "mixnet": mixnet_space(),
}


@st.composite
def architectures(draw):
    space = SPACES[draw(st.sampled_from(sorted(SPACES)))]
    return space, tuple(draw(st.integers(0, len(d.options) - 1)) for d in space.decisions)


@given(architectures())
def test_texts_and_data_round_trip(case):
    space, genome = case
    assert space.from_text(space.to_text(genome)) == genome
    assert space.from_data(space.to_data(genome)) == genome


@given(architectures())
def test_plans_are_as_long_as_the_repeats_say_and_channels_fit(case):
    space, genome = case
    plan = space.plan(genome)
    repeats = [
        int(decision.options[option][1:])
        for decision, option in zip(space.decisions, genome, strict=True)
        if decision.name.endswith("repeats")
    ]
    assert len(plan.blocks) == sum(repeats)
    channels = plan.stem
    for block in plan.blocks:
        assert block.inputs == channels
        channels = block.width
    assert sum(block.stride == 2 for block in plan.blocks) == 4


def test_choices_without_effect_do_not_change_the_key():
    space = BlockSpace(
        [Stage((16,), (1, 2), ("conv", "sep"), ("3",), (0.0, 0.5), ("skip", "noskip"))]
    )
    # Squeeze-and-excitation needs a depthwise part; the one block has no residual.
    assert space.key((0, 0, 0, 0, 0, 0)) == space.key((0, 0, 1, 0, 0, 1))
    assert space.key((0, 0, 0, 0, 1, 0)) != space.key((0, 0, 0, 0, 1, 1))
    assert space.key((1, 0, 0, 0, 0, 0)) != space.key((1, 0, 1, 0, 0, 0))


def test_published_networks_are_in_their_spaces():
    for name, text in (
        ("mnasnet", MNASNET_A1),
        ("mnasnet", MNASNET_B1),
        ("mobilenet", MOBILENET_V3_LARGE),
    ):
        space = SPACES[name]
        assert space.to_text(space.from_text(text)) == text
    plan = SPACES["mobilenet"].plan(SPACES["mobilenet"].from_text(MOBILENET_V3_LARGE))
    assert [block.hidden for block in plan.blocks] == [
        16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("mbconv3_k3_se0_c24_r3_skip ", ""), "expected 7 words"),
        (("_c24_r3", "_c24"), "expected 7 words"),
        (("_c24_", "_c25_"), "stage 2 width: expected one of"),
        (("mbconv3_k3", "mbconv4_k3"), "stage 2 operation"),
    ],
)
def test_wrong_texts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SPACES["mnasnet"].from_text(MNASNET_B1.replace(*change, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"operations": ("mbconv",)},
        {"operations": ("mbconv1",)},
        {"operations": ("mbconvnan",)},
        {"kernels": ("4",)},
        {"kernels": ("3.",)},
        {"se": (1.5,)},
        {"skips": ("maybe",)},
        {"stride": 3},
        {"repeats": (0,)},
        {"widths": (0,)},
        {"activation": "tanh"},
    ],
)
def test_wrong_stages_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Stage(**({"widths": (8,)} | wrong))


def test_wrong_spaces_are_refused():
    for wrong in ({"stem": 0}, {"gate": "x"}, {"squeeze_from": "y"}, {"hidden": -1}, {"last": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            BlockSpace([Stage((8,))], **wrong)
    with pytest.raises(ValueError, match="decisions"):
        BlockSpace([])
