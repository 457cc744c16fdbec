"""What update rules are tried on: learning problems, and the settings that they are tuned over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from automl_zero._config_files import below
from automl_zero._config_values import KeyProblem, choice, integer, number, require_known_keys
from l2o.rules._evaluation import SCHEDULES, Schedule
from l2o.rules.optimizees import Optimizee
from l2o.rules.optimizees._problems import Precision

LEARNING_RATES: Final = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""The usual grid: from where sign updates are best to where plain gradients are."""

Measure = Literal["held_out", "training"]
MEASURES: Final = ("held_out", "training")

_KEYS: Final = (
    "problems", "steps", "variants", "seeds", "learning_rates", "weight_decays", "measure",
    "schedule", "precision",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTasks:
    """Learning problems, and how rules are tried on them.

    Every rule is run at each pair of a learning rate and a weight decay, on each variant and
    seed of a problem; the best pair for a problem is that of the lowest mean over all of them.

    Args:
        optimizees: The problems. The probe runs the first.
        steps: Updates of one training.
        variants: How many variants there are of each problem, with other splits of the data,
            orders of the batches and rotations. With one, rules are fitted to its order: on small
            networks it changed losses by more than the choice between good rules did.
        seeds: How often each variant is run, with other initial values.
        learning_rates: The grid, rising.
        weight_decays: Weight decays to try at each learning rate, rising.
        measure: What a training is judged by: ``"held_out"``, the loss on held-out examples after
            the last step (or the function's value); or ``"training"``, the mean training loss of
            the last quarter of the steps, which is less noisy: an average over many batches.
        schedule: Of the learning rate: ``"linear"`` decay to nothing, as networks are trained in
            practice, or ``"constant"``.
        precision: ``"float64"``, or ``"float32"`` for about twice the speed.

    Raises:
        ValueError: If there is no problem, a number is out of range, or a grid does not rise.

    >>> from l2o.rules.optimizees import quadratic
    >>> tasks = RuleTasks(optimizees=(quadratic(),), steps=50)
    >>> RuleTasks.from_data(tasks.to_data()) == tasks
    True
    """

    optimizees: tuple[Optimizee, ...]
    steps: int = 100
    variants: int = 1
    seeds: int = 2
    learning_rates: tuple[float, ...] = LEARNING_RATES
    weight_decays: tuple[float, ...] = (0.0,)
    measure: Measure = "held_out"
    schedule: Schedule = "linear"
    precision: Precision = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizees", tuple(self.optimizees))
        if not self.optimizees:
            raise ValueError("problems: expected at least one, received none")
        for item in self.optimizees:
            if not isinstance(item, Optimizee):
                raise ValueError(f"problems: expected optimizees, received {item!r}")
        integer("steps", self.steps, 2, 1_000_000)
        integer("variants", self.variants, 1, 10_000)
        integer("seeds", self.seeds, 1, 10_000)
        for name, least in (("learning_rates", 1e-30), ("weight_decays", 0.0)):
            object.__setattr__(self, name, _rising(name, getattr(self, name), least))
        choice("measure", self.measure, MEASURES)
        choice("schedule", self.schedule, SCHEDULES)
        choice("precision", self.precision, ("float64", "float32"))

    @property
    def settings(self) -> int:
        """Pairs of learning rate and weight decay."""
        return len(self.learning_rates) * len(self.weight_decays)

    def to_data(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "problems": [item.to_data() for item in self.optimizees],
            "steps": self.steps,
            "variants": self.variants,
            "seeds": self.seeds,
            "learning_rates": list(self.learning_rates),
            "weight_decays": list(self.weight_decays),
            "measure": self.measure,
            "schedule": self.schedule,
            "precision": self.precision,
        }

    @classmethod
    def from_data(cls, data: Any, path: tuple[str, ...] = ()) -> RuleTasks:
        """The tasks of :meth:`to_data`; all but the problems may be left out.

        Args:
            data: The table.
            path: Where it stands, for messages.

        Raises:
            ValueError: If a key is unknown or a value wrong; names it.
        """
        require_known_keys(path, data, _KEYS)
        values = dict(data)
        problems = values.pop("problems", None)
        if not isinstance(problems, list | tuple):
            raise KeyProblem((*path, "problems"), f"expected a list, received {problems!r}")
        found = []
        for position, item in enumerate(problems):
            if not isinstance(item, Mapping):
                raise KeyProblem((*path, "problems"), f"expected tables, received {item!r}")
            try:
                found.append(Optimizee.from_data(item))
            except ValueError as error:
                raise KeyProblem((*path, "problems"), f"[{position}]: {error}") from None
        try:
            return cls(optimizees=tuple(found), **values)
        except KeyProblem:
            raise
        except ValueError as error:
            raise below(path, str(error)) from None


def _rising(name: str, values: Any, least: float) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"{name}: expected a list of numbers, received {values!r}")
    found = tuple(number(name, value, least, 1e30) for value in values)
    if any(one >= other for one, other in zip(found, found[1:], strict=False)):
        raise ValueError(f"{name}: expected rising numbers, received {list(found)}")
    return found
