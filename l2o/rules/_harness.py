"""What drives an update rule: which registers it finds filled, and which one is read."""

from __future__ import annotations

from typing import Final

from automl_zero.liveness import Harness, Register, Stage
from automl_zero.program import Program

STEP: Final[Register] = ("s", 0)
"""Number of the step: 1, 2, ..."""

SCHEDULE: Final[Register] = ("s", 1)
"""Share of the training that lies behind, in [0, 1)."""

LOSS: Final[Register] = ("s", 2)
"""Loss of the step's batch, before the update."""

WEIGHT_DECAY: Final[Register] = ("s", 3)
"""The second setting of a rule beside the learning rate."""

GRADIENT: Final[Register] = ("v", 0)
"""Gradient of the step's batch with respect to one tensor."""

PARAMETER: Final[Register] = ("v", 1)
"""The tensor's values, before the update."""

UPDATE: Final[Register] = ("v", 2)
"""What the rule computes: the parameter becomes ``parameter - learning_rate * update``."""

_INPUTS: Final = frozenset({STEP, SCHEDULE, LOSS, WEIGHT_DECAY, GRADIENT, PARAMETER})

UPDATE_RULE: Final = Harness(
    (
        Stage("setup", followed_by=("update",)),
        Stage(
            "update",
            filled=_INPUTS,
            read=frozenset({UPDATE}),
            followed_by=("update",),
        ),
    )
)
"""Setup once for each tensor, on memory that is zero; then update at every step. Whatever else
a register holds stays there from step to step: each tensor has a memory of its own."""


def parse_rule(text: str) -> Program:
    """The update rule that ``text`` shows: functions ``Setup`` and ``Update``.

    Raises:
        ProgramSyntaxError: If the text is not a program of these two functions.
        ValueError: If it uses a matrix register.

    >>> print(parse_rule('''
    ... def Setup():
    ...   s4 = 0.9
    ... def Update():
    ...   v3 = s4 * v3
    ...   v3 = v3 + v0
    ...   s5 = 1.0
    ...   v2 = s5 * v3
    ... '''))
    def Setup():
      s4 = 0.9
    def Update():
      v3 = s4 * v3
      v3 = v3 + v0
      s5 = 1.0
      v2 = s5 * v3
    """
    rule = Program.parse(text, UPDATE_RULE.components)
    check_rule(rule)
    return rule


def check_rule(rule: Program) -> None:
    """Make sure that a program is an update rule.

    Raises:
        ValueError: If it has other component functions, or uses a matrix register.
    """
    if not isinstance(rule, Program) or rule.components != UPDATE_RULE.components:
        expected = ", ".join(UPDATE_RULE.components)
        received = getattr(rule, "components", type(rule).__name__)
        raise ValueError(f"rule: expected a program of {expected}, received {received!r}")
    for name, body in rule.items():
        for position, instruction in enumerate(body):
            if "m" in instruction.op.inputs + instruction.op.output:
                raise ValueError(
                    f"rule: {name}[{position}] '{instruction}': expected scalars and vectors, "
                    "received a matrix op"
                )
