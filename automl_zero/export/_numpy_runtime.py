"""Random numbers of exported NumPy modules: the source of these functions is copied there.

They are those of :class:`automl_zero.reference.Draws`, without the rest of the project.
"""

from __future__ import annotations

import math

import numpy as np

_BITS = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def mix64(z: int) -> int:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014)."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _BITS
    return z ^ (z >> 31)


def random_numbers(
    count: int, seed: int, component: int, ordinal: int, step: int
) -> np.ndarray:
    """Uniform numbers in (0, 1): number n of a stream is mix64(key + gamma * (n + 1)).

    The stream's key comes from the task's seed, the component function (0 setup, 1 predict,
    2 learn) and the ordinal of the random instruction in it; each step takes ``count``
    numbers of the stream.
    """
    key = mix64((seed + _GAMMA * (component + 1)) & _BITS)
    key = mix64((key + _GAMMA * (ordinal + 1)) & _BITS)
    first = (key + _GAMMA * (step * count + 1)) & _BITS
    z = np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniform(
    low: float, high: float, shape: tuple[int, ...], seed: int, component: int, ordinal: int,
    step: int,
) -> np.ndarray:  # fmt: skip
    """Independent uniform numbers in (low, high); ``low`` itself if ``low > high``."""
    if low > high:
        return np.full(shape, low)
    u = random_numbers(math.prod(shape), seed, component, ordinal, step).reshape(shape)
    return low + (high - low) * u


def gaussian(
    mean: float, std: float, shape: tuple[int, ...], seed: int, component: int, ordinal: int,
    step: int,
) -> np.ndarray:  # fmt: skip
    """Independent normal numbers, drawn in pairs (Box & Muller 1958)."""
    count = math.prod(shape)
    pairs = (count + 1) // 2
    u1, u2 = random_numbers(2 * pairs, seed, component, ordinal, step).reshape(pairs, 2).T
    radius, angle = np.sqrt(-2.0 * np.log(u1)), 2.0 * np.pi * u2
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return mean + std * normal.ravel()[:count].reshape(shape)
