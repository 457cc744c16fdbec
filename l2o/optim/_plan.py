"""What an update rule needs to run: its live code, and what is stored from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from automl_zero.liveness import Register, live_program, needed_registers
from automl_zero.ops import OPS
from automl_zero.program import Program
from l2o.optim._graph import Fill, Node, Tracer, Value
from l2o.optim._scalars import Number, ScalarCode
from l2o.rules import (
    GRADIENT,
    LOSS,
    PARAMETER,
    SCHEDULE,
    STEP,
    UPDATE_RULE,
    WEIGHT_DECAY,
    check_rule,
)

INPUT_NAMES: Final[Mapping[Register, str]] = {
    STEP: "step",
    SCHEDULE: "schedule",
    LOSS: "loss",
    WEIGHT_DECAY: "weight_decay",
}
"""Variables that hold the scalar inputs."""


@dataclass(frozen=True, slots=True)
class RulePlan:
    """An update rule, analysed.

    Attributes:
        live: The rule without dead code.
        tensors: Registers that are stored as tensors, one for each parameter, with the number
            that setup fills them with; None if setup gives them elements of their own.
        numbers: Registers that are stored as numbers, with what setup leaves there.
        constants: Registers that update reads and nothing changes after setup.
        reads: Names of the scalar inputs that it reads.
        is_random: Whether it draws random numbers.
    """

    live: Program
    tensors: Mapping[Register, float | None]
    numbers: Mapping[Register, float]
    constants: Mapping[Register, Value]
    reads: frozenset[str]
    is_random: bool

    @property
    def counts_steps(self) -> bool:
        """Whether it has to know how many steps there were."""
        drawing = any(item.op.random for item in self.live["update"])
        return drawing or not self.reads.isdisjoint({"step", "schedule"})

    @property
    def has_setup_code(self) -> bool:
        """Whether some register starts with elements of its own."""
        return None in self.tensors.values()

    def start(self) -> dict[Register, Value]:
        """What registers hold when update begins, as symbols."""
        registers: dict[Register, Value] = dict(self.constants)
        registers.update(INPUT_NAMES)
        registers[GRADIENT] = Node("v", "leaf", name="grads")
        registers[PARAMETER] = Node("v", "leaf", name="params")
        for register in self.numbers:
            registers[register] = _shared(register, register_name(register))
        for register in self.tensors:
            kind, name = register[0], register_name(register)
            registers[register] = Node(kind, "leaf", name=name)  # type: ignore[arg-type]
        return registers


def plan_rule(rule: Program) -> RulePlan:
    """Analyse an update rule.

    Raises:
        ValueError: If it is none, or has ops that users declared: their Python functions
            have no form for tensors.
    """
    check_rule(rule)
    live = live_program(rule, UPDATE_RULE)
    own = sorted({item.op.name for _, body in live.items() for item in body if item.op not in OPS})
    if own:
        raise ValueError(f"rule: expected ops of the table, received {', '.join(own)}")
    before = needed_registers(live, UPDATE_RULE)["update"][0]
    filled = UPDATE_RULE.stage("update").filled
    kept = sorted(before - filled)
    written = {item.output for item in live["update"]}
    setup = Tracer(ScalarCode(), {})
    setup.run(live["setup"])

    # A register is shared by all tensors unless a step puts a tensor's own value there, which
    # may make others their own at the next step.
    shared = {register for register in kept if not isinstance(setup[register], Node)}
    while True:
        plan = RulePlan(
            live=live,
            tensors={
                register: _constant(setup[register]) for register in kept if register not in shared
            },
            numbers={
                register: constant_number(setup[register]) for register in kept
                if register in shared and register in written
            },
            constants={
                register: setup[register] for register in kept
                if register in shared and register not in written
            },
            reads=frozenset(INPUT_NAMES[r] for r in before if r in INPUT_NAMES),
            is_random=any(item.op.random for _, body in live.items() for item in body),
        )  # fmt: skip
        update = Tracer(ScalarCode(), plan.start())
        update.run(live["update"])
        different = {name for name in plan.numbers if isinstance(update[name], Node)}
        if not different:
            return plan
        shared -= different


def register_name(register: Register) -> str:
    """``v3`` for ``("v", 3)``."""
    return f"{register[0]}{register[1]}"


def _shared(register: Register, number: Number) -> Value:
    return number if register[0] == "s" else Fill(number)


def _constant(value: Value) -> float | None:
    return None if isinstance(value, Node) else constant_number(value)


def constant_number(value: Value) -> float:
    """The constant that a register or all elements of a vector are."""
    number = value.number if isinstance(value, Fill) else value
    if not isinstance(number, float):
        raise RuntimeError(f"expected a constant, received {number!r}")
    return number
