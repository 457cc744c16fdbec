"""What registers hold, as values of which two are equal only if the numbers always are.

A value is an op applied to values, the unknown content of a register, or a number that
fills the whole register. :class:`Values` makes each of them once, so that equal values are
one object (Aho, Lam, Sethi & Ullman, "Compilers", 2nd ed., section 6.1.1, "value number").
It also knows which applications of an op are an older value (``maximum(x, x)`` is ``x``)
or a number.

Everything holds in float64 and in float32: a number is a pair, computed in either
precision, and a rule stands here only if it changes no bit in both. The sign and the payload
of a NaN count as no bit: no op can tell them.
"""

from __future__ import annotations

import enum
import math
import re
import struct
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from automl_zero.ops import Op
from automl_zero.program import Instruction
from automl_zero.reference import MEANINGS

Pair = tuple[float, float]
"""A number as computed in float64 and in float32."""


class Facts(enum.IntFlag):
    """What is known of every element of a value."""

    NOT_NEGATIVE = 1
    """NaN, or its sign bit is 0."""
    NOT_MINUS_ZERO = 2
    NOT_NAN = 4


NO_FACTS: Final = Facts(0)
ALL_FACTS: Final = Facts.NOT_NEGATIVE | Facts.NOT_MINUS_ZERO | Facts.NOT_NAN
_POSITIVE: Final = Facts.NOT_NEGATIVE | Facts.NOT_MINUS_ZERO


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One value; compare with ``is``.

    Attributes:
        kind: ``"s"``, ``"v"`` or ``"m"``.
        number: What every element is, if that is known.
        facts: What else is known of every element.
        instruction: The op with its constants, registers meaningless; None if the value is
            a number or was in a register from the start.
        inputs: Values that the op reads; the output's old content comes last if it
            keeps part of that.
    """

    kind: str
    number: Pair | None = None
    facts: Facts = NO_FACTS
    instruction: Instruction | None = None
    inputs: tuple[Value, ...] = ()


# Meanings in the op table decide which rule applies: what reads alike is alike.
_SUM, _DIFFERENCE, _PRODUCT, _QUOTIENT = "a + b", "a - b", "a * b", "a / b"
_CHOICES: Final = frozenset(
    f"where({test}, {chosen})"
    for test, chosen in (("b < a", "b, a"), ("a < b", "a, b"), ("a < b", "b, a"), ("a > b", "a, b"))
)
_REDUCING: Final = re.compile(r"\bsum\(")
_ELEMENTARY: Final = re.compile(r"\b(sin|cos|tan|arcsin|arccos|arctan|exp|log|power)\(")
_EXACT_POINTS: Final = (0.0, 1.0, math.inf, -math.inf)
"""Where an elementary function is exact, if its result is one of these too, or NaN."""

_IDEMPOTENT: Final = (
    "VECTOR_HEAVYSIDE_OP", "MATRIX_HEAVYSIDE_OP", "SCALAR_SIGN_OP", "VECTOR_SIGN_OP",
)  # fmt: skip
_OUTER: Final = "VECTOR_OUTER_PRODUCT_OP"
_TRANSPOSE: Final = "MATRIX_TRANSPOSE_OP"
_COLUMNS: Final = "VECTOR_COLUMN_BROADCAST_OP"
_ROWS: Final = "VECTOR_ROW_BROADCAST_OP"


class Values:
    """Makes values, equal ones once.

    Args:
        exact: False lets algebra ignore rounding, signs of zeros, infinities and NaN.
    """

    def __init__(self, exact: bool = True) -> None:
        self.exact = exact
        self._known: dict[Hashable, Value] = {}

    def unknown(self, kind: str, facts: Facts = NO_FACTS) -> Value:
        """A value that is equal to no other."""
        return Value(kind, facts=facts)

    def number(self, kind: str, number: Pair) -> Value:
        """The value of which every element is ``number``."""
        facts = ALL_FACTS
        for x in number:
            if math.isnan(x):
                facts &= ~Facts.NOT_NAN
            elif math.copysign(1.0, x) < 0:
                facts &= ~Facts.NOT_NEGATIVE if x else ~_POSITIVE
        return self._once((kind, bits(number)), Value(kind, number, facts))

    def zero(self, kind: str) -> Value:
        """+0 everywhere: what registers hold at the start."""
        return self.number(kind, (0.0, 0.0))

    def apply(self, instruction: Instruction, inputs: Sequence[Value]) -> Value:
        """What an instruction computes.

        Args:
            instruction: Not ``NO_OP``. Its registers do not matter.
            inputs: Values of its inputs; the output's old content comes last if it
                keeps part of that.
        """
        op = instruction.op
        if op.random:
            fixed = _without_draw(instruction)
            return self.unknown(op.output) if fixed is None else self.number(op.output, fixed)
        if op.name == "SCALAR_CONST_SET_OP":
            return self.number("s", pair(instruction.act))
        if op.commutative:
            inputs = sorted(inputs, key=id)
        number = self._number(instruction, inputs)
        if number is not None:
            return self.number(op.output, number)
        if op.keeps_output:
            return self._element_set(instruction, inputs[0])
        return self._same(op, inputs) or self._application(instruction, tuple(inputs))

    def _once(self, key: Hashable, value: Value) -> Value:
        return self._known.setdefault(key, value)

    def _application(self, instruction: Instruction, inputs: tuple[Value, ...]) -> Value:
        op = instruction.op
        constants = tuple(bits((value,)) for value in instruction.constants.values())
        value = Value(op.output, None, _facts(instruction, inputs), instruction, inputs)
        return self._once((op.id, constants, inputs), value)

    def _applied(self, name: str, *inputs: Value) -> Value:
        return self._application(Instruction(name), inputs)

    # Numbers -----------------------------------------------------------------------

    def _number(self, item: Instruction, inputs: Sequence[Value]) -> Pair | None:
        """The number that every element is, if that is certain."""
        op = item.op
        numbers = [value.number for value in inputs]
        if op.keeps_output or not inputs:
            return None
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers):
            if op.keeps_zero and all(_is(number, 0.0) for number in known):
                return 0.0, 0.0
            if not _REDUCING.search(op.numpy):  # else it depends on F
                return self._computed(item, known)
        facts = inputs[0].facts
        if op.name == "SCALAR_HEAVYSIDE_OP" and Facts.NOT_NEGATIVE | Facts.NOT_NAN in facts:
            return 1.0, 1.0
        return None if self.exact else _inexact_number(op, inputs)

    def _computed(self, item: Instruction, numbers: list[Pair]) -> Pair | None:
        """The op on numbers, in either precision; None where interpreters may round apart."""
        wide = _run(item, [number[0] for number in numbers], np.float64)
        if not _ELEMENTARY.search(item.op.numpy):
            return wide, _run(item, [number[1] for number in numbers], np.float32)
        # Elementary functions of float32 are computed in float64, then rounded.
        narrow = pair(_run(item, [number[1] for number in numbers], np.float64))[1]
        exact = all(
            math.isnan(y) or (x in _EXACT_POINTS and y in _EXACT_POINTS)
            for x, y in zip(numbers[0], (wide, narrow), strict=True)
        )
        return (wide, narrow) if exact or not self.exact else None

    # Older values ------------------------------------------------------------------

    def _element_set(self, instruction: Instruction, old: Value) -> Value:
        """The value after one element of ``old`` was set."""
        *position, new = instruction.constants.values()
        if old.number is not None and bits(old.number) == bits((new, new)):
            return old
        before = old.instruction
        if before is not None and before.op is instruction.op:
            *before_position, _ = before.constants.values()
            if before_position == position:
                return self._element_set(instruction, old.inputs[0])
        return self._application(instruction, (old,))

    def _same(self, op: Op, inputs: Sequence[Value]) -> Value | None:
        """A simpler value that equals the op's result, if there is one."""
        if op.arity == 1:
            return self._same_unary(op, inputs[0])
        a, b = inputs
        if op.numpy in _CHOICES:
            # Whichever of x and y was chosen, choosing again between it and x or y, in the
            # same order, gives it again; NaN and signed zeros included.
            if a is b or _chose(a, op, 1, b):
                return a
            if _chose(b, op, 0, a):
                return b
        for x, y, is_right in ((a, b, True), (b, a, False)):
            if y.number is not None and (is_right or op.numpy in (_SUM, _PRODUCT)):
                same = self._same_beside(op, x, y.number)
                if same is not None:
                    return same
        if op.name == _OUTER:
            return self._same_outer(a, b)
        return None

    def _same_beside(self, op: Op, x: Value, y: Pair) -> Value | None:
        """``x`` if the op with the number ``y`` on the other side changes nothing."""
        if op.numpy == _PRODUCT and _is(y, 1.0):
            if x.kind == op.output:
                return x
            # A number times a vector of ones; there is no op that spreads it over a matrix.
            return self._applied("SCALAR_BROADCAST_OP", x) if op.output == "v" else None
        if op.numpy == _QUOTIENT and _is(y, 1.0):
            return x
        if op.numpy in (_SUM, _DIFFERENCE):
            # x - 0 and x + -0 are x; x + 0 turns -0 into 0.
            neutral = 0.0 if op.numpy == _DIFFERENCE else -0.0
            if _is(y, neutral):
                return x
            if _is(y, -neutral) and (Facts.NOT_MINUS_ZERO in x.facts or not self.exact):
                return x
        return None

    def _same_unary(self, op: Op, a: Value) -> Value | None:
        inner = a.instruction.op if a.instruction is not None else None
        if op.numpy == "abs(a)" and Facts.NOT_NEGATIVE in a.facts:
            return a
        if inner is None:
            return None
        if op is inner and op.name in _IDEMPOTENT:
            return a
        if op.name == _TRANSPOSE:
            if inner is op:
                return a.inputs[0]
            if inner.name == _OUTER:
                return self._applied(_OUTER, *reversed(a.inputs))
            if inner.name in (_COLUMNS, _ROWS):
                return self._applied(_ROWS if inner.name == _COLUMNS else _COLUMNS, *a.inputs)
        if not self.exact and op is inner and op.numpy == "1 / a":
            return a.inputs[0]
        return None

    def _same_outer(self, a: Value, b: Value) -> Value | None:
        if b.number is not None and _is(b.number, 1.0):
            return self._applied(_COLUMNS, a)
        if a.number is not None and _is(a.number, 1.0):
            return self._applied(_ROWS, b)
        return None


def _chose(value: Value, op: Op, position: int, other: Value) -> bool:
    """Whether ``value`` is this minimum or maximum already taken with ``other``."""
    if value.instruction is None or value.instruction.op is not op:
        return False
    return value.inputs[position] is other


def _inexact_number(op: Op, inputs: Sequence[Value]) -> Pair | None:
    """The number that the op's result is in real arithmetic."""
    zero = any(value.number is not None and not any(value.number) for value in inputs)
    if op.numpy == _DIFFERENCE and inputs[0] is inputs[1]:
        return 0.0, 0.0
    if op.numpy == _QUOTIENT and inputs[0] is inputs[1] and not zero:
        return 1.0, 1.0
    is_product = op.numpy == _PRODUCT or op.name == _OUTER or "a * b" in op.numpy
    is_product &= not op.moves_zero  # a cosine is a quotient
    if zero and (is_product or op.name == "MATRIX_MATRIX_PRODUCT_OP"):
        return 0.0, 0.0
    return None


def _facts(instruction: Instruction, inputs: Sequence[Value]) -> Facts:
    """What holds of every element of an op's result, in exact IEEE arithmetic."""
    op = instruction.op
    if op.keeps_output:
        new = list(instruction.constants.values())[-1]
        return inputs[0].facts & Values().number(op.output, (new, new)).facts
    both = ALL_FACTS
    for value in inputs:
        both &= value.facts
    not_nan = both & Facts.NOT_NAN
    if op.kernel.endswith("heavyside"):
        return ALL_FACTS
    if op.kernel.endswith("sign"):
        return both
    if op.kernel.endswith("clip"):
        for constant in instruction.constants.values():
            both &= Values().number(op.output, pair(constant)).facts
        return both
    if op.numpy == "sqrt(a)":  # -0 has one of its own, other negative numbers have none
        real = Facts.NOT_NEGATIVE | Facts.NOT_NAN in both
        is_positive = Facts.NOT_MINUS_ZERO in both
        return (_POSITIVE if is_positive else NO_FACTS) | (Facts.NOT_NAN if real else NO_FACTS)
    if op.numpy in _CHOICES or op.name in (_TRANSPOSE, _COLUMNS, _ROWS, "SCALAR_BROADCAST_OP"):
        return both
    if op.numpy in ("abs(a)", "exp(a)"):
        return _POSITIVE | not_nan
    if op.numpy.startswith("sqrt("):  # norms and standard deviations: of sums of squares
        return _POSITIVE
    positive = _POSITIVE if Facts.NOT_NEGATIVE in both else NO_FACTS
    if op.numpy == _SUM:
        # A sum is -0 only if both terms are.
        either = inputs[0].facts | inputs[1].facts
        return positive | (either & Facts.NOT_MINUS_ZERO)
    if op.numpy == _DIFFERENCE:
        # A difference is -0 only if it is -0 - +0.
        return inputs[0].facts & Facts.NOT_MINUS_ZERO
    if op.name == _OUTER or "a * b" in op.numpy:  # products element by element, and sums of them
        square = op.name != _OUTER and inputs[0] is inputs[1]
        return _POSITIVE if square else positive
    if op.numpy in (_QUOTIENT, "1 / a") or op.kernel.endswith(("mean", "interpolate")):
        return positive
    if op.kernel.endswith("power"):
        return _POSITIVE if Facts.NOT_NEGATIVE in inputs[0].facts else NO_FACTS
    return NO_FACTS


def _without_draw(instruction: Instruction) -> Pair | None:
    """The number that a random op gives whatever it draws, if there is one."""
    first, second = list(instruction.constants.values())
    if not (math.isfinite(first) and math.isfinite(second)):
        return None
    if "uniform" in instruction.op.numpy:
        # low + 0 * u; a zero is left alone, as its sign would hang on the draw.
        fixed = first > second or (first == second != 0)
    else:
        fixed = second == 0 and first != 0
    return (first, first) if fixed else None


def _run(item: Instruction, numbers: list[float], dtype: Any) -> float:
    """The op on registers of one element, all operations in ``dtype``."""
    op = item.op
    shapes = {"s": (), "v": (1,), "m": (1, 1)}
    operands = [
        np.full(shapes[kind], x, dtype) for kind, x in zip(op.inputs, numbers, strict=True)
    ]
    a, b = (*operands, None, None)[:2]
    with np.errstate(all="ignore"):
        constants = [dtype(value) for value in item.constants.values()]
        result = MEANINGS[op.id](a, b, None, 1, None, None, *constants)
        return float(np.asarray(result, dtype).ravel()[0])


def pair(x: float) -> Pair:
    """A float64 constant as either precision has it."""
    with np.errstate(all="ignore"):
        return x, float(np.float32(x))


def _is(number: Pair, x: float) -> bool:
    return bits(number) == bits((x, x))


def bits(numbers: Sequence[float]) -> bytes:
    """The bits of float64 numbers, any NaN as one."""
    return struct.pack(f"<{len(numbers)}d", *(math.nan if x != x else x for x in numbers))



def pair_of(two: bytes) -> Pair:
    """The pair of which these are the bits."""
    wide, narrow = struct.unpack("<2d", two)
    return wide, narrow
