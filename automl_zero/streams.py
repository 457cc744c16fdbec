"""Keyed random streams: every random number of the project comes from one of these.

A stream is a 64-bit key and a counter; number ``n`` of a stream is
``mix64(key + GAMMA * (n + 1))``, the SplitMix64 generator (Steele, Lea & Flood,
"Fast splittable pseudorandom number generators", OOPSLA 2014). It needs no state but
the counter, so any draw can be made anywhere, in any order, on any number of workers,
and the compiled interpreter draws the same numbers eight lanes at a time.

NumPy's own generators are not used: their distributions may change between NumPy
releases, and a seed here has to mean the same bytes forever. For the same reason normal
numbers come from the compiled interpreter: the last bit of NumPy's ``log``, ``cos`` and
``sin`` depends on the processor, the compiled ones are plain IEEE 754 arithmetic.
"""

from __future__ import annotations

import math
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.kernels import _engine
from automl_zero.ops import OP_BY_NAME

GAMMA: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1

# m0 = gaussian(0, 1, (n_features, n_features)) as the compiled interpreter reads it: op,
# registers, f0..f2, act.
_STANDARD_NORMAL: Final = np.frombuffer(
    struct.pack("<BBBBfffd", OP_BY_NAME["MATRIX_GAUSSIAN_SET_OP"].id, 0, 0, 0, 0.0, 1.0, 0.0, 0.0),
    np.uint8,
)
# Rows of the largest matrix that is filled in one go, so that its scratch memory (two
# more of its size) stays in the cache. Even, because the numbers come in pairs.
_LARGEST_SQUARE: Final = 64


def mix64(value: int) -> int:
    """SplitMix64's finaliser: a bijection of 64-bit integers that scatters their bits.

    >>> hex(mix64(GAMMA))
    '0xe220a8397b1dcdaf'
    """
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def stream_key(seed: int, *path: int | str) -> int:
    """Key of the stream that ``path`` names below ``seed``.

    Args:
        seed: Any integer; taken modulo 2**64.
        *path: What the stream is for: integers or words, e.g. ``("task", 3, "data")``.

    >>> stream_key(1, "task", 0) != stream_key(1, "task", 1)
    True
    """
    key = seed & _MASK
    for part in path:
        for number in _numbers(part):
            key = mix64(key + GAMMA * (number + 1))
    return key


def _numbers(part: int | str) -> list[int]:
    """A word as its UTF-8 bytes, eight to a number; an integer as itself."""
    if isinstance(part, int):
        return [part]
    encoded = part.encode()
    return [int.from_bytes(encoded[i : i + 8], "little") for i in range(0, len(encoded), 8)]


class Stream:
    """One keyed stream of random numbers, consumed from the front.

    Args:
        key: The stream's key, usually from :func:`stream_key`.
        position: How many 64-bit numbers have been consumed; 0 for a fresh stream.

    >>> stream = Stream(stream_key(7, "example"))
    >>> first = stream.uniform(3)
    >>> bool(np.array_equal(first, Stream(stream_key(7, "example")).uniform(3)))
    True
    """

    def __init__(self, key: int, position: int = 0) -> None:
        self.key = key & _MASK
        self.position = position

    def uint64(self, count: int) -> NDArray[np.uint64]:
        """The next ``count`` numbers, uniform over 64 bits, shape ``[count]``."""
        first = self.position + 1
        self.position += count
        with np.errstate(over="ignore"):
            z = np.arange(first, first + count, dtype=np.uint64) * np.uint64(GAMMA)
            z += np.uint64(self.key)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

    def uniform(
        self, shape: int | tuple[int, ...] = (), low: float = 0.0, high: float = 1.0
    ) -> NDArray[np.float64]:
        """Uniform numbers in the open interval (low, high), 52 random bits each."""
        count = math.prod(shape) if isinstance(shape, tuple) else shape
        u = ((self.uint64(count) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        return (low + (high - low) * u).reshape(shape)

    def normal(self, shape: int | tuple[int, ...] = ()) -> NDArray[np.float64]:
        """Standard normal numbers (Box & Muller 1958), both of each pair used.

        An odd count consumes the whole last pair.

        >>> Stream(stream_key(7, "example")).normal((2, 3)).shape
        (2, 3)
        """
        count = math.prod(shape) if isinstance(shape, tuple) else shape
        numbers = np.empty(count)
        for start in range(0, count, _LARGEST_SQUARE**2):
            part = numbers[start : start + _LARGEST_SQUARE**2]
            part[:] = _normal_numbers(self.key + GAMMA * self.position, len(part))
            self.position += 2 * ((len(part) + 1) // 2)
        return numbers.reshape(shape)

    def below(self, bound: int) -> int:
        """One integer uniform in ``0..bound-1`` (bias below ``bound`` / 2**64).

        Raises:
            ValueError: If ``bound`` is not positive.
        """
        if bound < 1:
            raise ValueError(f"bound: expected a positive integer, received {bound}")
        return (int(self.uint64(1)[0]) * bound) >> 64

    def permutation(self, count: int) -> NDArray[np.int64]:
        """A uniformly random order of ``0..count-1``."""
        return np.argsort(self.uint64(count), kind="stable")


def _normal_numbers(key: int, count: int) -> NDArray[np.float64]:
    """The first ``count`` normal numbers of a key."""
    side = math.isqrt(max(count - 1, 0)) + 1
    scalars, vectors, matrix = np.empty(0), np.empty((0, side)), np.empty((1, side, side))
    _engine.run_one_instruction(_STANDARD_NORMAL, side, 1, key & _MASK, 0, scalars, vectors, matrix)
    return matrix.reshape(-1)[:count]
