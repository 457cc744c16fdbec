"""One instruction of a program, and its 24-byte form. Public from :mod:`automl_zero.program`."""

from __future__ import annotations

import difflib
import math
import operator
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from automl_zero.ops import COLUMN, INDEX, OP_BY_NAME, ROW, WEIGHT, ConstantRole, Op, known_ops

MAX_REGISTERS: Final = 20
"""Registers of one kind a memory can have: ``s0..s19``, ``v0..v19``, ``m0..m19``."""

INSTRUCTION_DTYPE: Final = np.dtype(
    {
        "names": ["op", "in1", "in2", "out", "f0", "f1", "f2", "act"],
        "formats": ["u1", "u1", "u1", "u1", "f4", "f4", "f4", "f8"],
        "offsets": [0, 1, 2, 3, 4, 8, 12, 16],
        "itemsize": 24,
    },
    align=True,
)
"""An instruction as the compiled interpreter reads it: 24 bytes, aligned."""

REGISTER_FIELDS: Final = ("in1", "in2", "out")
CONSTANT_FIELDS: Final = ("act", "f0", "f1", "f2")
POSITION_ROLES: Final = (INDEX, ROW, COLUMN)
"""Roles whose constant is a position: a fraction of F, in [0, 1)."""

_PACK: Final = struct.Struct("<BBBBfffd").pack


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Instruction:
    """An op with its registers and constants: an immutable value.

    Two instructions are equal when their 24 bytes are, so ``0.0`` and ``-0.0`` differ
    and NaN equals NaN.

    Args:
        op: An :class:`~automl_zero.ops.Op`, its name, or its id.
        in1: Number of the first input register, 0..19; 0 if the op has no input.
        in2: Number of the second input register, 0..19; 0 if the op has none.
        out: Number of the output register, 0..19.
        act: Constant of a scalar op, or the weight of an interpolation; float64.
        f0: First constant of any other op; rounded to float32, as are ``f1`` and ``f2``.
        f1: Second constant.
        f2: Third constant.

    Raises:
        ValueError: If the op is unknown, a register number is outside 0..19, a field that
            the op does not use is not 0, a position constant (index, row, column) is
            outside [0, 1), a weight outside [0, 1], or a finite constant overflows float32.

    >>> instruction = Instruction("VECTOR_INNER_PRODUCT_OP", in1=1, in2=0, out=1)
    >>> print(instruction)
    s1 = dot(v1, v0)
    >>> instruction.inputs, instruction.output
    ((('v', 1), ('v', 0)), ('s', 1))
    >>> print(Instruction("VECTOR_CONST_SET_OP", out=2, f0=0.5, f1=-0.1))
    v2[0.5] = -0.1
    """

    op: Op
    in1: int
    in2: int
    out: int
    act: float
    f0: float
    f1: float
    f2: float

    def __init__(
        self,
        op: Op | str | int,
        in1: int = 0,
        in2: int = 0,
        out: int = 0,
        act: float = 0.0,
        f0: float = 0.0,
        f1: float = 0.0,
        f2: float = 0.0,
    ) -> None:
        row = find_op(op)
        put = object.__setattr__
        put(self, "op", row)
        used = used_registers(row)
        for field, number in zip(REGISTER_FIELDS, (in1, in2, out), strict=True):
            if field in used:
                put(self, field, _register_number(row, field, number))
            else:
                _require_unused(row, field, number)
                put(self, field, 0)
        roles = dict(zip(row.constant_fields, row.constants, strict=True))
        for field, value in zip(CONSTANT_FIELDS, (act, f0, f1, f2), strict=True):
            if field in roles:
                put(self, field, checked_constant(roles[field], field, value))
            else:
                _require_unused(row, field, value)
                put(self, field, 0.0)

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """Registers read, in order, as (kind, number): ``(("v", 1), ("v", 0))``.

        An op that keeps part of its output also reads that; it is not listed here.
        """
        return tuple(zip(self.op.inputs, (self.in1, self.in2), strict=False))

    @property
    def output(self) -> tuple[str, int] | None:
        """Register written, as (kind, number); None for ``NO_OP``."""
        return (self.op.output, self.out) if self.op.output else None

    @property
    def constants(self) -> dict[str, float]:
        """Constants by role, in the order of the op table: ``{"low": -1.0, "high": 1.0}``."""
        return {
            role.name: getattr(self, field)
            for role, field in zip(self.op.constants, self.op.constant_fields, strict=True)
        }

    def to_array(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """The instruction as a 0-dimensional array of :data:`INSTRUCTION_DTYPE`."""
        return np.frombuffer(self._bytes(), INSTRUCTION_DTYPE).reshape(()).copy()

    @classmethod
    def from_array(cls, record: Any) -> Instruction:
        """The instruction in one element of an array of :data:`INSTRUCTION_DTYPE`.

        Fields that the op does not use are taken as 0, whatever they hold.

        Raises:
            ValueError: If the dtype differs, or as the constructor does.
        """
        if getattr(record, "dtype", None) != INSTRUCTION_DTYPE or np.ndim(record) != 0:
            raise ValueError(
                f"record: expected one element of INSTRUCTION_DTYPE, received {record!r}"
            )
        number, in1, in2, out, f0, f1, f2, act = record.item()
        op = find_op(number)
        fields = {"in1": in1, "in2": in2, "out": out, "act": act, "f0": f0, "f1": f1, "f2": f2}
        used = used_registers(op) + op.constant_fields
        return cls(op, **{field: fields[field] for field in used})

    def _bytes(self) -> bytes:
        """The fields in the order and layout of :data:`INSTRUCTION_DTYPE`."""
        return _PACK(self.op.id, self.in1, self.in2, self.out, self.f0, self.f1, self.f2, self.act)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Instruction):
            return NotImplemented
        return self._bytes() == other._bytes()

    def __hash__(self) -> int:
        return hash(self._bytes())

    def __str__(self) -> str:
        """The instruction as a line of program text, without indentation."""
        words = dict(
            zip(("a", "b"), (f"{kind}{number}" for kind, number in self.inputs), strict=False)
        )
        for role, field in zip(self.op.constants, self.op.constant_fields, strict=True):
            words[role.name] = constant_text(field, getattr(self, field))
        return self.op.text.format(out=f"{self.op.output}{self.out}", **words)

    def __repr__(self) -> str:
        fields = used_registers(self.op) + self.op.constant_fields
        given = "".join(f", {field}={getattr(self, field)!r}" for field in fields)
        return f"Instruction({self.op.name!r}{given})"


def find_op(op: Op | str | int) -> Op:
    """The row of the op table for an op, a name or an id.

    Raises:
        ValueError: If there is none; a misspelt name is told the nearest one.
    """
    if isinstance(op, Op):
        return op
    if isinstance(op, str):
        if op in OP_BY_NAME:
            return OP_BY_NAME[op]
        near = difflib.get_close_matches(op.upper(), OP_BY_NAME, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"op: expected a name of the op table, received {op!r}{hint}")
    try:
        number = operator.index(op)
    except TypeError:
        raise ValueError(f"op: expected an Op, a name or an id, received {op!r}") from None
    ops = known_ops()
    if not 0 <= number < len(ops):
        raise ValueError(f"op: expected an id in 0..{len(ops) - 1}, received {number}")
    return ops[number]


def used_registers(op: Op) -> tuple[str, ...]:
    """The register fields that ``op`` uses, of ``in1``, ``in2``, ``out``."""
    return REGISTER_FIELDS[: op.arity] + (("out",) if op.output else ())


def checked_constant(role: ConstantRole, field: str, value: float) -> float:
    """``value`` as ``field`` stores it: float64 in ``act``, else rounded to float32.

    Raises:
        ValueError: If it is no real number, overflows float32, or is a position outside
            [0, 1) or a weight outside [0, 1]. A position that rounds up to 1 counts as outside.
    """
    if isinstance(value, (str, bytes)):
        raise ValueError(f"{field}: expected a number, received {value!r}")
    try:
        number = float(value)
        if field != "act":
            number = struct.unpack("<f", struct.pack("<f", number))[0]
    except (TypeError, ValueError):
        raise ValueError(f"{field}: expected a number, received {value!r}") from None
    except OverflowError:
        kind = "float64" if field == "act" else "float32"
        raise ValueError(f"{field}: expected a number that fits {kind}, received {value}") from None
    if role in POSITION_ROLES and not 0.0 <= number < 1.0:
        raise ValueError(f"{field}: expected {role.name} in [0, 1), received {value}")
    if role is WEIGHT and not 0.0 <= number <= 1.0:
        raise ValueError(f"{field}: expected {role.name} in [0, 1], received {value}")
    # One NaN only: its payload has no meaning and would not survive the text form.
    return math.nan if math.isnan(number) else number


def constant_text(field: str, value: float) -> str:
    """The shortest text that reads back as the same bits of ``field``'s type."""
    if field == "act":
        return repr(value)
    text = str(np.float32(value))
    # Reading rounds twice, to float64 and then to float32; a rare tie needs all digits.
    same = math.isnan(value) or struct.pack("<f", float(text)) == struct.pack("<f", value)
    return text if same else repr(value)


def _register_number(op: Op, field: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < MAX_REGISTERS:
        raise ValueError(
            f"{field}: expected a register number in 0..{MAX_REGISTERS - 1} for {op.name}, "
            f"received {value!r}"
        )
    return number


def _require_unused(op: Op, field: str, value: float) -> None:
    if not value == 0:
        raise ValueError(f"{field}: expected 0, as {op.name} does not use it, received {value!r}")
