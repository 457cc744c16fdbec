"""Search for network architectures: spaces, strategies, objectives, benchmarks.

Search
    search              ask a strategy, evaluate, tell; parallel, resumable, deterministic
    SearchOutcome       what it found
    FinishedTrial       an architecture with its value
    SearchProgress      where a running search stands
    Objective, Value    the function that says what an architecture is worth, and its value
    SearchConfig        a search as data, by names of spaces, strategies and objectives
    register_objective  gives an objective of your own a name

Rooms
    nas.spaces          what architectures there are
    nas.strategies      which of them to evaluate next
    nas.objectives      several objectives at once
    nas.benchmarks      tables of results

It builds on the core of :mod:`automl_zero.evolution`; it may import ``automl_zero``, never
``l2o``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas._config import SearchConfig
    from nas._registry import register_objective
    from nas._search import search
    from nas._trials import FinishedTrial, Objective, SearchOutcome, SearchProgress, Value

_HOME = {
    "FinishedTrial": "_trials",
    "Objective": "_trials",
    "SearchConfig": "_config",
    "SearchOutcome": "_trials",
    "SearchProgress": "_trials",
    "Value": "_trials",
    "register_objective": "_registry",
    "search": "_search",
}

__all__ = [
    "FinishedTrial",
    "Objective",
    "SearchConfig",
    "SearchOutcome",
    "SearchProgress",
    "Value",
    "register_objective",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nas.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
