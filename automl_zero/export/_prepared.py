"""What every exporter starts from: a program checked, simplified and analysed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl_zero._config_values import choice
from automl_zero.liveness import (
    FEATURES,
    LABEL,
    PREDICTION,
    Register,
    canonical_program,
    needed_registers,
    random_ordinals,
)
from automl_zero.ops import CONSTANT_ROLES, OPS
from automl_zero.program import MemorySizes, Program
from automl_zero.tasks import OBJECTIVES


@dataclass(frozen=True, slots=True)
class Prepared:
    """A supervised program ready to be written in another language.

    Attributes:
        program: What is exported: the canonical form, or the program as given.
        squashes: Whether training replaces the prediction by its sigmoid (accuracy).
        sizes: Registers it needs.
        ordinals: Of random instructions, by component function and position.
        needed_after: Registers that matter once a component function has run.
        is_random: Whether it draws random numbers.
    """

    program: Program
    squashes: bool
    sizes: MemorySizes
    ordinals: Mapping[str, Mapping[int, int]]
    needed_after: Mapping[str, frozenset[Register]]
    is_random: bool

    def is_written(self, register: Register, *components: str) -> bool:
        """Whether an instruction of these component functions writes the register."""
        return any(item.output == register for name in components for item in self.program[name])

    @property
    def prediction_reads(self) -> frozenset[Register]:
        """Registers that a prediction takes from memory, the filled ones aside."""
        needed: set[Register] = {PREDICTION}
        for item in reversed(self.program["predict"]):
            if item.output in needed:
                if not item.op.keeps_output:
                    needed.discard(item.output)
                needed.update(item.inputs)
        return frozenset(needed - {LABEL, FEATURES})

    @property
    def carried(self) -> list[Register]:
        """Registers by which a prediction depends on the predictions before it."""
        return sorted(
            register for register in self.prediction_reads if self.is_written(register, "predict")
        )


def prepare(program: Program | str, objective: str, simplify: bool) -> Prepared:
    """Check what an exporter is given.

    Args:
        program: A supervised program, or its text.
        objective: ``"rms_error"`` or ``"accuracy"``: what its tasks were for.
        simplify: Take the canonical form: dead code removed, registers renumbered. It
            computes the same predictions, bit for bit.

    Raises:
        ValueError: If the program is no supervised one or has ops of the user's own, whose
            Python functions no export carries, or the objective is unknown.
    """
    if isinstance(program, str):
        program = Program.parse(program)
    if not isinstance(program, Program):
        raise ValueError(f"program: expected a Program or its text, received {program!r}")
    choice("objective", objective, OBJECTIVES)
    if simplify:
        program = canonical_program(program)
    own = {item.op.name for _, body in program.items() for item in body if item.op not in OPS}
    if own:
        raise ValueError(
            f"program: expected ops of the table, received {', '.join(sorted(own))}: an export "
            f"carries no op of your own"
        )
    return Prepared(
        program=program,
        squashes=objective == "accuracy",
        sizes=program.required_memory(),
        ordinals=random_ordinals(program),
        needed_after={name: found[-1] for name, found in needed_registers(program).items()},
        is_random=any(item.op.random for _, body in program.items() for item in body),
    )


CONSTANT_NAMES = frozenset(role.name for role in CONSTANT_ROLES)
"""Names that stand for constants in the op table's meanings."""
