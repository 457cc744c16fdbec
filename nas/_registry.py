"""Spaces, strategies and objectives by name: what the command line and its runs speak of.

Entries are texts ``"module:name"`` and load on first use, so that a name costs nothing.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from automl_zero._config_values import choice, require_known_keys
from nas._trials import Objective
from nas.spaces import ChoiceSpace
from nas.strategies import Strategy

SPACES: Final[dict[str, str | Callable[..., ChoiceSpace]]] = {
    "darts": "nas.spaces:DartsSpace",
    "mixnet": "nas.spaces:mixnet_space",
    "mnasnet": "nas.spaces:mnasnet_space",
    "mobilenet-v3": "nas.spaces:mobilenet_v3_space",
    "nas-bench-201": "nas.spaces:NasBench201Space",
    "nas-bench-macro": "nas.spaces:NasBenchMacroSpace",
    "nasnet": "nas.spaces:NasNetSpace",
    "rand-wire": "nas.spaces:RandWireSpace",
}

STRATEGIES: Final[dict[str, str | Callable[..., Strategy]]] = {
    "asha": "nas.strategies:ASHA",
    "bayesian-optimization": "nas.strategies:BayesianOptimization",
    "hyperband": "nas.strategies:Hyperband",
    "local-search": "nas.strategies:LocalSearch",
    "meta-qnn": "nas.strategies:MetaQNN",
    "nsga2": "nas.strategies:NSGA2",
    "random": "nas.strategies:RandomSearch",
    "regularized-evolution": "nas.strategies:RegularizedEvolution",
    "reinforce": "nas.strategies:Reinforce",
}

OBJECTIVES: Final[dict[str, str | Callable[..., Objective]]] = {
    "table": "nas._objective_factories:table_objective",
    "training": "nas._objective_factories:training_objective",
}


def register_objective(name: str, factory: Callable[..., Objective]) -> None:
    """Give an objective a name, under which :class:`nas.SearchConfig` makes it.

    Args:
        name: New, or to replace the one of this name.
        factory: Called with the space, the data (a text or None) and the settings by name.

    Raises:
        ValueError: If the name is none.

    >>> from nas.spaces import Decision
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("conv", "pool")) for i in range(3)])
    >>> def count(space, data, option=0):
    ...     return lambda space, architecture, budget: architecture.count(option)
    >>> register_objective("count", count)
    >>> make_objective("count", space, None, {"option": 1})(space, (1, 0, 1), None)
    2
    >>> del OBJECTIVES["count"]
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"name: expected a name, received {name!r}")
    OBJECTIVES[name] = factory


def make_space(name: str, options: Mapping[str, Any]) -> ChoiceSpace:
    """The space of a name.

    Raises:
        ValueError: If there is none, or an option is unknown or wrong.
    """
    space: ChoiceSpace = _make("space", SPACES, name, (), options)
    return space


def make_strategy(name: str, space: ChoiceSpace, seed: int, options: Mapping[str, Any]) -> Strategy:
    """The strategy of a name.

    Raises:
        ValueError: If there is none, or an option is unknown or wrong.
    """
    strategy: Strategy = _make("strategy", STRATEGIES, name, (space,), {**options, "seed": seed})
    return strategy


def make_objective(
    name: str, space: ChoiceSpace, data: str | None, options: Mapping[str, Any]
) -> Objective:
    """The objective of a name.

    Raises:
        ValueError: If there is none, or an option is unknown or wrong.
        ImportError: If it needs what is not installed.
    """
    objective: Objective = _make("objective", OBJECTIVES, name, (space, data), options)
    return objective


def _make(
    kind: str,
    table: Mapping[str, Any],
    name: str,
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
) -> Any:
    entry = table[choice(kind, name, table)]
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(importlib.import_module(module), attribute)
    parameters = inspect.signature(entry).parameters.values()
    if all(item.kind is not item.VAR_KEYWORD for item in parameters):
        known = [item.name for item in parameters][len(arguments) :]
        require_known_keys((kind,), options, known)
    try:
        return entry(*arguments, **options)
    except TypeError as error:  # a text where numbers are due, from a command line
        raise ValueError(f"{kind}: expected settings of {name}, received others: {error}") from None
