import pytest

from nas.networks import (
    EFFICIENTNET_SCALING,
    EFFICIENTNETS,
    CompoundScaling,
    efficientnet_plan,
    grid_search,
    published_efficientnet,
    scaling_grid,
)

# Of torchvision 0.28.
PARAMETERS = {
    "b0": 5_288_548, "b1": 7_794_184, "b2": 9_109_994, "b3": 12_233_232,
    "b4": 19_341_616, "b5": 30_389_784, "b6": 43_040_704, "b7": 66_347_960,
}  # fmt: skip


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_published_networks_have_the_published_parameters(name):
    torch = pytest.importorskip("torch")
    from nas.networks import block_network

    with torch.device("meta"):
        network = block_network(published_efficientnet(name))
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


def test_the_grid_holds_the_scalings_near_the_growth():
    grid = scaling_grid()
    assert len(grid) == len(set(grid))
    assert all(abs(scaling.growth - 2.0) <= 0.1 for scaling in grid)
    numbers = [1 + 0.05 * i for i in range(30)]
    wanted = sum(
        abs(a * b * b * c * c - 2.0) <= 0.1 for a in numbers for b in numbers for c in numbers
    )
    assert len(grid) == wanted


def test_the_published_networks_are_near_whole_steps_of_the_published_scaling():
    for phi, (depth, width, resolution, _) in enumerate(EFFICIENTNETS.values()):
        factors = EFFICIENTNET_SCALING.at(phi)
        for factor, published in zip(factors, (depth, width, resolution / 224), strict=True):
            assert published == pytest.approx(factor, rel=0.2)


def test_grid_search_puts_the_best_first():
    grid = scaling_grid()
    found = grid_search(lambda scaling: -abs(scaling.depth - 1.3), grid)
    assert [s.depth for s, _ in found[:1]] == [1.3] and len(found) == len(grid)
    assert [value for _, value in found] == sorted((v for _, v in found), reverse=True)


def test_depth_rounds_up_and_width_to_eights():
    plan = efficientnet_plan(1.1, 1.3)
    assert len(plan.blocks) == 2 + 3 + 3 + 4 + 4 + 5 + 2
    assert all(block.width % 8 == 0 for block in plan.blocks)
    assert len(efficientnet_plan(3.0).blocks) == 3 * len(efficientnet_plan().blocks)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="name: expected one of b0"):
        published_efficientnet("b9")
    for name in ("depth", "width"):
        with pytest.raises(ValueError, match=name):
            efficientnet_plan(**{name: 0.0})
    with pytest.raises(ValueError, match="width"):
        CompoundScaling(1.0, 0.9, 1.0)
    with pytest.raises(ValueError, match="candidates"):
        grid_search(lambda scaling: 0.0, [])
    for wrong in ({"growth": 0.5}, {"step": 0.0}, {"tolerance": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            scaling_grid(**wrong)
