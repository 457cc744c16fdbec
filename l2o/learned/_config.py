"""Meta-trainings as data: a network, tasks and settings in a TOML file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from automl_zero._config_files import built, names_in, read_config
from automl_zero._config_values import KeyProblem, choice, require_known_keys
from l2o.learned._adaptation_tasks import ClassAdaptation
from l2o.learned._image_tasks import Classifiers, Examples, digits_examples, npz_examples
from l2o.learned._network import LearnedOptimizerNetwork, make_network
from l2o.learned._problems import Mixture, ProblemSource
from l2o.learned._tasks import Quadratics, Rastrigin
from l2o.learned._training import meta_train

LEARNED_CONFIG_FOLDER: Final = Path(__file__).parent / "configs"
"""Where the shipped meta-trainings lie."""

_NOT_SETTINGS: Final = ("network", "tasks", "validation", "folder", "progress")
TRAINING_KEYS: Final = tuple(
    name for name in inspect.signature(meta_train).parameters if name not in _NOT_SETTINGS
)
TASK_KINDS: Final = ("class_adaptation", "classifiers", "mixture", "quadratics", "rastrigin")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedConfig:
    """What a meta-training is made of.

    Args:
        network: Its kind, and settings of its constructor.
        tasks: Its kind, and settings: see :func:`make_tasks`. Validation problems, if
            ``training`` asks for some, are other ones of the same distribution.
        training: Arguments of :func:`meta_train`.
        description: One line for people.

    Example:
        >>> config = load_learned_config("quick", ["training.iterations=3"])
        >>> config.make_network().kind, config.training["iterations"]
        ('coordinatewise_lstm', 3)
    """

    network: Mapping[str, Any]
    tasks: Mapping[str, Any]
    training: Mapping[str, Any]
    description: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.description, str):
            raise ValueError(f"description: expected text, received {self.description!r}")
        for name in ("network", "tasks"):
            if not isinstance(getattr(self, name), Mapping) or "kind" not in getattr(self, name):
                raise ValueError(f"{name}: expected a table with a kind")
        require_known_keys(("training",), self.training, TRAINING_KEYS)
        if "iterations" not in self.training:
            raise KeyProblem(("training", "iterations"), "expected a number, received none")

    def make_network(self) -> LearnedOptimizerNetwork:
        """The untrained network.

        Raises:
            ValueError: If there is no such network or setting; names the key.
        """
        try:
            return make_network(**self.network)
        except (TypeError, ValueError) as error:
            raise ValueError(f"network: {error}") from None

    def make_tasks(self) -> ProblemSource:
        """The distribution of problems.

        Raises:
            ValueError: If there is no such distribution or setting; names the key.
        """
        return make_tasks(self.tasks)


def learned_config_names() -> tuple[str, ...]:
    """Names of the shipped meta-trainings.

    >>> "quick" in learned_config_names()
    True
    """
    return names_in(LEARNED_CONFIG_FOLDER)


def load_learned_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> LearnedConfig:
    """A meta-training of a TOML file.

    Args:
        name_or_path: A shipped one by its name, or a file.
        overrides: ``"section.key=value"`` each.

    Raises:
        ValueError: If there is no such file, or a key or value is wrong; names both.
    """

    def from_data(data: Mapping[str, Any]) -> LearnedConfig:
        names = ("description", "network", "tasks", "training")
        require_known_keys((), data, names)
        for name in names[1:]:
            if name not in data:
                raise KeyProblem((name,), "expected a table, received none")
        config: LearnedConfig = built(LearnedConfig, data, ())
        return config

    return read_config(name_or_path, overrides, LEARNED_CONFIG_FOLDER, from_data)


def make_tasks(data: Mapping[str, Any], place: str = "tasks") -> ProblemSource:
    """A distribution of problems from plain data.

    Args:
        data: ``kind``: ``"quadratics"``, ``"rastrigin"``, ``"classifiers"``,
            ``"class_adaptation"`` or ``"mixture"`` (of ``sources``, a list of such tables), and
            arguments of the class. Classifiers take as ``examples`` the word ``"digits"``, which
            can be enlarged and standardized, or an npz file, whose images ``pool`` makes smaller.
        place: Where it stands, for messages.

    Raises:
        ValueError: If a key or a value is wrong; names it.

    >>> make_tasks({"kind": "quadratics", "dimension": 3}).settings()["dimension"]
    3
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{place}: expected a table, received {data!r}")
    kind = choice(f"{place}.kind", data.get("kind"), TASK_KINDS)
    values = {name: value for name, value in data.items() if name != "kind"}
    if kind == "mixture":
        require_known_keys((place,), values, ["sources"])
        sources = values.get("sources")
        if not isinstance(sources, list):
            raise ValueError(f"{place}.sources: expected a list of tables, received {sources!r}")
        parts = [make_tasks(each, f"{place}.sources[{i}]") for i, each in enumerate(sources)]
        return _made(Mixture, {"sources": parts}, place)
    if kind in ("classifiers", "class_adaptation"):
        made = Classifiers if kind == "classifiers" else ClassAdaptation
        keys = [*inspect.signature(made).parameters, "pool", "enlarge", "standardize"]
        require_known_keys((place,), values, keys)
        return _made(made, values | {"examples": _examples(values, place)}, place)
    function = {"quadratics": Quadratics, "rastrigin": Rastrigin}[kind]
    require_known_keys((place,), values, list(inspect.signature(function).parameters))
    return _made(function, values, place)


def _examples(values: dict[str, Any], place: str) -> Examples:
    """The examples that a table names; takes what is theirs out of it."""
    name = values.pop("examples", "digits")
    if not isinstance(name, str):
        raise ValueError(f"{place}.examples: expected 'digits' or a file, received {name!r}")
    of_digits = name == "digits"
    others = {"pool"} if of_digits else {"enlarge", "standardize"}
    for key in others & set(values):
        of_what = "npz files" if of_digits else "digits"
        raise ValueError(f"{place}.{key}: expected only for {of_what}, received {values[key]!r}")
    own: dict[str, Any] = {
        key: values.pop(key) for key in ("pool", "enlarge", "standardize") if key in values
    }
    try:
        return _made(digits_examples if of_digits else partial(npz_examples, name), own, place)
    except OSError as error:
        raise ValueError(f"{place}.examples: cannot read {name}: {error}") from None


def _made(made: Callable[..., Any], values: Mapping[str, Any], place: str) -> Any:
    try:
        return made(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}.{error}") from None
