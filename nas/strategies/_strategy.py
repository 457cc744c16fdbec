"""The contract of strategies that see an architecture as a black box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nas.spaces import Architecture, ChoiceSpace


@dataclass(frozen=True, slots=True)
class Trial:
    """An architecture to evaluate.

    Attributes:
        number: 0 for the first trial of a search.
        architecture: What to evaluate.
        budget: How long to train it, in the objective's unit (epochs); None: the objective's
            own. Only strategies that stop bad architectures early set it.
    """

    number: int
    architecture: Architecture
    budget: int | None = None


class Strategy(Protocol):
    """Chooses architectures, by ask and tell.

    Several trials may be asked for before the first is told, and they may be told in any
    order. What a strategy does depends on its arguments, its seed and the order of the calls,
    and on nothing else.
    """

    space: ChoiceSpace

    def ask(self) -> Trial:
        """The next trial."""

    def tell(self, trial: Trial, value: float | tuple[float, ...]) -> None:
        """How good a trial's architecture is: higher is better.

        Args:
            trial: One that was asked for and not told yet.
            value: Its objective; strategies for several objectives take a tuple.

        Raises:
            ValueError: If the trial is not outstanding, or the value not finite.
        """

    def state(self) -> dict[str, Any]:
        """Where it stands, as plain JSON data: what a checkpoint holds."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state` of a strategy made with the same arguments.

        Raises:
            ValueError: If it is none; names the field.
        """
