"""What strategies keep account of: numbers, outstanding trials, states."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from automl_zero._config_values import integer
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._strategy import Trial

_VERSION: Final = 1


class TrialBook:
    """Numbers trials and knows which are outstanding.

    Args:
        space: What the architectures are of.

    >>> from nas.spaces import NasBench201Space
    >>> book = TrialBook(NasBench201Space())
    >>> trial = book.open((0, 1, 2, 3, 4, 0))
    >>> book.close(trial, 0.5)
    0.5
    >>> book.outstanding
    {}
    """

    def __init__(self, space: ChoiceSpace) -> None:
        self._space = space
        self.asked = 0
        self.outstanding: dict[int, Architecture] = {}

    def open(self, architecture: Architecture) -> Trial:
        """The next trial."""
        trial = Trial(self.asked, architecture)
        self.outstanding[self.asked] = architecture
        self.asked += 1
        return trial

    def close(self, trial: Trial, value: Any) -> float:
        """The value of a trial as a float; the trial is outstanding no longer.

        Raises:
            ValueError: If it was not outstanding, or the value is no finite number.
        """
        number: Any = getattr(trial, "number", None)
        if number not in self.outstanding:
            raise ValueError(f"trial: expected one asked for and not told, received {trial!r}")
        result = finite(value)
        del self.outstanding[number]
        return result

    def state(self) -> list[Any]:
        """All of it, as plain JSON data."""
        trials = [[number, self._space.to_data(item)] for number, item in self.outstanding.items()]
        return [self.asked, trials]

    def read(self, data: Any) -> TrialBook:
        """The book of a :meth:`state`.

        Raises:
            ValueError: If it is none.
        """
        book = TrialBook(self._space)
        asked, trials = data
        book.asked = integer("asked", asked, 0)
        for number, architecture in trials:
            integer("trial", number, 0, book.asked - 1)
            book.outstanding[number] = self._space.from_data(architecture)
        return book


def finite(value: Any) -> float:
    """``value`` as a float.

    Raises:
        ValueError: If it is no finite number.
    """
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise ValueError(f"value: expected a finite number, received {value!r}")
    return result


def state_of(strategy: str, **fields: Any) -> dict[str, Any]:
    """A strategy's state: its name, a version, and its fields."""
    return {"format": f"nas {strategy} state", "version": _VERSION, **fields}


def fields_of(strategy: str, state: Any, **readers: Callable[[Any], Any]) -> dict[str, Any]:
    """The fields of a :func:`state_of`, each read by its reader.

    Raises:
        ValueError: If it is a state of something else, or a reader fails; names the field.
    """
    for name, expected in state_of(strategy).items():
        received = state.get(name) if isinstance(state, Mapping) else type(state).__name__
        if received != expected:
            raise ValueError(f"state.{name}: expected {expected!r}, received {received!r}")
    fields = {}
    for name, reader in readers.items():
        try:
            fields[name] = reader(state[name])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"state.{name}: expected what state() gave: {error}") from None
    return fields


def stream_state(value: Any) -> int:
    """The state of a random stream.

    Raises:
        ValueError: If it is none.
    """
    return integer("stream", value, 0, 2**64 - 1)
