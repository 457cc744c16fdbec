"""Accuracy and latency as one number."""

from __future__ import annotations

from typing import Final

from automl_zero._config_values import number

SOFT: Final = (-0.07, -0.07)
"""Exponents of MnasNet's soft constraint: twice the latency is worth 5 % accuracy."""

HARD: Final = (0.0, -1.0)
"""Exponents of MnasNet's hard constraint: what meets the target is judged by accuracy alone."""


def mnasnet_reward(
    accuracy: float, latency: float, target: float, exponents: tuple[float, float] = SOFT
) -> float:
    """Accuracy x (latency / target) ** w, of MnasNet.

    Tan et al., "MnasNet: Platform-aware neural architecture search for mobile" (CVPR 2019),
    equations 2 and 3.

    Args:
        accuracy: Higher is better, at least 0.
        latency: Positive; FLOPs or parameters, in their own unit, will do as well.
        target: What the latency should be at most; positive.
        exponents: w for latencies up to the target, and w above it: ``SOFT`` or ``HARD``.

    Raises:
        ValueError: If a number is out of range.

    >>> round(mnasnet_reward(0.9, 40.0, 80.0), 4), round(mnasnet_reward(0.9, 160.0, 80.0), 4)
    (0.9447, 0.8574)
    >>> mnasnet_reward(0.9, 40.0, 80.0, HARD), mnasnet_reward(0.9, 160.0, 80.0, HARD)
    (0.9, 0.45)
    """
    number("accuracy", accuracy, 0.0)
    for name, value in (("latency", latency), ("target", target)):
        if number(name, value, 0.0) == 0.0:
            raise ValueError(f"{name}: expected a positive number, received {value}")
    below, above = exponents
    return float(accuracy * (latency / target) ** (below if latency <= target else above))
