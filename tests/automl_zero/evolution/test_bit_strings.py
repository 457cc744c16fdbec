"""Bit strings: a whole search space in a few lines."""

from __future__ import annotations

import pytest

from automl_zero.evolution import BitStringSpace, RegularizedEvolution, evolution_stream


def test_one_max_is_solved() -> None:
    evolution = RegularizedEvolution(BitStringSpace(40), population_size=50, seed=1)
    evolution.run(lambda bits: bits.count("1"), 10_000)
    assert evolution.best is not None
    assert evolution.best.genome == "1" * 40


def test_drawn_bits_are_fair() -> None:
    space, stream = BitStringSpace(20), evolution_stream(0)
    ones = sum(space.draw(stream).count("1") for _ in range(500))
    assert abs(ones - 5000) < 5 * 50


@pytest.mark.parametrize("probability", [0.0, None, 0.3, 1.0])
def test_mutation_flips_each_bit_alike_and_at_least_one(probability: float | None) -> None:
    space, stream = BitStringSpace(5, probability), evolution_stream(3)
    flips = [0] * 5
    for _ in range(2000):
        child = space.mutate("00000", stream)
        assert "1" in child
        flips = [count + int(bit) for count, bit in zip(flips, child, strict=True)]
    p = space.flip_probability
    expected = p + (1 - p) ** 5 / 5
    for count in flips:
        assert abs(count / 2000 - expected) < 5 * (0.25 / 2000) ** 0.5


def test_data_round_trips_and_is_checked() -> None:
    space = BitStringSpace(3)
    assert space.from_data(space.to_data("101")) == "101"
    for data in ("10", "1010", "1x1", 101, None, ["1", "0", "1"]):
        with pytest.raises(ValueError, match="genome: expected 3 zeros and ones, received"):
            space.from_data(data)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="length: expected an integer >= 1, received 0"):
        BitStringSpace(0)
    with pytest.raises(ValueError, match="flip_probability: expected a number in 0..1"):
        BitStringSpace(3, 1.5)
