"""Random instructions and small changes of them, for programs of any harness.

The same distributions as the compiled mutation of supervised programs
(``kernels/program_space.c``), in Python: for genomes whose evaluation takes milliseconds.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any, Final

from automl_zero._config_values import did_you_mean
from automl_zero.evolution._search_space import RandomStream
from automl_zero.liveness import Register
from automl_zero.ops import OP_BY_NAME, ConstantRole, Op
from automl_zero.program import Instruction, MemorySizes

_PLURALS: Final = {"s": "scalars", "v": "vectors", "m": "matrices"}
_INPUTS: Final = ("in1", "in2")


class InstructionSource:
    """Draws and alters instructions.

    Args:
        memory: Registers that an instruction may read.
        protected: Registers that no instruction may write.
        zero_constants_mutate: As :class:`~automl_zero.config.MutationConfig`.
    """

    def __init__(
        self,
        memory: MemorySizes,
        protected: Iterable[Register] = (),
        zero_constants_mutate: bool = False,
    ) -> None:
        kept = set(protected)
        self._readable = {kind: memory.count(kind) for kind in _PLURALS}
        self._writable = {
            kind: [number for number in range(count) if (kind, number) not in kept]
            for kind, count in self._readable.items()
        }
        self._zero_constants_mutate = zero_constants_mutate

    def check(self, where: str, names: Iterable[str]) -> None:
        """Make sure that ops of these names have registers to read and to write.

        Raises:
            ValueError: If one has not, or does not exist; names it and ``where`` it stands.
        """
        for name in names:
            if name not in OP_BY_NAME:
                raise ValueError(
                    f"{where}.ops: expected op names, received {name!r}"
                    f"{did_you_mean(name, OP_BY_NAME)}"
                )
            op = OP_BY_NAME[name]
            for kind in op.inputs:
                if not self._readable[kind]:
                    raise ValueError(
                        f"memory.{_PLURALS[kind]}: expected at least 1 for {name} in {where}.ops, "
                        "received 0"
                    )
            if op.output and not self._writable[op.output]:
                raise ValueError(
                    f"memory.{_PLURALS[op.output]}: expected one more, which {name} in "
                    f"{where}.ops may write, received {self._readable[op.output]}"
                )

    def draw(self, ops: tuple[Op, ...], stream: RandomStream) -> Instruction:
        """An instruction whose op, registers and constants are drawn uniformly."""
        op = ops[stream.below(len(ops))]
        fields: dict[str, Any] = {}
        for name, kind in zip(_INPUTS, op.inputs, strict=False):
            fields[name] = stream.below(self._readable[kind])
        if op.output:
            fields["out"] = self._output(op.output, stream)
        for name, role in zip(op.constant_fields, op.constants, strict=True):
            fields[name] = _drawn(role, stream)
        return Instruction(op, **_in_order(op, fields))

    def alter(self, instruction: Instruction, stream: RandomStream) -> Instruction:
        """The instruction with one of its registers, or one constant, drawn or changed.

        Output, each input, and the constants together are equally likely.
        """
        op = instruction.op
        if not op.output:
            return instruction
        choice = stream.below(1 + op.arity + bool(op.constants))
        if choice == 0:
            return _with(instruction, out=self._output(op.output, stream))
        if choice <= op.arity:
            kind = op.inputs[choice - 1]
            name = _INPUTS[choice - 1]
            return _with(instruction, **{name: stream.below(self._readable[kind])})
        position = stream.below(len(op.constants))
        role, name = op.constants[position], op.constant_fields[position]
        value = getattr(instruction, name)
        if role.mutation == "redraw" or (self._zero_constants_mutate and value == 0):
            value = _drawn(role, stream)
        elif role.mutation == "log_odds":
            value = _with_other_odds(value, stream)
        else:
            value = _scaled(value, role.mutation == "scale_or_flip", name, stream)
        return _with(instruction, **{name: value})

    def _output(self, kind: str, stream: RandomStream) -> int:
        options = self._writable[kind]
        return options[stream.below(len(options))]


def _with(instruction: Instruction, **changes: Any) -> Instruction:
    op = instruction.op
    names = (*_INPUTS[: op.arity], *(("out",) if op.output else ()), *op.constant_fields)
    fields = {name: getattr(instruction, name) for name in names}
    return Instruction(op, **_in_order(op, {**fields, **changes}))


def _in_order(op: Op, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with bounds, if the op has some, the lower one first."""
    roles = dict(zip((role.name for role in op.constants), op.constant_fields, strict=True))
    if "low" in roles and "high" in roles and fields[roles["low"]] > fields[roles["high"]]:
        low, high = roles["low"], roles["high"]
        return {**fields, low: fields[high], high: fields[low]}
    return fields


def _drawn(role: ConstantRole, stream: RandomStream) -> float:
    # 24 bits: rounding to float32 never reaches the upper bound.
    return role.low + (role.high - role.low) * ((stream.uint64() >> 40) * 2.0**-24)


def _scaled(value: float, may_flip: bool, field: str, stream: RandomStream) -> float:
    """Log-normal change of magnitude, sigma 1; or, with probability 0.1, of the sign."""
    if may_flip and stream.uniform() < 0.1:
        return -value
    if value == 0 or not math.isfinite(value):
        return value
    changed = value * math.exp(stream.normal())
    return changed if _fits(changed, field) else value


def _with_other_odds(weight: float, stream: RandomStream) -> float:
    """The odds of a weight times a log-normal factor, sigma ln 10: 0.9 to 0.99 is a usual step."""
    change = math.log(10) * stream.normal()
    if not 0 < weight < 1:
        return weight
    changed = 1 / (1 + math.exp(min(math.log1p(-weight) - math.log(weight) - change, 700.0)))
    return changed if 0 < changed < 1 else weight


def _fits(value: float, field: str) -> bool:
    if field == "act":
        return math.isfinite(value)
    try:
        return math.isfinite(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return False
