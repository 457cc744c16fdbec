import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.spaces import NasBenchMacroSpace

SPACE = NasBenchMacroSpace()


@given(st.tuples(*[st.integers(0, 2)] * 8))
def test_text_and_data_round_trip(network):
    assert SPACE.from_text(SPACE.to_text(network)) == network
    assert SPACE.from_data(SPACE.to_data(network)) == network


def test_there_are_as_many_networks_as_the_benchmark_trained():
    assert len({SPACE.key(item) for item in itertools.product(range(3), repeat=8)}) == 3969


@pytest.mark.parametrize("text", [None, "", "0120120", "012012013", "0120120x"])
def test_wrong_text_is_refused(text):
    with pytest.raises(ValueError, match="eight|8 digits"):
        SPACE.from_text(text)
