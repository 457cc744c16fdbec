"""Numbers that all tensors share: folded to constants, or computed once at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from automl_zero.ops import OP_BY_NAME, Op
from automl_zero.reference import MEANINGS
from l2o.optim._expressions import number_text, torch_expression

Number = float | str
"""A number that all tensors share: a constant, or the name of a variable of the source."""

_SUM: Final = OP_BY_NAME["SCALAR_SUM_OP"]
_DIFFERENCE: Final = OP_BY_NAME["SCALAR_DIFF_OP"]
_PRODUCT: Final = OP_BY_NAME["SCALAR_PRODUCT_OP"]
_QUOTIENT: Final = OP_BY_NAME["SCALAR_DIVISION_OP"]


class ScalarCode:
    """Source lines that compute shared numbers, each of them once.

    At run time the variables are 0-dimensional float64 tensors: their arithmetic is IEEE 754
    as the program's, where Python's own would raise for 1/0.

    Attributes:
        lines: The lines, in order.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[str, str] = {}

    def apply(self, op: Op, numbers: Sequence[Number], constants: dict[str, float]) -> Number:
        """An op that applies element by element, on numbers."""
        if not any(isinstance(number, str) for number in numbers):
            a, b = ([np.float64(number) for number in numbers] + [None, None])[:2]
            values = (np.float64(value) for value in constants.values())
            with np.errstate(all="ignore"):
                return float(MEANINGS[op.id](a, b, None, 1, None, None, *values))
        operands = dict(zip("ab", map(scalar_text, numbers), strict=False))
        operands |= {name: scalar_text(value) for name, value in constants.items()}
        return self._named(torch_expression(op, operands, "torch.float64"))

    def sum(self, a: Number, b: Number) -> Number:
        """``a + b``."""
        return b if a == 0.0 else a if b == 0.0 else self.apply(_SUM, (a, b), {})

    def difference(self, a: Number, b: Number) -> Number:
        """``a - b``."""
        return a if b == 0.0 else self.apply(_DIFFERENCE, (a, b), {})

    def product(self, a: Number, b: Number) -> Number:
        """``a * b``."""
        if a == -1.0 and isinstance(b, str):
            return self._named(f"-{b}")
        return b if a == 1.0 else a if b == 1.0 else self.apply(_PRODUCT, (a, b), {})

    def quotient(self, a: Number, b: Number) -> Number:
        """``a / b``."""
        return a if b == 1.0 else self.apply(_QUOTIENT, (a, b), {})

    def _named(self, expression: str) -> str:
        if expression not in self._names:
            name = f"k{len(self._names)}"
            self._names[expression] = name
            self.lines.append(f"{name} = {expression}")
        return self._names[expression]


def scalar_text(number: Number) -> str:
    """A number as source."""
    return number if isinstance(number, str) else number_text(number)
