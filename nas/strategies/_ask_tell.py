"""What all strategies share: numbers of trials, those that are outstanding, and the state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from automl_zero._config_values import integer
from automl_zero.evolution import RandomStream
from automl_zero.streams import stream_key
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._strategy import Trial

T = TypeVar("T")

_FORMAT: Final = "nas strategy state"
_VERSION: Final = 1


class AskTellStrategy(ABC):
    """A strategy without its ideas: it counts trials, checks values and keeps the state.

    What derives from it proposes an architecture and learns from a value; its random numbers
    come from :attr:`_stream`, a stream of the seed and the name of the class.

    Args:
        space: Where to search.
        seed: Fixes everything random.

    Raises:
        ValueError: If the seed is no integer of 64 bits.
    """

    def __init__(self, space: ChoiceSpace, seed: int) -> None:
        self.space = space
        self.seed = integer("seed", seed, 0, 2**64 - 1)
        self._stream = RandomStream(stream_key(self.seed, "nas", type(self).__name__))
        self._asked = 0
        self._outstanding: dict[int, Trial] = {}

    def ask(self) -> Trial:
        """The next trial."""
        architecture, budget = self._propose()
        trial = Trial(self._asked, architecture, budget)
        self._outstanding[trial.number] = trial
        self._asked += 1
        return trial

    def tell(self, trial: Trial, value: float | tuple[float, ...]) -> None:
        """How good a trial's architecture is: higher is better.

        Raises:
            ValueError: If the trial is not outstanding, or the value not as the strategy needs
                it: a finite number, or a tuple of such for several objectives.
        """
        number = getattr(trial, "number", None)
        if number not in self._outstanding or self._outstanding[number] != trial:
            raise ValueError(
                f"trial: expected one that was asked for and not told, received {trial!r}"
            )
        checked = self._checked(value)
        del self._outstanding[number]
        self._learn(trial, checked)

    @property
    def outstanding(self) -> tuple[Trial, ...]:
        """Trials asked for and not told."""
        return tuple(self._outstanding.values())

    def state(self) -> dict[str, Any]:
        """Where it stands, as plain JSON data."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "strategy": type(self).__name__,
            "stream": self._stream.state,
            "asked": self._asked,
            "outstanding": [
                [trial.number, self.space.to_data(trial.architecture), trial.budget]
                for trial in self._outstanding.values()
            ],
            **self._own_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state` of a strategy made with the same arguments.

        Raises:
            ValueError: If it is none; names the field. The strategy is then as it was.
        """
        fields = StateFields(state)
        for name, expected in (
            ("format", _FORMAT), ("version", _VERSION), ("strategy", type(self).__name__),
        ):  # fmt: skip
            received = state.get(name)
            if received != expected:
                raise ValueError(f"state.{name}: expected {expected!r}, received {received!r}")
        stream = fields.read("stream", lambda value: integer("stream", value, 0, 2**64 - 1))
        asked = fields.read("asked", lambda value: integer("asked", value, 0))
        outstanding = fields.read(
            "outstanding", lambda items: {item[0]: self._trial(item, asked) for item in items}
        )
        apply = self._read_own_state(fields)
        apply()
        self._stream.state = stream
        self._asked, self._outstanding = asked, outstanding

    def _trial(self, data: Any, asked: int) -> Trial:
        number, architecture, budget = data
        return Trial(
            integer("number", number, 0, asked - 1),
            self.space.from_data(architecture),
            None if budget is None else integer("budget", budget, 1),
        )

    def _checked(self, value: Any) -> Any:
        """The value as :meth:`_learn` takes it; ValueError if it is none."""
        return finite(value)

    @abstractmethod
    def _propose(self) -> tuple[Architecture, int | None]:
        """Architecture and budget of the next trial."""

    @abstractmethod
    def _learn(self, trial: Trial, value: Any) -> None:
        """Take in the value of a trial."""

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """What goes into the state beside stream and trials."""

    @abstractmethod
    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        """Read what :meth:`_own_state` gave; the function that is returned puts it in place."""


class StateFields:
    """Fields of a state that may be damaged: whatever is wrong names the field.

    >>> StateFields({"count": "many"}).read("count", int)
    Traceback (most recent call last):
        ...
    ValueError: state.count: expected what state() gave: invalid literal for int() with base 10: \
'many'
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        if not isinstance(state, Mapping):
            raise ValueError(f"state: expected a mapping, received {type(state).__name__}")
        self._state = state

    def read(self, name: str, parse: Callable[[Any], T]) -> T:
        """The field ``name``, parsed.

        Raises:
            ValueError: If there is none or it cannot be parsed.
        """
        try:
            return parse(self._state[name])
        except KeyError:
            raise ValueError(f"state.{name}: expected what state() gave, received none") from None
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"state.{name}: expected what state() gave: {error}") from None


def finite(value: Any) -> float:
    """``value`` as a float.

    Raises:
        ValueError: If it is no finite number.
    """
    try:
        number = math.nan if isinstance(value, tuple | str | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"value: expected a finite number, received {value!r}")
    return number


def keys(items: Any) -> dict[str, None]:
    """Keys of architectures that were asked for, from a state's list of them.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"expected a list of keys, received {items!r:.100}")
    return dict.fromkeys(items)
