"""How the best individual of a run came to be, improvement by improvement."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_zero.report._run_data import RunData

if TYPE_CHECKING:
    from automl_zero.evolution.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One improvement of an experiment: an individual better than all before it.

    Attributes:
        number: Place among the experiment's improvements, from 1.
        fitness: Search fitness of the individual.
        fitness_before: The best of the experiment before it; None for the first.
        genome: Its text.
        island: Where it was created.
        individual: Its number there.
        generation: How many ancestors it has.
        mutation: Type of the mutation that made it; None for an initial individual, or where
            the search does not tell.
        parent: Text of what was mutated; None for an initial individual, as the next two.
        parent_fitness: Fitness of the parent.
        parent_birth: Island, number and generation of the parent.
        parent_step: Number of the improvement that the parent is; None if it is none.
        is_best: Whether it is the run's best individual.

    >>> step = Step(number=2, fitness=0.9, genome="s1 = s0", parent="s1 = s2", mutation="alter")
    >>> print(step.diff())
    - s1 = s2
    + s1 = s0
    """

    number: int
    fitness: float
    genome: str
    fitness_before: float | None = None
    island: int = 0
    individual: int = 0
    generation: int | None = None
    mutation: str | None = None
    parent: str | None = None
    parent_fitness: float | None = None
    parent_birth: tuple[int, int, int] | None = None
    parent_step: int | None = None
    is_best: bool = False

    @property
    def gain(self) -> float:
        """By how much it is better than all before it; infinite for the first."""
        return float("inf") if self.fitness_before is None else self.fitness - self.fitness_before

    def diff(self) -> str:
        """What the mutation changed: all lines, ``-`` of the parent, ``+`` of the individual."""
        if self.parent is None:
            return self.genome
        lines = difflib.ndiff(self.parent.splitlines(), self.genome.splitlines())
        return "\n".join(line for line in lines if not line.startswith("?"))


def lineage(run: Run | RunData) -> list[Step]:
    """The improvements of the experiment that brought the best individual, in order.

    Most parents are no improvements themselves, so two steps in a row need not be parent and
    child; ``parent_step`` says where they are.

    Args:
        run: Any run; one without a best individual yet gives its latest experiment.

    Returns:
        The steps; empty if the log has none.

    Raises:
        ValueError: If the log is damaged (not of a run that was read for a report).
    """
    data = run if isinstance(run, RunData) else RunData(run)
    if not isinstance(run, RunData) and data.problems:
        raise ValueError(data.problems[0])
    best = None if data.best is None else tuple(data.best.birth[:2])
    steps: list[Step] = []
    numbers: dict[tuple[int, int], int] = {}
    for row in data.table("improvement").to_pylist():
        fitness = _real(row.get("fitness"))
        birth = (row["island"], row["individuals"])
        if row["experiment"] != data.experiment or fitness is None or None in birth:
            continue
        parent_birth = _birth(row.get("parent_birth"))
        steps.append(
            Step(
                number=len(steps) + 1,
                fitness=fitness,
                fitness_before=steps[-1].fitness if steps else None,
                genome=_text(row.get("genome")) or "",
                island=row["island"],
                individual=row["individuals"],
                generation=_whole(row.get("generation")),
                mutation=_text(row.get("mutation")),
                parent=_text(row.get("parent")),
                parent_fitness=_real(row.get("parent_fitness")),
                parent_birth=parent_birth,
                parent_step=None if parent_birth is None else numbers.get(parent_birth[:2]),
                is_best=birth == best,
            )
        )
        numbers[birth] = len(steps)
    return steps


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _real(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e100 else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _birth(value: Any) -> tuple[int, int, int] | None:
    if isinstance(value, list) and len(value) == 3 and all(map(_is_whole, value)):
        return (value[0], value[1], value[2])
    return None


def _is_whole(value: Any) -> bool:
    return _whole(value) is not None
