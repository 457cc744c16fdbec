"""Strings of bits: the smallest search space."""

from __future__ import annotations

from typing import Any

from automl_zero._config_values import integer, number
from automl_zero.evolution._search_space import RandomStream


class BitStringSpace:
    """Strings of ``0`` and ``1`` of one length, as Python strings.

    The smallest example of a :class:`~automl_zero.evolution.SearchSpace`, and a quick one to
    try a search with.

    Args:
        length: Number of bits.
        flip_probability: Chance that mutation flips a bit, for each bit alone. If it
            flips none, one bit drawn uniformly is flipped, so that a child always
            differs. None stands for 1 / ``length``: one flip on average, the usual choice
            (Mühlenbein, "How genetic algorithms really work", PPSN 1992).

    Raises:
        ValueError: If ``length`` is not positive or ``flip_probability`` is outside 0..1.

    >>> from automl_zero.evolution import RegularizedEvolution
    >>> evolution = RegularizedEvolution(BitStringSpace(16), population_size=20, seed=1)
    >>> evolution.run(lambda bits: bits.count("1"), 2000)
    >>> evolution.best.genome
    '1111111111111111'
    """

    def __init__(self, length: int, flip_probability: float | None = None) -> None:
        self.length = integer("length", length, 1)
        if flip_probability is None:
            flip_probability = 1 / length
        self.flip_probability = number("flip_probability", flip_probability, 0, 1)

    def draw(self, stream: RandomStream) -> str:
        """Each bit is 1 with probability 1/2."""
        return "".join("01"[stream.below(2)] for _ in range(self.length))

    def mutate(self, genome: str, stream: RandomStream) -> str:
        """A copy with at least one bit flipped."""
        flips = [stream.uniform() < self.flip_probability for _ in genome]
        if not any(flips):
            flips[stream.below(self.length)] = True
        return "".join(
            "10"[int(bit)] if flip else bit for bit, flip in zip(genome, flips, strict=True)
        )

    def key(self, genome: str) -> str:
        """The string itself: each one means something else."""
        return genome

    def to_data(self, genome: str) -> str:
        """The string itself."""
        return genome

    def from_data(self, data: Any) -> str:
        """The string, checked.

        Raises:
            ValueError: If ``data`` is no string of this length with zeros and ones alone.
        """
        if not isinstance(data, str) or len(data) != self.length or set(data) - set("01"):
            raise ValueError(f"genome: expected {self.length} zeros and ones, received {data!r}")
        return data
