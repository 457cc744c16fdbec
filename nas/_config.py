"""A search as data: what the command line makes of its options and a run keeps."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from automl_zero._config_values import integer, require_known_keys
from automl_zero.evolution.runs import Run
from nas._registry import make_objective, make_space, make_strategy
from nas._search import RUN_KIND, search
from nas._trials import Objective, SearchOutcome
from nas.spaces import ChoiceSpace
from nas.strategies import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """A search described by names and numbers, which can be stored and made again.

    Args:
        space: Name of a space: ``"nas-bench-201"``, ``"darts"``, ...
        strategy: Name of a strategy: ``"regularized-evolution"``, ``"reinforce"``, ...
        objective: Name of an objective: ``"table"``, ``"training"``, or one that was registered.
        data: What the objective is about: a data set, a file.
        evaluations: Trials.
        batch: Outstanding trials, see :func:`nas.search`.
        seed: Fixes everything random.
        space_options: Settings of the space.
        strategy_options: Settings of the strategy.
        objective_options: Settings of the objective.

    Raises:
        ValueError: If a value is not as said; names and settings when the search is made.

    >>> config = SearchConfig(evaluations=100, seed=1, strategy="local-search")
    >>> outcome = config.run()
    >>> outcome.best.value
    84.892
    """

    space: str = "nas-bench-201"
    strategy: str = "regularized-evolution"
    objective: str = "table"
    data: str | None = None
    evaluations: int = 100
    batch: int = 1
    seed: int = 0
    space_options: Mapping[str, Any] = field(default_factory=dict)
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    objective_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("space", "strategy", "objective"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ValueError(f"{name}: expected a name, received {value!r}")
        if self.data is not None and not isinstance(self.data, str):
            raise ValueError(f"data: expected a text, received {self.data!r}")
        integer("evaluations", self.evaluations, 1)
        integer("batch", self.batch, 1)
        integer("seed", self.seed, 0, 2**64 - 1)
        for name in ("space_options", "strategy_options", "objective_options"):
            options = getattr(self, name)
            if not isinstance(options, Mapping):
                raise ValueError(f"{name}: expected a table, received {options!r}")

    @classmethod
    def of_run(cls, run: Run) -> SearchConfig:
        """The configuration of a run that :meth:`run` made.

        Raises:
            ValueError: If the run is another one, or its file damaged; names file and key.
        """
        path = run.path / "config.toml"
        if run.kind != RUN_KIND:
            raise ValueError(f"{run.path}: expected an {RUN_KIND}, received a {run.kind}")
        if not path.exists():
            raise ValueError(
                f"{path}: expected it, found none: the run was begun from Python, which has its "
                "space and objective"
            )
        try:
            data = tomllib.loads(path.read_text("utf-8"))
            require_known_keys((), data, cls.__dataclass_fields__)
            return cls(**data)
        except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are both
            raise ValueError(f"{path}: {error}") from None

    def make_space(self) -> ChoiceSpace:
        """The space alone.

        Raises:
            ValueError: If there is none of this name and these settings.
        """
        return make_space(self.space, self.space_options)

    def make(self) -> tuple[ChoiceSpace, Objective, Strategy]:
        """Space, objective and a fresh strategy.

        Raises:
            ValueError: If a name or a setting is unknown, or a setting wrong.
            ImportError: If the objective needs what is not installed.
        """
        space = self.make_space()
        objective = make_objective(self.objective, space, self.data, self.objective_options)
        options = dict(self.strategy_options)
        if self.strategy == "meta-qnn":  # its schedule is about as long as the search
            options.setdefault("trials", self.evaluations)
        return space, objective, make_strategy(self.strategy, space, self.seed, options)

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def run(self, run_dir: str | PathLike[str] | None = None, **options: Any) -> SearchOutcome:
        """Run the search.

        Args:
            run_dir: As for :func:`nas.search`.
            **options: ``resume``, ``executor``, ``workers``, ``on_progress``, ``should_stop``
                and ``checkpoint_seconds``, as for :func:`nas.search`.

        Raises:
            ValueError: As :meth:`make` and :func:`nas.search`.
            RuntimeError: As :func:`nas.search`.
        """
        space, objective, strategy = self.make()
        return search(
            space,
            objective,
            strategy,
            self.evaluations,
            batch=self.batch,
            run_dir=None if run_dir is None else Path(run_dir),
            config=self.to_data(),
            **options,
        )
