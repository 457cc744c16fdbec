"""The sections of a configuration of a search for update rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from automl_zero._config_values import boolean, choice, did_you_mean, integer, number
from automl_zero.config import ComponentConfig
from automl_zero.ops import OP_BY_NAME
from l2o.rules._hand_written import HAND_WRITTEN_RULES
from l2o.rules._op_sets import RULE_OP_SETS
from l2o.rules._tasks import RuleTasks

STARTS: Final = ("random", "empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePopulationConfig:
    """The aging population of an island.

    Args:
        size: Individuals.
        tournament_size: Draws, with replacement, of which the fittest becomes the parent.
        attempts: Mutations of a child at most: it is mutated again while its live code is that
            of an individual alive. With 1, a search from an empty rule soon had 12 different
            ones among 200.
        initial: ``"random"``; ``"empty"``; or names of published rules and files of rules,
            repeated to fill the population. Files are relative to the working directory.

    Raises:
        ValueError: If a number is not positive or ``initial`` is none of these.
    """

    size: int = 100
    tournament_size: int = 10
    attempts: int = 1
    initial: tuple[str, ...] | str = "empty"

    def __post_init__(self) -> None:
        integer("size", self.size, 1, 2**31 - 1)
        integer("tournament_size", self.tournament_size, 1, 2**31 - 1)
        integer("attempts", self.attempts, 1, 1000)
        value = self.initial
        if isinstance(value, str) and value not in STARTS:
            value = (value,)
        if not isinstance(value, str):
            if not isinstance(value, list | tuple) or not value:
                raise ValueError(f"initial: expected a list of rules, received {value!r}")
            for item in value:
                _check_rule_name("initial", item, (*STARTS, *HAND_WRITTEN_RULES))
            value = tuple(value)
        object.__setattr__(self, "initial", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFitnessConfig:
    """How the fitness of a rule is computed.

    Args:
        baseline: The published rule, or file of a rule, whose tuned loss is fitness 0.
        bound: Highest score of a task, its negative the lowest.
        hurdle: In the search, a rule whose mean score is below after a task does not run on the
            rest. The lowest value: no hurdle.

    Raises:
        ValueError: If a value is wrong.
    """

    baseline: str = "adamw"
    bound: float = 1.0
    hurdle: float = -1e6

    def __post_init__(self) -> None:
        _check_rule_name("baseline", self.baseline, HAND_WRITTEN_RULES)
        object.__setattr__(self, "bound", number("bound", self.bound, 1e-6, 1e6))
        object.__setattr__(self, "hurdle", number("hurdle", self.hurdle, -1e6, 1e6))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCacheConfig:
    """What is remembered to save evaluations, on each island.

    Args:
        size: Fitnesses by the rule's live code; exact. 0: none.
        fec: Remember fitness by the losses of the first steps too: an approximation, as rules
            that only differ later share a fitness.
        fec_size: How many of those.

    Raises:
        ValueError: If a value is wrong.
    """

    size: int = 20_000
    fec: bool = True
    fec_size: int = 10_000

    def __post_init__(self) -> None:
        integer("size", self.size, 0, 2**31 - 1)
        boolean("fec", self.fec)
        integer("fec_size", self.fec_size, 1, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSelectionConfig:
    """Which rules get from the search to the result.

    Args:
        margin: A new best rule of an island is tried on the selection tasks unless its search
            fitness is so far below the best candidate's.
        finalists: So many of the best candidates enter the funnel.
        beat: Published rules, or files of rules: a finalist stays in the funnel while it is
            better than each of them, tuned likewise.
        tolerance: The winner is simplified as long as its fitness falls by no more.

    Raises:
        ValueError: If a value is wrong.
    """

    margin: float = 0.05
    finalists: int = 8
    beat: tuple[str, ...] = ("adamw", "sgd")
    tolerance: float = 0.002

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin", number("margin", self.margin, 0, 1e6))
        integer("finalists", self.finalists, 1, 1000)
        if not isinstance(self.beat, list | tuple) or not self.beat:
            raise ValueError(f"beat: expected a list of rules, received {self.beat!r}")
        for item in self.beat:
            _check_rule_name("beat", item, HAND_WRITTEN_RULES)
        object.__setattr__(self, "beat", tuple(self.beat))
        object.__setattr__(self, "tolerance", number("tolerance", self.tolerance, 0, 1e6))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStopConfig:
    """When an experiment ends: at the first limit reached. 0 sets no limit.

    Args:
        individuals: Rules created, all islands together.
        seconds: Of the whole run: the one limit that makes a result depend on the machine.
        stagnation: Rules without a new best one.

    Raises:
        ValueError: If a value is out of range, or there is no limit.
    """

    individuals: int = 0
    seconds: float = 0.0
    stagnation: int = 0

    def __post_init__(self) -> None:
        for name in ("individuals", "stagnation"):
            integer(name, getattr(self, name), 0, 2**62)
        seconds = number("seconds", self.seconds, 0)
        object.__setattr__(self, "seconds", 0.0 if seconds == math.inf else seconds)
        if not (self.individuals or self.seconds or self.stagnation):
            raise ValueError(
                "expected a limit of individuals, seconds or stagnation, received none"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExperimentsConfig:
    """How often the search starts afresh.

    Args:
        maximum: Experiments at most; 0: until another limit ends the run.
        sufficient_fitness: The run ends when a candidate's selection fitness is above this.

    Raises:
        ValueError: If a value is out of range.
    """

    maximum: int = 1
    sufficient_fitness: float = 1e6

    def __post_init__(self) -> None:
        integer("maximum", self.maximum, 0, 2**31 - 1)
        value = number("sufficient_fitness", self.sufficient_fitness, -1e6, 1e6)
        object.__setattr__(self, "sufficient_fitness", value)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the funnel.

    Args:
        name: What to call it.
        tasks: What rules are tried on there.

    Raises:
        ValueError: If the name is empty.
    """

    name: str
    tasks: RuleTasks

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: expected text, received {self.name!r}")

    def to_data(self) -> dict[str, Any]:
        """The stage as plain data."""
        return {"name": self.name, **self.tasks.to_data()}


def component(values: dict[str, Any]) -> dict[str, Any]:
    """The table of a component function, a named op set spelt out.

    Raises:
        ValueError: If there is no set of that name.
    """
    ops = values.get("ops", ())
    if not isinstance(ops, str):
        return values
    if ops not in RULE_OP_SETS:
        expected = ", ".join(RULE_OP_SETS)
        raise ValueError(
            f"ops: expected a list of op names or one of {expected}, received {ops!r}"
            f"{did_you_mean(ops, (*RULE_OP_SETS, *OP_BY_NAME))}"
        )
    return {**values, "ops": RULE_OP_SETS[ops]}


DEFAULT_SETUP: Final = ComponentConfig(ops=RULE_OP_SETS["constants"], max_size=8)
DEFAULT_UPDATE: Final = ComponentConfig(ops=RULE_OP_SETS["published"], max_size=24)


def _check_rule_name(key: str, value: Any, names: tuple[str, ...]) -> None:
    """Make sure that it is a name, or looks like the path of a file."""
    if not isinstance(value, str):
        raise ValueError(f"{key}: expected names of rules or files, received {value!r}")
    if "." not in value and "/" not in value:
        choice(key, value, names)
