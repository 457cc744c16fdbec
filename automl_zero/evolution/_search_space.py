"""What a search evolves: the protocol every search space follows."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from automl_zero.kernels._engine import CompiledStream as RandomStream
from automl_zero.streams import stream_key

__all__ = ["Genome", "Key", "RandomStream", "SearchSpace", "evolution_stream"]

Genome = TypeVar("Genome")

Key = str | int
"""Identity of a genome. Plain data, so that a checkpoint can hold it."""


class SearchSpace(Protocol[Genome]):
    """How to draw, mutate, identify and store genomes of one kind.

    A genome is an immutable value. Everything random comes from ``stream``, and from
    nothing else: then one seed fixes the whole search, on any number of workers. See
    :class:`~automl_zero.evolution.BitStringSpace` for the smallest example.

    A space whose genomes are made of instructions may also have a method ``sizes``, from a
    genome to two numbers: its instructions, and those that can have an effect. Statistics then
    tell how redundant genomes are.
    """

    def draw(self, stream: RandomStream) -> Genome:
        """A random genome to start from."""

    def mutate(self, genome: Genome, stream: RandomStream) -> Genome:
        """A child of ``genome``, which stays as it is."""

    def key(self, genome: Genome) -> Key:
        """Identity of what the genome *does*: equal keys, equal fitness.

        The more genomes that mean the same share a key, the more a fitness cache saves.
        """

    def to_data(self, genome: Genome) -> Any:
        """The genome as plain JSON data."""

    def from_data(self, data: Any) -> Genome:
        """The genome of :meth:`to_data`.

        Raises:
            ValueError: If ``data`` is none.
        """


def evolution_stream(seed: int) -> RandomStream:
    """The stream that a regularized evolution with this seed draws from.

    ``uint64()``, ``below(bound)``, ``uniform()`` and ``normal()`` draw one number each;
    ``state`` reads or sets the position. The numbers are those of
    :class:`automl_zero.streams.Stream`, without its cost per call.

    >>> stream = evolution_stream(7)
    >>> start = stream.state
    >>> first = stream.uniform()
    >>> stream.state = start
    >>> stream.uniform() == first
    True
    """
    return RandomStream(stream_key(seed, "evolution"))
