"""Experiments as data: what to search, with which ops, for how long.

An experiment is a TOML file; :func:`load_config` reads a shipped one by name or any file
by path, applies ``key=value`` overrides and checks every value. Unknown keys are errors
that name the nearest right one. The keys are explained in ``docs/reference/config.md``.

Index:
    :func:`load_config`, :func:`config_names`: read one; which are shipped.
    :class:`ExperimentConfig`: the whole, with ``to_toml`` and ``from_data``.
    :class:`TasksConfig`: what is learnt: search, selection and final tasks.
    :class:`ComponentConfig`: ops and sizes of one component function.
    :class:`PopulationConfig`, :class:`MutationConfig`, :class:`MutationWeights`,
    :class:`EvaluationConfig`, :class:`CacheConfig`, :class:`HurdleConfig`,
    :class:`IslandsConfig`, :class:`StopConfig`, :class:`ExperimentsConfig`: its sections.
    :data:`MUTATION_TYPES`, :data:`OP_SETS`, :data:`INITIAL_POPULATIONS`,
    :data:`CONFIG_FOLDER`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from automl_zero._config_files import KeyPath, below, built, names_in, read_config, section
from automl_zero._config_sections import (
    BASELINES,
    COMBINATIONS,
    INITIAL_POPULATIONS,
    MIGRATIONS,
    MUTATION_TYPES,
    OP_SETS,
    PRECISIONS,
    CacheConfig,
    ComponentConfig,
    EvaluationConfig,
    ExperimentsConfig,
    HurdleConfig,
    IslandsConfig,
    MutationConfig,
    MutationWeights,
    PopulationConfig,
    StopConfig,
)
from automl_zero._config_values import (
    KeyProblem,
    integer,
    require_known_keys,
    toml_text,
)
from automl_zero.ops import OP_BY_NAME
from automl_zero.program import MemorySizes

if TYPE_CHECKING:
    from automl_zero.tasks import TaskSpec

__all__ = [
    "BASELINES",
    "CONFIG_FOLDER",
    "COMBINATIONS",
    "INITIAL_POPULATIONS",
    "MIGRATIONS",
    "MUTATION_TYPES",
    "OP_SETS",
    "PRECISIONS",
    "CacheConfig",
    "ComponentConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "ExperimentsConfig",
    "HurdleConfig",
    "IslandsConfig",
    "MutationConfig",
    "MutationWeights",
    "PopulationConfig",
    "StopConfig",
    "TasksConfig",
    "config_names",
    "load_config",
]

CONFIG_FOLDER: Final = Path(__file__).parent / "configs"
"""Where the shipped experiments lie."""

_REQUIRED: Final = ("tasks", "memory", "setup", "predict", "learn", "stop")
_HAND_BUILT_MEMORY: Final = {
    "linear": MemorySizes(4, 3, 0),
    "neural_net": MemorySizes(5, 9, 2),
    "logistic": MemorySizes(5, 3, 0),
    "damaged_neural_net": MemorySizes(5, 9, 2),
    "shallow_neural_net": MemorySizes(5, 7, 1),
    "bilinear": MemorySizes(8, 5, 4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksConfig:
    """Three separate sets of tasks, as in the original project.

    Args:
        search: Fitness during evolution.
        select: Picks among the experiments' best programs, and decides whether to stop.
        final: Judges the one program at the end; nothing is ever chosen by it.
    """

    search: TaskSpec
    select: TaskSpec
    final: TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """A whole experiment: an immutable value that fixes its result, time limits aside.

    Args:
        description: One line for people.
        seed: Any 64-bit unsigned integer; everything random derives from it.
        tasks: What is learnt.
        memory: Registers. Fewer make random instructions likelier to connect.
        setup: Ops and sizes of the function that runs once.
        predict: Those of the function that runs on each example.
        learn: Those of the function that runs after it in training.
        population: Size, tournament and start.
        mutation: Types and rates.
        evaluation: Fitness.
        cache: What saves evaluations.
        hurdle: What ends evaluations early.
        islands: Populations side by side.
        stop: Limits of one experiment.
        experiments: How many.

    Raises:
        ValueError: If a section contradicts another: ops that need registers which the
            memory lacks, a hand-built start that does not fit, nothing to mutate.

    >>> config = load_config("demo", ["population.size=500", "seed=7"])
    >>> config.population.size, config.seed, config.memory.scalars
    (500, 7, 4)
    >>> load_config("demo", ["stop.secs=5"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: override 'stop.secs=5': stop.secs: unknown key (did you mean 'seconds'?); ...
    """

    tasks: TasksConfig
    memory: MemorySizes
    setup: ComponentConfig
    predict: ComponentConfig
    learn: ComponentConfig
    stop: StopConfig
    description: str = ""
    seed: int = 0
    population: PopulationConfig = PopulationConfig()
    mutation: MutationConfig = MutationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    cache: CacheConfig = CacheConfig()
    hurdle: HurdleConfig = HurdleConfig()
    islands: IslandsConfig = IslandsConfig()
    experiments: ExperimentsConfig = ExperimentsConfig()

    def __post_init__(self) -> None:
        if not isinstance(self.description, str):
            raise ValueError(f"description: expected text, received {self.description!r}")
        integer("seed", self.seed, 0, 2**64 - 1)
        if not any(component.ops for component in self.components.values()):
            raise ValueError("setup, predict, learn: expected ops in one of them, received none")
        for name, component in self.components.items():
            _check_ops_fit(name, component, self.memory)
        for part in ("train", "valid"):
            probe, have = getattr(self.cache, f"fec_{part}"), getattr(self.tasks.search, part)
            if self.cache.fec and probe > have:
                raise ValueError(
                    f"cache.fec_{part}: expected at most tasks.search.{part} = {have}, "
                    f"received {probe}"
                )
        if self.hurdle.tasks >= self.tasks.search.count:
            raise ValueError(
                f"hurdle.tasks: expected fewer than tasks.search.count = "
                f"{self.tasks.search.count}, received {self.hurdle.tasks}"
            )
        needed = _HAND_BUILT_MEMORY.get(str(self.population.initial), MemorySizes(2, 1, 0))
        for kind in ("scalars", "vectors", "matrices"):
            if getattr(self.memory, kind) < getattr(needed, kind):
                raise ValueError(
                    f"memory.{kind}: expected at least {getattr(needed, kind)} for population."
                    f"initial = {self.population.initial!r}, received {getattr(self.memory, kind)}"
                )

    @property
    def components(self) -> dict[str, ComponentConfig]:
        """The component functions by name, in order."""
        return {"setup": self.setup, "predict": self.predict, "learn": self.learn}

    def with_seed(self, seed: int) -> ExperimentConfig:
        """The same experiment under another seed.

        Raises:
            ValueError: If ``seed`` is no 64-bit unsigned integer.
        """
        return replace(self, seed=seed)

    def to_data(self) -> dict[str, Any]:
        """The experiment as nested plain data: the TOML's tables. Inverse: :meth:`from_data`."""
        return {name: _plain(getattr(self, name)) for name in _KEYS}

    def to_toml(self) -> str:
        """The experiment as TOML text that :func:`load_config` reads back, defaults spelt out."""
        return toml_text(self.to_data())

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ExperimentConfig:
        """The experiment of :meth:`to_data`.

        Raises:
            ValueError: If a key is unknown or missing, or a value wrong; names its path.
        """
        from automl_zero.tasks import TaskSpec

        require_known_keys((), data, _KEYS)
        for name in _REQUIRED:
            if name not in data:
                raise KeyProblem((name,), "expected this section, received none")
        values: dict[str, Any] = {
            name: data[name] for name in ("description", "seed") if name in data
        }
        for name, kind in _SECTIONS.items():
            if name in data:
                values[name] = _section(kind, data[name], (name,))
        require_known_keys(("tasks",), data["tasks"], _TASK_SETS)
        specs = {}
        for name in _TASK_SETS:
            if name not in data["tasks"]:
                raise KeyProblem(("tasks", name), "expected this section, received none")
            specs[name] = _task_spec(TaskSpec, data["tasks"][name], ("tasks", name))
        return built(cls, {**values, "tasks": TasksConfig(**specs)}, ())


_SECTIONS: Final[dict[str, type]] = {
    "memory": MemorySizes,
    "setup": ComponentConfig,
    "predict": ComponentConfig,
    "learn": ComponentConfig,
    "population": PopulationConfig,
    "mutation": MutationConfig,
    "evaluation": EvaluationConfig,
    "cache": CacheConfig,
    "hurdle": HurdleConfig,
    "islands": IslandsConfig,
    "stop": StopConfig,
    "experiments": ExperimentsConfig,
}
_TASK_SETS: Final = ("search", "select", "final")
_KEYS: Final = ("description", "seed", "tasks", *_SECTIONS)


def config_names() -> tuple[str, ...]:
    """Names of the shipped experiments, sorted.

    >>> "demo" in config_names()
    True
    """
    return names_in(CONFIG_FOLDER)


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> ExperimentConfig:
    """Read an experiment.

    Args:
        name_or_path: A shipped experiment (see :func:`config_names`) or a TOML file.
        overrides: ``"section.key=value"`` each; the value as in TOML, or bare text.
            ``tasks.*.key`` stands for all three sets of tasks. They act before anything
            is checked, so they can also add what the file lacks.

    Raises:
        ValueError: If there is no such experiment, the text is not TOML, a key is unknown
            or a value wrong; names file or override, and key.
    """
    return read_config(name_or_path, overrides, CONFIG_FOLDER, ExperimentConfig.from_data, _SETS)


_SETS: Final[dict[KeyPath, list[KeyPath]]] = {
    ("tasks", "*"): [("tasks", name) for name in _TASK_SETS]
}


def _section(kind: type, table: Any, path: tuple[str, ...]) -> Any:
    """A section's dataclass from its table."""
    return section(kind, table, path, {MutationConfig: {"weights": MutationWeights}})


def _task_spec(kind: Any, table: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(table, Mapping):
        raise KeyProblem(path, f"expected a table, received {table!r}")
    try:
        return kind.from_data(table)
    except ValueError as error:
        raise below(path, str(error)) from None


def _check_ops_fit(name: str, component: ComponentConfig, memory: MemorySizes) -> None:
    """Make sure that each op has a register to write and to read.

    Random instructions never write the label ``s0`` or the features ``v0``.
    """
    for op_name in component.op_names:
        op = OP_BY_NAME[op_name]
        if "m" in op.inputs + op.output and memory.matrices < 1:
            raise KeyProblem(
                ("memory", "matrices"),
                f"expected at least 1 for {op_name} in {name}.ops, received 0",
            )
        if op.output == "v" and memory.vectors < 2:
            raise KeyProblem(
                ("memory", "vectors"),
                f"expected at least 2 for {op_name} in {name}.ops, received 1",
            )


def _plain(value: Any) -> Any:
    if hasattr(value, "to_data"):
        return value.to_data()
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return list(value) if isinstance(value, tuple) else value
