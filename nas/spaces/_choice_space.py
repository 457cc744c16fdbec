"""Architectures as sequences of choices: what every space of this package is."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_zero.evolution import RandomStream

Architecture = tuple[int, ...]
"""One option's number for each decision, in the order of the decisions."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to choose about an architecture.

    Args:
        name: What is chosen: ``"edge 0-1"``.
        options: Names of what there is to choose from.

    Raises:
        ValueError: If there is no option, or one stands there twice.
    """

    name: str
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if not self.options or len(set(self.options)) != len(self.options):
            raise ValueError(
                f"options: expected different names, at least one, received {self.options!r}"
            )


class ChoiceSpace:
    """A search space whose architectures make the same decisions, each on its own.

    It follows :class:`automl_zero.evolution.SearchSpace`, so the evolutionary core searches it
    as it is. A space with more structure derives from it: it gives the decisions, and where
    the decisions do not tell what an architecture *is*, a text form and a :meth:`key` that
    different ways to write the same network share.

    Args:
        decisions: What is chosen, in order.

    Raises:
        ValueError: If there is no decision.

    >>> space = ChoiceSpace([Decision("kernel", ("3", "5")), Decision("width", ("16", "32", "64"))])
    >>> space.size
    6
    >>> space.to_text((1, 2))
    'kernel=5 width=64'
    >>> space.from_text("kernel=5 width=64")
    (1, 2)
    >>> space.neighbors((0, 0))
    [(1, 0), (0, 1), (0, 2)]
    """

    def __init__(self, decisions: Sequence[Decision]) -> None:
        if not decisions:
            raise ValueError("decisions: expected at least one, received none")
        self.decisions = tuple(decisions)
        self._open = tuple(i for i, item in enumerate(self.decisions) if len(item.options) > 1)

    @property
    def size(self) -> int:
        """How many sequences of choices there are."""
        product = 1
        for decision in self.decisions:
            product *= len(decision.options)
        return product

    def draw(self, stream: RandomStream) -> Architecture:
        """Each option with the same probability."""
        return tuple(stream.below(len(decision.options)) for decision in self.decisions)

    def mutate(self, genome: Architecture, stream: RandomStream) -> Architecture:
        """A copy with one decision, drawn uniformly, made anew: another option than before."""
        if not self._open:
            return genome
        position = self._open[stream.below(len(self._open))]
        option = stream.below(len(self.decisions[position].options) - 1)
        option += option >= genome[position]
        return (*genome[:position], option, *genome[position + 1 :])

    def neighbors(self, genome: Architecture) -> list[Architecture]:
        """All architectures that :meth:`mutate` can give, in order."""
        return [
            (*genome[:position], option, *genome[position + 1 :])
            for position in self._open
            for option in range(len(self.decisions[position].options))
            if option != genome[position]
        ]

    def key(self, genome: Architecture) -> str:
        """Identity of the network: equal keys, equal networks."""
        return self.to_text(genome)

    def features(self, genome: Architecture) -> tuple[float, ...]:
        """Numbers that are alike for networks that are alike: what a model may learn from.

        They come on top of the decisions, which a model sees anyway; as many for every
        architecture. A plain choice space has none.
        """
        return ()

    def to_text(self, genome: Architecture) -> str:
        """The architecture for people; :meth:`from_text` reads it."""
        return " ".join(
            f"{decision.name}={decision.options[option]}"
            for decision, option in zip(self.decisions, genome, strict=True)
        )

    def from_text(self, text: str) -> Architecture:
        """The architecture of :meth:`to_text`.

        Raises:
            ValueError: If the text is none of this space.
        """
        rest, genome = text.strip() if isinstance(text, str) else "", []
        for decision in self.decisions:
            name, _, tail = rest.partition("=")
            # Names and options may hold spaces themselves.
            found = [item for item in decision.options if f"{tail} ".startswith(f"{item} ")]
            if name != decision.name or not found:
                raise ValueError(
                    f"architecture: expected {decision.name}= one of "
                    f"{', '.join(decision.options)}, received {rest[:100]!r} in {text!r}"
                )
            option = max(found, key=len)
            genome.append(decision.options.index(option))
            rest = tail[len(option) :].lstrip()
        if rest:
            raise ValueError(
                f"architecture: expected {len(self.decisions)} choices, received {text!r}"
            )
        return tuple(genome)

    def to_data(self, genome: Architecture) -> list[int]:
        """The numbers of the options, as plain data."""
        return list(genome)

    def from_data(self, data: Any) -> Architecture:
        """The architecture of :meth:`to_data`; any sequence of whole numbers will do.

        Raises:
            ValueError: If ``data`` is none of this space; names the decision.
        """
        if not isinstance(data, Sequence) or len(data) != len(self.decisions):
            raise ValueError(
                f"architecture: expected {len(self.decisions)} numbers, received {data!r}"
            )
        genome = []
        for decision, value in zip(self.decisions, data, strict=True):
            try:
                option = operator.index(value)
            except TypeError:
                option = -1
            if isinstance(value, bool) or not 0 <= option < len(decision.options):
                raise ValueError(
                    f"architecture: {decision.name}: expected an integer in "
                    f"0..{len(decision.options) - 1}, received {value!r}"
                )
            genome.append(option)
        return tuple(genome)
