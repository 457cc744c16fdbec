import pytest

from automl_zero.evolution import evolution_stream
from nas.spaces import ChoiceSpace, Decision


@pytest.fixture
def space() -> ChoiceSpace:
    return ChoiceSpace(
        [
            Decision("kernel", ("3", "5")),
            Decision("fixed", ("x",)),
            Decision("width", ("a", "b", "c")),
        ]
    )


def test_mutation_gives_every_neighbor_and_nothing_else(space):
    stream = evolution_stream(0)
    genome = (1, 0, 2)
    assert {space.mutate(genome, stream) for _ in range(200)} == set(space.neighbors(genome))


def test_draws_reach_the_whole_space(space):
    stream = evolution_stream(1)
    assert len({space.draw(stream) for _ in range(300)}) == space.size == 6


def test_text_and_data_round_trip(space):
    for genome in [(0, 0, 0), (1, 0, 2)]:
        assert space.from_text(space.to_text(genome)) == genome
        assert space.from_data(space.to_data(genome)) == genome


def test_a_space_without_a_choice_mutates_to_the_same():
    assert ChoiceSpace([Decision("a", ("x",))]).mutate((0,), evolution_stream(0)) == (0,)


@pytest.mark.parametrize(
    "data", [None, [0, 0], [0, 0, 3], [0, 0, -1], [True, 0, 0], [0.5, 0, 0], "000"]
)
def test_wrong_data_is_refused(space, data):
    with pytest.raises(ValueError, match="architecture"):
        space.from_data(data)


@pytest.mark.parametrize(
    "text", [None, "", "kernel=3", "kernel=3 fixed=x width=d", "a=3 fixed=x width=a"]
)
def test_wrong_text_is_refused(space, text):
    with pytest.raises(ValueError, match="architecture"):
        space.from_text(text)


def test_decisions_need_different_options():
    with pytest.raises(ValueError, match="options"):
        Decision("a", ("x", "x"))
    with pytest.raises(ValueError, match="decisions"):
        ChoiceSpace([])


def test_names_and_options_may_hold_spaces():
    space = ChoiceSpace(
        [Decision("edge 0-1", ("max pool", "max pool 3", "conv")), Decision("last one", ("a", "b"))]
    )
    for genome in [(0, 0), (1, 1), (2, 0)]:
        assert space.from_text(space.to_text(genome)) == genome
    for text in ("edge 0-1=max last one=a", "edge 0-1=conv", "edge 0-1=conv last one=a b"):
        with pytest.raises(ValueError, match="architecture"):
            space.from_text(text)
