"""Searches for update rules as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

from automl_zero._config_files import below, built, names_in, read_config, section
from automl_zero._config_values import KeyProblem, integer, require_known_keys, toml_text
from automl_zero.config import ComponentConfig, IslandsConfig, MutationConfig, MutationWeights
from automl_zero.program import MemorySizes
from l2o.rules._config_sections import (
    DEFAULT_SETUP,
    DEFAULT_UPDATE,
    RuleCacheConfig,
    RuleExperimentsConfig,
    RuleFitnessConfig,
    RulePopulationConfig,
    RuleSelectionConfig,
    RuleStopConfig,
    Stage,
    component,
)
from l2o.rules._space import UpdateRuleSpace
from l2o.rules._tasks import RuleTasks

RULE_CONFIG_FOLDER: Final = Path(__file__).parent.parent / "configs"
"""Where the shipped searches lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTasksConfig:
    """Two sets of tasks.

    Args:
        search: Fitness during evolution.
        select: Picks among the new best rules.
    """

    search: RuleTasks
    select: RuleTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSearchConfig:
    """A search for update rules: an immutable value that fixes its result, time limits aside.

    Args:
        tasks: What rules are tried on during the search.
        stop: Limits of one experiment.
        description: One line for people.
        seed: Any 64-bit unsigned integer; everything random derives from it.
        memory: Registers; no matrices.
        setup: Ops and sizes of the function that runs once for each tensor. Beside op names,
            ``ops`` may be one of :data:`~l2o.rules.RULE_OP_SETS`.
        update: Those of the function that runs at every step.
        population: Size, tournament and start.
        mutation: Types and rates.
        fitness: What a fitness is relative to.
        cache: What saves evaluations.
        selection: Which rules get to the result.
        funnel: Stages for the finalists, each with tasks of its own; larger and longer ones
            last.
        islands: Populations side by side.
        experiments: How many.

    Raises:
        ValueError: If a value is wrong, or sections contradict each other.

    >>> config = load_rule_config("quick", ["seed=7"])
    >>> config.seed, RuleSearchConfig.from_data(config.to_data()) == config
    (7, True)
    """

    tasks: RuleTasksConfig
    stop: RuleStopConfig
    description: str = ""
    seed: int = 0
    memory: MemorySizes = MemorySizes(10, 8, 0)
    setup: ComponentConfig = DEFAULT_SETUP
    update: ComponentConfig = DEFAULT_UPDATE
    population: RulePopulationConfig = RulePopulationConfig()
    mutation: MutationConfig = MutationConfig()
    fitness: RuleFitnessConfig = RuleFitnessConfig()
    cache: RuleCacheConfig = RuleCacheConfig()
    selection: RuleSelectionConfig = RuleSelectionConfig()
    islands: IslandsConfig = IslandsConfig()
    experiments: RuleExperimentsConfig = RuleExperimentsConfig()
    funnel: tuple[Stage, ...] = field(default=())

    def __post_init__(self) -> None:
        if not isinstance(self.description, str):
            raise ValueError(f"description: expected text, received {self.description!r}")
        integer("seed", self.seed, 0, 2**64 - 1)
        self.space()

    def space(self) -> UpdateRuleSpace:
        """The space that is searched."""
        return UpdateRuleSpace(
            self.memory, setup=self.setup, update=self.update, mutation=self.mutation
        )

    def with_seed(self, seed: int) -> RuleSearchConfig:
        """The same search under another seed.

        Raises:
            ValueError: If ``seed`` is no 64-bit unsigned integer.
        """
        return replace(self, seed=seed)

    def to_data(self) -> dict[str, Any]:
        """Everything as nested plain data. Inverse: :meth:`from_data`."""
        data = {name: _plain(getattr(self, name)) for name in _KEYS}
        del data["memory"]["matrices"]
        return data

    def to_toml(self) -> str:
        """Everything as TOML text that :func:`load_rule_config` reads back."""
        return toml_text(self.to_data())

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> RuleSearchConfig:
        """The search of :meth:`to_data`.

        Raises:
            ValueError: If a key is unknown or missing, or a value wrong; names its path.
        """
        require_known_keys((), data, _KEYS)
        for name in ("tasks", "stop"):
            if name not in data:
                raise KeyProblem((name,), "expected this section, received none")
        values: dict[str, Any] = {
            name: data[name] for name in ("description", "seed") if name in data
        }
        for name, kind in _SECTIONS.items():
            if name in data:
                values[name] = _section(kind, data[name], (name,))
        require_known_keys(("tasks",), data["tasks"], _TASK_SETS)
        sets = {}
        for name in _TASK_SETS:
            if name not in data["tasks"]:
                raise KeyProblem(("tasks", name), "expected this section, received none")
            sets[name] = RuleTasks.from_data(data["tasks"][name], ("tasks", name))
        values["tasks"] = RuleTasksConfig(**sets)
        values["funnel"] = _stages(data.get("funnel", ()))
        found: RuleSearchConfig = built(cls, values, ())
        return found


_SECTIONS: Final[dict[str, type]] = {
    "memory": MemorySizes,
    "setup": ComponentConfig,
    "update": ComponentConfig,
    "population": RulePopulationConfig,
    "mutation": MutationConfig,
    "fitness": RuleFitnessConfig,
    "cache": RuleCacheConfig,
    "selection": RuleSelectionConfig,
    "islands": IslandsConfig,
    "stop": RuleStopConfig,
    "experiments": RuleExperimentsConfig,
}
_TASK_SETS: Final = ("search", "select")
_KEYS: Final = ("description", "seed", "tasks", *_SECTIONS, "funnel")


def rule_config_names() -> tuple[str, ...]:
    """Names of the shipped searches for update rules, sorted.

    >>> "lion" in rule_config_names()
    True
    """
    return names_in(RULE_CONFIG_FOLDER)


def load_rule_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> RuleSearchConfig:
    """Read the configuration of a search for update rules.

    Args:
        name_or_path: A shipped one (see :func:`rule_config_names`) or a TOML file.
        overrides: ``"section.key=value"`` each; the value as in TOML, or bare text.
            ``tasks.*.key`` stands for both sets of tasks.

    Raises:
        ValueError: If there is no such configuration, the text is not TOML, a key is unknown
            or a value wrong; names file or override, and key.
    """
    return read_config(
        name_or_path,
        overrides,
        RULE_CONFIG_FOLDER,
        RuleSearchConfig.from_data,
        {("tasks", "*"): [("tasks", name) for name in _TASK_SETS]},
    )


def _section(kind: type, table: Any, path: tuple[str, ...]) -> Any:
    if kind is MemorySizes:
        require_known_keys(path, table, ("scalars", "vectors"))
        table = {"scalars": 10, "vectors": 8, **table, "matrices": 0}
    if kind is ComponentConfig and isinstance(table, Mapping):
        try:
            table = component(dict(table))
        except ValueError as error:
            raise below(path, str(error)) from None
    return section(kind, table, path, {MutationConfig: {"weights": MutationWeights}})


def _stages(tables: Any) -> tuple[Stage, ...]:
    if not isinstance(tables, list | tuple):
        raise KeyProblem(("funnel",), f"expected a list of tables, received {tables!r}")
    stages = []
    for position, table in enumerate(tables):
        path = (f"funnel[{position}]",)
        if not isinstance(table, Mapping):
            raise KeyProblem(path, f"expected a table, received {table!r}")
        values = dict(table)
        name = values.pop("name", f"stage {position + 1}")
        tasks = RuleTasks.from_data(values, path)
        stages.append(built(Stage, {"name": name, "tasks": tasks}, path))
    return tuple(stages)


def _plain(value: Any) -> Any:
    if hasattr(value, "to_data"):
        return value.to_data()
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
