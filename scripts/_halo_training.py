"""The meta-training of HALO and of what it is compared with: tasks, and settings."""

from __future__ import annotations

from typing import Any, Final

from l2o.learned import ClassAdaptation, Classifiers, Mixture, digits_examples

STEPS: Final = 200
"""Length of the optimizations, and of the adaptations that are measured."""

SETTINGS: Final[dict[str, Any]] = {
    "batch_size": 6,
    "horizon": STEPS,
    "first_horizon": STEPS // 2,
    "curriculum": 0.0,
    "truncation": 20,
    "rollouts": 16,
    "lr": 3e-4,
    "decay": "cosine",
    "second_derivatives": True,
    "validation_problems": 4,
    "validate_every": 50,
    "checkpoint_every": 50,
}
"""Arguments of meta_train. With ten times the rate, networks learn to take large steps at once, and
get worse on larger images."""

GRADIENT_PENALTY: Final = 1e-3
_NETWORK: Final[dict[str, Any]] = {"activation": "tanh", "batch_size": 64}


def tasks() -> Mixture:
    """Small networks for digits in three sizes, from random weights or from other classes."""
    small, middle, large = (digits_examples(size, standardize=True) for size in (1, 2, 3))
    return Mixture(
        [
            Classifiers(small, [16], **_NETWORK),
            Classifiers(middle, [8], **_NETWORK),
            ClassAdaptation(small, (0, 1, 2, 3, 4), [16], **_NETWORK),
            ClassAdaptation(large, (1, 3, 5, 7, 9), [8], **_NETWORK),
        ]
    )


def validation() -> ClassAdaptation:
    """A larger network for large digits, and other classes."""
    digits = digits_examples(3, standardize=True)
    return ClassAdaptation(digits, (0, 2, 4, 6, 8), [16], **_NETWORK)
