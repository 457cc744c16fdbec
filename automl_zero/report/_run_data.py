"""What can be read of a run, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_zero.config import ExperimentConfig, load_config
from automl_zero.evolution._search_plan import Candidate
from automl_zero.evolution.runs import EVENT_SCHEMA, Run, expand
from automl_zero.program import Program
from automl_zero.report._epochs import Epochs

PROGRAM_SEARCH: Final = "program search"

_MAX_TOML: Final = 200_000

_Value = TypeVar("_Value")


class RunData:
    """A run as reports show it. What is damaged is left out and listed in :attr:`problems`.

    Nothing that it gives has been checked beyond its type: text is somebody's text.

    Args:
        run: Any run: finished, running, interrupted, of programs or of other genomes.

    >>> import tempfile
    >>> data = RunData(Run.create(tempfile.mkdtemp(), kind="toy", config={"size": 3}))
    >>> data.status, data.best, len(data.epochs), data.problems
    ('new', None, 0, [])
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.problems: list[str] = []
        self.status = run.status
        self.best = self._read(self._candidate)
        self.result = self._read(lambda: run.result or {}) or {}
        self.sessions = self._read(lambda: run.sessions) or []
        self.seconds = self._read(lambda: run.seconds) or 0.0
        self.config_text = self._read(self._toml)
        events = self._read(run.events)
        self._events = EVENT_SCHEMA.empty_table() if events is None else events
        self._tables: dict[str, pa.Table] = {}
        self.epochs = Epochs(self.table("epoch"))

    def table(self, kind: str) -> pa.Table:
        """The events of one kind."""
        if kind not in self._tables:
            found = self._read(lambda: expand(self._events, kind))
            self._tables[kind] = EVENT_SCHEMA.empty_table() if found is None else found
        return self._tables[kind]

    @property
    def is_program_search(self) -> bool:
        """Whether genomes are texts of programs."""
        return self.run.kind == PROGRAM_SEARCH

    @property
    def has_selection(self) -> bool:
        """Whether candidates were judged by something else than the search fitness."""
        best = self.best
        return best is not None and (
            self.is_program_search or best.select_fitness != best.fitness
        )

    @property
    def experiment(self) -> int | None:
        """The experiment that brought the best, or else the latest."""
        if self.best is not None:
            return self.best.experiment
        return max(self.epochs.experiments, default=None)

    @cached_property
    def config(self) -> ExperimentConfig | None:
        """The configuration of a program search; None if it is none or cannot be read."""
        return self._read(self._config) if self.is_program_search else None

    @cached_property
    def program(self) -> Program | None:
        """The best program; None if there is none or it is none."""
        if self.best is None or not self.is_program_search:
            return None
        text = self.best.genome
        return self._read(lambda: Program.parse(_program_text(text)))

    @cached_property
    def simplified(self) -> Program | None:
        """The best program without what it does not need."""
        from automl_zero.inspection import simplify

        program = self.program
        return None if program is None else self._read(lambda: simplify(program))

    @property
    def final_fitness(self) -> NDArray[np.float64]:
        """Fitness on each final task; empty if there is none."""
        values = self.result.get("final_task_fitness")
        if not isinstance(values, list) or not all(
            isinstance(value, int | float) and abs(value) <= 1 for value in values
        ):
            return np.empty(0)
        return np.array(values, np.float64)

    def text_of(self, genome: Any) -> str:
        """A genome as text."""
        return genome if isinstance(genome, str) else str(genome)

    def _candidate(self) -> Candidate | None:
        data = self.run.best
        try:
            return None if data is None else Candidate.from_data(data)
        except ValueError as error:
            raise ValueError(f"{self.run.path / 'best.json'}: {error}") from None

    def _toml(self) -> str | None:
        path = self.run.path / "config.toml"
        if not path.is_file():
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MAX_TOML + 1)
        return text if len(text) <= _MAX_TOML else f"{text[:_MAX_TOML]}\n# and more"

    def _config(self) -> ExperimentConfig:
        """That of config.toml, if it still is the one of run.json."""
        config = load_config(self.run.path / "config.toml")
        data = config.to_data()
        del data["stop"]["seconds"]  # may differ from session to session
        self.run.require_config({**self.run.config, "config": data})
        return config

    def _read(self, get: Callable[[], _Value]) -> _Value | None:
        try:
            return get()
        except (ValueError, OSError) as error:
            text = " ".join(str(error).split())
            if text not in self.problems:
                self.problems.append(text)
            return None


def _program_text(genome: Any) -> str:
    if not isinstance(genome, str):
        raise ValueError(f"best.json: genome: expected program text, received {type(genome)}")
    return genome
