"""Numbers that can be multiplied by a fraction and divided again without losing a bit.

Maclaurin, Duvenaud & Adams, "Gradient-based hyperparameter optimization through reversible
learning" (ICML 2015), section 2.2 and algorithm 3.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS: Final = 46
"""Binary digits after the point: steps of 1.4e-14, and room for +-65,536 in 62 bits."""

LIMIT: Final = 1 << 62
"""Absolute value from which an integer counts as overflown."""

LARGEST_DENOMINATOR: Final = 1000
"""Of a momentum's fraction. A multiplication is exact to less than this many last digits."""

_PLANE_BITS: Final = 32
_MASK: Final = (1 << _PLANE_BITS) - 1


class BitStore:
    """What multiplications by fractions below 1 would lose, log2(d / n) bits each.

    A number of its own for every coordinate takes in the remainder of the division by d and
    gives what fills the gap after the multiplication by n. It grows in all of them alike, so
    that one bound tells when 32 bits of all move to the store: no coordinate has to remember
    when it did.

    Args:
        size: Numbers that are multiplied together.

    Example:
        >>> store, values = BitStore(3), np.array([10, -7, 123456789])
        >>> smaller = store.multiply(values, Fraction(9, 10))
        >>> smaller.tolist()
        [9, -6, 111111102]
        >>> store.divide(smaller, Fraction(9, 10)).tolist()
        [10, -7, 123456789]
    """

    def __init__(self, size: int) -> None:
        self._buffer = np.zeros(size, np.int64)
        self._bound = 1  # every entry of the buffer is below it
        self._planes: list[NDArray[np.uint32]] = []
        self._before_plane: list[tuple[int, int]] = []  # multiplication, bound before it
        self._count = 0

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self._buffer.nbytes + sum(plane.nbytes for plane in self._planes)

    def copy(self) -> BitStore:
        """Another one that can be emptied by itself; full planes are shared."""
        other = BitStore(0)
        other._buffer, other._bound = self._buffer.copy(), self._bound
        other._planes, other._before_plane = list(self._planes), list(self._before_plane)
        other._count = self._count
        return other

    def multiply(self, values: NDArray[np.int64], ratio: Fraction) -> NDArray[np.int64]:
        """``values * ratio``, up to a last-digits error below ``ratio``'s numerator.

        Args:
            values: Integers ``[size]``.
            ratio: In (0, 1], its denominator at most 65,536.
        """
        n, d = ratio.numerator, ratio.denominator
        if self._bound * d >= LIMIT:
            self._before_plane.append((self._count, self._bound))
            self._planes.append((self._buffer & _MASK).astype(np.uint32))
            self._buffer >>= _PLANE_BITS
            self._bound = (self._bound >> _PLANE_BITS) + 1
        self._count += 1
        quotient, remainder = np.divmod(values, d)
        self._buffer *= d
        self._buffer += remainder
        self._buffer, filling = np.divmod(self._buffer, n)
        self._bound = -(-self._bound * d // n)
        return quotient * n + filling

    def divide(self, values: NDArray[np.int64], ratio: Fraction) -> NDArray[np.int64]:
        """Undo the last multiplication that was not undone yet, which was by ``ratio``."""
        n, d = ratio.numerator, ratio.denominator
        quotient, filling = np.divmod(values, n)
        self._buffer *= n
        self._buffer += filling
        self._buffer, remainder = np.divmod(self._buffer, d)
        # Exact, because b -> ceil(b d / n) never maps two numbers to one.
        self._bound = self._bound * n // d
        self._count -= 1
        if self._before_plane and self._before_plane[-1][0] == self._count:
            self._bound = self._before_plane.pop()[1]
            self._buffer <<= _PLANE_BITS
            self._buffer |= self._planes.pop()
        return quotient * d + remainder


def to_fixed(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest fixed-point numbers.

    Raises:
        OverflowError: If one is not finite or beyond +-65,536.
    """
    scaled = np.rint(values * 2.0**FRACTION_BITS)
    if not (np.abs(scaled) < LIMIT).all():  # false for NaN too
        raise OverflowError("a number left the range of +-65,536")
    return scaled.astype(np.int64)


def to_float(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fixed-point numbers as float64; exact below 128."""
    floats: NDArray[np.float64] = values.astype(np.float64)
    return floats * 2.0**-FRACTION_BITS


@functools.lru_cache(4096)
def as_fraction(momentum: float) -> Fraction:
    """The nearest fraction with a denominator up to 1,000, above 0 and below 1."""
    near = Fraction(momentum).limit_denominator(LARGEST_DENOMINATOR)
    least = Fraction(1, LARGEST_DENOMINATOR)
    return min(max(near, least), 1 - least)
