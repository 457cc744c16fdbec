"""Problems: optimizees with seeds, laid out for the compiled harness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from automl_zero.kernels import _engine
from numpy.typing import NDArray

from automl_zero._config_values import choice, integer
from l2o.rules.optimizees._arrays import ProblemArrays, problem_arrays
from l2o.rules.optimizees._descriptions import Optimizee

Precision = Literal["float64", "float32"]


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """An optimizee from several seeds, with all that rules find alike; made by
    :func:`compile_problems`.

    Attributes:
        optimizee: The description.
        seeds: Of starts, optima and the random numbers of rules.
        steps: Updates for which there are minibatches.
        precision: ``"float64"`` or ``"float32"``.
        arrays: The numbers.

    >>> from l2o.rules.optimizees import compile_problems, quadratic
    >>> (problem,) = compile_problems([quadratic(8)], seeds=[1, 2, 3], steps=10)
    >>> problem
    Problem(Quadratic(seed=0, size=8, condition=100.0), 3 seeds, 10 steps, float64)
    >>> problem.loss_and_gradient()[1].shape
    (8, 3)
    """

    optimizee: Optimizee
    seeds: tuple[int, ...]
    steps: int
    precision: Precision
    arrays: ProblemArrays
    compiled: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", _compiled(self.arrays, self.precision))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Parameters of each tensor."""
        return self.arrays.sizes

    def loss_and_gradient(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Loss ``[seeds]`` and gradient ``[parameters, seeds]`` at the start, of the first
        minibatch."""
        loss = np.zeros(len(self.seeds))
        gradient = np.zeros(self.arrays.start.shape)
        self.compiled.gradient(loss, gradient)
        return loss, gradient

    def __reduce__(self) -> tuple[Any, ...]:
        return _problem, (self.optimizee, self.seeds, self.steps, self.precision)

    def __repr__(self) -> str:
        return (
            f"Problem({self.optimizee!r}, {len(self.seeds)} seeds, {self.steps} steps, "
            f"{self.precision})"
        )


def compile_problems(
    optimizees: Iterable[Optimizee],
    *,
    seeds: Iterable[int],
    steps: int = 100,
    precision: Precision = "float64",
) -> list[Problem]:
    """Problems that rules can be tried on by :func:`evaluate_rule`, one for each optimizee.

    Args:
        optimizees: Descriptions.
        seeds: Of starts, optima and the random numbers of rules: each is a run of its own.
            Matrix, data and minibatches come from the optimizee's own seed and are the same for
            all.
        steps: Updates for which minibatches are drawn.
        precision: What is computed in: ``"float32"`` takes about half the time.

    Raises:
        ValueError: If an argument has the wrong type or range, or a data set too few examples.
        FileNotFoundError: If there is no such data file.

    >>> from l2o.rules.optimizees import logistic_regression, rosenbrock
    >>> digits, valley = compile_problems(
    ...     [logistic_regression("digits"), rosenbrock(4)], seeds=range(4), steps=50
    ... )
    >>> digits.sizes, valley.sizes
    ((640, 10), (4,))
    """
    listed = [optimizees] if isinstance(optimizees, Optimizee) else list(optimizees)
    for position, optimizee in enumerate(listed):
        if not isinstance(optimizee, Optimizee) or not optimizee.kind:
            raise ValueError(
                f"optimizees[{position}]: expected an Optimizee, received {optimizee!r}"
            )
    numbers = tuple(seeds)
    if not numbers:
        raise ValueError("seeds: expected at least one, received none")
    for position, seed in enumerate(numbers):
        integer(f"seeds[{position}]", seed, 0, 2**64 - 1)
    integer("steps", steps, 1, 10_000_000)
    choice("precision", precision, ("float64", "float32"))
    return [_problem(optimizee, numbers, steps, precision) for optimizee in listed]


def _problem(
    optimizee: Optimizee, seeds: tuple[int, ...], steps: int, precision: Precision
) -> Problem:
    arrays = problem_arrays(optimizee, seeds, steps)
    return Problem(optimizee, seeds, steps, precision, arrays)


def _compiled(arrays: ProblemArrays, precision: Precision) -> Any:
    dtype = np.dtype(precision)

    def as_real(array: NDArray[np.float64] | None) -> Any:
        return None if array is None else np.ascontiguousarray(array, dtype)

    is_classifier = arrays.kind == "classifier"
    return _engine.CompiledProblem(
        arrays.kind,
        arrays.sizes,
        arrays.start,
        arrays.draw_seeds,
        dtype.itemsize,
        as_real(arrays.matrix),
        arrays.optimum,
        arrays.widths,
        arrays.activation == "tanh",
        as_real(arrays.train_x) if is_classifier else None,
        arrays.train_y if is_classifier else None,
        arrays.order if is_classifier else None,
        as_real(arrays.test_x) if is_classifier else None,
        arrays.test_y if is_classifier else None,
    )
