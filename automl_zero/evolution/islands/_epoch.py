"""One epoch of one island: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from automl_zero.evolution._lineage import Birth, Improvement


class Migrant(NamedTuple):
    """An individual on its way to another island.

    Attributes:
        genome: As plain data.
        fitness: On its own island.
        birth: Where it was created.
    """

    genome: Any
    fitness: float
    birth: Birth


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """An island after an epoch.

    Attributes:
        state: What the next epoch goes on from.
        individuals: Individuals that the island has created so far.
        improvements: New best individuals of the island, genomes as plain data.
        emigrants: As many of its fittest individuals as were asked for, if there are so many.
        statistics: :class:`~automl_zero.evolution.Statistics` or
            :class:`~automl_zero.evolution.PopulationStatistics`.
    """

    state: bytes
    individuals: int
    improvements: tuple[Improvement[Any], ...]
    emigrants: tuple[Migrant, ...]
    statistics: Any


class EpochFunction(Protocol):
    """An epoch as a pure function, which any worker can run.

    Objects of this kind are sent to workers by pickle and hold all they need: same
    arguments, same result to the last bit, in any process and on any machine of one kind.
    """

    def __call__(
        self,
        island: int,
        state: bytes | None,
        immigrants: Sequence[Migrant],
        *,
        individuals: int,
        emigrants: int,
        deadline: float | None,
    ) -> EpochResult:
        """Run one epoch.

        Args:
            island: Number of the island.
            state: As the epoch before gave it; None before the first.
            immigrants: To take in first.
            individuals: How many to create.
            emigrants: How many to send.
            deadline: ``time.time()`` at which to stop early; what makes a result depend
                on the clock.
        """

    def check_state(self, state: bytes) -> None:
        """Make sure that a state that comes from a file can do no harm.

        Raises:
            ValueError: If it could; names the field.
        """
