import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.spaces import NasBench201Space

SPACE = NasBench201Space()
CELLS = st.tuples(*[st.integers(0, 4)] * 6)
TEXT = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


@given(CELLS)
def test_text_and_data_round_trip(cell):
    assert SPACE.from_text(SPACE.to_text(cell)) == cell
    assert SPACE.from_data(SPACE.to_data(cell)) == cell


def test_there_are_as_many_networks_as_in_the_paper():
    cells = itertools.product(range(5), repeat=6)
    assert len({SPACE.key(cell) for cell in cells}) == 6466


@given(CELLS)
def test_edges_from_the_input_and_from_what_skips_it_change_places(cell):
    _, a, b, c, d, last = cell
    assert SPACE.key((1, a, b, c, d, last)) == SPACE.key((1, b, a, d, c, last))


@given(CELLS, st.integers(0, 4), st.integers(0, 4))
def test_ops_on_nothing_do_not_matter(cell, b, d):
    _, a, _, c, _, last = cell
    assert SPACE.key((0, a, 0, c, 0, last)) == SPACE.key((0, a, b, c, d, last))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "six edges"),
        ("", "six edges"),
        (TEXT + "|none~0|", "six edges"),
        (TEXT.replace("avg_pool_3x3", "max_pool_3x3"), "edge 1-2"),
        (TEXT.replace("none~0", "none~1"), "edge 0-2"),
        (TEXT.replace("+", ""), "as the ops tell"),
    ],
)
def test_wrong_text_is_refused(text, named):
    with pytest.raises(ValueError, match=named):
        SPACE.from_text(text)


@given(CELLS)
def test_features_count_the_paths_that_reach_the_output(cell):
    features = SPACE.features(cell)
    paths = [(3,), (0, 4), (1, 5), (0, 2, 5)]
    assert len(features) == 1 + 3 + 9 + 27
    assert sum(features) == sum(all(cell[edge] for edge in path) for path in paths)


@given(CELLS)
def test_features_do_not_see_what_the_key_does_not_see(cell):
    _, a, b, c, d, last = cell
    assert SPACE.features((1, a, b, c, d, last)) == SPACE.features((1, b, a, d, c, last))
