import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.spaces import RANDOM_GRAPHS, RandWireSpace

networkx = pytest.importorskip("networkx")

SPACE = RandWireSpace(nodes=12, seeds=50)


@st.composite
def architectures(draw):
    return tuple(draw(st.integers(0, len(d.options) - 1)) for d in SPACE.decisions)


@given(architectures())
def test_texts_and_data_round_trip(genome):
    assert SPACE.from_text(SPACE.to_text(genome)) == genome
    assert SPACE.from_data(SPACE.to_data(genome)) == genome


@given(architectures())
def test_graphs_are_connected_and_lead_upwards(genome):
    for edges in SPACE.graphs(genome):
        graph = networkx.Graph(edges)
        assert sorted(graph) == list(range(12)) and networkx.is_connected(graph)
        assert all(source < target for source, target in edges)
        assert edges == tuple(sorted(edges))


def test_the_same_seed_gives_the_same_graph_and_others_do_not():
    for number, name in enumerate(RANDOM_GRAPHS):
        graphs = SPACE.graphs((number, 4, 4, 5))
        assert graphs[0] == graphs[1]
        assert graphs[0] != graphs[2], name


def test_numbers_of_edges_follow_the_generators():
    space = RandWireSpace(generators=("ba_5", "ws_4_0.75", "er_1"))
    assert [len(space.graphs((i, 0, 1, 2))[0]) for i in range(3)] == [5 * 27, 64, 32 * 31 // 2]


def test_seeds_that_give_the_same_graph_have_one_key():
    space = RandWireSpace(nodes=8, generators=("ws_4_0", "er_0.5"))
    assert space.key((0, 1, 2, 3)) == space.key((0, 4, 5, 6))
    assert space.key((1, 1, 2, 3)) != space.key((1, 1, 2, 4))


@pytest.mark.parametrize(
    "name",
    ["er", "er_0", "er_2", "ba_0", "ba_2.5", "ba_12", "ws_4", "ws_1_0.5", "ws_4_x", "xy_1", 3],
)
def test_unknown_generators_are_refused(name):
    with pytest.raises(ValueError, match="generators"):
        RandWireSpace(nodes=12, generators=[name])


def test_a_generator_that_never_connects_says_so():
    space = RandWireSpace(nodes=32, generators=["er_0.001"])
    with pytest.raises(ValueError, match="er_0.001 .*connected"):
        space.graphs((0, 0, 0, 0))
