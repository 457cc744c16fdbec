"""What a search knows beside its islands; what a checkpoint keeps of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from automl_zero._config_values import integer, number
from automl_zero.evolution._search_plan import Candidate


@dataclass(slots=True)
class SearchState:
    """The state of a run between two epochs.

    Attributes:
        experiment: Number of the experiment that runs, from 1.
        epochs: Epochs taken in so far, in all experiments.
        best: The best candidate.
        finalists: The best candidates, the fittest by selection first; those of equal
            selection fitness count as one, the latest. Empty where one is enough.
        best_search_fitness: The highest search fitness of a candidate that was judged.
        totals: Statistics of the experiments before; None in the first.
        islands: Statistics of each island of this one.
        experiment_best: Its best search fitness.
        improved_at: Individuals that it had created when that was found.
        stopped_by: Which limit has ended the run; empty while it goes on.
    """

    islands: list[Any]
    experiment: int = 1
    epochs: int = 0
    best: Candidate | None = None
    best_search_fitness: float | None = None
    totals: Any = None
    experiment_best: float | None = None
    improved_at: int = 0
    stopped_by: str = field(default="")
    finalists: list[Candidate] = field(default_factory=list)

    def add_finalist(self, candidate: Candidate, most: int) -> None:
        """Take a candidate among the finalists if it is one of the best."""
        if most > 1:
            others = [it for it in self.finalists if it.select_fitness != candidate.select_fitness]
            ranked = sorted([*others, candidate], key=lambda it: -it.select_fitness)
            self.finalists = ranked[:most]

    def begin_next_experiment(self, statistics_type: Any) -> None:
        """Add the islands' counts to the totals and forget what is the experiment's own."""
        self.totals = self.statistics(statistics_type)
        self.experiment += 1
        self.islands = [None] * len(self.islands)
        self.experiment_best = None
        self.improved_at = 0

    def statistics(self, statistics_type: Any) -> Any:
        """Statistics of the whole run; its population is that of this experiment."""
        running = [item for item in self.islands if item is not None]
        if not running:
            return self.totals if self.totals is not None else statistics_type()
        merged = statistics_type.merged(running)
        return merged if self.totals is None else self.totals + merged

    def to_json(self) -> bytes:
        """Everything, as JSON."""
        data = {
            "experiment": self.experiment,
            "epochs": self.epochs,
            "best": None if self.best is None else self.best.to_data(),
            "finalists": [item.to_data() for item in self.finalists],
            "best_search_fitness": self.best_search_fitness,
            "totals": None if self.totals is None else self.totals.to_data(),
            "islands": [None if item is None else item.to_data() for item in self.islands],
            "experiment_best": self.experiment_best,
            "improved_at": self.improved_at,
            "stopped_by": self.stopped_by,
        }
        return json.dumps(data).encode()

    @classmethod
    def from_json(cls, text: bytes, statistics_type: Any) -> SearchState:
        """The state of :meth:`to_json`.

        Raises:
            ValueError: If it is none; names the field.
        """

        def statistics(item: Any) -> Any:
            return None if item is None else statistics_type.from_data(item)

        def fitness(name: str) -> float | None:
            value = data[name]
            return None if value is None else number(name, value, -1e308, 1e308)

        try:
            data = json.loads(text)
            islands: Sequence[Any] = data["islands"]
            return cls(
                experiment=integer("experiment", data["experiment"], 1),
                epochs=integer("epochs", data["epochs"], 0),
                best=None if data["best"] is None else Candidate.from_data(data["best"]),
                finalists=[Candidate.from_data(item) for item in data["finalists"]],
                best_search_fitness=fitness("best_search_fitness"),
                totals=statistics(data["totals"]),
                islands=[statistics(item) for item in islands],
                experiment_best=fitness("experiment_best"),
                improved_at=integer("improved_at", data["improved_at"], 0),
                stopped_by=str(data["stopped_by"]),
            )
        except (KeyError, TypeError, RecursionError, ValueError) as error:
            raise ValueError(f"part 'search': expected the state of a search: {error}") from None
