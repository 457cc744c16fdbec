"""Gradient descent with momentum that can be run backwards, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2o.hypergrad._fixed_point import BitStore, as_fraction, to_fixed, to_float


class TrainingDivergedError(ArithmeticError):
    """Weights, velocities or gradients left the range of the fixed-point numbers."""


class ReversibleSGD:
    """SGD with momentum on fixed-point numbers (Maclaurin et al. 2015, algorithms 1 to 3).

    A step is ``v = gamma v - (1 - gamma) g``, then ``w = w + alpha v``. Weights and
    velocities are 64-bit integers, sums of integers can be undone, and what the product
    ``gamma v`` loses goes to a bit store: about log2(1 / gamma) bits a step and weight,
    0.15 for gamma = 0.9.

    Backwards, :meth:`undo_weights` comes first; from the weights that it restores the
    gradient is computed again, and :meth:`undo_velocity` takes it. It must have the same bits
    as on the way forward.

    Args:
        initial: Weights of each group, any shapes; a group has a learning rate and a
            momentum of its own.

    Raises:
        TrainingDivergedError: If a weight is not finite or beyond +-65,536.

    Example:
        >>> sgd = ReversibleSGD([np.array([1.0, -2.0])])
        >>> for _ in range(100):
        ...     sgd.step([2 * sgd.weights()[0]], rates=[0.1], momenta=[0.9])
        >>> float(np.abs(sgd.weights()[0]).max()) < 0.1
        True
        >>> for _ in range(100):
        ...     sgd.undo_weights(rates=[0.1])
        ...     sgd.undo_velocity([2 * sgd.weights()[0]], momenta=[0.9])
        >>> sgd.weights()[0].tolist()
        [1.0, -2.0]
    """

    def __init__(self, initial: Sequence[ArrayLike]) -> None:
        arrays = [np.asarray(each, np.float64) for each in initial]
        self.shapes = [each.shape for each in arrays]
        self.steps = 0
        self._weights = [self._fixed(each.reshape(-1)) for each in arrays]
        self._velocities = [np.zeros_like(each) for each in self._weights]
        self._stores = [BitStore(each.size) for each in self._weights]

    @property
    def stored_bytes(self) -> int:
        """Memory of what is kept to go back: the bit stores of all groups."""
        return sum(store.nbytes for store in self._stores)

    def copy(self) -> ReversibleSGD:
        """Another one in the same state; each goes its own way from here."""
        other = ReversibleSGD([])
        other.shapes, other.steps = self.shapes, self.steps
        other._weights = [each.copy() for each in self._weights]
        other._velocities = [each.copy() for each in self._velocities]
        other._stores = [store.copy() for store in self._stores]
        return other

    def state(self) -> list[NDArray[np.int64]]:
        """Copies of all integers: weights of each group, then velocities."""
        return [each.copy() for each in (*self._weights, *self._velocities)]

    def weights(self) -> list[NDArray[np.float64]]:
        """Weights of each group, in their shapes."""
        return self._floats(self._weights)

    def velocities(self) -> list[NDArray[np.float64]]:
        """Velocities of each group, in their shapes."""
        return self._floats(self._velocities)

    def step(
        self,
        gradients: Sequence[NDArray[np.float64]],
        rates: Sequence[float] | NDArray[np.float64],
        momenta: Sequence[float] | NDArray[np.float64],
    ) -> None:
        """One step.

        Args:
            gradients: At :meth:`weights`, one for each group.
            rates: Learning rate of each group.
            momenta: Of each group; taken as the nearest fraction with a denominator up to
                1,000, above 0 and below 1.

        Raises:
            TrainingDivergedError: If a number is not finite or beyond +-65,536.
        """
        for group, (gradient, momentum) in enumerate(zip(gradients, momenta, strict=True)):
            kept = self._stores[group].multiply(self._velocities[group], as_fraction(momentum))
            self._velocities[group] = kept - self._pull(gradient, momentum)
        for group, change in enumerate(self._changes(rates)):
            self._weights[group] = self._weights[group] + change
            self._check(self._weights[group])
        self.steps += 1

    def undo_weights(self, rates: Sequence[float] | NDArray[np.float64]) -> None:
        """The first half of a step back, with the rates of that step."""
        for group, change in enumerate(self._changes(rates)):
            self._weights[group] = self._weights[group] - change

    def undo_velocity(
        self,
        gradients: Sequence[NDArray[np.float64]],
        momenta: Sequence[float] | NDArray[np.float64],
    ) -> None:
        """The second half: gradients at the restored weights, momenta of that step."""
        for group, (gradient, momentum) in enumerate(zip(gradients, momenta, strict=True)):
            kept = self._velocities[group] + self._pull(gradient, momentum)
            self._velocities[group] = self._stores[group].divide(kept, as_fraction(momentum))
        self.steps -= 1

    def _changes(self, rates: Sequence[float] | NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """What a step adds to the weights: the same in both directions."""
        return [
            self._fixed(float(rate) * to_float(velocity))
            for rate, velocity in zip(rates, self._velocities, strict=True)
        ]

    def _pull(self, gradient: NDArray[np.float64], momentum: float) -> NDArray[np.int64]:
        """``(1 - gamma) g``: the same in both directions."""
        return self._fixed(float(1 - as_fraction(momentum)) * gradient.reshape(-1))

    def _floats(self, values: list[NDArray[np.int64]]) -> list[NDArray[np.float64]]:
        return [
            to_float(each).reshape(shape) for each, shape in zip(values, self.shapes, strict=True)
        ]

    def _fixed(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        try:
            return to_fixed(values)
        except OverflowError as error:
            raise TrainingDivergedError(f"step {self.steps}: {error}") from None

    def _check(self, values: NDArray[np.int64]) -> None:
        # Two numbers below 2**62 add up to less than 2**63: no sum wraps before this check.
        if values.size and int(np.abs(values).max()) >= 1 << 62:
            raise TrainingDivergedError(f"step {self.steps}: a weight left the range of +-65,536")
