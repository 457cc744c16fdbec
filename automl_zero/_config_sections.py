"""The sections of an experiment's configuration. Public from :mod:`automl_zero.config`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from automl_zero._config_values import boolean, choice, did_you_mean, integer, number
from automl_zero.ops import OP_BY_NAME, ORIGINAL_OPS
from automl_zero.program import MAX_INSTRUCTIONS

INITIAL_POPULATIONS: Final = (
    "random",
    "no_op",
    "linear",
    "logistic",
    "neural_net",
    "damaged_neural_net",
    "shallow_neural_net",
    "bilinear",
)
COMBINATIONS: Final = ("mean", "median")
PRECISIONS: Final = ("float64", "float32")
BASELINES: Final = ("neural_net", "linear")
MIGRATIONS: Final = ("ring", "star", "random", "none")

OP_SETS: Final = {
    "all": tuple(op.name for op in ORIGINAL_OPS if op.output),
    "deterministic": tuple(op.name for op in ORIGINAL_OPS if op.output and not op.random),
}
"""Named op lists, of the original op table. ``NO_OP`` is in none: it does nothing and is as dear
as an addition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentConfig:
    """One component function: which ops evolution may use in it, and how many.

    Args:
        ops: Op names, or ``"all"`` or ``"deterministic"`` (all that draw no random
            numbers). With none the function is never mutated. A name given twice is
            drawn twice as often.
        init_size: Instructions of an initial program; hand-built ones are padded with
            ``NO_OP`` up to it.
        min_size: Removal stops here.
        max_size: Insertion stops here, *inclusive*. The original project's ``max`` was
            exclusive: its 7 is 6 here.

    Raises:
        ValueError: If an op is unknown, a size is outside 0..1000, or the sizes of a
            function that can be mutated contradict each other.

    >>> ComponentConfig(ops=["SCALAR_SUM_OP"], init_size=1, max_size=6).op_ids
    (1,)
    """

    ops: tuple[str, ...] | str = ()
    init_size: int = 0
    min_size: int = 0
    max_size: int = MAX_INSTRUCTIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "ops", _checked_ops(self.ops))
        for name in ("init_size", "min_size", "max_size"):
            integer(name, getattr(self, name), 0, MAX_INSTRUCTIONS)
        if self.min_size > self.max_size:
            raise ValueError(
                f"min_size: expected at most max_size = {self.max_size}, received {self.min_size}"
            )
        if self.ops and self.init_size > self.max_size:
            raise ValueError(
                f"init_size: expected at most max_size = {self.max_size}, received {self.init_size}"
            )

    @property
    def op_names(self) -> tuple[str, ...]:
        """The ops by name, with a named set spelt out."""
        return OP_SETS[self.ops] if isinstance(self.ops, str) else self.ops

    @property
    def op_ids(self) -> tuple[int, ...]:
        """The ops by id."""
        return tuple(OP_BY_NAME[name].id for name in self.op_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationConfig:
    """The aging population.

    Args:
        size: Individuals.
        tournament_size: Draws, with replacement, of which the fittest becomes the parent.
        attempts: Mutations of a child at most: it is mutated again while its live code is that
            of an individual alive. 1, the original's behaviour: duplicates are let be. With
            10 a solution takes fewer than half as many individuals
            (``scripts/measure_sample_efficiency.py``).
        initial: ``"random"``; ``"no_op"`` (empty programs, padded); the hand-built
            ``"linear"``, ``"neural_net"``, ``"damaged_neural_net"`` (the network
            without its random start, for the search to repair) or ``"shallow_neural_net"``
            (the network whose hidden layer does not learn); or program files, text
            or JSON, relative to the working directory, repeated to fill the population.

    Raises:
        ValueError: If a number is not positive or ``initial`` is none of these.
    """

    size: int = 1000
    tournament_size: int = 10
    attempts: int = 1
    initial: tuple[str, ...] | str = "random"

    def __post_init__(self) -> None:
        integer("size", self.size, 1, 2**31 - 1)
        integer("tournament_size", self.tournament_size, 1, 2**31 - 1)
        integer("attempts", self.attempts, 1, 1000)
        if isinstance(self.initial, list | tuple):
            for path in self.initial:
                if not isinstance(path, str):
                    raise ValueError(f"initial: expected program files, received {path!r}")
            if not self.initial:
                raise ValueError("initial: expected at least one program file, received none")
            object.__setattr__(self, "initial", tuple(self.initial))
        elif isinstance(self.initial, str) and self.initial not in INITIAL_POPULATIONS:
            raise ValueError(
                f"initial: expected one of {', '.join(INITIAL_POPULATIONS)} or a list of program "
                f"files, received {self.initial!r}{did_you_mean(self.initial, INITIAL_POPULATIONS)}"
            )
        else:
            choice("initial", self.initial, INITIAL_POPULATIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationWeights:
    """How often each mutation type is drawn, relative to the others. 0: never.

    The types are those of the AutoML-Zero paper and its published search engine.

    Args:
        alter_param: One register or constant of one instruction is redrawn.
        randomize_instruction: One instruction is redrawn.
        randomize_component_function: Every instruction of one function is redrawn.
        identity: Nothing changes.
        insert_instruction: A random instruction goes in, below ``max_size``.
        remove_instruction: An instruction goes, above ``min_size``.
        trade_instruction: One goes in, then one goes.
        randomize_algorithm: Every instruction of every function is redrawn.

    Raises:
        ValueError: If a weight is negative, infinite or NaN, or all are 0.
    """

    alter_param: float = 0.0
    randomize_instruction: float = 0.0
    randomize_component_function: float = 0.0
    identity: float = 0.0
    insert_instruction: float = 0.0
    remove_instruction: float = 0.0
    trade_instruction: float = 0.0
    randomize_algorithm: float = 0.0

    def __post_init__(self) -> None:
        for name in MUTATION_TYPES:
            value = number(name, getattr(self, name), 0.0, 1e12)
            object.__setattr__(self, name, value)
        if not any(self.as_tuple()):
            raise ValueError(
                f"expected a positive weight among {', '.join(MUTATION_TYPES)}, received none"
            )

    def as_tuple(self) -> tuple[float, ...]:
        """The weights in the order of :data:`MUTATION_TYPES`."""
        return tuple(getattr(self, name) for name in MUTATION_TYPES)


MUTATION_TYPES: Final = tuple(item.name for item in fields(MutationWeights))
"""Mutation types in the order of their ids in the original project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationConfig:
    """Mutation of a parent into a child.

    Args:
        probability: Chance that a child is mutated (exactly once); else it is its parent.
        weights: How the mutation type is drawn.
        zero_constants_mutate: Constants change by a factor, so that one at 0 stays there
            for ever; that is the original's behaviour and the default. True redraws such
            a constant instead.

    Raises:
        ValueError: If ``probability`` is outside 0..1.
    """

    probability: float = 0.9
    weights: MutationWeights = field(
        default_factory=lambda: MutationWeights(
            alter_param=1, insert_instruction=1, remove_instruction=1
        )
    )
    zero_constants_mutate: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "probability", number("probability", self.probability, 0, 1))
        boolean("zero_constants_mutate", self.zero_constants_mutate)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How a program's fitness is computed.

    Args:
        max_abs_error: A training or validation error beyond this ends the evaluation with
            fitness 0. Only for regression: classification errors are at most 1.
        combination: Fitness over several tasks: ``"mean"`` or ``"median"`` (the upper one).
        precision: ``"float64"``, or ``"float32"`` for twice the speed and other roundings.
        train_budget_factor: A program dearer than this many baseline programs gets fitness
            0 untrained. 0 sets no budget; the original project used 2.
        train_budget_baseline: The baseline: ``"neural_net"`` or ``"linear"``.
        must_learn: Programs that cannot learn get fitness 0 untrained: those whose live code
            does not read the features in ``predict`` or the label in ``learn``, so that the
            prediction depends on one of them at most.

    Raises:
        ValueError: If a number is out of range or a word is none of those.
    """

    max_abs_error: float = 100.0
    combination: Literal["mean", "median"] = "mean"
    precision: Literal["float64", "float32"] = "float64"
    train_budget_factor: float = 0.0
    train_budget_baseline: Literal["neural_net", "linear"] = "neural_net"
    must_learn: bool = False

    def __post_init__(self) -> None:
        limit = number("max_abs_error", self.max_abs_error, 0)
        if limit == 0:
            raise ValueError("max_abs_error: expected a positive number, received 0")
        object.__setattr__(self, "max_abs_error", limit)
        choice("combination", self.combination, COMBINATIONS)
        choice("precision", self.precision, PRECISIONS)
        budget = number("train_budget_factor", self.train_budget_factor, 0, 1e12)
        object.__setattr__(self, "train_budget_factor", budget)
        choice("train_budget_baseline", self.train_budget_baseline, BASELINES)
        boolean("must_learn", self.must_learn)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What is remembered to save evaluations.

    Args:
        canonical: Remember fitness by the program's live code. Exact: no result changes.
        canonical_megabytes: Memory for it.
        fec: Functional equivalence cache: remember fitness by the errors on the first
            examples. An approximation: programs that only differ later share a fitness.
        fec_train: Training examples of the probe (10 as in the original project).
        fec_valid: Validation examples of the probe.
        fec_megabytes: Memory for it.

    Raises:
        ValueError: If a value has the wrong type or range.
    """

    canonical: bool = True
    canonical_megabytes: float = 32.0
    fec: bool = False
    fec_train: int = 10
    fec_valid: int = 10
    fec_megabytes: float = 16.0

    def __post_init__(self) -> None:
        boolean("canonical", self.canonical)
        boolean("fec", self.fec)
        integer("fec_train", self.fec_train, 1, 2**31 - 1)
        integer("fec_valid", self.fec_valid, 1, 2**31 - 1)
        for name in ("canonical_megabytes", "fec_megabytes"):
            object.__setattr__(self, name, number(name, getattr(self, name), 1, 2**20))


@dataclass(frozen=True, slots=True, kw_only=True)
class HurdleConfig:
    """Cheap tasks first: weak programs are not run on the others.

    The fitness of a program that does not take the hurdle is that on the first tasks: an
    approximation. An apparent best program is evaluated in full before it is recorded.

    Args:
        tasks: How many search tasks come before the hurdle; 0: there is none. They run in
            lockstep: multiples of 8 (in float32 of 16) cost least.
        percentile: The hurdle is this percentile of the population's fitness on those
            tasks, found anew whenever the population was renewed. 25 more than halved the
            time to a solution on digits and halved it on the demo with 40 tasks; 50 did
            much less (``scripts/measure_hurdles.py``).

    Raises:
        ValueError: If a value has the wrong type or range.
    """

    tasks: int = 0
    percentile: float = 25.0

    def __post_init__(self) -> None:
        integer("tasks", self.tasks, 0, 2**31 - 1)
        object.__setattr__(self, "percentile", number("percentile", self.percentile, 0, 100))


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandsConfig:
    """Several populations side by side; they are what runs in parallel.

    The result depends on these settings, never on how many workers there are.

    Args:
        count: Islands, each with a population of ``population.size``. At least as many as
            workers; twice as many even out epochs that take unlike times.
        epoch: Individuals that an island creates before it is looked at: limits, new best
            programs and migration come between epochs. Caches start with each from what
            the population tells. 0 stands for ten times the population; an epoch of about a
            second is best.
        migration: Who receives from whom: ``"ring"`` (each island from the one before it),
            ``"star"`` (the first from all, all from the first), ``"random"`` (each from one
            drawn each time), or ``"none"``.
        migration_interval: Epochs between migrations.
        migrants: How many individuals an island sends, the fittest ones. They take the
            places of the oldest.

    Raises:
        ValueError: If a value has the wrong type or range.
    """

    count: int = 1
    epoch: int = 0
    migration: Literal["ring", "star", "random", "none"] = "ring"
    migration_interval: int = 10
    migrants: int = 1

    def __post_init__(self) -> None:
        integer("count", self.count, 1, 100_000)
        integer("epoch", self.epoch, 0, 2**62)
        choice("migration", self.migration, MIGRATIONS)
        integer("migration_interval", self.migration_interval, 1, 2**31 - 1)
        integer("migrants", self.migrants, 1, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopConfig:
    """When an experiment ends: at the first limit reached. 0 sets no limit.

    All but ``individuals`` are looked at between epochs.

    Args:
        individuals: Individuals of one experiment, those of all islands and the initial
            populations included.
        train_steps: Training examples run in one experiment, the probe's included.
        seconds: Wall-clock time of the whole run, all experiments together. The one limit
            that makes a result depend on the machine.
        fitness: The best search fitness at which an experiment ends early.
        stagnation: Individuals of an experiment without a new best one.

    Raises:
        ValueError: If a value has the wrong type or range, or no limit is set.
    """

    individuals: int = 0
    train_steps: int = 0
    seconds: float = 0.0
    fitness: float = 0.0
    stagnation: int = 0

    def __post_init__(self) -> None:
        for name in ("individuals", "train_steps", "stagnation"):
            integer(name, getattr(self, name), 0, 2**62)
        seconds = number("seconds", self.seconds, 0)
        object.__setattr__(self, "seconds", 0.0 if seconds == math.inf else seconds)
        object.__setattr__(self, "fitness", number("fitness", self.fitness, 0, 1))
        if not (self.individuals or self.train_steps or self.seconds or self.stagnation):
            raise ValueError(
                "expected a limit of individuals, train_steps, seconds or stagnation, "
                "received none"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentsConfig:
    """How often the search starts afresh.

    Args:
        maximum: Experiments at most; 0 repeats until one suffices.
        sufficient_fitness: The run ends when an experiment's best program has a mean
            fitness *above* this on the selection tasks.

    Raises:
        ValueError: If a value is out of range.
    """

    maximum: int = 1
    sufficient_fitness: float = 1.0

    def __post_init__(self) -> None:
        integer("maximum", self.maximum, 0, 2**31 - 1)
        value = number("sufficient_fitness", self.sufficient_fitness, 0, 1)
        object.__setattr__(self, "sufficient_fitness", value)


def _checked_ops(ops: Any) -> tuple[str, ...] | str:
    if isinstance(ops, str):
        if ops not in OP_SETS:
            raise ValueError(
                f"ops: expected a list of op names, 'all' or 'deterministic', received {ops!r}"
                f"{did_you_mean(ops, (*OP_SETS, *OP_BY_NAME))}"
            )
        return ops
    if not isinstance(ops, list | tuple):
        raise ValueError(f"ops: expected a list of op names, received {ops!r}")
    for name in ops:
        if name not in OP_BY_NAME:
            raise ValueError(
                f"ops: expected op names, received {name!r}{did_you_mean(name, OP_BY_NAME)}; "
                f"your own are declared first (--ops FILE, or register_op)"
            )
    return tuple(ops)
